"""Two classes and one vector y, at a point, in one compiled call that reads the data once.

    m_i = t_i x_iᵀy,     r_i = −t_i σ(−m_i),     d_i = w_i σ(m_i)σ(−m_i)
    b = X_valᵀ(w ∘ r),   ∇_y g = Xᵀ(w ∘ r) + D ∘ y,   E = D ∘ y

and what is summed over samples for the bounds of their rounding (:mod:`.rounding.classification`). The loops are those
that the arrays of :class:`~.classification.BinaryFit` come from, and σ is SciPy's (:mod:`.compiled_sigmoid`), and so
are the bits (tested). For dense data in C order that are too few to be shared among threads.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .. import kernels, parallel
from ..kernels import JIT, PIECE, compiled
from ..kernels.compiled import NotCompiledError
from ..operators import ready_products
from ..operators.products import _rows_of_partial
from ..rounding import ROUND_UP, SAFE_SQUARES
from . import compiled_sigmoid
from .classification import LabelledSet
from .compiled_sigmoid import sigmoid, sigmoid_address
from .rounding import loops
from .rounding.classification import BinarySums, RoundingOfFit

LOW, HIGH = SAFE_SQUARES
Data = tuple[np.ndarray, int, np.ndarray, np.ndarray, np.ndarray]  # X, rows of a block of Xᵀu, w, t, ‖x_i‖
NOT_SAFE = (False, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
_with = (kernels.dense, kernels.vectors, ready_products, loops, compiled_sigmoid)
_options: dict[str, Any] = dict(nogil=True, error_model="numpy", sources=[str(module.__file__) for module in _with])
_compiled = compiled(patient=True, **_options)
_within = compiled(no_cpython_wrapper=True, no_cfunc_wrapper=True, **_options)  # Python does not call it


class BinaryPoint(NamedTuple):
    """What y makes of the training and of the validation data.

    Attributes
    ----------
    train, validation : BinarySums
        Of the errors of the two fits.
    d : ndarray, shape (n,)
        w_i σ′(s_i).
    b, gradient, E : ndarray, shape (p,)
    y_norm, E_norm : float
    """

    train: BinarySums
    validation: BinarySums
    d: np.ndarray
    b: np.ndarray
    gradient: np.ndarray
    E: np.ndarray
    y_norm: float
    E_norm: float


def binary_point(train: LabelledSet, validation: LabelledSet, D: np.ndarray, y: np.ndarray) -> BinaryPoint | None:
    """All that is above, D of shape (p,); None where it is Python's to form."""
    dtype = y.dtype
    if not (JIT and D.dtype == dtype and D.flags.carray and y.flags.carray):
        return None
    of_train, of_validation = _prepared(train, dtype), _prepared(validation, dtype)
    if of_train is None or of_validation is None or not (address := sigmoid_address(dtype.char)):
        return None
    n, p = of_train[0][0].shape
    d, m = np.empty(n, dtype), np.empty(n)
    b, gradient, E = np.empty(p, dtype), np.empty(p, dtype), np.empty(p, dtype)
    try:
        done, y_norm, E_norm, each, value, largest, each_v = at_point(
            address, *of_train, *of_validation, D, y, d, m, b, gradient, E
        )
    except NotCompiledError:
        return None
    if not done:
        return None
    sums = BinarySums(each, (value, largest), m), BinarySums(each_v)
    return BinaryPoint(*sums, d, b, gradient, E, y_norm, E_norm)


def _prepared(data: LabelledSet, dtype: np.dtype) -> tuple[Data, RoundingOfFit] | None:
    """The samples as `at_point` takes them; None where X is not dense, in C order, of this type, with rows that are
    summed at once, and for one thread."""
    found: tuple[Data, RoundingOfFit] | None = data.compiled.get(dtype)
    if found is None:
        X = data.design.X
        dense = isinstance(X, np.ndarray) and X.dtype == dtype and X.flags.c_contiguous and X.flags.aligned
        if not dense or (dtype != np.float64 and X.shape[1] > PIECE):
            return None
        arrays = X, _rows_of_partial(X, dtype), *data.constants(dtype), data.design.row_norms
        found = data.compiled[dtype] = arrays, RoundingOfFit.of(data.design, dtype)
    return found if found[0][0].size < 2 * parallel.GRAIN or parallel.threads() == 1 else None


@_compiled
def at_point(
    address: int,
    train: Data,
    of_train: RoundingOfFit,
    validation: Data,
    of_validation: RoundingOfFit,
    D: np.ndarray,
    y: np.ndarray,
    d: np.ndarray,
    m: np.ndarray,
    b: np.ndarray,
    gradient: np.ndarray,
    E: np.ndarray,
) -> tuple[bool, float, float, float, float, float, float]:
    """Whether all is finite and far from the ends of the range; ‖y‖, ‖E‖, and the sums of the two fits' errors.

    address : of σ.   train, validation : X, rows of a block of Xᵀu, w, t, ‖x_i‖.
    of_train, of_validation : how the fits round.   D, y : p, read.
    d, m : n, written: w ∘ σ′, and what `loops.curvature_sums` leaves.   b, gradient, E : p, written.
    """
    w, norms, wv, norms_v = train[2], train[4], validation[2], validation[4]
    misfits, curvatures, held_out = np.empty(w.size, y.dtype), np.empty(w.size, y.dtype), np.empty(wv.size, y.dtype)
    _fit(address, train, y, misfits, curvatures, gradient)
    _fit(address, validation, y, held_out, held_out[:0], b)
    for i in range(w.size):
        d[i] = w[i] * curvatures[i]
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
    value, largest = loops.curvature_sums(w, of.of_w, *at, curvatures, of.curvature_units, of.underflow, of.tiny, m)
    each_v = loops.residual_sum(wv, of_v.of_w, of_v.factor, *at_v, held_out, of_v.units, of_v.underflow)
    return True, y_norm, math.sqrt(E_square), each, value, largest, each_v


@_within
def _fit(address: int, data: Data, y: np.ndarray, misfits: np.ndarray, curvatures: np.ndarray, out: np.ndarray) -> None:
    """misfits_i ← σ(−m_i), curvatures_i ← σ(m_i)σ(−m_i) where they are asked for, and out ← Xᵀ(w ∘ r), block by block.

    A block of rows is read for its margins, and again, from the cache, for its part of the sum.
    """
    X, rows, w, t, _ = data
    n, blocks = w.size, -(-w.size // rows)
    scores, u, partial = np.empty(n, y.dtype), np.empty(n, y.dtype), np.empty((blocks, y.size), y.dtype)
    for block in range(blocks):
        kernels.dense_product(block, block + 1, rows, X, y, scores)
        for i in range(block * rows, min(n, (block + 1) * rows)):
            margin = t[i] * scores[i]
            misfits[i] = sigmoid(address, -margin)
            if curvatures.size:
                curvatures[i] = sigmoid(address, margin) * misfits[i]
            u[i] = w[i] * -t[i] * misfits[i]
        kernels.dense_transposed(block, block + 1, rows, X, u, partial)
    ready_products.added(partial, out)
