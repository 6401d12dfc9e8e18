"""How loops are compiled, and the sizes of blocks."""

from __future__ import annotations

from typing import Any

import numpy as np

from .compiled import compiled

BLOCK = 2**13  # entries of a vector in one block: 64 kB of float64
FIRST = np.intp(0)  # the first block, of the type that Python passes: a literal 0 would be compiled for by itself
PIECE = 2**9  # most float32 terms of a matrix that are added in float32: 512 u is 3e-5

_sums: dict[str, Any] = dict(nogil=True, fastmath={"reassoc", "contract"})
_loops: dict[str, Any] = dict(nogil=True, fastmath={"contract"})
_within: dict[str, Any] = dict(no_cpython_wrapper=True)  # Python calls none of these
reduction, loop = compiled(**_sums), compiled(**_loops)
inner_reduction, inner_loop = compiled(**_sums, **_within), compiled(**_loops, **_within)
exact = compiled(nogil=True, error_model="numpy")  # every operation rounded on its own, as Python and NumPy do
inlined = compiled(inline="always")
