"""Faults of the solution with T, T = L D Lᵀ: what a first program of it gets wrong."""

from __future__ import annotations

from .base import Fault
from .solve_edits import LANCZOS, cg

REMEDY = "d_{i+1} = α_{i+1} − l_i β_i, z_{i+1} = r_{i+1} − l_i z_i, then divide by d, then x_i = z_i/d_i − l_i x_{i+1}"


def _tridiagonal(id: str, title: str, symptom: str, cause: str, correct: str, wrong: str) -> Fault:
    return Fault(id, title, "solve", symptom, cause, REMEDY, (cg(correct, wrong),), LANCZOS)


FAULTS = (
    _tridiagonal(
        "S30",
        "the pivots of T lose l_i once instead of l_i β_i",
        "right where T is diagonal or has β = 1, wrong elsewhere",
        "the multiplier is subtracted from the diagonal, without the entry that it multiplies",
        "alpha[i + 1] - factor * beta[i]",
        "alpha[i + 1] - factor",
    ),
    _tridiagonal(
        "S31",
        "the pivots of T gain what they should lose",
        "right where T is diagonal; elsewhere v is that of a larger matrix",
        "d_{i+1} = α_{i+1} + l_i β_i",
        "alpha[i + 1] - factor * beta[i]",
        "alpha[i + 1] + factor * beta[i]",
    ),
    _tridiagonal(
        "S32",
        "the back substitution with Lᵀ adds",
        "the last entry in the Lanczos basis is right, all others are wrong",
        "x_i + l_i x_{i+1} for x_i − l_i x_{i+1}",
        "x[i] = x[i] - beta[i] / pivots[i] * x[i + 1]",
        "x[i] = x[i] + beta[i] / pivots[i] * x[i + 1]",
    ),
    _tridiagonal(
        "S33",
        "there is no back substitution with Lᵀ",
        "the last entry in the Lanczos basis is right, all others are wrong",
        "the program ends after L and D",
        "for i in reversed(range(len(x) - 1)):",
        "for i in range(0):",
    ),
    _tridiagonal(
        "S34",
        "the division by the pivots is left out",
        "wrong for nearly every A, also for A = aI: each entry of z lacks its pivot, and pivots are seldom 1",
        "T = L Lᵀ is assumed, or D forgotten",
        "x = x / pivots",
        "x = x / 1",
    ),
    _tridiagonal(
        "S35",
        "the forward substitution with L is left out",
        "right where T is diagonal; elsewhere the first entry alone went into z",
        "r is divided by D and goes through Lᵀ only",
        "x[i + 1] = r[i + 1] - factor * x[i]",
        "x[i + 1] = r[i + 1]",
    ),
)
