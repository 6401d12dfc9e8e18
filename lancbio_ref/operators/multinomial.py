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
import numpy.typing as npt
import scipy.sparse as sp

from ..arguments import Operator, as_array, as_number, refuse_masked
from ..errors import ArgumentError
from ..rounding import ROUND_UP, nan_to_infinity, rounding_factor, scale_up, smallest_normal, unit_roundoff
from .base import StructuredOperator
from .design import DesignMatrix
from .norms import row_norms, scaled_rows_bound, weighted_gram_bound
from .products import blocks_of_classes, multinomial_product
from .vectors import read_only


@np.errstate(under="ignore")
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


class MultinomialHessian(StructuredOperator):
    """A V = Uᵀ X + λ V with U = w ∘ (P ∘ S − P (Σ_c P ∘ S)) and S = X Vᵀ.

    Parameters
    ----------
    X : DesignMatrix or array_like, shape (n, p)
    P : ndarray, shape (n, C)
        Non-negative, every row with an exact sum of at most 1, as :func:`softmax` returns it. This is what A ≥ λI
        needs; of the last digits of the sums it is taken on trust.
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
    product with P; 1 each in the subtraction and in w; n in the sum over i; 1 in adding λV: n + p + C + 4 (n and p the
    entries of the fullest column and row of a sparse X). The same
    holds of |A| V = Bᵀ|X| + λV, B = w ∘ (P ∘ T + P Σ_c(P ∘ T)), T = |X| Vᵀ, and one is left for adding to it
    what covers underflow. With η the smallest subnormal, S is off by pη, U by w(2p + C + 2)η + η, hence A V by at most
    mη(1 + Σ_i |x_ij|(2w_i + 1)). Since uη_min ≥ η/2 for the smallest normal η_min, four times the bracket times η_min
    covers it twice.

    The sum over i has n terms or fewer in a block of rows, row by row, and the blocks are added: of r rows in each of B
    blocks a term passes r + B − 1 ≤ n factors.

    *float32.* The sums over i are added in pieces of at most 2¹¹ rows (:func:`.design.transposed_product`,
    :func:`.products.multinomial_product`), and the bound is formed in float64; the underflow of |A| V's own pieces is
    the mη that every certificate adds.

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

    _settled = ("design", "P", "w", "ridge", "terms")
    _held = ("P", "w")

    def __init__(self, X: DesignMatrix | Operator, P: np.ndarray, w: np.ndarray, ridge: float = 0.0) -> None:
        self.design = X if isinstance(X, DesignMatrix) else DesignMatrix(X)
        n, p = self.design.shape
        P = _as_shape("P", P, (n, None), non_negative=True)
        w = _as_shape("w", w, (n,), non_negative=True)
        classes = P.shape[1]
        largest = float(P.sum(axis=1, dtype=np.float64).max())
        if largest > 1 + 4 * classes * unit_roundoff(P.dtype):  # what is beyond the last digits is no rounding
            raise ArgumentError("P", f"a row with the sum {largest:.6g}", "rows of probabilities")
        self.P, self.w = read_only(P), read_only(w[:, None])
        super().__init__(np.result_type(self.design.dtype, P, w), (classes * p, classes * p))
        with np.errstate(over="ignore"):
            self.ridge = self.dtype.type(as_number("ridge", ridge, least=0.0))
        if not np.isfinite(self.ridge):
            raise ArgumentError("ridge", repr(ridge), f"a number that {self.dtype} has")
        self.terms = self.design.column_terms + self.design.row_terms + classes + 5

    @cached_property
    def at_once(self) -> bool:
        """Whether one compiled pass over X makes a product with vectors of the operator's own type."""
        if not self.design.at_once:
            return False
        X, w = self.design.X, self.w
        return X.flags.c_contiguous and X.dtype == self.P.dtype == w.dtype == self.dtype

    @cached_property
    def by_class(self) -> tuple[np.ndarray, np.ndarray]:
        """P, shape (C, n), and w, shape (n,), as that pass reads them."""
        return self.P.T.copy(), self.w.flatten()

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        P, V = self.P, _promoted(self, v).reshape(self.P.shape[1], -1)
        if self.at_once and V.dtype == self.dtype:
            sums = multinomial_product(self.design.X, *self.by_class, np.ascontiguousarray(V))
            return (sums + self.ridge * V).ravel()
        PS = P * self.design.scores(V)  #                                    P ∘ S
        U = self.w * (PS - P * PS.sum(axis=1, keepdims=True))
        return (self.design.sums(U) + self.ridge * V).ravel()

    _rmatvec = _matvec

    def abs_product(self, v: np.ndarray) -> np.ndarray:
        design, P, V = self.design, self.P, v.reshape(self.P.shape[1], -1)
        with np.errstate(over="ignore", invalid="ignore"):
            PT = P * design.absolute_product(V)
            B = self.w * (PT + P * PT.sum(axis=1, keepdims=True))
            sums = (design.absolute_transposed(B) + self.ridge * V).ravel()
        amplification = 1 + design.largest_column_sum * (2 * float(self.w.max()) + 1)
        return nan_to_infinity(sums + 4 * amplification * smallest_normal(self.dtype))

    def product_factor(self, dtype: npt.DTypeLike) -> float:
        """float32: p + C + 4 factors up to U, as many as `DesignMatrix.counts` says in Uᵀ X, and one more for λV."""
        if not self.is_single(dtype):
            return super().product_factor(dtype)
        features, samples, pieces = self.design.counts()
        if self.at_once:
            pieces = max(pieces, blocks_of_classes(*self.design.shape, self.P.shape[1], single=True)[1])
        own = features + self.P.shape[1] + 4
        return rounding_factor(own + samples + 2, own + self.shape[0] + pieces + 4, unit_roundoff(np.float32))

    def is_symmetric(self) -> bool:
        return True

    def diagonal(self) -> np.ndarray:
        """Σ_i w_i (p_ic − p_ic²) x_ij² + λ, shape (Cp,): one pass over X."""
        X: Any = self.design.X
        squares = X.power(2) if sp.issparse(X) else X * X
        squared = type(self.design).of_checked(squares)
        return (squared.sums(self.w * (self.P - self.P * self.P)) + self.ridge).ravel()

    def diagonal_part(self) -> np.ndarray:
        """λ in every entry, shape (Cp,)."""
        return np.full(self.shape[0], self.ridge)

    def norm_bound(self) -> float:
        return curvature_bound(self.design, self.w.ravel()) + float(self.ridge) * ROUND_UP


def curvature_bound(design: DesignMatrix, w: np.ndarray, sums: tuple[float, float] | None = None) -> float:
    """½ min(Σ w_i ‖x_i‖², max w_i ‖X‖²) ≥ ‖Σ w_i (diag p_i − p_i p_iᵀ) ⊗ x_i x_iᵀ‖, for every P; rounded up.

    Infinite where it overflows. `sums` are Σ w_i ‖x_i‖² and max w_i, if at hand.
    """
    return scale_up(weighted_gram_bound(design.row_norms, design.norm, w, sums), -1)


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

    _settled = ("design", "R", "d", "terms")

    def __init__(self, X: DesignMatrix | Operator, R: np.ndarray, d: np.ndarray) -> None:
        self.design = X if isinstance(X, DesignMatrix) else DesignMatrix(X)
        n, p = self.design.shape
        R, d = _as_shape("R", R, (n, None)), _as_shape("d", d, (n,))
        self.R, self.d = R, d
        super().__init__(np.result_type(self.design.dtype, R, d), (n, R.shape[1] * p))
        self.terms = self.design.row_terms + R.shape[1] + 2

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        V = _promoted(self, v).reshape(self.R.shape[1], -1)
        return self.d * np.einsum("ic,ic->i", self.R, self.design.scores(V))

    def _rmatvec(self, u: np.ndarray) -> np.ndarray:
        return self.design.sums((self.d * _promoted(self, u))[:, None] * self.R).ravel()

    def abs_product(self, v: np.ndarray) -> np.ndarray:
        R, d = np.abs(self.R.astype(np.float64)), np.abs(self.d.astype(np.float64))
        with np.errstate(over="ignore", invalid="ignore"):
            amplification = 1 + d * (1 + R.sum(axis=1))
            product = d * np.einsum("ic,ic->i", R, self.design.absolute_product(v.reshape(R.shape[1], -1)))
            return nan_to_infinity(product + 4 * amplification * smallest_normal(self.dtype))

    def abs_adjoint_product(self, u: np.ndarray) -> np.ndarray:
        """fl(|J|ᵀu), and what covers underflow: η in d u, amplified by |r_ic|, and η again, amplified by |x_ij|."""
        R, d = np.abs(self.R.astype(np.float64)), np.abs(self.d.astype(np.float64))
        tau = 4 * smallest_normal(self.dtype)
        with np.errstate(over="ignore", invalid="ignore"):
            product = self.design.absolute_transposed((d * u + tau)[:, None] * R + tau)
            return nan_to_infinity(product.ravel())

    def adjoint_factor(self, dtype: npt.DTypeLike) -> float:
        """1 factor for d, 1 for R, and those of the sum over samples; 2 for the τ of `abs_adjoint_product`."""
        u = unit_roundoff(self.result_type(dtype))
        if not self.is_single(dtype):
            return rounding_factor(self.design.column_terms + 4, 0, u)
        _, samples, pieces = self.design.counts()
        return rounding_factor(samples + 4, self.shape[0] + pieces + 4, u)

    def norm_bound(self) -> float:
        factors = [np.abs(self.d.astype(np.float64)), row_norms(self.R), self.design.row_norms]
        return scaled_rows_bound(factors, self.design.norm)


def _promoted(operator: StructuredOperator, v: np.ndarray) -> np.ndarray:
    """v in the type of its product: a float32 v must not make float32 X round on its own in a float64 operator."""
    return v.astype(operator.result_type(v.dtype), copy=False)


def _as_shape(name: str, array: Any, shape: tuple[int | None, ...], *, non_negative: bool = False) -> np.ndarray:
    wanted = "(" + ", ".join("C" if s is None else str(s) for s in shape) + ("," if len(shape) == 1 else "") + ")"
    refuse_masked(name, array)
    if not isinstance(array, np.ndarray):
        array = as_array(name, array, f"shape {wanted}")
    fits = array.ndim == len(shape) and all(s is None or s == t for s, t in zip(shape, array.shape, strict=True))
    if not fits or array.size == 0:
        raise ArgumentError(name, f"shape {array.shape}", f"shape {wanted}")
    if array.dtype.char not in "fd":
        raise ArgumentError(name, f"dtype {array.dtype}", "float32 or float64")
    if not np.isfinite(array).all():
        raise ArgumentError(name, "NaN or infinity", "finite numbers")
    if non_negative and array.min() < 0:
        raise ArgumentError(name, f"the smallest entry {array.min()}", "non-negative numbers")
    return array
