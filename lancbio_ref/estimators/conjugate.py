"""Conjugate gradients on several systems at once, each preconditioned by a factorization of its own.

    A_k x_k ≈ b_k,    until r_kᵀP_k⁻¹r_k ≤ target_k,    r_k = b_k − A_k x_k,    P_k ≈ A_k

(M. R. Hestenes and E. Stiefel, J. Res. NBS 49, 1952; preconditioned: Golub and Van Loan, 4th ed., algorithm 11.5.1).
Where P_k is A_k of a neighbouring point, a handful of products does what a factorization of A_k would.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass
class Solved:
    """Of K systems: x (K, m), rᵀP⁻¹r at the end (K,), products (K,)."""

    x: np.ndarray
    left: np.ndarray
    products: np.ndarray


def conjugate_gradients(
    product: Callable[[np.ndarray], np.ndarray],
    preconditioned: Callable[[np.ndarray, np.ndarray], np.ndarray],
    b: np.ndarray,
    target: np.ndarray,
    most: int,
) -> Solved:
    """Solve K systems; those whose target is inf are left at 0.

    Parameters
    ----------
    product : callable
        (K, m) to (A_k v_k)_k.
    preconditioned : callable
        (K, m) and which of them, (K,) bool, to (P_k⁻¹r_k)_k, 0 for the others.
    b : ndarray, shape (K, m)
    target : ndarray, shape (K,)
        Of rᵀP⁻¹r.
    most : int
        Products.
    """
    x, r = np.zeros_like(b), b.copy()
    going, products = target < np.inf, np.zeros(len(b), np.int64)
    z = preconditioned(r, going)
    d, left = z.copy(), np.einsum("kj,kj->k", r, z)
    going &= left > target
    for _ in range(most):
        if not going.any():
            break
        Ad = product(d)
        curvature = np.einsum("kj,kj->k", d, Ad)
        going &= curvature > 0  # else A is not positive definite, to rounding
        products += going
        step = np.divide(left, curvature, out=np.zeros_like(left), where=going)[:, None]
        x += step * d
        r -= step * Ad
        z = preconditioned(r, going)
        after = np.where(going, np.einsum("kj,kj->k", r, z), left)
        d = z + np.divide(after, left, out=np.zeros_like(left), where=going)[:, None] * d
        left = after
        going &= left > target
    return Solved(x, left, products)
