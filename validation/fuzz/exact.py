"""Truth in exact rationals (python-flint): matrices behind operators, norms, definiteness. Nothing here rounds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.sparse as sp
from flint import fmpq, fmpq_mat

from lancbio_ref import operators
from lancbio_ref.problems.weight_cross import WeightCross


def number(value: Any) -> fmpq:
    """A float or an integer as the rational that it is."""
    if isinstance(value, (int, np.integer)):
        return fmpq(int(value))
    return fmpq(*float(value).as_integer_ratio())


def matrix(array: Any) -> fmpq_mat:
    """A dense or sparse array; a vector becomes a column. Entries stored twice are added in floats, as SciPy does."""
    if sp.issparse(array):
        entries = sp.csr_array(array, copy=True)
        entries.sum_duplicates()
        entries = entries.tocoo()
        found = fmpq_mat(*array.shape)
        for i, j, value in zip(entries.row.tolist(), entries.col.tolist(), entries.data, strict=True):
            found[i, j] += number(value)
        return found
    array = np.asarray(array)
    array = array.reshape(-1, 1) if array.ndim == 1 else array
    rows, columns = array.shape
    return fmpq_mat(rows, columns, [number(value) for value in array.ravel()])


def diagonal(entries: Any) -> fmpq_mat:
    entries = [value if isinstance(value, fmpq) else number(value) for value in entries]
    found = fmpq_mat(len(entries), len(entries))
    for i, value in enumerate(entries):
        found[i, i] = value
    return found


def square(column: fmpq_mat) -> fmpq:
    """‖column‖₂²."""
    return (column.transpose() * column)[0, 0]


def root(q: fmpq) -> float:
    """√q for q ≥ 0 to about 1e-15 whatever its size; inf beyond the largest float."""
    if q <= 0:
        return 0.0
    p, r = int(q.p), int(q.q)
    shift = (200 + r.bit_length() - p.bit_length()) // 2
    scaled = (p << 2 * shift) // r if shift >= 0 else p // (r << -2 * shift)
    try:
        return math.ldexp(math.isqrt(scaled), -shift)
    except OverflowError:
        return math.inf


def shifted(M: fmpq_mat, mu: fmpq) -> fmpq_mat:
    """M − mu I."""
    found = M * fmpq(1)
    for i in range(M.nrows()):
        found[i, i] -= mu
    return found


def is_definite(M: fmpq_mat, *, strict: bool = True) -> bool:
    """Whether a symmetric M is positive definite (semidefinite), by exact elimination.

    A zero pivot of a semidefinite matrix has a row of zeros; nothing is left to eliminate with it.
    """
    rows = M.tolist()
    n = len(rows)
    for k in range(n):
        pivot = rows[k][k]
        if pivot < 0 or (strict and pivot == 0):
            return False
        if pivot == 0:
            if any(rows[k][j] != 0 for j in range(k + 1, n)):
                return False
            continue
        for i in range(k + 1, n):
            if rows[i][k] != 0:
                factor = rows[i][k] / pivot
                for j in range(k + 1, n):
                    rows[i][j] -= factor * rows[k][j]
    return True


def is_symmetric(M: fmpq_mat) -> bool:
    return M.transpose() == M


def exceeds_norm(bound: float, M: fmpq_mat) -> bool:
    """Whether bound ≥ ‖M‖₂: whether bound² I − M Mᵀ (or MᵀM, the smaller) is semidefinite."""
    if bound == math.inf:
        return True
    gram = M * M.transpose() if M.nrows() <= M.ncols() else M.transpose() * M
    return is_definite(shifted(-1 * gram, -(number(bound) ** 2)), strict=False)


def approximate(M: fmpq_mat) -> tuple[np.ndarray, int]:
    """(float array, e) with M ≈ array · 2^e and entries of at most about 1: for drawing and for quantiles only."""
    entries = M.entries()
    largest = max((abs(value) for value in entries), default=fmpq(0))
    if largest == 0:
        return np.zeros((M.nrows(), M.ncols())), 0
    exponent = int(largest.p).bit_length() - int(largest.q).bit_length()
    factor = fmpq(1, 1 << exponent) if exponent >= 0 else fmpq(1 << -exponent)
    scaled = [value * factor for value in entries]
    values = [int(value.p * (1 << 120) // value.q) * 2.0**-120 for value in scaled]
    return np.array(values).reshape(M.nrows(), M.ncols()), exponent


def of_operator(A: Any) -> fmpq_mat:
    """The matrix that an operator of the package stands for, from the numbers that it holds."""
    while isinstance(A, operators.CheckedOperator):
        A = A.inner
    if isinstance(A, (operators.DenseOperator, operators.SparseOperator)):
        return matrix(A.A)
    if isinstance(A, operators.DiagonalLowRank):
        found = diagonal(A.d)
        if A.s.size:
            found += matrix(A.U) * diagonal(A.s) * matrix(A.V).transpose()
        return found if A.base is None else found + of_operator(A.base)
    if isinstance(A, operators.GeneralizedLinear):
        X = matrix(A.X)
        return X.transpose() * diagonal(A.d) * X + diagonal(A.ridge)
    if isinstance(A, operators.MultinomialHessian):
        return _multinomial_hessian(A)
    if isinstance(A, operators.MultinomialCross):
        return _multinomial_cross(A)
    if isinstance(A, operators.ScatteredRows):
        inner, found = of_operator(A.inner), fmpq_mat(*A.shape)
        for i, row in enumerate(A.rows.tolist()):
            for j in range(A.shape[1]):
                found[row, j] = inner[i, j]
        return found
    if isinstance(A, WeightCross):
        return _weight_cross(A)
    raise TypeError(type(A).__name__)


def _multinomial_hessian(A: Any) -> fmpq_mat:
    """Σ_i w_i (diag p_i − p_i p_iᵀ) ⊗ x_i x_iᵀ + λI."""
    X, P = matrix(A.design.X).tolist(), matrix(A.P).tolist()
    C, p = A.P.shape[1], A.design.shape[1]
    found = diagonal([number(A.ridge)] * (C * p))
    for x, q, w in zip(X, P, map(number, A.w.ravel()), strict=True):
        for a in range(C):
            for b in range(C):
                weight = w * ((q[a] if a == b else 0) - q[a] * q[b])
                if weight != 0:
                    for i in range(p):
                        for j in range(p):
                            found[a * p + i, b * p + j] += weight * x[i] * x[j]
    return found


def _multinomial_cross(A: Any) -> fmpq_mat:
    """Row i is d_i r_i ⊗ x_i."""
    X, R, d = matrix(A.design.X).tolist(), matrix(A.R).tolist(), [number(t) for t in A.d]
    return fmpq_mat([[e * s * t for s in r for t in x] for x, r, e in zip(X, R, d, strict=True)])


def _weight_cross(A: Any) -> fmpq_mat:
    C, p = A.E.shape
    found = fmpq_mat(*A.shape)
    for c in range(C):
        for j in range(p):
            k = {None: 0, 0: j, 1: c}[A.axis]
            found[k, c * p + j] = number(A.E[c, j])
    return found
