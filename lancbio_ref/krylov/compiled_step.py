"""A step of a process, and what LancBiO makes of it, in one compiled call: `LanczosProcess.step_and_solve`."""

from __future__ import annotations

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
    try:
        made, solved, scale, unit, size, breakdown = steps.step_and_solve(
            process._basis._q,
            process._alpha,
            process._beta,
            Aq,
            r,
            projected,
            y,
            dv,
            process.k,
            process.scale,
            process.unit,
            process.unit_roundoff,
            address_of("dptsv"),
        )
    except NotCompiledError:
        return False
    if not made:
        return False
    process.k += 1
    process.scale = process.norm_A = scale
    process.unit, process.residual_norm, process.breakdown = unit, size, breakdown
    process.columns.append(_NOTHING)
    return solved
