"""Inputs that hurt: extreme scales, subnormals, powers of two, cancellation, ties, duplicates, zeros, integers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

TYPES = (np.float64, np.float32)
LOWEST, HIGHEST = {"d": -1074, "f": -149}, {"d": 1000, "f": 120}  # exponents of what is drawn
STYLES = ("normal", "integers", "powers", "scaled", "extreme", "subnormal", "cancel", "ties")
MILD = (0.42, 0.14, 0.10, 0.14, 0.03, 0.03, 0.07, 0.07)
WILD = (0.15, 0.08, 0.10, 0.25, 0.17, 0.09, 0.09, 0.07)


class Source(np.random.Generator):
    """Random numbers of one case, and the types that it mixes: a third is float64 alone, a tenth float32 alone."""

    types: Sequence[type] = TYPES

    @classmethod
    def of(cls, *seeds: int) -> Source:
        r = cls(np.random.PCG64(seeds))
        r.types = one_of(r, (TYPES[:1], TYPES[1:], TYPES), (0.34, 0.1, 0.56))
        return r


def one_of(r: Source, options: Sequence[Any], p: Sequence[float] | None = None) -> Any:
    """One of the options, themselves: `Generator.choice` would make arrays of them."""
    return options[int(r.choice(len(options), p=p))]


def chance(r: Source, p: float) -> bool:
    return bool(r.random() < p)


def size(r: Source, most: int = 6) -> int:
    """1 … most, with 1 more often than the others."""
    return 1 if chance(r, 0.1) else int(r.integers(1, most + 1))


def dtype(r: Source) -> np.dtype:
    """One of the types of this case."""
    return np.dtype(one_of(r, r.types))


def array(r: Source, shape: Any, kind: np.dtype, *, wild: bool = False, style: str | None = None) -> np.ndarray:
    """Finite numbers of this type and shape."""
    style = one_of(r, STYLES, WILD if wild else MILD) if style is None else style
    low, high = LOWEST[kind.char], HIGHEST[kind.char]
    normal = r.standard_normal(shape)
    if style == "integers":
        values = r.integers(-4, 5, shape).astype(float)
    elif style == "powers":
        values = np.sign(normal) * np.ldexp(1.0, r.integers(-8, 9, shape))
    elif style == "scaled":
        values = np.ldexp(normal, int(r.integers(3 * low // 4, 3 * high // 4)))
    elif style == "extreme":
        values = np.ldexp(normal, r.integers(low, high, shape))
    elif style == "subnormal":
        values = r.integers(-50, 51, shape) * 2.0**low
    elif style == "cancel":
        values = r.choice([1.0, -1.0], shape) * r.choice([1.0, 1 / 3, 2.0**24, 2.0**24 - 1, 1e16, 1e-16], shape)
    elif style == "ties":
        values = np.full(shape, r.standard_normal() * 2.0 ** int(r.integers(-10, 11)))
    else:
        values = normal
    values = np.asarray(values).astype(kind)
    values = np.where(np.isfinite(values), values, np.ones((), kind)).astype(kind)
    return _patterned(r, values)


def _patterned(r: Source, values: np.ndarray) -> np.ndarray:
    """Now and then with zero or repeated rows and columns, or mostly zeros."""
    what = r.random()
    if what < 0.05:
        values[int(r.integers(values.shape[0]))] = 0
    elif what < 0.10 and values.ndim == 2:
        values[:, int(r.integers(values.shape[1]))] = 0
    elif what < 0.15:
        values[int(r.integers(values.shape[0]))] = values[0]
    elif what < 0.20 and values.ndim == 2:
        values[:, int(r.integers(values.shape[1]))] = values[:, 0]
    elif what < 0.25:
        values[r.random(values.shape) < 0.6] = 0
    elif what < 0.26:
        values[:] = 0
    return values


def symmetric(r: Source, n: int, kind: np.dtype, *, definite: float = 0.9) -> np.ndarray:
    """A symmetric matrix, definite with about this probability; the truth decides whether it is."""
    name = one_of(r, ("spectrum", "diagonal", "gram", "graded", "hair", "arrow", "identity"), _SHAPES)
    kappa = 10.0 ** r.uniform(0, 12)
    if name == "spectrum" or n == 1:
        values = np.geomspace(1 / kappa, 1, n)
        if chance(r, 0.3):
            values = r.choice(values, n)
        A = values[None, :1] * np.eye(n) if np.ptp(values) == 0 else _rotated(r, values)
    elif name == "diagonal":
        A = np.diag(np.abs(array(r, n, kind, wild=True)).astype(float))
    elif name == "gram":
        R = r.integers(-4, 5, (n, n)).astype(float)
        A = R @ R.T + np.eye(n)
    elif name == "graded":
        R = r.integers(-3, 4, (n, n)).astype(float)
        scales = np.ldexp(1.0, r.integers(-12, 13, n))
        A = (R @ R.T + np.eye(n)) * scales[:, None] * scales
    elif name == "hair":
        A = np.ones((n, n)) + np.diag(2.0 ** -r.integers(1, 52, n).astype(float))
    elif name == "arrow":
        A = np.diag(r.uniform(1, 2, n))
        A[0, 1:] = A[1:, 0] = r.uniform(-0.9, 0.9, n - 1) / n
    else:
        A = np.eye(n) * r.choice([1.0, 3.0, 0.1])
    if not chance(r, definite):
        A = A - np.eye(n) * float(r.choice([0.5, 1.0, 1e-3]) * A.max())
    A = np.ldexp(A, _exponent(r, kind)).astype(kind)
    A = np.where(np.isfinite(A), A, np.ones((), kind)).astype(kind)
    return np.tril(A) + np.tril(A, -1).T


_SHAPES = (0.32, 0.12, 0.14, 0.12, 0.12, 0.1, 0.08)


def _rotated(r: Source, values: np.ndarray) -> np.ndarray:
    Q = np.linalg.qr(r.standard_normal((values.size, values.size)))[0]
    A = (Q * values) @ Q.T
    return np.tril(A) + np.tril(A, -1).T


def _exponent(r: Source, kind: np.dtype) -> int:
    """0 mostly, else anything that the type has."""
    if chance(r, 0.65):
        return 0
    if chance(r, 0.5):
        return int(r.integers(-30, 31))
    return int(r.integers(LOWEST[kind.char] // 2, HIGHEST[kind.char]))


def faint(r: Source, n: int, kind: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """A diagonal or nearly diagonal A of very different rows, and a b so small that the answer's digits underflow."""
    A = np.diag(np.ldexp(1.0, r.integers(0, 55, n)))
    if n > 1 and chance(r, 0.3):
        A[0, 1] = A[1, 0] = r.uniform(-0.5, 0.5)
    b = np.ldexp(r.standard_normal(n), LOWEST[kind.char] + r.integers(5, 60, n))
    return A.astype(kind), b.astype(kind)


def layout(r: Source, values: np.ndarray, *, sparse: float = 0.25, integers: float = 0.0) -> Any:
    """The same numbers in C or Fortran order, as CSR, with entries stored twice; or large integers in their place."""
    if chance(r, integers):
        return r.integers(-(2**60), 2**60, values.shape)
    if chance(r, sparse):
        found = sp.csr_array(values)
        if found.nnz and chance(r, 0.2) and (found.data / 2 * 2 == found.data).all():  # every entry twice, as halves
            data, indices = np.repeat(found.data / 2, 2).astype(found.dtype), np.repeat(found.indices, 2)
            return sp.csr_array((data, indices, 2 * found.indptr), shape=found.shape)
        return found
    return np.asfortranarray(values) if chance(r, 0.4) else values
