"""The outer loops, one file a method, and their names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from typing import Any, Literal, TypedDict

import numpy.typing as npt

from ..arguments import Reorthogonalization, as_choice, as_options
from ..errors import ArgumentError
from .amigo import AmIGOCG, AmIGOCGState, AmIGOGD, AmIGOGDState
from .automatic import AUTO, OTHERS, STEPS, Automatic
from .base import Method, State
from .bsa import BSA, BSAState
from .choice import choose
from .f2sa import F2SA, F2SAState
from .halved import HalvedSteps
from .hjfbio import HJFBiO, HJFBiOState
from .hoag import HOAG, HOAGState
from .lancbio import LancBiO, LancBiOState, SubspaceSchedule
from .maid import MAID, MAIDState
from .recycled_newton import RecycledNewton
from .recycled_state import RecycledNewtonState
from .soba import SOBA, SOBAState
from .stable import STABLE, STABLEState
from .steps import Steps
from .stocbio import StocBiO, StocBiOState
from .subbio import SubBiO, SubBiOState
from .ttsa import TTSA, TTSAState

MethodName = Literal[
    "lancbio",
    "subbio",
    "amigo-cg",
    "amigo-gd",
    "soba",
    "stocbio",
    "bsa",
    "ttsa",
    "stable",
    "f2sa",
    "hjfbio",
    "hoag",
    "maid",
    "recycled-newton",
]
METHODS: dict[str, type] = {
    "lancbio": LancBiO,
    "subbio": SubBiO,
    "amigo-cg": AmIGOCG,
    "amigo-gd": AmIGOGD,
    "soba": SOBA,
    "stocbio": StocBiO,
    "bsa": BSA,
    "ttsa": TTSA,
    "stable": STABLE,
    "f2sa": F2SA,
    "hjfbio": HJFBiO,
    "hoag": HOAG,
    "maid": MAID,
    "recycled-newton": RecycledNewton,
}
DETERMINISTIC = ("hoag", "maid", "recycled-newton")  # they solve to an accuracy and find their steps: no mini-batches


Auto = Literal["auto"]
STATES = tuple(kind for kind in list(vars().values()) if isinstance(kind, type) and issubclass(kind, State))


class MethodOptions(TypedDict, total=False):
    """The options of all methods; which a method takes is in its own docstring."""

    step_x: float | Auto | None
    step_y: float | Auto | None
    step_v: float | Auto | None
    step_z: float | Auto | None
    inner_steps: int | Auto
    inverse_steps: int
    subspace: int | SubspaceSchedule | Auto
    reorthogonalization: Reorthogonalization
    decay_x: float
    decay_y: float
    decay_penalty: float
    momentum: float
    mu: float | None
    cross_norm: float | None
    penalty: float | Auto
    penalty_growth: float
    radius: float
    difference: float | Auto
    tolerance: float
    decrease: Literal["exponential", "quadratic", "cubic"]
    backtracks: int
    memory: int | None
    bounds: tuple[npt.ArrayLike, npt.ArrayLike] | None


__all__ = [
    "BSA",
    "F2SA",
    "HOAG",
    "MAID",
    "SOBA",
    "STABLE",
    "TTSA",
    "AmIGOCG",
    "AmIGOCGState",
    "AmIGOGD",
    "AmIGOGDState",
    "Automatic",
    "BSAState",
    "F2SAState",
    "HJFBiO",
    "HJFBiOState",
    "HOAGState",
    "HalvedSteps",
    "LancBiO",
    "LancBiOState",
    "MAIDState",
    "Method",
    "MethodName",
    "MethodOptions",
    "RecycledNewton",
    "RecycledNewtonState",
    "SOBAState",
    "STABLEState",
    "State",
    "Steps",
    "StocBiO",
    "StocBiOState",
    "SubBiO",
    "SubBiOState",
    "SubspaceSchedule",
    "TTSAState",
    "build",
    "choose",
    "names",
]


def names() -> tuple[str, ...]:
    """The methods that :func:`lancbio_ref.minimize` knows by name.

    Examples
    --------
    >>> from lancbio_ref import methods
    >>> methods.names()[:2], methods.names()[-1]
    (('lancbio', 'subbio'), 'recycled-newton')
    """
    return tuple(METHODS)


def build(method: str | Method[Any], options: Mapping[str, object]) -> Method[Any]:
    """The method object behind a name and its options, or a method object as it is.

    Where a step that the method cannot do without is missing, None or ``"auto"``, or any option is ``"auto"``, that is
    an :class:`~lancbio_ref.methods.automatic.Automatic` one.

    Raises
    ------
    ArgumentError
        An unknown name or option (the valid ones are listed), or options beside an object.
    """
    if not isinstance(method, str):
        if not (hasattr(method, "init") and hasattr(method, "step")) or isinstance(method, type):
            raise ArgumentError("method", repr(method), "a name or a method object such as LancBiO(step_x=…, step_y=…)")
        if options:
            raise ArgumentError("options", ", ".join(options), "none beside a method object, which holds its own")
        return method
    kind = METHODS[as_choice("method", method, METHODS)]
    known = {f.name: f for f in fields(kind)}
    as_options(repr(method), options, list(known))
    left = {name for name in (*STEPS, *OTHERS) if name in known and _is_auto(options.get(name), known[name])}
    given = {name: value for name, value in options.items() if name not in left}
    if left and hasattr(kind, "limited_by"):
        return Automatic(kind, given)
    made: Method[Any] = kind(**given)  # who finds its steps begins with its own default
    return made


def _is_auto(value: object, option: Field[Any]) -> bool:
    """Whether the option is left to its rule; None and nothing mean that of a step without a default."""
    return (isinstance(value, str) and value == AUTO) or (value is None and option.default is MISSING)
