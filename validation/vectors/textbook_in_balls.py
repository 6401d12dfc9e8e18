"""The textbook, unchanged, in Arb balls: the first route to a trace and to the derivatives at a point.

Its arrays become object arrays of ``arb``. NumPy's own loops then add and multiply balls, and call their ``exp`` or
``sin``; what NumPy cannot do with objects stands in :class:`BallNumPy`, which takes the place of ``np`` in every module
of the textbook. The one number in it that is rounded, the 0.1 of the synthetic problem, is 1/10 here.

A comparison of balls holds where it holds for all their points. What the textbook asks of rounding (is β zero, does a
direction depend on another?) has the unit u = 2^(−0.4 · bits) here: far above the radii, far below the numbers of a
vector. The second route decides the same exactly, or at 250 digits, and both must agree.
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
        "problems", f"-0.1 * np.sin(np.sum(self.a * x * y)) * {rest}", f"-np.sin(np.sum(self.a * x * y)) / 10 * {rest}"
    )
    for rest in ("self.a * y", "self.a * x")
)


@lru_cache
def modules() -> dict[str, ModuleType]:
    """The modules of the textbook by their names, ``np`` exchanged."""
    made = edited("in balls", TENTH)
    for module in made.values():
        module.np = BallNumPy()  # type: ignore[attr-defined]
    _leave_out_projections(made["baselines"])
    return made


def answer(level: str, name: str, case: dict[str, Any]) -> dict[str, Any]:
    """What the textbook answers to a case, its floats or Fractions taken for what they are."""
    return candidates(modules())[level][name](in_balls(case))


def problem(name: str, data: dict[str, Any]) -> Any:
    """A problem of the textbook, of data in Fractions."""
    return modules()["problems"].problem_of({"problem": {"name": name, "data": in_balls(data)}})


def in_balls(value: Any) -> Any:
    """Floats and Fractions as balls, in lists and arrays as object arrays; integers stay, labels being such."""
    if isinstance(value, (float, Fraction)):
        return flint.arb(exact.rational(value))
    if isinstance(value, dict):  # a schedule says when, not what, and math.ceil takes no ball
        return {key: entry if key == "subspace" else in_balls(entry) for key, entry in value.items()}
    if isinstance(value, (list, np.ndarray)):
        entries = [in_balls(entry) for entry in (value.tolist() if isinstance(value, np.ndarray) else value)]
        return np.array(entries, dtype=None if all(isinstance(entry, int) for entry in entries) else object)
    return value


# -- what NumPy cannot do with objects -------------------------------------------------------------


class BallNumPy:
    """``np`` for arrays of balls."""

    def __init__(self) -> None:
        self.linalg = SimpleNamespace(
            norm=np.linalg.norm, solve=solve, cholesky=cholesky, eigh=eigh, svd=svd, LinAlgError=np.linalg.LinAlgError
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def zeros(self, shape: Any, dtype: Any = None) -> np.ndarray:
        return np.zeros(shape, object)

    def finfo(self, dtype: Any) -> Any:
        return SimpleNamespace(eps=flint.arb(2) ** -(2 * flint.ctx.prec // 5))

    def isfinite(self, values: np.ndarray) -> np.ndarray:
        return np.array([flint.arb(t).is_finite() for t in values.ravel()]).reshape(values.shape)

    def frexp(self, value: Any) -> tuple[None, int]:
        """The exponent alone."""
        man, exp = flint.arb(value).mid().man_exp()
        return None, int(exp) + int(man).bit_length()

    def ldexp(self, value: Any, exponent: int) -> Any:
        return value * flint.arb(2) ** exponent if np.ndim(value) or value else 0

    def sqrt(self, value: Any) -> Any:
        """√ of squares, whose balls may reach below 0; an exact zero is the number 0, since no ball is false."""
        if np.ndim(value):
            return np.sqrt(value)
        root = flint.arb(value).nonnegative_part().sqrt()
        return 0 if root.is_zero() else root

    def hypot(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.array([self.sqrt(s * s + t * t) for s, t in zip(a, b, strict=True)], dtype=object)


def solve(A: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A⁻¹b by elimination with the largest pivot; b is one column or several.

    Raises
    ------
    LinAlgError
        A pivot is exactly zero: A is singular.
    PrecisionError
        It may be.
    """
    work, n = np.column_stack([A, b]) * flint.arb(1), len(b)
    for k in range(n):
        best = max(range(k, n), key=lambda i, k=k: float(abs(work[i, k]).mid()))  # type: ignore[misc]
        work[[k, best]] = work[[best, k]]
        if work[k, k].is_zero():
            raise np.linalg.LinAlgError("singular")
        if work[k, k].contains(0):
            raise PrecisionError("a pivot that may be zero")
        for i in range(k + 1, n):
            work[i] = work[i] - work[i, k] / work[k, k] * work[k]
    x = work[:, n:]
    for k in reversed(range(n)):
        x[k] = (x[k] - work[k, k + 1 : n] @ x[k + 1 :]) / work[k, k]
    return x.reshape(b.shape)


def cholesky(A: np.ndarray) -> np.ndarray:
    """L with A = L Lᵀ; LinAlgError unless A is proven positive definite."""
    n = len(A)
    L = np.zeros((n, n), object)
    for j in range(n):
        pivot = A[j, j] - L[j, :j] @ L[j, :j]
        if not pivot > 0:
            raise np.linalg.LinAlgError("not positive definite")
        L[j, j] = flint.arb(pivot).sqrt()
        L[j + 1 :, j] = (A[j + 1 :, j] - L[j + 1 :, :j] @ L[j, :j]) / L[j, j]
    return L


def eigh(A: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and orthonormal eigenvectors of a symmetric A; ValueError where eigenvalues are not told apart."""
    values, vectors = flint.acb_mat(A.tolist()).eig(right=True)
    V = np.array([[t.real for t in row] for row in vectors.tolist()], dtype=object)
    return np.array([t.real for t in values], dtype=object), V / np.sqrt((V * V).sum(axis=0))


def svd(A: np.ndarray, full_matrices: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """U, σ and Vᵀ of a matrix of full row rank, from A Aᵀ = U diag(σ²) Uᵀ."""
    squares, U = eigh(A @ A.T)
    sizes = np.sqrt(squares)
    return U, sizes, (U.T @ A) / sizes[:, None]


def _leave_out_projections(baselines: Any) -> None:
    """Where eigenvalues coincide, let STABLE's projections return what they are proven not to change."""
    raise_eigenvalues, lower_singular_values = baselines.raise_eigenvalues, baselines.lower_singular_values

    def raised(H: np.ndarray, mu: Any) -> np.ndarray:
        try:
            return raise_eigenvalues(H, mu)
        except ValueError:
            cholesky(H - mu * np.eye(len(H), dtype=int))  # λ_min(H) > μ
            return H

    def lowered(H: np.ndarray, bound: Any) -> np.ndarray:
        try:
            return lower_singular_values(H, bound)
        except ValueError:
            if not (H * H).sum() < bound * bound:  # ‖H‖₂ ≤ ‖H‖_F < C
                raise
            return H

    baselines.raise_eigenvalues, baselines.lower_singular_values = raised, lowered
