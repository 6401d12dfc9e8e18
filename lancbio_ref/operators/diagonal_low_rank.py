"""A = B + diag(d) + U diag(s) Vᵀ: the shape of a Hessian whose variables meet in a few sums only."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import parallel
from ..arguments import as_vector
from ..errors import ArgumentError
from ..rounding import gamma, smallest_subnormal, unit_roundoff
from .base import StructuredOperator, as_operator, as_square, diagonal_of, structure_of
from .dense import entrywise_norm_bound


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

    def __init__(self, d: Any, U: Any = None, s: Any = None, V: Any = None, base: Any = None) -> None:
        self.d = as_vector("d", d)
        n = self.d.size
        if U is None and not (s is None and V is None):
            raise ArgumentError("U", None, "an array of shape (n, r) where s or V is given")
        self.U = np.zeros((n, 0), self.d.dtype) if U is None else _as_matrix("U", U, (n, None))
        self.V = self.U if V is None else _as_matrix("V", V, self.U.shape)
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
        low_rank_chain = n + rank + 3 if rank else 3
        base_chain = 0 if self._base_structure is None else self._base_structure.terms + 1
        self.terms = max(low_rank_chain, base_chain) + 2

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        return self._product(v, self._left, self._right, None if self.base is None else self.base.matvec)

    def _rmatvec(self, v: np.ndarray) -> np.ndarray:
        return self._product(v, self._right, self._left, None if self.base is None else self.base.rmatvec)

    def _product(self, v: np.ndarray, left: np.ndarray, right: np.ndarray, base: Any) -> np.ndarray:
        v = self._promoted(v)
        result = self.d * v
        if self.s.size:  #  d ∘ v + U (s ∘ (Vᵀ v))
            parallel.subtract_rows(left, -self.s * parallel.coefficients(right, v), result)
        return result if base is None else result + base(v)

    def diagonal(self) -> np.ndarray:
        """d_i + Σ_k s_k u_ik v_ik, shape (n,); with a base that knows its own, that too."""
        low_rank = (self._left * self._right * self.s[:, None]).sum(axis=0)
        return self.d + low_rank if self.base is None else self.d + low_rank + diagonal_of(self.base)

    def abs_product(self, v: np.ndarray) -> np.ndarray:
        v, tau = self._promoted(v), 2 * np.finfo(self.dtype).smallest_normal
        result = np.abs(self.d) * v
        if self.s.size:
            inner = np.abs(self.s) * (parallel.coefficients(np.abs(self._right), v) + tau) + tau
            parallel.subtract_rows(np.abs(self._left), -inner, result)
        return result if self._base_structure is None else result + self._base_structure.abs_product(v)

    def _promoted(self, v: np.ndarray) -> np.ndarray:
        """v in this operator's type at least: a float32 v must not make a float32 part round on its own."""
        return np.ascontiguousarray(v.ravel(), np.result_type(v, self.dtype))

    def norm_bound(self) -> float:
        """‖B‖ + min(max|d| + ‖U diag(s)‖‖V‖, √(‖R‖₁‖R‖_∞)) with R = diag(d) + U diag(s) Vᵀ, rounded up."""
        bound = float(np.abs(self.d).max())
        if self.U.size:
            # |fl(u s) − u s| ≤ u|u s| + η
            rounding, underflow = 1 + 2 * unit_roundoff(self.dtype), self.U.size * smallest_subnormal(self.dtype)
            left = entrywise_norm_bound(np.abs(self.U * self.s)) * rounding + underflow
            bound += left * entrywise_norm_bound(np.abs(self.V))
            rows, columns = self._largest_row_sum(self.U, self.V), self._largest_row_sum(self.V, self.U)
            bound = min(bound, math.sqrt(rows) * math.sqrt(columns))
        if self._base_structure is not None:
            bound += self._base_structure.norm_bound()
        alone = self.U.size == 0 and self.base is None
        return bound if alone else math.nextafter(bound * (1 + gamma(8, 2.0**-53)), math.inf)

    def _largest_row_sum(self, left: np.ndarray, right: np.ndarray) -> float:
        """max_i Σ_j |R_ij| for R = diag(d) + left diag(s) rightᵀ, rounded up, in O(n r).

        Sharp where the low-rank term cancels the diagonal, as a softmax does near a corner:

            |d_i + Σ_k s_k l_ik r_ik| + Σ_k |s_k l_ik| (Σ_j |r_jk| − |r_ik|)

        Every sum has a rounding error of at most γ_{2(n+r)+16} times what it is without minus signs.
        """
        n, rank = left.shape
        d, right = self.d.astype(np.float64), right.astype(np.float64)
        weighted = left.astype(np.float64) * self.s
        sums = np.abs(right).sum(axis=0)
        rows = np.abs(d + (weighted * right).sum(axis=1)) + (np.abs(weighted) * (sums - np.abs(right))).sum(axis=1)
        without_signs = np.abs(d) + 2 * np.abs(weighted) @ sums
        underflow = (rank + 1) * (1 + float(sums.max())) * float(np.finfo(np.float64).smallest_normal)
        return float((rows + 2 * gamma(2 * (n + rank) + 16, 2.0**-53) * without_signs).max()) + underflow


def _as_matrix(name: str, value: Any, shape: tuple[int, int | None]) -> np.ndarray:
    """A finite real array of the given shape, with at least one column."""
    wanted = f"shape ({shape[0]}, {'r' if shape[1] is None else shape[1]})"
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ArgumentError(name, f"an object that is no array ({error})", wanted) from None
    if array.dtype.kind in "biu":
        array = array.astype(np.float64)
    if array.dtype.char not in "fd":
        raise ArgumentError(name, f"dtype {array.dtype}", "float32 or float64")
    fits = array.ndim == 2 and array.shape[0] == shape[0] and shape[1] in (None, array.shape[1])
    if not fits or array.shape[1] == 0:
        raise ArgumentError(name, f"shape {array.shape}", wanted)
    if not np.isfinite(array).all():
        row, column = np.argwhere(~np.isfinite(array))[0]
        raise ArgumentError(name, f"{array[row, column]} at [{row}, {column}]", "finite entries")
    return array


def jacobi(A: Any) -> DiagonalLowRank:
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
    if not (diagonal > 0).all():
        worst = int(np.argmin(diagonal))
        raise ArgumentError("A", f"a diagonal with {diagonal[worst]:.3g} at {worst}", "positive entries")
    return DiagonalLowRank(1 / diagonal)
