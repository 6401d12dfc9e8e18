"""What a PyTorch function does beside its value: run it twice, watching."""

from __future__ import annotations

import inspect
import math
import os
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from ..errors import ArgumentError
from .problem import Finding

PURE = "a function of x and y alone"


def look_at(
    name: str, function: Callable[..., Any], owners: Iterable[Any], evaluate: Callable[[], torch.Tensor]
) -> Iterator[Finding]:
    """What is rounded or cut inside f or g.

    Parameters
    ----------
    name : str
    function : callable
        As the user gave it: its closure and globals, and `owners`, are searched for modules.
    evaluate : callable () → tensor
        The value at one point.

    Raises
    ------
    ArgumentError
        It fails, differs from call to call, or moves a buffer of a module.
    """
    before = {key: buffer.clone() for key, buffer in _buffers(function, owners)}
    watch = Watch(name)
    try:
        with watch:
            first = evaluate()
        values = first.item(), evaluate().item()
    except ArgumentError:
        raise
    except Exception as error:
        message = str(error).splitlines()[0] if str(error) else ""
        raise ArgumentError(
            name, f"{type(error).__name__}: {message}", "a function that autograd can follow"
        ) from error
    for key, buffer in _buffers(function, owners):
        if not torch.equal(before[key], buffer):
            raise ArgumentError(
                name, f"a function that moves the buffer {key}", f"{PURE}: module.eval(), as for BatchNorm"
            )
    if values[0] != values[1] and not math.isnan(values[0]):  # of NaN a derivative will say where it is
        found = f"{values[0]:.17g} and then {values[1]:.17g} at one point"
        raise ArgumentError(name, found, f"{PURE}: module.eval(), as for Dropout, and no random numbers")
    yield from dict.fromkeys(watch.findings)
    for rule in own_rules(first):
        yield Finding(name, "own", rule)


def own_rules(value: torch.Tensor) -> list[str]:
    """The ``torch.autograd.Function`` in the graph of `value`, and nodes of C++ that are none of PyTorch's own."""
    names, seen, waiting = dict[str, None](), set[Any](), [value.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        waiting += [before for before, _ in node.next_functions]
        if isinstance(node, torch.autograd.function.BackwardCFunction):
            names[type(node).__name__.removesuffix("Backward")] = None
        elif type(node).__name__ == "CppFunction":
            names[node.name()] = None
    return list(names)


class Watch(TorchFunctionMode):
    """Notes where what depends on x or y is rounded to fewer digits, or goes on without its derivative."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name, self.findings = name, list[Finding]()

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        before = [t for t in (*args, *(kwargs or {}).values()) if _depends(t)]
        result = function(*args, **(kwargs or {}))
        if before:
            what = getattr(function, "__name__", str(function))
            if what == "__get__":  # of a property, such as .data
                what = getattr(getattr(function, "__self__", None), "__name__", what)
            widest = max((t.dtype for t in before), key=_digits)
            for out in result if isinstance(result, (tuple, list)) else (result,):
                if isinstance(out, float) or (_is_float(out) and not out.requires_grad):
                    self.findings.append(Finding(self.name, "cut", f"{what} at {_caller()}"))
                elif _is_float(out) and _digits(out.dtype) < _digits(widest):
                    types = f"{str(widest)[6:]} is rounded to {str(out.dtype)[6:]}"
                    self.findings.append(Finding(self.name, "narrow", f"{types} at {_caller()}"))
        return result


def _digits(dtype: torch.dtype) -> float:
    return -math.log10(torch.finfo(dtype).eps)


def _is_float(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.is_floating_point()


def _depends(value: Any) -> bool:
    return _is_float(value) and value.requires_grad


def _caller() -> str:
    """File and line of the innermost frame that is neither PyTorch's nor this package's."""
    theirs = (os.path.dirname(torch.__file__) + os.sep, os.path.dirname(__file__) + os.sep)
    for frame in reversed(traceback.extract_stack()):
        if not frame.filename.startswith(theirs):
            return f"{frame.filename}:{frame.lineno} ({frame.name})"
    return "an unknown line"


def _buffers(function: Callable[..., Any], owners: Iterable[Any]) -> Iterator[tuple[str, torch.Tensor]]:
    """The buffers of every module that the function can be seen to use."""
    try:
        seen = inspect.getclosurevars(function)
        captured = [*seen.nonlocals.items(), *seen.globals.items()]
    except (TypeError, ValueError):  # a callable object or a builtin
        captured = list(vars(function).items()) if hasattr(function, "__dict__") else []
    for name, value in (*captured, *(("", owner) for owner in owners)):
        if isinstance(value, torch.nn.Module):
            for key, buffer in value.named_buffers():
                yield f"{name}.{key}" if name else key, buffer
