"""How loops are compiled, and the sizes of blocks."""

from __future__ import annotations

import numpy as np
from numba import config, njit

if getattr(
    config, "DISABLE_JIT", False
):  # compiled kernels let numbers overflow in silence, and so must they as plain Python

    def njit(**_):  # type: ignore[no-redef]
        return np.errstate(all="ignore")


BLOCK = 2**13  # entries of a vector in one block: 64 kB of float64
PIECE = 2**9  # most float32 terms of a matrix that are added in float32: 512 u is 3e-5

reduction = njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
loop = njit(cache=True, nogil=True, fastmath={"contract"})
inlined = njit(inline="always")
