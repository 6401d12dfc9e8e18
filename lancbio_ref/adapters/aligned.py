"""Copies of vectors that a framework reads where they are.

JAX takes a NumPy array without a copy of its own where its memory begins at a multiple of 64 bytes, which that of
np.empty does by chance. At n = 30 000 its copy, into pages that were never touched, takes twice as long as a product.
"""

from __future__ import annotations

import numpy as np

ALIGNMENT = 64  # bytes


def is_aligned(array: np.ndarray) -> bool:
    """Whether its memory begins where JAX takes it as it is."""
    begins: int = array.__array_interface__["data"][0]
    return begins % ALIGNMENT == 0 and array.flags.c_contiguous


def aligned_copy(vector: np.ndarray) -> np.ndarray:
    """A copy that nobody else holds.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref.adapters.aligned import aligned_copy, is_aligned
    >>> copies = [aligned_copy(np.arange(n, dtype=np.float32)) for n in range(1, 9)]
    >>> all(map(is_aligned, copies)), copies[2]
    (True, array([0., 1., 2.], dtype=float32))
    """
    memory = np.empty(vector.nbytes + ALIGNMENT, np.uint8)
    begins: int = -memory.__array_interface__["data"][0] % ALIGNMENT
    copy = memory[begins : begins + vector.nbytes].view(vector.dtype)
    copy[:] = vector
    return copy


def aligned(vector: np.ndarray) -> np.ndarray:
    """The vector itself, or a copy."""
    return vector if is_aligned(vector) else aligned_copy(vector)
