"""The textbook, unchanged, in Arb balls: the first route to a trace and to the derivatives at a point.

Its arrays become object arrays of ``arb``. NumPy's own loops then add and multiply balls, and call their ``exp`` or
``sin``; what NumPy cannot do with objects stands in :class:`BallNumPy`, which takes the place of ``np`` in every module of the
textbook. The one line of data that is rounded in it, the 0.1 of the synthetic problem, is 1/10 here.

A comparison of balls holds where it holds for all their points. The textbook asks two questions that rounding decides,
whether a β is zero and whether a direction depends on another; here "zero" is below 2^(−0.4 · bits), far above the radii and
far below every number of a vector. The second route decides them exactly, or at 250 digits, and both must agree.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from lancbio_ref.oracle.balls import PrecisionError, flint
from lancbio_ref.oracle.correct import candidates
from lancbio_ref.oracle.edits import Edit, edited

from . import exact

TENTH = tuple(
    Edit(
        "problems",
        f"return -0.1 * np.sin(np.sum(self.a * x * y)) * self.a * {z}",
        f"return -np.sin(np.sum(self.a * x * y)) / 10 * self.a * {z}",
    )
    for z in ("y +", "x -")
)


def array(values: Any) -> Any:
    """Fractions as balls, in nested lists as arrays; integers, as labels are, stay integers."""
    if isinstance(values, Fraction):
        return flint.arb(exact.rational(values))
    if not isinstance(values, list):
        return values
    made = [array(value) for value in values]
    return np.array(made, dtype=None if made and isinstance(made[0], int) else object)


# -- what NumPy cannot do with objects -------------------------------------------------------------


def solve(A: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A⁻¹b, b a vector, by elimination with the largest pivot.

    Raises
    ------
    LinAlgError
        A pivot that is exactly zero: A is singular.
    PrecisionError
        One that may be.
    """
    work, n = np.column_stack([A, b]) * flint.arb(1), len(b)
    for k in range(n):
        best = max(range(k, n), key=lambda i, k=k: float(abs(work[i, k]).mid()))  # type: ignore[misc]
        work[[k, best]] = work[[best, k]]
        if work[k, k].contains(0):
            if work[k, k].is_zero():
                raise np.linalg.LinAlgError("singular")
            raise PrecisionError("a pivot that may be zero")
        for i in range(k + 1, n):
            work[i] = work[i] - work[i, k] / work[k, k] * work[k]
    x = work[:, n]
    for k in reversed(range(n)):
        x[k] = (x[k] - work[k, k + 1 : n] @ x[k + 1 :]) / work[k, k]
    return x


def eigh(A: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and orthonormal eigenvectors of a symmetric matrix by Arb's ``acb_mat.eig``.

    Raises
    ------
    ValueError
        Eigenvalues that it cannot tell apart.
    """
    values, vectors = flint.acb_mat(A.tolist()).eig(right=True)
    V = np.array([[t.real for t in row] for row in vectors.tolist()], dtype=object)
    return np.array([t.real for t in values], dtype=object), V / np.sqrt((V * V).sum(axis=0))


def svd(A: np.ndarray, full_matrices: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """U, σ and Vᵀ of a matrix of full row rank, from A Aᵀ = U diag(σ²) Uᵀ."""
    squares, U = eigh(A @ A.T)
    sizes = np.sqrt(squares)
    return U, sizes, (U.T @ A) / sizes[:, None]


def known_bounds(baselines: Any) -> None:
    """Let STABLE's projections be the identity where that is proven, if eigenvalues that coincide leave no other way."""
    raise_eigenvalues, lower_singular_values = baselines.raise_eigenvalues, baselines.lower_singular_values

    def raised(H: np.ndarray, mu: Any) -> np.ndarray:
        try:
            return raise_eigenvalues(H, mu)
        except ValueError:
            M = H - mu * np.eye(len(H), dtype=int)
            if all(flint.arb_mat(M[:k, :k].tolist()).det() > 0 for k in range(1, len(M) + 1)):  # Sylvester: H ≻ μI
                return H
            raise

    def lowered(H: np.ndarray, bound: Any) -> np.ndarray:
        try:
            return lower_singular_values(H, bound)
        except ValueError:
            if (H * H).sum() < bound * bound:  # ‖H‖₂ ≤ ‖H‖_F < C
                return H
            raise

    baselines.raise_eigenvalues, baselines.lower_singular_values = raised, lowered


class BallNumPy:
    """``np`` for arrays of balls."""

    linalg = SimpleNamespace(norm=np.linalg.norm, solve=solve, eigh=eigh, svd=svd, LinAlgError=np.linalg.LinAlgError)

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def zeros(self, shape: Any, dtype: Any = None) -> np.ndarray:
        return np.zeros(shape, object)

    def finfo(self, dtype: Any) -> Any:
        return SimpleNamespace(eps=flint.arb(2) ** -(2 * flint.ctx.prec // 5))

    def frexp(self, value: Any) -> tuple[None, int]:
        """The exponent alone."""
        man, exp = flint.arb(value).mid().man_exp()
        return None, int(exp) + int(man).bit_length()

    def ldexp(self, value: Any, exponent: int) -> Any:
        return value * flint.arb(2) ** exponent if np.ndim(value) or value else 0

    def sqrt(self, value: Any) -> Any:
        """√ of a square, whose ball may reach below zero; an exact zero is the number 0, since a ball is never false."""
        if np.ndim(value):
            return np.sqrt(value)
        root = flint.arb(value).nonnegative_part().sqrt()
        return 0 if root.is_zero() else root


@lru_cache
def modules() -> dict[str, ModuleType]:
    """The modules of the textbook by their names, ``np`` exchanged."""
    made = edited("in balls", TENTH)
    for module in made.values():
        module.np = BallNumPy()  # type: ignore[attr-defined]
    known_bounds(made["baselines"])
    return made


# -- what the recipes ask of it --------------------------------------------------------------------


def problem(name: str, data: dict[str, Any]) -> Any:
    """A problem with its derivatives, of data in Fractions, in the precision in force."""
    return modules()["problems"].FAMILIES[name](**{key: array(value) for key, value in data.items()})


def rows(case: Any) -> list[dict[str, Any]]:
    """The rows of a trace, as the textbook gives them.

    Parameters
    ----------
    case : TraceCase
    """
    run = candidates(modules())["trace"]["dense"]
    options = {key: value if isinstance(value, dict) else array(value) for key, value in case.options.items()}
    return run(
        {
            "method": case.method,
            "options": options,  # those of a schedule stay rational: they decide when, not what
            "x0": array(case.x0),
            "y0": array(case.y0),
            "v0": array(case.v0),
            "iterations": case.iterations,
            "draws": case.draws,
            "sequence": case.sequence and {key: [array(entry) for entry in case.sequence[key]] for key in "AJbc"},
            "problem": case.problem
            and {"name": case.problem[0], "data": {k: array(v) for k, v in case.problem[1].items()}},
        }
    )["rows"]
