"""The residual b − A x of the x that leaves, in units in which nothing underflows: what every status rests on.

Where b is tiny, so are the products in A x, and b − A x evaluated as it stands says 0 of an x that is far off: 0.7·x
and b may be the same subnormal number and differ by a tenth. Powers of two are exact, and 2^s x with s ≥ 0 loses
nothing, so

    b − A x = 2^−s (2^s b − A(2^s x))

is evaluated on the right, one product as on the left. The tolerance is compared in the same units: rtol‖b‖ may itself
be below the smallest number there is, and would round to 0 or to more than was asked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from scipy.sparse.linalg import LinearOperator

from ..errors import CallableError, DivergenceError
from ..rounding import norm2, scale, scale_number, scaled_quotient, smallest_subnormal, unit_roundoff
from .scaling import exponent_of


@dataclass(frozen=True)
class Residual:
    """b − A x and its norm.

    Attributes
    ----------
    vector : ndarray, shape (n,)
        b − A x, rounded to the caller's units.
    size, right : float
        ‖b − A x‖ and ‖b‖, both in units of 2^exponent.
    exponent : int
    """

    vector: np.ndarray = field(repr=False)
    size: float
    right: float
    exponent: int = 0

    @classmethod
    def of(cls, vector: np.ndarray, b: np.ndarray) -> Residual:
        """A residual that was evaluated already, for a b of moderate size."""
        return cls(vector, norm2(vector), norm2(b))

    def meets(self, rtol: float, atol: float = 0.0) -> bool:
        """Whether ‖b − A x‖ ≤ max(rtol ‖b‖, atol)."""
        return self.size <= asked(rtol, scale_number(atol, -self.exponent), self.right)

    def floor(self, x: np.ndarray, norm_A: float) -> float:
        """(n + 10) u (‖A‖‖x‖ + ‖b‖) + √n η‖A‖: what rounding alone may leave, η/2 that of a subnormal entry of x."""
        norm_A = norm_A if math.isfinite(norm_A) else 0.0
        unit = 2.0**self.exponent
        terms = scaled_quotient(norm_A, norm2(x), unit)
        subnormal = scaled_quotient(norm_A, math.sqrt(x.size) * smallest_subnormal(x.dtype), unit)
        return (x.size + 10) * unit_roundoff(x.dtype) * (terms + self.right) + subnormal


def asked(rtol: float, atol: float, size: float) -> float:
    """max(rtol · size, atol); 0 · inf, of an infinite tolerance and b = 0, is 0."""
    return max(rtol * size if size else 0.0, atol)


def is_tiny(b: np.ndarray) -> bool:
    """Whether b − A x has to be evaluated in other units."""
    return exponent_of(norm2(b), b.dtype) < 0


def evaluate(A: LinearOperator, x: np.ndarray, b: np.ndarray) -> Residual:
    """b − A x; one product.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref.operators import CheckedOperator, DenseOperator
    >>> A, tiny = CheckedOperator(DenseOperator([[0.7]]), "A"), np.array([5e-324])
    >>> tiny - A.matvec(tiny), evaluate(A, tiny, tiny).meets(rtol=0.1)
    (array([0.]), False)
    """
    exponent = min(exponent_of(norm2(b), b.dtype), 0)
    if exponent and x.any():  # 2^−exponent x stays well within the range, and so do its products
        room = np.finfo(x.dtype).maxexp // 2 - math.frexp(norm2(x))[1]
        exponent = min(max(exponent, -room), 0)
    if exponent:
        right = scale(b, -exponent)
        try:
            residual = right - A.matvec(scale(x, -exponent))
        except (CallableError, DivergenceError):  # an x so wrong that A x overflows in these units
            exponent = 0
        else:
            return Residual(scale(residual, exponent), norm2(residual), norm2(right), exponent)
    return Residual.of(b - A.matvec(x), b)
