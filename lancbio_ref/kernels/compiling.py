"""How loops are compiled, and the sizes of blocks."""

from __future__ import annotations

from .compiled import compiled

BLOCK = 2**13  # entries of a vector in one block: 64 kB of float64
PIECE = 2**9  # most float32 terms of a matrix that are added in float32: 512 u is 3e-5

reduction = compiled(nogil=True, fastmath={"reassoc", "contract"})
loop = compiled(nogil=True, fastmath={"contract"})
exact = compiled(nogil=True, error_model="numpy")  # every operation rounded on its own, as Python and NumPy do
inlined = compiled(inline="always")
