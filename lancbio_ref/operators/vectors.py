"""SciPy's whole ``LinearOperator`` contract for operators whose products are written for one vector.

What SciPy hands to ``_matvec`` depends on its version and on the route: a vector; a column of shape (n, 1), before 1.18
and through ``A.T`` and ``A.H``; a batch of rows (…, n), since 1.18; an ``np.matrix`` whose shape nobody has looked at,
since 1.18. A product that is written for vectors makes something else of each, and a compiled one reads past the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial, wraps
from types import SimpleNamespace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from scipy.sparse.linalg import LinearOperator

from ..errors import CallableError
from .settled import settle

Product = Callable[[Any, np.ndarray], Any]
P = TypeVar("P", bound=Product)


def _sets_no_more() -> bool:
    """Whether SciPy's constructor, in this version, sets the type and the shape and nothing else."""
    found = SimpleNamespace()
    try:
        LinearOperator.__init__(found, np.float64, (1, 1))
    except (AttributeError, TypeError):
        return False
    return vars(found).keys() == {"dtype", "shape"}


SETS_NO_MORE = _sets_no_more()


def read_only(array: np.ndarray) -> np.ndarray:
    """A view of `array` through which nobody writes."""
    view = array.view()
    view.setflags(write=False)
    return view


def asked(function: Callable[..., Any], arguments: tuple[Any, ...], what: str, call: int) -> Any:
    """``function(*arguments)`` for code that is not ours: it gets read-only views, and is named where it writes there.

    Copies would hide that the callable works on with what it has overwritten, and cost as much as views do.

    Raises
    ------
    CallableError
        NumPy, numba or a typed buffer says that somebody wanted to write.
    """
    try:
        return function(*[read_only(a) if isinstance(a, np.ndarray) else a for a in arguments])
    except Exception as error:
        _name_who_writes(error, what, call)
        raise


def asked_of(product: Callable[[np.ndarray], Any], v: np.ndarray, what: str, call: int) -> Any:
    """`asked` for one array."""
    try:
        v = v.view()
        v.setflags(write=False)
        return product(v)
    except Exception as error:
        _name_who_writes(error, what, call)
        raise


def asked_at(function: Callable[..., Any], x: np.ndarray, y: np.ndarray, what: str, call: int) -> Any:
    """`asked` for two arrays."""
    try:
        x, y = x.view(), y.view()
        x.setflags(write=False)
        y.setflags(write=False)
        return function(x, y)
    except Exception as error:
        _name_who_writes(error, what, call)
        raise


def _name_who_writes(error: Exception, what: str, call: int) -> None:
    """:class:`CallableError` where `error` is of somebody who wanted to write into a view."""
    if any(words in str(error).lower() for words in ("read-only", "readonly array")):
        found = f"nothing, for it wants to write into its argument ({error})"
        raise CallableError(what, call, found, "the argument left as it is: work on a copy, x.copy()") from error


def is_ours(kind: type) -> bool:
    """Whether a class is this package's, whose code leaves its arguments alone."""
    return kind.__module__.startswith("lancbio_ref.")


def leaves_arguments_alone(A: LinearOperator) -> bool:
    """Whether the products of A, and of all operators in it, are this package's."""
    if not getattr(type(A), "_is_ours", False):
        return False
    if getattr(A, "has_bounds", False):  # no part of it is a black box
        return True
    return all(leaves_arguments_alone(part) for part in vars(A).values() if isinstance(part, LinearOperator))


def of_both_parts(product: Callable[[np.ndarray], np.ndarray], v: np.ndarray) -> np.ndarray:
    """A real linear map of a complex v."""
    return product(np.ascontiguousarray(v.real)) + 1j * product(np.ascontiguousarray(v.imag))


def silent(product: P) -> P:
    """Mark a product that does its arithmetic in compiled loops, or sees to NumPy's settings itself: entering
    ``np.errstate`` takes as long as a short product.
    """
    product.is_silent = True  # type: ignore[attr-defined]
    return product


class VectorOperator(LinearOperator):
    """An operator that subclasses define by ``_matvec`` and ``_rmatvec`` of one 1-D array of the right length.

    Those two, in every subclass, are then asked for nothing else: columns, rows and matrices go through them vector by
    vector, and what does not fit is a ``ValueError``, as SciPy's own are. A subclass has no need to, and should not,
    define ``_matmat``; where one reading of what it holds serves several vectors it may define ``_matvecs``.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref.operators.vectors import VectorOperator
    >>> class Reversal(VectorOperator):
    ...     def __init__(self, n):
    ...         super().__init__(np.float64, (n, n))
    ...
    ...     def _matvec(self, v):
    ...         return v[::-1]
    ...
    ...     _rmatvec = _matvec
    >>> Reversal(2) @ np.array([[1.0, 2.0], [3.0, 4.0]])
    array([[3., 4.],
           [1., 2.]])
    """

    dtype: Any
    _is_ours: bool = False  # of a class: whether it is this package's
    _held: tuple[str, ...] = ()  # arrays that others were derived from: read-only, in a copy too
    _settled: tuple[str, ...] = ()  # attributes that others were derived from: set once, by each instance

    def __init__(self, dtype: npt.DTypeLike | None, shape: tuple[int, int]) -> None:
        if SETS_NO_MORE and len(shape) == 2 and type(shape[0]) is type(shape[1]) is int:
            self.dtype, self.shape = None if dtype is None else np.dtype(dtype), tuple(shape)
        else:  # SciPy looks at the shape for as long as a small product takes
            super().__init__(dtype, shape)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A copy, deep or through pickle, whose arrays would be writable again."""
        theirs = getattr(super(), "__setstate__", None)  # SciPy has one since 1.18
        if theirs is None:
            self.__dict__.update(state)
        else:
            theirs(state)
        for name in self._held:
            held = self.__dict__[name]
            for array in (held,) if isinstance(held, np.ndarray) else (held.data, held.indices, held.indptr):
                array.flags.writeable = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._is_ours = is_ours(cls)
        settle(cls)
        for name, side in (("_matvec", 1), ("_rmatvec", 0)):
            if name in vars(cls):
                setattr(cls, name, _of_any_shape(vars(cls)[name], side))

    def matvec(self, x: npt.ArrayLike) -> np.ndarray:
        """A x. A vector goes straight to the product: SciPy's conversions cost more than a small product does."""
        if type(x) is np.ndarray and x.shape == (self.shape[1],):
            value, size = self._matvec(x), self.shape[0]
            return value if type(value) is np.ndarray and value.shape == (size,) else _as_vector(value, size)
        return super().matvec(x)

    def __matmul__(self, x: Any) -> Any:
        """A @ x, in the same way."""
        return self.matvec(x) if type(x) is np.ndarray and x.ndim == 1 else super().__matmul__(x)

    def rmatvec(self, x: npt.ArrayLike) -> np.ndarray:
        """Aᴴ x, in the same way."""
        if type(x) is np.ndarray and x.shape == (self.shape[0],):
            return _as_vector(self._rmatvec(x), self.shape[1])
        return super().rmatvec(x)

    def _rmatvec(self, x: np.ndarray, /) -> np.ndarray:
        if self._without_adjoint():  # SciPy's default would come back here through `_rmatmat`
            raise NotImplementedError(f"{type(self).__name__} has no adjoint")
        return super()._rmatvec(x)

    def _matvecs(self, V: np.ndarray) -> np.ndarray | None:
        """A v for the rows v of V, real, contiguous, shape (k, n): shape (k, m), with the bits of `_matvec`.

        None where there is no better way than vector by vector.
        """
        return None

    def _matmat(self, X: np.ndarray) -> np.ndarray:
        several = isinstance(X, np.ndarray) and X.ndim == 2 and X.shape[0] == self.shape[1] and X.shape[1] > 1
        if several and X.dtype.char not in "gFDG":
            V = np.ascontiguousarray(X.T, X.dtype.newbyteorder("=") if X.dtype.char in "fd" else np.float64)
            if (products := self._matvecs(V)) is not None:
                return products.T
        return self._by_columns(self._matvec, X, self.shape[0])

    def _rmatmat(self, X: np.ndarray) -> np.ndarray:
        return self._by_columns(self._rmatvec, X, self.shape[1]) if self._without_adjoint() else super()._rmatmat(X)

    def _without_adjoint(self) -> bool:
        """Whether no subclass gives the adjoint as an operator, which SciPy would ask first."""
        return type(self)._adjoint is LinearOperator._adjoint

    def _by_columns(self, product: Callable[[np.ndarray], Any], X: Any, size: int) -> np.ndarray:
        if not isinstance(X, np.ndarray):  # a sparse matrix: SciPy's message says what to do
            raise TypeError(f"a product with a {type(X).__name__}")
        return self._by_rows(product, np.asarray(X).swapaxes(-1, -2), size).swapaxes(-1, -2)

    def _by_rows(self, product: Callable[[np.ndarray], Any], X: np.ndarray, size: int) -> np.ndarray:
        """`product`, of `size` numbers, with each row of X, shape (…, n): shape (…, size)."""
        *lead, length = X.shape
        out = None
        for i, row in enumerate(X.reshape(math.prod(lead), length)):
            value = _as_vector(product(row), size)
            if out is None:
                out = np.empty((math.prod(lead), size), value.dtype)
            out[i] = value  # a copy: the next product may be written where this one is
        if out is None:
            out = np.empty((0, size), X.dtype if self.dtype is None else np.result_type(self.dtype, X))
        return out.reshape(*lead, size)


def _of_any_shape(product: Product, side: int) -> Product:
    """`product`, of vectors as long as ``shape[side]``, for all that SciPy hands over."""

    of_a_vector = product if getattr(product, "is_silent", False) else np.errstate(under="ignore")(product)

    @wraps(product)
    def of_any_shape(self: Any, x: np.ndarray) -> Any:
        length = self.shape[side]
        if type(x) is np.ndarray and x.shape == (length,):
            return of_a_vector(self, x)
        x = np.asarray(x)
        if x.shape == (length, 1):
            x = x[:, 0]
        if x.ndim == 0 or x.shape[-1] != length:
            raise ValueError(f"dimension mismatch: {self!r} and an array of shape {x.shape}")
        if x.ndim == 1:
            return np.asarray(product(self, x))
        return self._by_rows(partial(product, self), x, self.shape[1 - side])

    return of_any_shape


def _as_vector(value: Any, size: int) -> np.ndarray:
    return value if type(value) is np.ndarray and value.shape == (size,) else np.asarray(value).reshape(size)
