"""The operator of one step of a Lanczos process: counted, checked, and of a type that the process can have."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import COMPLEX
from ..errors import ArgumentError
from ..operators import CheckedOperator, as_square


def as_step_operator(
    A: Any, n: int, dtype: np.dtype, steps: int, calls: dict[str, int]
) -> tuple[CheckedOperator, np.dtype]:
    """A for a step of vectors of this length and type, `steps` being made; and the type that the process has to have.

    Raises
    ------
    ArgumentError
        A that is no square operator of n rows, or, after the first step, of a wider type than the process.

    Examples
    --------
    >>> import numpy as np
    >>> as_step_operator(np.eye(2), 2, np.dtype(np.float32), 0, {})[1]
    dtype('float64')
    """
    if not isinstance(A, CheckedOperator):
        A = CheckedOperator(as_square("A", A), "A", calls)
    if A.shape != (n, n):
        raise ArgumentError("A", f"shape {A.shape}", f"shape ({n}, {n})")
    if A.dtype is dtype or A.dtype == dtype or (wider := np.result_type(dtype, A.dtype)) == dtype:
        return A, dtype
    if wider.char not in COMPLEX:
        raise ArgumentError("A", f"dtype {A.dtype}", "float32, float64, complex64 or complex128")
    if steps:
        raise ArgumentError("A", f"dtype {A.dtype}", f"a type no wider than {dtype}, that of the first step")
    return A, wider
