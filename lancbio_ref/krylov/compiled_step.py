"""A step of a process, and what LancBiO makes of it, in one compiled call: `LanczosProcess.step_and_solve`."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from .. import parallel
from ..kernels import JIT
from ..kernels.compiled import NotCompiledError
from . import steps
from .lapack import address_of

if TYPE_CHECKING:
    from .process import LanczosProcess

_NOTHING = np.zeros(0)
_PLACES = {name: place for place, name in enumerate(steps.CYCLE.names or ())}  # each field has 8 bytes
_K, _REORTHOGONALIZED, _BREAKDOWN, _HAS_X, _REASON, _MODE = (
    _PLACES[name] for name in ("k", "n_reorthogonalized", "breakdown", "has_x", "reason", "mode")
)
_SCALE, _UNIT, _NORM, _U, _PTSV = (_PLACES[name] for name in ("scale", "unit", "residual_norm", "u", "ptsv"))


class _Record(threading.local):
    """The record of a call, and its numbers by their places: a field by its name costs five times as much."""

    def __init__(self) -> None:
        self.cycle = np.zeros(1, steps.CYCLE)
        self.reals, self.integers = self.cycle.view(np.float64), self.cycle.view(np.int64)
        self.addresses = self.cycle.view(np.uint64)
        self.integers[_MODE] = steps.NONE


_record = _Record()


def is_plain(process: LanczosProcess, r: np.ndarray) -> bool:
    """Whether compiled code can make a step: real, without reorthogonalization, and too short for threads."""
    alone = process.M is None and process.store and not process.watch and process.reorthogonalization == "none"
    fits = process.dtype.char in "fd" and r.dtype == process.dtype and r.flags.carray
    few = (process.k + 1) * process.n < 2 * parallel.GRAIN or parallel.threads() == 1
    return JIT and alone and fits and few


def finish(
    process: LanczosProcess, Aq: np.ndarray, r: np.ndarray, projected: np.ndarray, y: np.ndarray, dv: np.ndarray
) -> bool:
    """`steps.step_and_solve` from A q_j on; the step alone where T is not definite, nothing where Python is needed.

    Returns whether it solved T y = Qᵀr.   Writes process, projected, y and dv.
    """
    reals, integers = _record.reals, _record.integers
    integers[_K], integers[_REORTHOGONALIZED] = process.k, process.n_reorthogonalized
    reals[_SCALE], reals[_UNIT], reals[_U] = process.scale, process.unit, process.unit_roundoff
    _record.addresses[_PTSV] = address_of("dptsv")
    try:
        steps.step_and_solve(process._basis._q, process._alpha, process._beta, Aq, r, projected, y, dv, _record.cycle)
    except NotCompiledError:
        return False
    if integers[_REASON] != steps.GOES_ON:
        return False
    process.k, process.n_reorthogonalized = integers.item(_K), integers.item(_REORTHOGONALIZED)
    process.scale, process.unit, process.residual_norm = reals.item(_SCALE), reals.item(_UNIT), reals.item(_NORM)
    process.norm_A, process.breakdown = process.scale, bool(integers[_BREAKDOWN])
    process.columns.append(_NOTHING)
    return bool(integers[_HAS_X])
