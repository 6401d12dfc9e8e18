"""A = B + diag(d) + U diag(s) Vᵀ: the shape of a Hessian whose variables meet in a few sums only."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import parallel
from ..arguments import Operator, as_array, as_vector
from ..errors import ArgumentError
from ..rounding import (
    binary_exponent,
    gamma,
    nan_to_infinity,
    rounding_factor,
    scale_up,
    smallest_normal,
    smallest_subnormal,
    unit_roundoff,
)
from .base import StructuredOperator, diagonal_of, diagonal_part, structure_of
from .convert import as_operator, as_square
from .norms import entrywise_norm_bound
from .vectors import read_only


class DiagonalLowRank(StructuredOperator):
    """A v = B v + d ∘ v + U (s ∘ (Vᵀ v)).

    Parameters
    ----------
    d : array_like, shape (n,), float32 or float64
        The diagonal.
    U : array_like, shape (n, r), optional
        Without it there is no low-rank term, and `s` and `V` must be left out too.
    s : array_like, shape (r,), optional
        Ones where left out.
    V : array_like, shape (n, r), optional
        `U` where left out, so that the low-rank term is symmetric.
    base : array_like, sparse matrix or LinearOperator, shape (n, n), optional
        B; nothing where left out.

    Attributes
    ----------
    has_bounds : bool
        False where `base` is a black box: ``structure_of`` then answers None, and `terms`, `abs_product` and
        `norm_bound` speak of the other two terms only.

    Raises
    ------
    ArgumentError
        Shapes that do not fit, NaN or infinity, a complex `base`.

    Notes
    -----
    *Rounding.* Follow one product through the evaluation (d ∘ v + U(s ∘ Vᵀv)) + B v and count the factors (1 + δ),
    |δ| ≤ u, that it collects (Higham 2002, section 3.1). In the low-rank term: n in the sum Vᵀv, 1 times s, 1 times U,
    at most r in the sums with U and d ∘ v, 1 addition; in d ∘ v: 1, as many as r, 1; in B v: its own m_B and 1
    addition. Hence

        |fl(A v) − A v| ≤ γ_k |A||v|,   k = max(n + r + 3, m_B + 1),   |A||v| := |B||v| + |d|∘|v| + |U|(|s|∘(|V|ᵀ|v|)).

    *Underflow.* A product may also be off by η, the smallest subnormal. Among the outermost products that is the mη
    which every certificate adds; within Vᵀv (n times) and its product with s (once) it is amplified by |U||s|. With τ
    twice the smallest normal number, uτ = η, so τ added to the two inner quantities turns it into a part of γ_k|A||v|.

    *The bound's own rounding.* |A||v| is a sum of non-negative terms that takes one addition more, so its computed
    value is at least (1 − γ_{k+1}) of it, and γ_{k+1}/(1 − γ_{k+1}) ≤ γ_{k+2} as long as k²u ≤ 1/2. With `terms` = k
    + 2 the inequality |fl(A v) − A v| ≤ γ_terms fl(|A||v|) holds for the number that `abs_product` returns.

    *float32.* The sums Vᵀv, their product with s and the sums of four columns of U are float64, so most factors of the
    low-rank term are fine: 1 coarse one in Vᵀv, and 1 for every group of columns (⌊r/4⌋ + r mod 4) and 1 addition.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref.operators import DiagonalLowRank
    >>> A = DiagonalLowRank([1.0, 2.0], U=[[1.0], [1.0]], s=[-0.5])
    >>> A.toarray()
    array([[ 0.5, -0.5],
           [-0.5,  1.5]])
    >>> bool(A.norm_bound() >= np.linalg.norm(A.toarray(), 2))
    True
    """

    _settled = ("d", "U", "s", "V", "base", "has_bounds", "terms")
    _held = ("U", "V")

    def __init__(
        self,
        d: npt.ArrayLike,
        U: npt.ArrayLike | None = None,
        s: npt.ArrayLike | None = None,
        V: npt.ArrayLike | None = None,
        base: Operator | None = None,
    ) -> None:
        self.d = as_vector("d", d)
        n = self.d.size
        if U is None and not (s is None and V is None):
            raise ArgumentError("U", None, "an array of shape (n, r) where s or V is given")
        self.U = read_only(np.zeros((n, 0), self.d.dtype) if U is None else _as_matrix("U", U, (n, None)))
        self.V = self.U if V is None else read_only(_as_matrix("V", V, self.U.shape))
        self._left, self._right = np.ascontiguousarray(self.U.T), np.ascontiguousarray(self.V.T)
        rank = self.U.shape[1]
        self.s = np.ones(rank, self.U.dtype) if s is None else as_vector("s", s, rank)
        self.base = None if base is None else as_operator("base", base, (n, n))
        self._base_structure = None if self.base is None else structure_of(self.base)
        self.has_bounds = self.base is None or self._base_structure is not None
        parts = [part.dtype for part in (self.d, self.U, self.s, self.V, self.base) if part is not None]
        dtype = np.result_type(*(part for part in parts if part is not None))
        if dtype.kind == "c":
            raise ArgumentError("base", f"dtype {dtype}", "a real operator")
        super().__init__(dtype, (n, n))
        self._chain = n + rank + 3 if rank else 3
        base_chain = 0 if self._base_structure is None else self._base_structure.terms + 1
        self.terms = max(self._chain, base_chain) + 2

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        return self._product(v, self._left, self._right, None if self.base is None else self.base.matvec)

    def _rmatvec(self, v: np.ndarray) -> np.ndarray:
        return self._product(v, self._right, self._left, None if self.base is None else self.base.rmatvec)

    def _product(self, v: np.ndarray, left: np.ndarray, right: np.ndarray, base: Any) -> np.ndarray:
        v = self._promoted(v)
        result = self.d * v
        if self.s.size:  #  d ∘ v + U (s ∘ (Vᵀ v))
            parallel.subtract_rows(left, -self.s * parallel.coefficients(right, v), result)
        if base is None:
            return result
        more = base(v)
        return np.add(result, more, out=result if np.result_type(result, more) == result.dtype else None)

    def diagonal(self) -> np.ndarray:
        """d_i + Σ_k s_k u_ik v_ik, shape (n,); with a base that knows its own, that too."""
        low_rank = (self._left.astype(np.float64) * self._right * self.s[:, None]).sum(axis=0)
        alone = (self.d + low_rank).astype(self.dtype, copy=False)
        return alone if self.base is None else alone + diagonal_of(self.base)

    def diagonal_part(self) -> np.ndarray:
        """d, shape (n,), and the diagonal part of a base that shows one."""
        inner = None if self.base is None else diagonal_part(self.base)
        return self.d if inner is None else self.d + inner

    @property
    def is_diagonal(self) -> bool:  # type: ignore[override]
        return not self.s.size and self.base is None

    def abs_product(self, v: np.ndarray) -> np.ndarray:
        base = None if self._base_structure is None else self._base_structure.abs_product
        return self._absolute(v, self._left, self._right, base)

    def abs_adjoint_product(self, u: np.ndarray) -> np.ndarray:
        base = None if self._base_structure is None else self._base_structure.abs_adjoint_product
        return self._absolute(u, self._right, self._left, base)

    def _absolute(self, v: np.ndarray, left: np.ndarray, right: np.ndarray, base: Any) -> np.ndarray:
        v, tau = np.ascontiguousarray(v.ravel(), np.float64), 2 * smallest_normal(self.dtype)
        with np.errstate(over="ignore", invalid="ignore"):
            result = np.abs(self.d) * v
            if self.s.size:
                inner = np.abs(self.s) * (parallel.coefficients(np.abs(right), v) + tau) + tau
                parallel.subtract_rows(np.abs(left), -inner, result)
            return nan_to_infinity(result if base is None else result + base(v))

    def product_factor(self, dtype: npt.DTypeLike) -> float:
        if not self.is_single(dtype):
            return super().product_factor(dtype)
        base = 0.0 if self._base_structure is None else self._base_structure.product_factor(dtype)
        return self._factor(dtype, base)

    def adjoint_factor(self, dtype: npt.DTypeLike) -> float:
        base = 0.0 if self._base_structure is None else self._base_structure.adjoint_factor(dtype)
        return self._factor(dtype, base)

    def _factor(self, dtype: Any, base: float) -> float:
        """What `base` is for B, for the whole: one addition more in B v, or the count of the low-rank term."""
        result, rank = self.result_type(dtype), self.s.size
        u = unit_roundoff(result)
        if result != np.float32:
            own = rounding_factor(self._chain + 2, 0, u)
        else:
            own = rounding_factor(rank // 4 + rank % 4 + 6, self.d.size + rank + 6, u)
        # (1 + g)(1 + γ_1) − 1 of |B||v|, where the sum in the bound itself may have lost γ_1 again
        return max(own, (base + rounding_factor(3, 0, u)) * (1 + 8 * u)) if base else own

    def is_symmetric(self) -> bool:
        """U diag(s) Uᵀ is, of a V that differs from U nothing is claimed; and B must be."""
        low_rank = self.s.size == 0 or self.V is self.U or np.array_equal(self.U, self.V)
        base = self.base is None or (self._base_structure is not None and self._base_structure.is_symmetric())
        return (low_rank and base) or self.shape == (1, 1)

    def _promoted(self, v: np.ndarray) -> np.ndarray:
        """v in this operator's type at least: a float32 v must not make a float32 part round on its own."""
        return np.ascontiguousarray(v.ravel(), np.result_type(v, self.dtype))

    def norm_bound(self) -> float:
        """‖B‖ + min(max|d| + ‖U diag(s)‖‖V‖, √(‖R‖₁‖R‖_∞)) with R = diag(d) + U diag(s) Vᵀ, rounded up."""
        bound = float(np.abs(self.d).max())
        if self.U.size:
            bound = self._own_norm_bound()
        if self._base_structure is not None:
            bound += self._base_structure.norm_bound()
        alone = self.U.size == 0 and self.base is None
        return bound if alone else math.nextafter(bound * (1 + gamma(8, 2.0**-53)), math.inf)

    def _own_norm_bound(self) -> float:
        """min(max|d| + ‖U diag(s)‖‖V‖, √(‖R‖₁‖R‖_∞)), in float64 whatever the types, and near 1 whatever the scales.

        U, s and V are divided by powers of two a, b, c that bring their largest entries to [½, 1), and R by 2^K, the
        larger of abc and that of d, made even for the root of rows times columns.
        """
        parts = [part.astype(np.float64) for part in (self.U, self.s, self.V)]
        exponents = [binary_exponent(part) for part in parts]
        U, s, V = (np.ldexp(part, -e) for part, e in zip(parts, exponents, strict=True))
        scale = max(sum(exponents), binary_exponent(self.d)) if self.d.any() else sum(exponents)
        scale += scale % 2
        lower = sum(exponents) - scale
        d, weighted = np.ldexp(self.d.astype(np.float64), -scale), U * s
        # |fl(u s) − u s| ≤ u|u s| + η
        rounding, underflow = 1 + 2 * unit_roundoff(np.float64), U.size * smallest_subnormal(np.float64)
        left = entrywise_norm_bound(np.abs(weighted)) * rounding + underflow
        bound = float(np.abs(d).max()) + scale_up(left * entrywise_norm_bound(np.abs(V)), lower)
        rows, columns = (_largest_row_sum(d, *low_rank, s, lower) for low_rank in ((U, V), (V, U)))
        # what is scaled to below the normal numbers may be rounded to the next lower one
        bound = min(bound, math.sqrt(rows) * math.sqrt(columns)) + 2 * smallest_subnormal(np.float64)
        return scale_up(bound, scale)


def _largest_row_sum(d: np.ndarray, left: np.ndarray, right: np.ndarray, s: np.ndarray, exponent: int) -> float:
    """max_i Σ_j |R_ij| for R = diag(d) + 2^exponent left diag(s) rightᵀ, entries at most 1, rounded up, in O(n r).

    Sharp where the low-rank term cancels the diagonal, as a softmax does near a corner:

        |d_i + Σ_k s_k l_ik r_ik| + Σ_k |s_k l_ik| (Σ_j |r_jk| − |r_ik|)

    Every sum has a rounding error of at most γ_{2(n+r)+16} times what it is without minus signs.
    """
    n, rank = left.shape
    weighted = np.ldexp(left * s, exponent)
    sums = np.abs(right).sum(axis=0)
    rows = np.abs(d + (weighted * right).sum(axis=1)) + (np.abs(weighted) * (sums - np.abs(right))).sum(axis=1)
    without_signs = np.abs(d) + 2 * np.abs(weighted) @ sums
    underflow = (rank + 1) * (1 + float(sums.max())) * smallest_normal(np.float64)
    return float((rows + 2 * gamma(2 * (n + rank) + 16, 2.0**-53) * without_signs).max()) + underflow


def _as_matrix(name: str, value: Any, shape: tuple[int, int | None]) -> np.ndarray:
    """A finite real array of the given shape, with at least one column."""
    wanted = f"shape ({shape[0]}, {'r' if shape[1] is None else shape[1]})"
    array = as_array(name, value, wanted)
    if array.dtype.char not in "fd":
        raise ArgumentError(name, f"dtype {array.dtype}", "float32 or float64")
    fits = array.ndim == 2 and array.shape[0] == shape[0] and shape[1] in (None, array.shape[1])
    if not fits or array.shape[1] == 0:
        raise ArgumentError(name, f"shape {array.shape}", wanted)
    if not np.isfinite(array).all():
        row, column = np.argwhere(~np.isfinite(array))[0]
        raise ArgumentError(name, f"{array[row, column]} at [{row}, {column}]", "finite entries")
    return array


def jacobi(A: Operator) -> DiagonalLowRank:
    """diag(A)⁻¹, the preconditioner that costs one pass over what A is made of.

    Parameters
    ----------
    A : array_like, sparse matrix or operator of this package, shape (n, n)
        With a positive diagonal.

    Returns
    -------
    DiagonalLowRank, shape (n, n)
        For ``LowerLevel.preconditioner``, ``Linearization(M=...)`` or ``lanczos_solve(M=...)``.

    Raises
    ------
    ArgumentError
        A does not know its diagonal, or an entry of it is not positive.

    Notes
    -----
    It pays where the rows of A differ in size, as with features of different scales; where they are alike it changes
    nothing, and the recurrence is one product with M dearer (docs/performance.md has measurements). Of all diagonal
    preconditioners it is within a factor n of the best (van der Sluis, Numer. Math. 14, 1969).

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref import lanczos_solve
    >>> from lancbio_ref.operators import jacobi
    >>> A = np.array([[1e6, 1.0], [1.0, 2.0]])
    >>> x, info = lanczos_solve(A, A @ [1.0, 1.0], M=jacobi(A), rtol=1e-12)
    >>> info, bool(np.allclose(x, 1.0))
    (0, True)
    """
    diagonal = diagonal_of(as_square("A", A))
    if diagonal.dtype.kind == "c":
        raise ArgumentError("A", f"a diagonal of dtype {diagonal.dtype}", "positive entries")
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        inverse = 1 / diagonal
    usable = (diagonal > 0) & (inverse > 0) & np.isfinite(inverse)
    if not usable.all():
        worst = int(np.argmin(usable))
        raise ArgumentError(
            "A", f"a diagonal with {diagonal[worst]:.3g} at {worst}", "positive entries with an inverse"
        )
    return DiagonalLowRank(inverse)
