"""Whatever a caller has for a matrix, as an operator: above the dense and the sparse ones, which it makes."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from ..arguments import Operator
from ..errors import ArgumentError
from .dense import DenseOperator
from .sparse import SparseOperator


def as_operator(name: str, A: Operator, shape: tuple[int | None, int | None] | None = None) -> LinearOperator:
    """`A` as a LinearOperator: arrays and sparse matrices become structured ones.

    Raises
    ------
    ArgumentError
        Not an operator, the wrong shape, or NaN or infinity among the entries of an array.
    """
    operator = A if isinstance(A, LinearOperator) else _wrapped(name, A)
    if missing := [part for part in ("shape", "dtype") if not hasattr(operator, part)]:
        found = f"a {type(operator).__name__} without {' and '.join(missing)}"
        raise ArgumentError(name, found, "an operator whose __init__ calls super().__init__(dtype, shape)")
    if len(operator.shape) != 2:  # SciPy has batches of operators since 1.18
        raise ArgumentError(name, f"shape {operator.shape}", "2-D: one operator of shape (m, n)")
    if shape is not None and any(s is not None and s != t for s, t in zip(shape, operator.shape, strict=True)):
        wanted = tuple("n" if s is None else s for s in shape)
        raise ArgumentError(name, f"shape {operator.shape}", f"shape ({wanted[0]}, {wanted[1]})")
    return operator


def _wrapped(name: str, A: Operator) -> LinearOperator:
    """An array or a sparse matrix, or what SciPy turns into an operator, as one."""
    operator: LinearOperator
    if sp.issparse(A):
        operator = SparseOperator(A, name=name)
    elif isinstance(A, (np.ndarray, list, tuple)) or np.isscalar(A) or is_array_like(A):
        operator = DenseOperator(A, name=name)
    else:
        try:
            operator = aslinearoperator(A)
        except TypeError:
            raise ArgumentError(name, type(A).__name__, "an array, a sparse matrix or a LinearOperator") from None
    return operator


def is_array_like(A: Any) -> bool:
    """Whether it is an array of some library, and no operator."""
    return hasattr(A, "__array__") and not hasattr(A, "matvec")


def as_square(name: str, A: Operator) -> LinearOperator:
    """`as_operator` for a square one."""
    operator = as_operator(name, A)
    if operator.shape[0] != operator.shape[1]:
        raise ArgumentError(name, f"shape {operator.shape}", "a square operator")
    return operator
