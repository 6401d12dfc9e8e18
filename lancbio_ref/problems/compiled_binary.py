"""Two classes and one vector y, at a point, in two compiled calls and one of SciPy's σ between them.

    m_i = t_i x_iᵀy,     r_i = −t_i σ(−m_i),     d_i = w_i σ(m_i)σ(−m_i)
    b = X_valᵀ(w ∘ r),   ∇_y g = Xᵀ(w ∘ r) + D ∘ y,   E = D ∘ y

and what is summed over samples for the bounds of their rounding (:mod:`.rounding.classification`). The loops are those
that the arrays of :class:`~.classification.BinaryFit` come from, and so are the bits (tested). For dense data in C
order that are too few to be shared among threads.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .. import kernels, parallel
from ..kernels import FIRST, JIT, PIECE, compiled
from ..kernels.compiled import NotCompiledError
from ..operators import ready_products
from ..operators.products import _rows, _rows_of_partial
from ..rounding import ROUND_UP, SAFE_SQUARES
from .classification import BinaryFit, LabelledSet
from .elementary import expit
from .rounding import loops
from .rounding.classification import BinaryErrors, BinarySums, RoundingOfFit

LOW, HIGH = SAFE_SQUARES
Data = tuple[np.ndarray, int, np.ndarray, np.ndarray, np.ndarray]  # X, rows of a block of Xᵀu, w, t, ‖x_i‖
NOT_SAFE = (False, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
_with = (kernels.dense, kernels.vectors, ready_products, loops)
_options: dict[str, Any] = dict(nogil=True, error_model="numpy", sources=[str(module.__file__) for module in _with])
_compiled = compiled(patient=True, **_options)
_within = compiled(no_cpython_wrapper=True, no_cfunc_wrapper=True, **_options)  # Python does not call it


class BinaryPoint(NamedTuple):
    """What y makes of the training and of the validation data.

    Attributes
    ----------
    train, validation : BinaryErrors
        Of the two fits.
    d : ndarray, shape (n,)
        w_i σ′(s_i).
    b, gradient, E : ndarray, shape (p,)
    y_norm, E_norm : float
    """

    train: BinaryErrors
    validation: BinaryErrors
    d: np.ndarray
    b: np.ndarray
    gradient: np.ndarray
    E: np.ndarray
    y_norm: float
    E_norm: float


def binary_point(train: LabelledSet, validation: LabelledSet, D: np.ndarray, y: np.ndarray) -> BinaryPoint | None:
    """All that is above, D of shape (p,); None where it is Python's to form."""
    X, Xv, dtype = train.design.X, validation.design.X, y.dtype
    if not (JIT and _fits(X, dtype) and _fits(Xv, dtype) and D.dtype == dtype and D.flags.carray and y.flags.carray):
        return None
    (n, p), (w, t), (wv, tv) = X.shape, train.constants(dtype), validation.constants(dtype)
    m = np.empty(2 * n + len(validation), dtype)
    d, curvatures, sizes = np.empty(n, dtype), np.empty(n, dtype), np.empty(n)
    b, gradient, E = np.empty(p, dtype), np.empty(p, dtype), np.empty(p, dtype)
    of_train, of_validation = RoundingOfFit.of(train.design, dtype), RoundingOfFit.of(validation.design, dtype)
    try:
        margins(X, _rows(X), t, Xv, _rows(Xv), tv, y, m)
        s = expit(m)
        done, y_norm, E_norm, *sums = at_point(
            (X, _rows_of_partial(X, dtype), w, t, train.design.row_norms),
            (Xv, _rows_of_partial(Xv, dtype), wv, tv, validation.design.row_norms),
            *(s, D, y, of_train, of_validation, d, curvatures, sizes, b, gradient, E),
        )
    except NotCompiledError:
        return None
    if not done:
        return None
    fit = BinaryFit.of(train, y, m[n : 2 * n], s[:n], curvatures)
    held_out = BinaryFit.of(validation, y, -m[2 * n :], s[2 * n :])
    each, value, largest, each_validation = sums
    return BinaryPoint(
        BinaryErrors(fit, BinarySums(each, (value, largest), sizes)),
        BinaryErrors(held_out, BinarySums(each_validation)),
        *(d, b, gradient, E, y_norm, E_norm),
    )


def _fits(X: np.ndarray, dtype: np.dtype) -> bool:
    """Whether X is dense, in C order, of this type, with rows that are summed at once, and for one thread."""
    dense = isinstance(X, np.ndarray) and X.dtype == dtype and X.flags.c_contiguous and X.flags.aligned
    whole = dense and (dtype == np.float64 or X.shape[1] <= PIECE)
    return whole and (X.size < 2 * parallel.GRAIN or parallel.threads() == 1)


@_compiled
def margins(
    X: np.ndarray,
    rows: int,
    t: np.ndarray,
    Xv: np.ndarray,
    rows_v: int,
    tv: np.ndarray,
    y: np.ndarray,
    m: np.ndarray,
) -> None:
    """m ← (−t ∘ X y, t ∘ X y, −t_val ∘ X_val y).

    X : n × p, read.   t : n, read.   Xv, tv : likewise.   y : p, read.   m : 2n + n_val, written.
    """
    n = t.size
    scores, held_out = m[n : 2 * n], m[2 * n :]
    kernels.dense_product(FIRST, -(-n // rows), rows, X, y, scores)
    kernels.dense_product(FIRST, -(-tv.size // rows_v), rows_v, Xv, y, held_out)
    for i in range(n):
        scores[i] = t[i] * scores[i]
        m[i] = -scores[i]
    for i in range(tv.size):
        held_out[i] = -(tv[i] * held_out[i])


@_compiled
def at_point(
    train: Data,
    validation: Data,
    s: np.ndarray,
    D: np.ndarray,
    y: np.ndarray,
    of_train: RoundingOfFit,
    of_validation: RoundingOfFit,
    d: np.ndarray,
    curvatures: np.ndarray,
    sizes: np.ndarray,
    b: np.ndarray,
    gradient: np.ndarray,
    E: np.ndarray,
) -> tuple[bool, float, float, float, float, float, float]:
    """Whether all is finite and far from the ends of the range; ‖y‖, ‖E‖, and the sums of the two fits' errors.

    train, validation : X, rows of a block of Xᵀu, w, t, ‖x_i‖.   s : σ of `margins`.   D, y : p, read.
    of_train, of_validation : how the fits round.
    d, curvatures, sizes : n, written: w ∘ σ′, σ′, and what `loops.curvature_sums` leaves.
    b, gradient, E : p, written.
    """
    X, rows, w, t, norms = train
    Xv, rows_v, wv, tv, norms_v = validation
    n = w.size
    misfits, others, held_out = s[:n], s[n : 2 * n], s[2 * n :]
    for i in range(n):
        curvatures[i] = others[i] * misfits[i]
        d[i] = w[i] * curvatures[i]
    _sums(X, rows, w, t, misfits, gradient)
    _sums(Xv, rows_v, wv, tv, held_out, b)
    finite = True
    for j in range(y.size):
        E[j] = D[j] * y[j]
        gradient[j] = gradient[j] + E[j]
        finite = finite and math.isfinite(b[j]) and math.isfinite(gradient[j])
    y_square, E_square = kernels.short_dot(y, y), kernels.short_dot(E, E)
    if not (finite and y_square > LOW and y_square < HIGH and E_square > LOW and E_square < HIGH):
        return NOT_SAFE
    y_norm = math.sqrt(y_square)
    of, of_v = of_train, of_validation
    at = of.product * y_norm * ROUND_UP, of.floor, norms
    at_v = of_v.product * y_norm * ROUND_UP, of_v.floor, norms_v
    each = loops.residual_sum(w, of.of_w, of.factor, *at, misfits, of.units, of.underflow)
    value, largest = loops.curvature_sums(w, of.of_w, *at, curvatures, of.curvature_units, of.underflow, of.tiny, sizes)
    each_v = loops.residual_sum(wv, of_v.of_w, of_v.factor, *at_v, held_out, of_v.units, of_v.underflow)
    return True, y_norm, math.sqrt(E_square), each, value, largest, each_v


@_within
def _sums(X: np.ndarray, rows: int, w: np.ndarray, t: np.ndarray, misfits: np.ndarray, out: np.ndarray) -> None:
    """out ← Xᵀ(w ∘ r), r_i = −t_i σ(−m_i).   Writes out."""
    u = np.empty(w.size, out.dtype)
    for i in range(w.size):
        u[i] = w[i] * -t[i] * misfits[i]
    partial = np.empty((-(-w.size // rows), out.size), out.dtype)
    kernels.dense_transposed(FIRST, partial.shape[0], rows, X, u, partial)
    ready_products.added(partial, out)
