"""The outer loops, one file a method, and their names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Literal, TypedDict

import numpy.typing as npt

from ..arguments import Reorthogonalization, as_choice, as_options
from ..errors import ArgumentError
from .amigo import AmIGOCG, AmIGOCGState, AmIGOGD, AmIGOGDState
from .base import Method, State
from .bsa import BSA, BSAState
from .choice import choose
from .f2sa import F2SA, F2SAState
from .halved import HalvedSteps
from .hjfbio import HJFBiO, HJFBiOState
from .hoag import HOAG, HOAGState
from .lancbio import LancBiO, LancBiOState, SubspaceSchedule
from .maid import MAID, MAIDState
from .recycled_newton import RecycledNewton, RecycledNewtonState
from .soba import SOBA, SOBAState
from .stable import STABLE, STABLEState
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


STATES = tuple(kind for kind in list(vars().values()) if isinstance(kind, type) and issubclass(kind, State))


class MethodOptions(TypedDict, total=False):
    """The options of all methods; which a method takes is in its own docstring."""

    step_x: float
    step_y: float
    step_v: float
    step_z: float | None
    inner_steps: int
    inverse_steps: int
    subspace: int | SubspaceSchedule
    reorthogonalization: Reorthogonalization
    decay_x: float
    decay_y: float
    decay_penalty: float
    momentum: float
    mu: float | None
    cross_norm: float | None
    penalty: float
    penalty_growth: float
    radius: float
    difference: float
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

    Raises
    ------
    ArgumentError
        An unknown name or option (the valid ones are listed), a missing option, or options beside an object.
    """
    if not isinstance(method, str):
        if not (hasattr(method, "init") and hasattr(method, "step")) or isinstance(method, type):
            raise ArgumentError("method", repr(method), "a name or a method object such as LancBiO(step_x=…, step_y=…)")
        if options:
            raise ArgumentError("options", ", ".join(options), "none beside a method object, which holds its own")
        return method
    kind = METHODS[as_choice("method", method, METHODS)]
    valid = [f.name for f in fields(kind)]
    as_options(repr(method), options, valid)
    try:
        return kind(**options)
    except TypeError as error:
        raise ArgumentError("options", str(error), f"options of {method!r}: " + ", ".join(valid)) from None
