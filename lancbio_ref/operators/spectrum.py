"""A symmetric operator with the eigenvalues that one asks for, at any size."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .. import parallel
from ..arguments import Seed, as_choice, as_generator, as_vector
from ..rounding import norm2
from .vectors import VectorOperator, read_only


class PrescribedSpectrum(VectorOperator):
    """A = Q diag(λ) Qᵀ with a random orthogonal Q, in O(n log n) or O(n) time and O(n) memory.

    ``rotation="cosine"``: Q = C S₂ C S₁. C is the orthonormal discrete cosine transform and S₁, S₂ are diagonal
    matrices of random signs. One stage C S already spreads every coordinate over all others; the second one makes the
    eigenvectors look random (Ailon and Chazelle, SIAM J. Comput. 39, 2009, use such stages in place of a dense random
    rotation).

    ``rotation="householder"``: Q = H₂ H₁, reflections H = I − 2wwᵀ/wᵀw with Gaussian w: cheaper and threaded, each a
    sum and an update of one vector. Its eigenvectors are the axes but for parts of order n^{-1/2} along w₁ and w₂.

    Parameters
    ----------
    eigenvalues : array_like, shape (n,), float32 or float64
        λ, in any order, of any sign.
    rng : None, int or numpy.random.Generator
        For the signs, or the reflections.
    rotation : {"cosine", "householder"}

    Raises
    ------
    ArgumentError
        Eigenvalues that are not a finite 1-D array; another rotation.

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

    _settled = ("eigenvalues",)
    _held = ("eigenvalues",)

    def __init__(self, eigenvalues: npt.ArrayLike, rng: Seed = None, *, rotation: str = "cosine") -> None:
        self.eigenvalues = read_only(as_vector("eigenvalues", eigenvalues))
        n, rng = self.eigenvalues.size, as_generator(rng)
        self._stage: Any
        self._stage_back: Any
        if as_choice("rotation", rotation, ("cosine", "householder")) == "cosine":
            signs = rng.integers(0, 2, size=(2, n)) * 2 - 1
            stages = signs.astype(self.eigenvalues.dtype)
            self._stage, self._stage_back = _cosine, _cosine_back
        else:
            stages = np.array([w / norm2(w) for w in rng.standard_normal((2, n))], self.eigenvalues.dtype)
            self._stage = self._stage_back = _reflected
        self._stages = stages
        super().__init__(self.eigenvalues.dtype, (n, n))

    def rotate(self, w: np.ndarray) -> np.ndarray:
        """Q w: from coordinates along the eigenvectors, ``eigenvalues[i]`` belonging to the i-th, to v."""
        return self._rotated(self._stage, self._stages, w.copy())  #  S₁, then S₂; or H₁, then H₂

    def rotate_back(self, v: np.ndarray) -> np.ndarray:
        """Qᵀ v, the coordinates of v along the eigenvectors."""
        return self._rotated(self._stage_back, self._stages[::-1], v.copy())

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        w = self.rotate_back(np.ascontiguousarray(v.ravel(), np.result_type(v, self.dtype)))
        w *= self.eigenvalues
        return self._rotated(self._stage, self._stages, w)

    _rmatvec = _matvec

    @staticmethod
    def _rotated(stage: Any, parameters: np.ndarray, w: np.ndarray) -> np.ndarray:
        for parameter in parameters:
            w = stage(parameter, w)
        return w


def _cosine(sign: np.ndarray, w: np.ndarray) -> np.ndarray:
    from scipy.fft import dct  # here, for it takes a tenth of the import of this package

    return dct(_signed(sign, w), norm="ortho", overwrite_x=True)  #  C S w


def _cosine_back(sign: np.ndarray, v: np.ndarray) -> np.ndarray:
    from scipy.fft import idct

    return _signed(sign, idct(v, norm="ortho", overwrite_x=True))  #  S Cᵀ v


def _signed(sign: np.ndarray, w: np.ndarray) -> np.ndarray:
    """S w, in the place of w where that holds it.   Writes w."""
    return np.multiply(sign, w, out=w if np.result_type(sign, w) == w.dtype else None)


def _reflected(w: np.ndarray, v: np.ndarray) -> np.ndarray:
    """v − 2w(wᵀv).   Writes v."""
    parallel.subtract_rows(w[None, :], 2 * parallel.coefficients(w[None, :], v), v)
    return v
