"""Linear operators that know how their own product rounds.

A certificate needs more than ``A @ v``: it needs a bound of the error of that product. An operator
with structure gives one (Higham 2002, section 3.5),

    |fl(A v) − A v| ≤ γ_m |A||v|,   m = `terms`, the most additions that one entry goes through,

as :meth:`StructuredOperator.abs_product`. A black-box ``LinearOperator`` cannot.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse.linalg import LinearOperator

from .. import memory
from ..arguments import plain_array
from ..errors import ArgumentError, CallableError, DivergenceError, LancbioError
from ..kernels import BLOCK
from ..rounding import is_finite, rounding_factor, unit_roundoff
from .vectors import SETS_NO_MORE, VectorOperator, asked_of, leaves_arguments_alone


class StructuredOperator(VectorOperator):
    """A real or complex operator whose products come with an error bound.

    Subclasses set `terms` and define `abs_product`, `norm_bound`, `toarray`, and ``_matvec`` and ``_rmatvec`` of one
    vector; and where they can, `is_symmetric`. Products are rounded in the type of v and A together, and in no coarser
    one.

    Attributes
    ----------
    terms : int
        m in |fl(A v) − A v| ≤ γ_m |A||v|.
    has_bounds : bool
        False in an instance one part of which is a black box; it is then treated as one itself.
    is_diagonal : bool
        Whether each entry of a product is known to be one product of two numbers: then |A||v| is |A v|, to the bit.
    """

    terms: int
    has_bounds: bool = True
    is_diagonal: bool = False

    def abs_product(self, v: np.ndarray) -> np.ndarray:
        """fl(|A| v) for a non-negative v, entrywise (|A| may be any entrywise upper bound of |A|).

        The operators of the package form it in float64 whatever their type, and say infinity where it overflows.
        """
        raise NotImplementedError

    def absolute_norm(self) -> tuple[float, float] | None:
        """N and ν with ‖|A| v‖₂ ≤ N‖v‖₂ and ν for what underflows in a product, where they cost no reading of A."""
        return None

    def abs_adjoint_product(self, u: np.ndarray) -> np.ndarray:
        """fl(|A|ᵀ u) for a non-negative u, entrywise; where :meth:`is_symmetric`, `abs_product`."""
        if self.is_symmetric():
            return self.abs_product(u)
        raise NotImplementedError

    def product_factor(self, dtype: npt.DTypeLike) -> float:
        """g with |fl(A v) − A v| ≤ g fl(|A||v|) entrywise, underflow apart, for v of type `dtype`.

        γ_m/(1 − γ_m), m = `terms`, with the u of the type of the result. Operators that add long sums of float32 in
        float64, or pieces of them, count the two kinds of rounding apart; an infinite g proves nothing.
        """
        result = self.result_type(dtype)
        return rounding_factor(2 * self.terms + 4 if result.kind == "c" else self.terms, 0, unit_roundoff(result))

    def adjoint_factor(self, dtype: npt.DTypeLike) -> float:
        """`product_factor` for Aᵀu (complex: Aᴴu) and `abs_adjoint_product`; the default is of a symmetric A."""
        return self.product_factor(dtype)

    def norm_bound(self) -> float:
        """A proven upper bound of ‖A‖₂, cheap rather than sharp; infinite where it overflows, never NaN."""
        raise NotImplementedError

    def is_symmetric(self) -> bool:
        """Whether A = Aᵀ is certain from what A is made of; the proofs about eigenvalues ask for it."""
        return False

    def result_type(self, dtype: npt.DTypeLike) -> np.dtype:
        """Of A v for v of type `dtype`."""
        return self.dtype if self.dtype == dtype else np.result_type(self.dtype, dtype)

    def is_single(self, dtype: npt.DTypeLike) -> bool:
        """Whether A v is float32 for v of type `dtype`."""
        return self.result_type(dtype) == np.float32

    def toarray(self) -> np.ndarray:
        """The dense matrix; the default multiplies by the identity column by column."""
        return as_dense(self)


class CheckedOperator(VectorOperator):
    """`inner` with every product counted and checked: right shape, no NaN, no infinity.

    All of SciPy's ``LinearOperator``: k products for a matrix of k columns, and one each for what ``A.T``, ``A.H``,
    sums and SciPy's solvers ask for.

    Attributes
    ----------
    inner : LinearOperator
    name : str
        What error messages call it.
    calls : dict
        Calls made, by name; several operators may share one.
    products : int
        Products A v made with this operator.
    """

    _settled = ("inner",)

    def __init__(self, inner: LinearOperator, name: str, calls: dict[str, int] | None = None) -> None:
        if SETS_NO_MORE and getattr(type(inner), "_is_ours", False):  # it has been looked at
            self.dtype, self.shape = inner.dtype, inner.shape
        else:
            super().__init__(inner.dtype, inner.shape)
        self.inner, self.name, self._lends = inner, name, not leaves_arguments_alone(inner)
        self.calls: dict[str, int] = {} if calls is None else calls
        self.products = 0
        self.roundoff = 0.0  # the coarsest of what came back, where that is coarser than float64
        if inner.dtype is not None and inner.dtype is not _DOUBLE:
            self._note(np.dtype(inner.dtype))

    def matvec(self, x: npt.ArrayLike) -> np.ndarray:
        """A x; a vector goes to the product of `inner` at once."""
        if type(x) is np.ndarray and x.shape == (self.shape[1],):
            self.products += 1
            return self._checked(self.inner._matvec, x, self.name + " @ v", self.shape[0])
        return super().matvec(x)

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        self.products += 1
        return self._checked(self.inner._matvec, v, self.name + " @ v", self.shape[0])

    def _rmatvec(self, v: np.ndarray) -> np.ndarray:
        return self._checked(self.inner._rmatvec, v, self.name + ".T @ v", self.shape[1])

    def _matvecs(self, V: np.ndarray) -> np.ndarray | None:
        """Those of `inner`, where one reading of what it holds serves several vectors; counted as as many products."""
        if self._lends or not isinstance(self.inner, VectorOperator):
            return None
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            products = self.inner._matvecs(V)
        if products is None:
            return None
        what = self.name + " @ v"
        for v, product in zip(V, products, strict=True):
            self.products += 1
            call = self.calls[what] = self.calls.get(what, 0) + 1
            require_finite(product, what, call, at=(v,))
        self._note(products.dtype)
        return products

    @np.errstate(over="ignore", under="ignore", invalid="ignore")
    def product(self, v: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """A v for a kernel: contiguous, of this type, and good until the next product.

        Perhaps the operator's own memory; not tested for NaN: the caller's sums show it, and `require_finite` names it.
        """
        self.products += 1
        what = self.name + " @ v"
        call = self.calls[what] = self.calls.get(what, 0) + 1
        matvec = self.inner._matvec
        returned = asked_of(matvec, v, what, call) if self._lends else matvec(v)
        if type(returned) is np.ndarray and returned.shape == self.shape[:1] and returned.dtype == dtype:
            if returned.flags.carray:  # as nearly always
                return returned
            return np.ascontiguousarray(returned if returned.flags.writeable else returned.copy())
        array = as_returned(returned, what, call, self.shape[0], kinds="biufc" if dtype.kind == "c" else "biuf")
        self._note(array.dtype)
        return np.ascontiguousarray(array, dtype)

    def require_finite(self, product: np.ndarray, v: np.ndarray) -> None:
        """An exception that names the last product where it is not finite."""
        what = self.name + " @ v"
        require_finite(product, what, self.calls[what], at=(v,))

    @np.errstate(over="ignore", under="ignore", invalid="ignore")  # found by `check_returned`, and named
    def _checked(self, product: Callable[[np.ndarray], Any], v: np.ndarray, what: str, size: int) -> np.ndarray:
        call = self.calls[what] = self.calls.get(what, 0) + 1
        complex_allowed = v.dtype.kind == "c" or (self.dtype is not None and self.dtype.kind == "c")
        kinds = "biufc" if complex_allowed else "biuf"
        try:
            returned = check_returned(self._asked(product, v, what, call), what, call, size, at=(v,), kinds=kinds)
        except NotImplementedError:
            self.calls[what] -= 1  # there is no adjoint to call
            raise
        self._note(returned.dtype)
        return returned

    def _asked(self, product: Callable[[np.ndarray], Any], v: np.ndarray, what: str, call: int) -> Any:
        """``product(v)``; code that is not ours gets a view of v that it cannot write to."""
        return asked_of(product, v, what, call) if self._lends else product(v)

    def _note(self, dtype: np.dtype) -> None:
        if dtype.char in "efF":
            self.roundoff = max(self.roundoff, unit_roundoff(dtype))


def _references(value: Any) -> int:
    array = value
    return sys.getrefcount(array)


def _references_within(value: Any) -> int:
    return _references(value)


_ALONE = _references(np.empty(1))  # of an array that only `as_owned` holds
_ALONE_WITHIN = _references_within(np.empty(1))  # and `check_returned`, which calls it
_DOUBLE = np.dtype(np.float64)


def check_returned(
    value: Any, what: str, call: int, size: int, *, at: tuple[np.ndarray, ...] = (), kinds: str = "biuf"
) -> np.ndarray:
    """`value` as a finite 1-D array of length `size` that is ours alone, or an exception that names `what` and `call`.

    A copy where anybody else holds it: a callable may hand out its own buffer, or its argument, and write there at the
    next call. A column of shape (size, 1) is taken as a vector, as SciPy does. Of a value that is not finite, `what` is
    innocent where its arguments `at` were not finite.

    Raises
    ------
    CallableError
        Another shape or kind of number, NaN or infinity.
    DivergenceError
        NaN or infinity, and `at` was no better.
    """
    array = as_owned(value, what, call, size, kinds=kinds, alone=_ALONE_WITHIN)
    require_finite(array, what, call, at=at)
    return array


def as_owned(value: Any, what: str, call: int, size: int, *, kinds: str = "biuf", alone: int = _ALONE) -> np.ndarray:
    """`check_returned` but for the test of its entries, which the caller's own loop makes.

    The caller has no name for `value`, but for one whose `alone` counts it.
    """
    if type(value) is np.ndarray and value.dtype is _DOUBLE and value.shape == (size,):
        array = value  # as nearly always
    else:
        array = as_returned(value, what, call, size, kinds=kinds)
    # somebody else may write into it. To copy whatever comes would cost a product with a diagonal of 10⁵ entries 70 %
    # more, one with diagonal and rank 3 10 %, a dense one of 2000 rows nothing that shows (median of 9, one thread)
    if not (array.flags.owndata and sys.getrefcount(array) <= alone + (array.size > BLOCK and memory.holds(array))):
        array = memory.copied(array)
    return array


def as_returned(value: Any, what: str, call: int, size: int, *, kinds: str = "biuf") -> np.ndarray:
    """`value` as a 1-D array of length `size`, perhaps the callable's own, or a :class:`CallableError`."""
    if type(value) is np.ndarray and value.shape == (size,) and value.dtype.char in "fd" and value.dtype.isnative:
        return value
    expected = f"finite{'' if 'c' in kinds else ' real'} numbers of shape ({size},)"
    try:
        array = plain_array(what, value, expected)
    except ArgumentError as error:
        raise CallableError(what, call, error.found, error.expected) from None
    array = array.astype(array.dtype.newbyteorder("="), copy=False)  # compiled loops know the machine's byte order only
    if array.dtype.kind not in kinds or array.dtype.char in "gG":
        raise CallableError(what, call, f"dtype {array.dtype}", expected)
    if array.shape == (size, 1) or (isinstance(value, np.matrix) and array.shape == (1, size)):
        array = array.ravel()
    if array.shape != (size,):
        raise CallableError(what, call, f"shape {array.shape}", expected)
    return array


def require_finite(array: np.ndarray, what: str, call: int, *, at: tuple[np.ndarray, ...] = ()) -> None:
    """:class:`CallableError` where an entry is not finite, :class:`DivergenceError` where `at` was no better."""
    if not is_finite(array):
        error: LancbioError
        if not all(np.isfinite(a).all() for a in at):
            error = DivergenceError(f"{what}, call {call}: evaluated where its argument is not finite")
        else:
            index = int(np.flatnonzero(~np.isfinite(array))[0])
            expected = f"finite{'' if array.dtype.kind == 'c' else ' real'} numbers of shape ({array.size},)"
            error = CallableError(what, call, f"{array[index]} at index {index}", expected)
        error.at = tuple(a.copy() for a in at)
        raise error


def as_dense(A: LinearOperator, dtype: npt.DTypeLike | None = None) -> np.ndarray:
    """The matrix of an operator, by a product with each unit vector, of its own type by default."""
    units = np.eye(A.shape[1], dtype=A.dtype if dtype is None else dtype)
    if isinstance(A, VectorOperator) and (products := A._matvecs(units)) is not None:
        return np.ascontiguousarray(products.T)
    return np.stack([A.matvec(e) for e in units], axis=1)


def coarsest(A: LinearOperator, dtype: npt.DTypeLike) -> float:
    """u of the coarsest array that took part in products of a black box A with vectors of `dtype`.

    A float32 operator in a float64 system rounds at 2⁻²⁴, and one that says float64 and returns float32 does too.
    """
    return max(unit_roundoff(dtype), getattr(A, "roundoff", 0.0))


def structure_of(A: LinearOperator) -> StructuredOperator | None:
    """The structured operator behind `A` (through checks), or None for a black box."""
    while isinstance(A, CheckedOperator):
        A = A.inner
    return A if isinstance(A, StructuredOperator) and A.has_bounds else None


def diagonal_of(A: LinearOperator) -> np.ndarray:
    """diag(A), of an operator of this package that knows it, through checks; :class:`ArgumentError` for another."""
    while isinstance(A, CheckedOperator):
        A = A.inner
    if not hasattr(A, "diagonal"):
        raise ArgumentError("A", type(A).__name__, "an array, a sparse matrix or an operator that knows its diagonal")
    return np.asarray(A.diagonal())


def diagonal_part(A: LinearOperator) -> np.ndarray | None:
    """d where A = B + diag(d) as an operator of this package shows it, through checks; None for another.

    Examples
    --------
    >>> from lancbio_ref.operators import GeneralizedLinear, diagonal_part
    >>> diagonal_part(GeneralizedLinear([[1.0, 2.0]], d=[0.5], ridge=0.25))  # Xᵀdiag(d)X is B
    array([0.25, 0.25])
    """
    while isinstance(A, CheckedOperator):
        A = A.inner
    return A.diagonal_part() if hasattr(A, "diagonal_part") else None


def one_batch(A: LinearOperator) -> LinearOperator:
    """`A` with one mini-batch for all its products; `A` itself where nothing is drawn.

    An operator that draws a batch a product offers ``one_batch()``. A conjugate-gradient solve and a 2 × 2 Galerkin
    matrix need it: with a fresh batch a product the one diverges and the other is not symmetric.
    """
    inner = A.inner if isinstance(A, CheckedOperator) else A
    if not hasattr(inner, "one_batch"):
        return A
    fixed = inner.one_batch()
    return CheckedOperator(fixed, A.name, A.calls) if isinstance(A, CheckedOperator) else fixed
