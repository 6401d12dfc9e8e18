"""Second derivatives of weighted multinomial logistic regression, with proofs about their rounding.

With rows x_i of X (n × p), parameters Y (C × p, flattened in C order), s_i = Y x_i and p_i = softmax(s_i),

    g(Y) = Σ_i w_i (log Σ_c exp s_ic − s_{i,l_i}) + ½ λ ‖Y‖_F²

    ∇g V-wards:  A V = Σ_i w_i [p_i ∘ (V x_i) − p_i p_iᵀ(V x_i)] x_iᵀ + λ V
    ∂/∂x_i:      ⟨(p_i − e_{l_i}) x_iᵀ, V⟩ d_i,   d_i = ∂w_i/∂x_i

(Böhning, *Multinomial logistic regression algorithm*, Ann. Inst. Statist. Math. 44, 1992.)
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..arguments import as_number
from ..errors import ArgumentError
from ..parallel import dot
from ..rounding import norm2, unit_roundoff
from .base import StructuredOperator
from .dense import DenseOperator
from .sparse import SparseOperator

ROUND_UP = 1 + 2.0**-20  # absorbs the rounding of norms that are summed in float64 over fewer than 2³² terms


def softmax(logits: np.ndarray) -> np.ndarray:
    """Rows of probabilities, scaled down by a few units so that no row exceeds 1.

    Parameters
    ----------
    logits : ndarray, shape (n, C), float32 or float64

    Returns
    -------
    ndarray, shape (n, C)
        P ≥ 0 with Σ_c P_ic ≤ 1 *exactly*, for the floating-point numbers returned.

    Notes
    -----
    diag(p) − p pᵀ is positive semidefinite for p ≥ 0 if and only if Σ p ≤ 1: by Cauchy–Schwarz
    (Σ p z)² ≤ (Σ p)(Σ p z²), with equality at z = (1, …, 1). A computed softmax misses this by a few
    units about half of the time, and A ≥ λI with it. So every row is multiplied by 1 − (C + 2)u,
    which is a floating-point number. With e the computed exponentials and ŝ = (Σ e)(1 + θ_{C−1}),

        Σ_c fl(fl(e_c/ŝ)(1 − (C + 2)u)) ≤ (1 + u)²(1 − (C + 2)u)/(1 − γ_{C−1}) + 2Cη < 1

    since the left side is 1 − u + O(C²u²); the smallest subnormal η does not matter. Holds for C ≤ 1000 in
    float32, whatever the accuracy of the exponential.
    """
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    deflation = logits.dtype.type(1 - (logits.shape[1] + 2) * unit_roundoff(logits.dtype))
    return exponentials / exponentials.sum(axis=1, keepdims=True) * deflation


class DesignMatrix:
    """X with what the bounds need of it, computed once and shared by the operators of every iteration.

    Parameters
    ----------
    X : array_like or sparse matrix, shape (n, p), float32 or float64
        Dense, or anything that SciPy turns into CSR; not changed.

    Attributes
    ----------
    X, absolute : ndarray or csr_array, shape (n, p)
        X and |X| (the same object where X ≥ 0 and dense).
    row_norms : ndarray, shape (n,), float64
        Upper bounds of ‖x_i‖₂.

    Raises
    ------
    ArgumentError
        Not two-dimensional, not real, not finite.
    """

    def __init__(self, X: Any, *, name: str = "X") -> None:
        if sp.issparse(X):
            X = sp.csr_array(X, copy=True)
            X.sum_duplicates()  # or a sum would have more terms than its bound counts
        self.operator = (SparseOperator if sp.issparse(X) else DenseOperator)(X, name=name)
        self.X = self.operator.A
        if self.X.dtype.kind == "c":
            raise ArgumentError(name, f"dtype {self.X.dtype}", "float32 or float64")

    @property
    def shape(self) -> tuple[int, int]:
        return self.X.shape

    @property
    def dtype(self) -> np.dtype:
        return self.X.dtype

    @cached_property
    def absolute(self):
        return self.X if not sp.issparse(self.X) and self.X.min() >= 0 else abs(self.X)

    @cached_property
    def row_norms(self) -> np.ndarray:
        return row_norms(self.X)

    @cached_property
    def norm(self) -> float:
        """A proven upper bound of ‖X‖₂."""
        return self.operator.norm_bound()

    @cached_property
    def largest_column_sum(self) -> float:
        """max_j Σ_i |x_ij|, rounded up."""
        return float(np.max(self.absolute.sum(axis=0, dtype=np.float64))) * ROUND_UP


class MultinomialHessian(StructuredOperator):
    """A V = Uᵀ X + λ V with U = w ∘ (P ∘ S − P (Σ_c P ∘ S)) and S = X Vᵀ.

    Parameters
    ----------
    X : DesignMatrix or array_like, shape (n, p)
    P : ndarray, shape (n, C)
        Non-negative, every row with an exact sum of at most 1, as :func:`softmax` returns it. This is what A ≥ λI
        needs, and is taken on trust.
    w : ndarray, shape (n,)
        Non-negative weights.
    ridge : float
        λ ≥ 0, rounded to the operator's type.

    Raises
    ------
    ArgumentError
        Shapes that do not fit; NaN, infinity or negative numbers in P, w or `ridge`.

    Notes
    -----
    A is the matrix defined by the floating-point X, P, w and λ in hand.

    *Definiteness.* A − λI = Σ_i w_i (diag p_i − p_i p_iᵀ) ⊗ x_i x_iᵀ is positive semidefinite where every row
    of P sums to at most 1 (see :func:`softmax`), hence λ_min(A) ≥ λ exactly.

    *Norm.* zᵀ(diag p − p pᵀ)z is the variance of a variable with values z_c, and 0 with the probability that is left:
    at most a quarter of the squared range, at most ½‖z‖². So A ≤ λI + ½ I ⊗ Σ w_i x_i x_iᵀ and
    ‖A‖ ≤ λ + ½ min(Σ w_i ‖x_i‖², max w_i ‖X‖²).

    *Rounding.* Count the factors (1 + δ) that each product passes: p in S; 1 in P ∘ S; C − 1 in Σ_c, one more in its
    product with P; 1 each in the subtraction and in w; n in the sum over i; 1 in adding λV: n + p + C + 4. The same
    holds of |A| V = Bᵀ|X| + λV, B = w ∘ (P ∘ T + P Σ_c(P ∘ T)), T = |X| Vᵀ, and one is left for adding to it
    what covers underflow. With η the smallest subnormal, S is off by pη, U by w(2p + C + 2)η + η, hence A V by at most
    mη(1 + Σ_i |x_ij|(2w_i + 1)). Since uη_min ≥ η/2 for the smallest normal η_min, four times the bracket times η_min
    covers it twice.

    Examples
    --------
    Two classes with equal probabilities have p(1 − p) = 1/4:

    >>> import numpy as np
    >>> from lancbio_ref.operators import MultinomialHessian
    >>> A = MultinomialHessian(np.array([[2.0]]), P=np.array([[0.5, 0.5]]), w=np.array([1.0]), ridge=0.5)
    >>> A.toarray()
    array([[ 1.5, -1. ],
           [-1. ,  1.5]])
    """

    def __init__(self, X: DesignMatrix | Any, P: np.ndarray, w: np.ndarray, ridge: float = 0.0) -> None:
        self.design = X if isinstance(X, DesignMatrix) else DesignMatrix(X)
        n, p = self.design.shape
        _require_shape("P", P, (n, None), non_negative=True)
        _require_shape("w", w, (n,), non_negative=True)
        classes = P.shape[1]
        self.P, self.w = P, w[:, None]
        super().__init__(np.result_type(self.design.dtype, P, w), (classes * p, classes * p))
        self.ridge = self.dtype.type(as_number("ridge", ridge, least=0.0))
        self.terms = n + p + classes + 5

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        X, P, V = self.design.X, self.P, v.reshape(self.P.shape[1], -1)
        PS = P * (X @ V.T)  #                                                P ∘ S
        U = self.w * (PS - P * PS.sum(axis=1, keepdims=True))
        return (U.T @ X + self.ridge * V).ravel()

    _rmatvec = _matvec

    def abs_product(self, v: np.ndarray) -> np.ndarray:
        X, P, V = self.design.absolute, self.P, v.reshape(self.P.shape[1], -1)
        PT = P * (X @ V.T)
        B = self.w * (PT + P * PT.sum(axis=1, keepdims=True))
        amplification = 1 + self.design.largest_column_sum * (2 * float(self.w.max()) + 1)
        return (B.T @ X + self.ridge * V).ravel() + 4 * amplification * float(np.finfo(self.dtype).smallest_normal)

    def norm_bound(self) -> float:
        return curvature_bound(self.design, self.w.ravel()) + float(self.ridge) * ROUND_UP


def curvature_bound(design: DesignMatrix, w: np.ndarray) -> float:
    """½ min(Σ w_i ‖x_i‖², max w_i ‖X‖²) ≥ ‖Σ w_i (diag p_i − p_i p_iᵀ) ⊗ x_i x_iᵀ‖, for every P; rounded up."""
    w = w.astype(np.float64)
    largest = float(w.max())
    underflow = (1 + largest) * float(np.finfo(np.float64).smallest_normal)
    return 0.5 * min(dot(w, design.row_norms**2), largest * design.norm**2) * ROUND_UP + underflow


class MultinomialCross(StructuredOperator):
    """(J V)_i = d_i Σ_c R_ic (X Vᵀ)_ic: row i is d_i r_i ⊗ x_i, the derivative of the gradient in weight i.

    Parameters
    ----------
    X : DesignMatrix or array_like, shape (n, p)
    R : ndarray, shape (n, C)
        P less the one-hot labels.
    d : ndarray, shape (n,)
        ∂w_i/∂x_i.

    Raises
    ------
    ArgumentError
        Shapes that do not fit, NaN or infinity.

    Notes
    -----
    *Norm.* ‖J‖_F² = Σ (d_i‖r_i‖‖x_i‖)². And J Jᵀ = (D R Rᵀ D) ∘ (X Xᵀ) is a Hadamard product of positive semidefinite
    matrices, so ‖J‖² ≤ max_i (d_i‖r_i‖)² ‖X‖² (Horn and Johnson, *Topics in Matrix Analysis*, Theorem 5.3.4). The
    smaller of the two is taken.

    *Rounding.* p factors in X Vᵀ, C in the sum with R, 1 for d: at most p + C + 2 on any path, one for the addition of
    what covers underflow (pη in each logit, Σ_c|R_ic| ≤ r times that, Cη in the products, times d, and η):
    4(1 + d_i(1 + r))η_min.
    """

    def __init__(self, X: DesignMatrix | Any, R: np.ndarray, d: np.ndarray) -> None:
        self.design = X if isinstance(X, DesignMatrix) else DesignMatrix(X)
        n, p = self.design.shape
        _require_shape("R", R, (n, None))
        _require_shape("d", d, (n,))
        self.R, self.d = R, d
        super().__init__(np.result_type(self.design.dtype, R, d), (n, R.shape[1] * p))
        self.terms = p + R.shape[1] + 2

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        return self.d * np.einsum("ic,ic->i", self.R, self.design.X @ v.reshape(self.R.shape[1], -1).T)

    def _rmatvec(self, u: np.ndarray) -> np.ndarray:
        return (((self.d * u)[:, None] * self.R).T @ self.design.X).ravel()

    def abs_product(self, v: np.ndarray) -> np.ndarray:
        R, d = np.abs(self.R), np.abs(self.d)
        amplification = 1 + d * (1 + R.sum(axis=1))
        product = d * np.einsum("ic,ic->i", R, self.design.absolute @ v.reshape(R.shape[1], -1).T)
        return product + 4 * amplification * np.finfo(self.dtype).smallest_normal

    def norm_bound(self) -> float:
        rows = np.abs(self.d.astype(np.float64)) * row_norms(self.R)
        underflow = float(np.finfo(np.float64).smallest_normal) * (1 + self.design.norm)
        return min(norm2(rows * self.design.row_norms), float(rows.max()) * self.design.norm) * ROUND_UP + underflow


def row_norms(A: Any) -> np.ndarray:
    """Upper bounds of the 2-norms of the rows of a dense or sparse A, in float64; tiny rows do not underflow."""
    A = abs(A.astype(np.float64))
    largest = A.max(axis=1).toarray().ravel() if sp.issparse(A) else A.max(axis=1)
    scaled = A / np.where(largest > 0, largest, 1.0)[:, None]
    return largest * np.sqrt(np.asarray((scaled * scaled).sum(axis=1)).ravel()) * ROUND_UP


def _require_shape(name: str, array: np.ndarray, shape: tuple[int | None, ...], *, non_negative: bool = False) -> None:
    wanted = "(" + ", ".join("C" if s is None else str(s) for s in shape) + ("," if len(shape) == 1 else "") + ")"
    fits = array.ndim == len(shape) and all(s is None or s == t for s, t in zip(shape, array.shape, strict=True))
    if not fits or array.size == 0:
        raise ArgumentError(name, f"shape {array.shape}", f"shape {wanted}")
    if array.dtype.char not in "fd":
        raise ArgumentError(name, f"dtype {array.dtype}", "float32 or float64")
    if not np.isfinite(array).all():
        raise ArgumentError(name, "NaN or infinity", "finite numbers")
    if non_negative and array.min() < 0:
        raise ArgumentError(name, f"the smallest entry {array.min()}", "non-negative numbers")
