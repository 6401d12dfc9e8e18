"""Operators put together: one above the other, side by side, and less an outer product."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError
from ..rounding import ROUND_UP, gamma, nan_to_infinity, rounding_factor, unit_roundoff, upper_norm2, upper_product
from .base import StructuredOperator


def _same(parts: Sequence[StructuredOperator], axis: int) -> tuple[StructuredOperator, ...]:
    sizes = {part.shape[axis] for part in parts}
    if len(sizes) != 1:
        raise ArgumentError("parts", f"shapes {[part.shape for part in parts]}", f"one length along axis {axis}")
    return tuple(parts)


def _root_of_squares(bounds: Sequence[float]) -> float:
    """√Σ b_i², rounded up."""
    largest = max(bounds)
    if not 0 < largest < math.inf:
        return largest
    return math.sqrt(math.fsum((bound / largest) ** 2 for bound in bounds)) * largest * ROUND_UP


class StackedRows(StructuredOperator):
    """The rows of several operators, one above the other: (J_1 v, J_2 v, …).

    Parameters
    ----------
    parts : sequence of StructuredOperator, shapes (m_i, n)

    Notes
    -----
    Each part rounds as it does alone, so the factor is the largest of theirs; ‖J‖² ≤ Σ ‖J_i‖². In Jᵀu, Σ J_iᵀu_i, as
    many additions follow as there are parts.

    Examples
    --------
    >>> from lancbio_ref.operators import DenseOperator, StackedRows
    >>> StackedRows([DenseOperator([[1.0, 2.0]]), DenseOperator([[3.0, 4.0]])]).toarray()
    array([[1., 2.],
           [3., 4.]])
    """

    _settled = ("parts", "terms")

    def __init__(self, parts: Sequence[StructuredOperator]) -> None:
        self.parts = _same(parts, 1)
        rows = sum(part.shape[0] for part in parts)
        super().__init__(np.result_type(*(part.dtype for part in parts)), (rows, parts[0].shape[1]))
        self.terms = max(part.terms for part in parts)
        self._cuts = np.cumsum([part.shape[0] for part in parts])[:-1]

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        v = v.astype(self.result_type(v.dtype), copy=False)
        return np.concatenate([part._matvec(v) for part in self.parts])

    def _rmatvec(self, u: np.ndarray) -> np.ndarray:
        u = u.astype(self.result_type(u.dtype), copy=False)
        pieces = np.split(u, self._cuts)
        return sum_of([part._rmatvec(piece) for part, piece in zip(self.parts, pieces, strict=True)])

    def abs_product(self, v: np.ndarray) -> np.ndarray:
        return np.concatenate([part.abs_product(v) for part in self.parts])

    def abs_adjoint_product(self, u: np.ndarray) -> np.ndarray:
        pieces = np.split(u, self._cuts)
        return sum_of([part.abs_adjoint_product(piece) for part, piece in zip(self.parts, pieces, strict=True)])

    def product_factor(self, dtype: npt.DTypeLike) -> float:
        result = self.result_type(dtype)
        return max(part.product_factor(result) for part in self.parts)

    def adjoint_factor(self, dtype: npt.DTypeLike) -> float:
        result = self.result_type(dtype)
        largest = max(part.adjoint_factor(result) for part in self.parts)
        return then_added(largest, len(self.parts), unit_roundoff(result))

    def norm_bound(self) -> float:
        return _root_of_squares([part.norm_bound() for part in self.parts])


class SideBySide(StructuredOperator):
    """J v = Σ_k J_k v_k for v = (v_1, v_2, …): what one x does to several lower levels.

    Parameters
    ----------
    parts : sequence of StructuredOperator, shapes (m, n_k)

    Notes
    -----
    After its own sum each term goes through as many additions as there are parts; ‖J‖² ≤ Σ ‖J_k‖².

    Examples
    --------
    >>> from lancbio_ref.operators import DenseOperator, SideBySide
    >>> SideBySide([DenseOperator([[1.0], [2.0]]), DenseOperator([[3.0], [4.0]])]).toarray()
    array([[1., 3.],
           [2., 4.]])
    """

    _settled = ("parts", "terms")

    def __init__(self, parts: Sequence[StructuredOperator]) -> None:
        self.parts = _same(parts, 0)
        columns = sum(part.shape[1] for part in parts)
        super().__init__(np.result_type(*(part.dtype for part in parts)), (parts[0].shape[0], columns))
        self.terms = max(part.terms for part in parts) + len(parts) + 1
        self._cuts = np.cumsum([part.shape[1] for part in parts])[:-1]

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        v = v.astype(self.result_type(v.dtype), copy=False)
        return sum_of(self._each(lambda part, piece: part._matvec(piece), np.split(v, self._cuts)))

    def _rmatvec(self, u: np.ndarray) -> np.ndarray:
        u = u.astype(self.result_type(u.dtype), copy=False)
        return np.concatenate(self._each(lambda part: part._rmatvec(u)))

    def abs_product(self, v: np.ndarray) -> np.ndarray:
        return sum_of(self._each(lambda part, piece: part.abs_product(piece), np.split(v, self._cuts)))

    def abs_adjoint_product(self, u: np.ndarray) -> np.ndarray:
        return np.concatenate(self._each(lambda part: part.abs_adjoint_product(u)))

    def _each(self, function: Callable[..., Any], *columns: Sequence[Any]) -> list[Any]:
        """``function(part, *row)`` of every part, and its row of the columns."""
        return [function(*row) for row in zip(self.parts, *columns, strict=True)]

    def product_factor(self, dtype: npt.DTypeLike) -> float:
        result = self.result_type(dtype)
        largest = max(part.product_factor(result) for part in self.parts)
        return then_added(largest, len(self.parts), unit_roundoff(result))

    def adjoint_factor(self, dtype: npt.DTypeLike) -> float:
        result = self.result_type(dtype)
        return max(part.adjoint_factor(result) for part in self.parts)

    def norm_bound(self) -> float:
        return _root_of_squares(self._each(lambda part: part.norm_bound()))


class LessOuterProduct(StructuredOperator):
    """J v = B v − w (g·v): the derivative of weights that sum to one, where B is that of weights alone.

    Parameters
    ----------
    B : StructuredOperator, shape (m, n)
    w : ndarray, shape (m,)
    g : ndarray, shape (n,)

    Notes
    -----
    g·v is summed in float64 and enters the difference in the type of the result: n + 3 roundings, of which 4 are in
    that type. An underflow in w (g·v) is the mη that every certificate adds.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref.operators import DenseOperator
    >>> from lancbio_ref.operators.stacked import LessOuterProduct
    >>> LessOuterProduct(DenseOperator([[1.0, 2.0]]), np.array([0.5]), np.array([1.0, 1.0])).toarray()
    array([[0.5, 1.5]])
    """

    _settled = ("B", "w", "g", "terms")

    def __init__(self, B: StructuredOperator, w: np.ndarray, g: np.ndarray) -> None:
        self.B, self.w, self.g = B, w, g
        super().__init__(np.result_type(B.dtype, w, g), (B.shape[0], B.shape[1]))
        self.terms = max(B.terms, g.size) + 6

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        v = v.astype(self.result_type(v.dtype), copy=False)
        along = v.dtype.type(_wide_dot(self.g, v))
        return self.B._matvec(v) - self.w * along

    def _rmatvec(self, u: np.ndarray) -> np.ndarray:
        u = u.astype(self.result_type(u.dtype), copy=False)
        along = u.dtype.type(_wide_dot(self.w, u))
        return self.B._rmatvec(u) - self.g * along

    def abs_product(self, v: np.ndarray) -> np.ndarray:
        return self._absolute(self.B.abs_product(v), self.w, self.g, v)

    def abs_adjoint_product(self, u: np.ndarray) -> np.ndarray:
        return self._absolute(self.B.abs_adjoint_product(u), self.g, self.w, u)

    def _absolute(self, base: np.ndarray, left: np.ndarray, right: np.ndarray, v: np.ndarray) -> np.ndarray:
        left, right = np.abs(left.astype(np.float64)), np.abs(right.astype(np.float64))
        tau = 4 * float(np.finfo(self.dtype).smallest_normal)  # of g·v where it underflows
        with np.errstate(over="ignore", invalid="ignore"):
            return nan_to_infinity(base + left * (right @ v.astype(np.float64) + tau))

    def product_factor(self, dtype: npt.DTypeLike) -> float:
        result = self.result_type(dtype)
        return then_added(self._factor(self.B.product_factor(result), self.g.size, result), 1, unit_roundoff(result))

    def adjoint_factor(self, dtype: npt.DTypeLike) -> float:
        result = self.result_type(dtype)
        return then_added(self._factor(self.B.adjoint_factor(result), self.w.size, result), 1, unit_roundoff(result))

    @staticmethod
    def _factor(base: float, size: int, result: np.dtype) -> float:
        return max(base, rounding_factor(4, size + 4, unit_roundoff(result)))

    def norm_bound(self) -> float:
        return (self.B.norm_bound() + upper_product(upper_norm2(self.w), upper_norm2(self.g))) * ROUND_UP


def _wide_dot(a: np.ndarray, v: np.ndarray) -> complex:
    """a·v for a real a, in float64 or complex128."""
    return np.dot(a.astype(np.float64), v.astype(np.result_type(v, np.float64)))


def sum_of(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Their sum in their order, in an array of its own."""
    total = arrays[0].copy()
    with np.errstate(over="ignore", invalid="ignore"):
        for array in arrays[1:]:
            total += array
    return total


def then_added(factor: float, additions: int, u: float) -> float:
    """(1 + g)(1 + γ_k) − 1, and the γ_k that the sum in the bound itself may have lost: of k such products, added."""
    if factor == math.inf:
        return math.inf
    more = 2 * gamma(additions + 1, u)
    return (factor + more * (1 + factor)) * (1 + 8 * u)
