"""The preconditioner of a Lanczos process: M w and √(wᴴM w), of numbers that may leave the range on the way."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import ArgumentError, RepresentationError
from ..operators import CheckedOperator, as_operator
from ..rounding import is_finite, norm2, scale, unit_roundoff
from .scaling import exponent_of, root_of_product


def as_preconditioner(M: Any, q1: np.ndarray) -> CheckedOperator:
    """M as a checked operator that fits q1."""
    M = as_operator("M", M, (q1.size, q1.size))
    if M.dtype is not None and M.dtype.kind == "c" and q1.dtype.kind != "c":
        raise ArgumentError("M", f"dtype {M.dtype}", "a real preconditioner of a real process")
    return M if isinstance(M, CheckedOperator) else CheckedOperator(M, "M")


class Preconditioner:
    """M, and what its products have shown of it.

    Attributes
    ----------
    norm : float
        The largest ‖M w‖₂/‖w‖₂ so far, a lower bound of ‖M‖₂.
    """

    def __init__(self, M: CheckedOperator) -> None:
        self.M, self.norm = M, 0.0

    def begin(self, size: float, p: np.ndarray, out: np.ndarray) -> tuple[float, int]:
        """√(pᴴM p) for p/2^e, and e, 0 for a start p of moderate `size`.   Writes p/2^e and M p/2^e into out.

        Raises
        ------
        ArgumentError
            pᴴM p = 0, and what :meth:`apply` raises.
        """
        exponent = exponent_of(size, p.dtype)  # M q1 may overflow, or underflow, where M q_1 does not
        if exponent:
            p[:] = scale(p, -exponent)
        size = self.apply(p, out)
        if size == 0:
            raise ArgumentError("M", "q1ᴴMq1 = 0", "a positive definite preconditioner")
        return size, exponent

    def apply(self, w: np.ndarray, out: np.ndarray) -> float:
        """√(wᴴM w), 0 where rounding may have made the product negative.   Writes M w into out.

        Raises
        ------
        ArgumentError
            wᴴM w is negative beyond rounding.
        RepresentationError
            M w overflows the type of `out`.
        """
        product = self.M.matvec(w)
        with np.errstate(over="ignore"):
            out[:] = product  # in another type, perhaps
        if not is_finite(out):
            raise RepresentationError(f"M w overflows {out.dtype}: scale M down")
        size, product_size = norm2(w), norm2(out)
        if size == 0 or product_size == 0:
            return 0.0
        self.norm = max(self.norm, product_size / size)
        root, negative = root_of_product(w, out)
        if negative and root > math.sqrt((w.size + 10) * unit_roundoff(w.dtype) * self.norm) * size:
            found = f"wᴴMw = -({root:.3g})² for a Krylov vector w"
            raise ArgumentError("M", found, "a positive definite preconditioner")
        return 0.0 if negative else root
