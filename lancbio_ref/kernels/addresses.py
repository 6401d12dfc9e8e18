"""C functions that extension modules lend to compiled code: their addresses, which differ from process to process."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from types import ModuleType


def address_in(module: ModuleType, name: str, fits: Callable[[str], bool]) -> int:
    """Of the C function that a module of Cython's has under this name; 0 where there is none whose signature `fits`."""
    capsule = getattr(module, "__pyx_capi__", {}).get(name)
    if capsule is None:
        return 0
    python = ctypes.pythonapi
    python.PyCapsule_GetName.restype, python.PyCapsule_GetName.argtypes = ctypes.c_char_p, [ctypes.py_object]
    python.PyCapsule_GetPointer.restype = ctypes.c_void_p
    python.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    signature = python.PyCapsule_GetName(capsule)
    if signature is None or not fits(signature.decode()):
        return 0
    return python.PyCapsule_GetPointer(capsule, signature) or 0
