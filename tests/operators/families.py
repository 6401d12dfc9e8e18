"""Random operators of every structure, in mixed types and at every scale, with the exact matrices they stand for."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import scipy.sparse as sp

from lancbio_ref.operators import (
    BlockDiagonal,
    DenseOperator,
    DiagonalLowRank,
    GeneralizedLinear,
    GroupedRows,
    MultinomialCross,
    MultinomialHessian,
    ScatteredRows,
    SideBySide,
    SparseOperator,
    StackedRows,
)
from lancbio_ref.operators.stacked import LessOuterProduct
from lancbio_ref.problems.weight_cross import WeightCross
from tests.thorough import THOROUGH

DTYPES = [np.float32, np.float64]


def rational(array) -> np.ndarray:
    """An array of exact rationals."""
    array = array.toarray() if sp.issparse(array) else np.asarray(array)
    return np.vectorize(Fraction, otypes=[object])(array.astype(np.float64))


@dataclass
class Draw:
    """Numbers of one random scale an array: ordinary, subnormal, near the largest, or spread over the whole range."""

    rng: np.random.Generator
    dtypes: list
    taken: int | None = None

    def dtype(self) -> type:
        """One of the types; in make test in turn, from either: kernels are compiled for every combination of them."""
        drawn = int(self.rng.integers(len(self.dtypes)))
        if not THOROUGH:
            drawn = self.taken = drawn if self.taken is None else (self.taken + 1) % len(self.dtypes)
        return self.dtypes[drawn]

    def array(self, *shape: int, zeros: float = 0.2) -> np.ndarray:
        rng, dtype = self.rng, self.dtype()
        low, high = (-149, 127) if dtype is np.float32 else (-1074, 1023)
        scales = {
            "ordinary": (0, 3),
            "subnormal": (low + 3, 6),
            "root of underflow": (low // 2, 8),
            "root of overflow": (high // 2, 8),
            "large": (high - 4, 4),
            "wide": ((low + high) // 2, (high - low) // 2),
            "anywhere": (int(rng.integers(low, high)), 3),
        }
        base, spread = scales[rng.choice([*scales, "ordinary"])]
        exponents = np.clip(base + rng.integers(-spread, spread + 1, shape), low, high - 1)
        values = np.ldexp(rng.uniform(1, 2, shape), exponents) * rng.choice([-1, 1], shape)
        values[rng.random(shape) < zeros] = 0
        with np.errstate(over="ignore"):
            values = values.astype(dtype)
        return np.where(np.isfinite(values), values, dtype(1)).astype(dtype)

    def non_negative(self, *shape: int) -> np.ndarray:
        return np.abs(self.array(*shape))

    def probabilities(self, *shape: int) -> np.ndarray:
        """Non-negative, every row with a sum of at most 1."""
        P = np.minimum(self.non_negative(*shape), 1)
        return (P / P.dtype.type(shape[1])).astype(P.dtype)

    def size(self, most: int) -> int:
        return int(self.rng.integers(1, most + 1))


def maybe_sparse(draw: Draw, X: np.ndarray) -> Any:
    return X if draw.rng.random() < 0.5 else sp.csr_array(X)


def dense(draw: Draw):
    A = draw.array(draw.size(4), draw.size(4))
    A = np.asfortranarray(A) if draw.rng.random() < 0.5 else A
    return DenseOperator(A), rational(A)


def sparse(draw: Draw):
    A = draw.array(draw.size(4), draw.size(4), zeros=0.5)
    return SparseOperator(sp.csr_array(A)), rational(A)


def diagonal_low_rank(draw: Draw, base: bool = False):
    n, rank = draw.size(4), draw.size(6)
    d, U, s = draw.array(n), draw.array(n, rank), draw.array(rank)
    V = None if draw.rng.random() < 0.5 else draw.array(n, rank)
    B = exact_base = None
    if base:
        kind = draw.rng.integers(3)
        if kind == 2:
            X, w = draw.array(draw.size(3), n), draw.array(1)
            w = np.full(X.shape[0], w[0])
            B, exact_base = GeneralizedLinear(X, w), (rational(X).T * rational(w)) @ rational(X)
        else:
            array = draw.array(n, n)
            B, exact_base = (sp.csr_array(array) if kind else array), rational(array)
    exact = (rational(U) * rational(s)) @ rational(U if V is None else V).T
    exact = exact + np.diag(rational(d)) if n > 1 else exact + rational(d)[:, None]
    return DiagonalLowRank(d, U, s, V, B), exact if exact_base is None else exact + exact_base


def with_base(draw: Draw):
    return diagonal_low_rank(draw, base=True)


def diagonal(draw: Draw):
    d = draw.array(draw.size(4))
    return DiagonalLowRank(d), np.diag(rational(d)) if d.size > 1 else rational(d)[:, None]


def generalized_linear(draw: Draw):
    n, p = draw.size(4), draw.size(4)
    X, d, ridge = draw.array(n, p), draw.array(n), draw.array(p)
    exact = (rational(X).T * rational(d)) @ rational(X)
    exact[np.diag_indices(p)] += rational(ridge)
    X = np.asfortranarray(X) if draw.rng.random() < 0.3 else maybe_sparse(draw, X)
    return GeneralizedLinear(X, d, ridge), exact


def multinomial_hessian(draw: Draw):
    n, p, classes = draw.size(3), draw.size(2), draw.size(2)
    X, P, w = draw.array(n, p), draw.probabilities(n, classes), draw.non_negative(n)
    A = MultinomialHessian(maybe_sparse(draw, X), P, w, float(np.float32(draw.rng.choice([0.0, 1e-40, 0.5, 1e30]))))
    total = np.zeros(A.shape, object) + Fraction(0)
    total[np.diag_indices(A.shape[0])] += Fraction(float(A.ridge))
    for x, q, weight in zip(*map(rational, (X, P, w)), strict=True):
        total = total + weight * np.kron((np.diag(q) if q.size > 1 else q[:, None]) - np.outer(q, q), np.outer(x, x))
    return A, total


def multinomial_cross(draw: Draw):
    n, p, classes = draw.size(3), draw.size(2), draw.size(2)
    X, R, d = draw.array(n, p), draw.array(n, classes), draw.array(n)
    exact = np.stack([di * np.kron(r, x) for di, r, x in zip(*map(rational, (d, R, X)), strict=True)])
    return MultinomialCross(maybe_sparse(draw, X), R, d), exact


def scattered_rows(draw: Draw):
    J, exact = multinomial_cross(draw)
    rows, full = np.arange(J.shape[0]) * 2, np.zeros((2 * J.shape[0], J.shape[1]), object) + Fraction(0)
    full[rows] = exact
    return ScatteredRows(J, rows, full.shape[0]), full


def weight_cross(draw: Draw):
    E, axis = draw.array(draw.size(3), draw.size(3)), [None, 0, 1][draw.rng.integers(3)]
    J, exact = WeightCross(E, axis), rational(E)
    full = np.zeros((J.shape[0], *E.shape), object) + Fraction(0)
    for (c, j), entry in np.ndenumerate(exact):
        full[{None: 0, 0: j, 1: c}[axis], c, j] = entry
    return J, full.reshape(J.shape)


def grouped_rows(draw: Draw):
    n, m = draw.size(5), draw.size(3)
    E, block = draw.array(n), draw.rng.integers(-1, m, n)
    exact = np.zeros((m, n), object) + Fraction(0)
    for j, (k, entry) in enumerate(zip(block, rational(E), strict=True)):
        if k >= 0:
            exact[k, j] = entry
    return GroupedRows(E, block, m), exact


def _rows_of(draw: Draw, n: int):
    A = draw.array(draw.size(3), n)
    return (DenseOperator(A) if draw.rng.random() < 0.5 else SparseOperator(sp.csr_array(A))), rational(A)


def stacked_rows(draw: Draw):
    n = draw.size(3)
    parts = [_rows_of(draw, n) for _ in range(draw.size(3))]
    return StackedRows([part for part, _ in parts]), np.concatenate([exact for _, exact in parts])


def side_by_side(draw: Draw):
    m, parts = draw.size(3), []
    for _ in range(draw.size(3)):
        A = draw.array(m, draw.size(3))
        parts.append((DenseOperator(A), rational(A)))
    return SideBySide([part for part, _ in parts]), np.concatenate([exact for _, exact in parts], axis=1)


def less_outer_product(draw: Draw):
    B, exact = _rows_of(draw, draw.size(3))
    w, g = draw.array(B.shape[0]), draw.array(B.shape[1])
    return LessOuterProduct(B, w, g), exact - np.outer(rational(w), rational(g))


def block_diagonal(draw: Draw):
    parts = [FAMILIES[draw.rng.integers(3, 6)](draw) for _ in range(draw.size(3))]
    n, at = sum(A.shape[0] for A, _ in parts), 0
    total = np.zeros((n, n), object) + Fraction(0)
    for A, exact in parts:
        total[at : at + A.shape[0], at : at + A.shape[0]] = exact
        at += A.shape[0]
    return BlockDiagonal([A for A, _ in parts]), total


FAMILIES = [
    dense,
    sparse,
    diagonal,
    diagonal_low_rank,
    with_base,
    generalized_linear,
    multinomial_hessian,
    multinomial_cross,
    scattered_rows,
    weight_cross,
    grouped_rows,
    stacked_rows,
    side_by_side,
    less_outer_product,
    block_diagonal,
]
