"""SciPy's σ from compiled loops, by the address of the function in C that ``scipy.special.expit`` calls.

The error of σ is that of the exponential it calls (:mod:`.elementary`), so compiled code may take no other. That it is
the same one is not documented: it is looked at, bit by bit, once in every process, and where a bit differs there is no
address.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from ..kernels.addresses import address_in
from .elementary import expit

NAMES = {"d": ("__pyx_fuse_0expit", ctypes.c_double, "double"), "f": ("__pyx_fuse_1expit", ctypes.c_float, "float")}
SEEN = 64  # numbers at which the two are compared


@cache
def sigmoid_address(char: str) -> int:
    """Of σ for float64, "d", or float32, "f"; 0 where there is none with the bits of ``expit``."""
    from scipy.special import cython_special

    name, real, c = NAMES[char]
    address = address_in(cython_special, name, lambda signature: signature == f"{c} ({c}, int __pyx_skip_dispatch)")
    if not address:
        return 0
    function = ctypes.CFUNCTYPE(real, real, ctypes.c_int)(address)
    numbers = np.geomspace(1e-3, 80.0, SEEN // 2).astype(char)
    numbers = np.concatenate([numbers, -numbers])
    alike = [function(float(number), 0) == value for number, value in zip(numbers, expit(numbers), strict=True)]
    return address if all(alike) else 0


def _call_with_one(typing: Any, address: Any, s: Any) -> Any:
    """σ(s), by the function at `address`."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        from llvmlite import ir

        number, skip = context.get_value_type(signature.args[1]), ir.IntType(32)
        function = ir.FunctionType(number, [number, skip])
        called = builder.inttoptr(arguments[0], function.as_pointer())
        return builder.call(called, [arguments[1], ir.Constant(skip, 0)])

    return s(types.intp, s), build


sigmoid: Any = intrinsic(_call_with_one)
