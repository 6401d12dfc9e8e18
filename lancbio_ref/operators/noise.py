"""Code that rounds more coarsely than the system it is part of: float32 inside, float64 outside.

For a linear A and any s, A(s v)/s = A v. With an s that is no power of two every rounding inside falls differently, so

    ‖A(s v)/s − A v‖/‖A v‖

is about the unit roundoff that A's products are made with, whatever type they come in.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse.linalg import LinearOperator

from ..rounding import norm2, unit_roundoff
from .base import coarsest, structure_of

SCALE = 4 / 3
LEAST, MOST = 2.0**-36, 2.0**-7  # between the two types; and what is more than half precision is no rounding


def coarse_noise(A: LinearOperator, v: np.ndarray) -> float:
    """The relative rounding of the products of a black box A, where it is far above that of v's type; 0 elsewhere.

    What A has returned so far may show it; else it costs two products.
    """
    u = unit_roundoff(v.dtype)
    if structure_of(A) is not None or u > LEAST or not v.any():
        return 0.0
    if (seen := coarsest(A, v.dtype)) > LEAST:
        return seen
    with np.errstate(all="ignore"):
        product = A.matvec(v)
        size, noise = norm2(product), norm2(A.matvec(SCALE * v) / SCALE - product)
    return noise / size if size and LEAST * size < noise < MOST * size else 0.0


def remedy_of(noise: float) -> str:
    """What to do about products that are rounded so coarsely."""
    return (
        f"the products with the Hessian are rounded at {noise:.1e}, as in float32, within a system of float64: let "
        "them be computed in float64 (JAX: jax.config.update('jax_enable_x64', True); torch: dtype=torch.float64), "
        f"give x and y in float32, or ask for no more than a tolerance of {100 * noise:.0e}"
    )
