"""What a PyTorch function does beside its value: run it twice, watching."""

from __future__ import annotations

import inspect
import math
import os
import traceback
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import torch
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode

from ..errors import ArgumentError
from .problem import Finding
from .verification import nudged

PURE = "a function of x and y alone"


def look_at(
    name: str,
    function: Callable[..., Any],
    owners: Iterable[Any],
    evaluate: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    x: torch.Tensor,
    y: torch.Tensor,
) -> Iterator[Finding]:
    """What is rounded or cut inside f or g.

    Parameters
    ----------
    name : str
    function : callable
        As the user gave it: its closure and globals, and `owners`, are searched for modules.
    evaluate : callable (x, y) → tensor
    x, y : torch.Tensor
        The point, of vectors that ask for a gradient.

    Raises
    ------
    ArgumentError
        It fails, differs from call to call, moves a buffer of a module, or has nothing of y in its graph.
    """
    buffers = {buffer: (key, buffer.clone()) for key, buffer in _buffers(function, owners)}
    watch = Watch(name)
    called = register_module_forward_pre_hook(partial(_noted, buffers))  # also modules behind other functions
    try:
        with watch:
            first = evaluate(x, y)
        values = _twice(evaluate, x, y) or (first.item(), evaluate(x, y).item())
    except ArgumentError:
        raise
    except Exception as error:
        message = str(error).splitlines()[0] if str(error) else ""
        raise ArgumentError(
            name, f"{type(error).__name__}: {message}", "a function that autograd can follow"
        ) from error
    finally:
        called.remove()
    for buffer, (key, before) in buffers.items():
        if not torch.equal(before, buffer):
            raise ArgumentError(
                name, f"a function that moves the buffer {key}", f"{PURE}: module.eval(), as for BatchNorm"
            )
    if values[0] != values[1] and not math.isnan(values[0]):  # of NaN a derivative will say where it is
        found = f"{values[0]:.17g} and then {values[1]:.17g} at one point"
        raise ArgumentError(name, found, f"{PURE}: module.eval(), as for Dropout, and no random numbers")
    _require_y(name, first, x, y)
    yield from dict.fromkeys(watch.findings)
    for rule in own_rules(first):
        yield Finding(name, "own", rule)


def _noted(buffers: dict[torch.Tensor, tuple[str, torch.Tensor]], module: torch.nn.Module, _: Any) -> None:
    """The buffers of a module that is about to be called, as they were when it first was."""
    for key, buffer in module.named_buffers(recurse=False):
        buffers.setdefault(buffer, (f"{type(module).__name__}.{key}", buffer.clone()))


def _twice(evaluate: Callable[..., torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> tuple[float, float] | None:
    """Two values near (x, y), where no zero hides what changes; None where there is none."""
    near = [torch.from_numpy(nudged(z.detach().numpy(), seed)).requires_grad_() for seed, z in ((1, x), (2, y))]
    try:
        values = evaluate(*near).item(), evaluate(*near).item()
    except Exception:  # whatever a function says outside of its domain
        return None
    return values if all(map(math.isfinite, values)) else None


def _require_y(name: str, value: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> None:
    """:class:`ArgumentError` of a g without y, and of an f that has parameters of a module in y's place."""
    variables = {id(node.variable): node.variable for node in _nodes(value) if hasattr(node, "variable")}
    others = variables.keys() - {id(x), id(y)}
    if id(y) not in variables and (name == "g" or others):
        found = "a function whose graph has nothing of y" + ", but captured parameters" * bool(others)
        raise ArgumentError(
            name,
            found,
            "one of y: torch.func.functional_call(module, y, inputs), and no copy of y into a module",
        )


def own_rules(value: torch.Tensor) -> list[str]:
    """The ``torch.autograd.Function`` in the graph of `value`, and nodes of C++ that are none of PyTorch's own."""
    names = dict[str, None]()
    for node in _nodes(value):
        if isinstance(node, torch.autograd.function.BackwardCFunction):
            names[type(node).__name__.removesuffix("Backward")] = None
        elif type(node).__name__ == "CppFunction":
            names[node.name()] = None
    return list(names)


def _nodes(value: torch.Tensor) -> Iterator[Any]:
    """Those of its graph, each once."""
    seen, waiting = set[Any](), [value.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        waiting += [before for before, _ in node.next_functions]
        yield node


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
