"""Truth for the tests: exact rational arithmetic (python-flint), never a floating-point solve."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from flint import fmpq, fmpq_mat


def rational(a) -> fmpq_mat:
    """A float array as an exact rational matrix; a vector becomes a column."""
    a = np.asarray(a)
    a = a.reshape(-1, 1) if a.ndim == 1 else a
    return fmpq_mat(a.shape[0], a.shape[1], [fmpq(*map(int, float(t).as_integer_ratio())) for t in a.ravel()])


def nearest(column: fmpq_mat) -> np.ndarray:
    """The float64 vector nearest to an exact column."""
    return np.array([float(Fraction(int(column[i, 0].p), int(column[i, 0].q))) for i in range(column.nrows())])


def root(q: fmpq) -> float:
    """√q of a non-negative rational, correct to about 1e-15 whatever its size."""
    if q <= 0:
        return 0.0
    p, r = int(q.p), int(q.q)
    shift = (200 + r.bit_length() - p.bit_length()) // 2
    scaled = (p << 2 * shift) // r if shift >= 0 else p // (r << -2 * shift)
    return math.ldexp(math.isqrt(scaled), -shift)


def norm(column: fmpq_mat) -> float:
    """‖column‖₂."""
    return root((column.transpose() * column)[0, 0])


def energy_norm(column: fmpq_mat, A: fmpq_mat) -> float:
    """‖column‖_A."""
    return root((column.transpose() * A * column)[0, 0])


def relative_energy_error(A, v, b) -> float:
    """‖v − A⁻¹b‖_A/‖A⁻¹b‖_A."""
    exact_A = rational(A)
    truth = exact_A.solve(rational(b))
    size = energy_norm(truth, exact_A)
    return energy_norm(rational(v) - truth, exact_A) / size if size else norm(rational(v))


def smallest_eigenvalue_exceeds(A, mu: float) -> bool:
    """Whether λ_min(A) > mu, by the signs of the leading minors of A − mu I (Sylvester), exactly."""
    n = A.shape[0]
    shifted = rational(A)
    m = fmpq(*map(int, float(mu).as_integer_ratio()))
    for i in range(n):
        shifted[i, i] -= m
    # LDLᵀ by hand: all pivots positive
    for k in range(n):
        pivot = shifted[k, k]
        if pivot <= 0:
            return False
        for i in range(k + 1, n):
            factor = shifted[i, k] / pivot
            if factor:
                for j in range(k + 1, n):
                    shifted[i, j] -= factor * shifted[k, j]
    return True
