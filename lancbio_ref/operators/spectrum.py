"""A symmetric operator with the eigenvalues that one asks for, at any size."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.fft import dct, idct
from scipy.sparse.linalg import LinearOperator

from ..arguments import as_generator, as_vector


class PrescribedSpectrum(LinearOperator):
    """A = Q diag(λ) Qᵀ with Q = C S₂ C S₁, in O(n log n) time and O(n) memory.

    C is the orthonormal discrete cosine transform and S₁, S₂ are diagonal matrices of random signs. One stage C S
    already spreads every coordinate over all others; the second one makes the eigenvectors look random (Ailon and
    Chazelle, SIAM J. Comput. 39, 2009, use such stages in place of a dense random rotation).

    Parameters
    ----------
    eigenvalues : array_like, shape (n,), float32 or float64
        λ, in any order, of any sign.
    rng : None, int or numpy.random.Generator
        For the signs.

    Raises
    ------
    ArgumentError
        Eigenvalues that are not a finite 1-D array.

    Notes
    -----
    A dense rotation of this kind costs O(n³) to make and 8n² bytes to keep; this one reaches n = 10⁶ on a laptop.
    Computed products are symmetric and have the spectrum λ up to rounding, which is not proven: for a certificate
    this is a black box.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref.operators import PrescribedSpectrum
    >>> A = PrescribedSpectrum([1.0, 10.0, 100.0], rng=0)
    >>> np.linalg.eigvalsh(A @ np.eye(3)).round(10)
    array([  1.,  10., 100.])
    """

    def __init__(self, eigenvalues: Any, rng: Any = None) -> None:
        self.eigenvalues = as_vector("eigenvalues", eigenvalues)
        n = self.eigenvalues.size
        signs = as_generator(rng).integers(0, 2, size=(2, n)) * 2 - 1
        self._signs = signs.astype(self.eigenvalues.dtype)
        super().__init__(self.eigenvalues.dtype, (n, n))

    def rotate(self, w: np.ndarray) -> np.ndarray:
        """Q w: from coordinates along the eigenvectors, ``eigenvalues[i]`` belonging to the i-th, to v."""
        for sign in self._signs:  #  S₁, then S₂
            w = dct(sign * w, norm="ortho")
        return w

    def rotate_back(self, v: np.ndarray) -> np.ndarray:
        """Qᵀ v, the coordinates of v along the eigenvectors."""
        for sign in self._signs[::-1]:
            v = sign * idct(v, norm="ortho")
        return v

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        return self.rotate(self.eigenvalues * self.rotate_back(v.ravel()))

    _rmatvec = _matvec
