"""A recycled inverse: H ≈ A⁻¹ from every product A s ever made, kept alive while A moves.

With S and Y = A S in rows, newest first, and S Yᵀ = I (each row of S is A-orthogonal to the others, of A-norm 1),

    H = SᵀS + (I − SᵀY) H_0 (I − YᵀS),     H_0 = diag(1/(d + βe)),   A = B + diag(d),   e = diag(B)
    H r = Sᵀa + (I − SᵀY) H_0 w,   a = S r,  w = r − Yᵀa;      rᵀH r = |a|² + wᵀH_0 w

which is block BFGS: R. B. Schnabel, *Quasi-Newton methods using multiple secant equations* (1983); J. L. Morales and
J. Nocedal, SIAM J. Optim. 10, 2000, for its use as a preconditioner of the next system. H y = s for every kept pair,
so H is A⁻¹ on span(Y); rᵀH r is a sum of squares that vanishes for r = 0 alone, so H is positive definite whatever is
kept.

H_0 speaks for what no pair speaks of: β = sᵀB s/sᵀ(e ∘ s), the median over recent directions; d = 0 and e = 1 where A
does not show them.

*A moves.* A new diagonal part d costs no product: A s = B s + d ∘ s. Where B moves,
pairs of different age contradict each other: sᵢᵀyⱼ = sⱼᵀyᵢ holds for pairs of one symmetric A. They are read newest
first, and one of which more than half contradicts the newer ones is dropped,

    |a − b|² > ¼(|a|² + |b|² + 2 sᵀy),   a = Y s,  b = S y.

It is Lanczos's space without its recurrence: what LancBiO's dynamic process keeps of one A, kept over all of them.

*Cost.* H r: four passes over k × n arrays, 8kn operations. New pairs, or a new d: two rounds of a k × k matrix of
scalar products and two matrix products, about 12k²n operations at the speed of the BLAS, and no product with A.
*Memory*: 2k vectors; while m new pairs are taken up 4k + 2m and a few, the old ones counted and the pairs not, which go
as they are copied: the new block is turned in place, some columns at a time. *Bits*: the BLAS and LAPACK make it,
whose last digits depend on how many threads they have; with as many as before, a run repeats to the bit.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

from .. import parallel
from ..arguments import as_integer
from ..rounding import unit_roundoff

Pair = tuple[np.ndarray, np.ndarray]

CONTRADICTION = 0.5  # |a − b| of a pair, as a part of √(|a|² + |b|² + 2sᵀy): beyond it, it belongs to another A
DEPENDENT = 1e-6  # what the newer pairs leave of sᵀy: beneath it, rounding has a say
AMPLIFIED = 0.4  # u to this power: what the rounding of S Yᵀ may be in a row; beyond it, the row is one of cancellation
ROUNDS, NEARLY, ROUNDING = 4, 0.1, 1e3  # S Yᵀ = I + E: |E| ≤ NEARLY is halved away, |E| ≤ 10³u is left
FLAT = 1e-9  # sᵀA s over sᵀH_0⁻¹s: a curvature that rounding may have made
KEPT = 0.7  # of the memory, when it is full: the rest is room for the next solve
RECENT = 20  # curvatures whose median is β
SMALL = 1e-3  # of the largest of them, beneath which β does not fall
BYTES = 2**30  # of S and Y together, unless the caller asks for more
COLUMNS, ROWS = (
    16384,
    8,
)  # of a block: what is turned at a time and, where rows are as long, scaled; less than twice that


class RecycledInverse:
    """H ≈ A⁻¹ of a symmetric positive definite A that moves.

    Parameters
    ----------
    n : int
    memory : int
        Pairs (s, A s) kept at most; 0 keeps none, and H stays H_0.
    dtype : float64 or float32
    flat : float
        Pairs with sᵀA s at most this part of sᵀH_0⁻¹s are not kept.

    Attributes
    ----------
    S, Y : ndarray, shape (k, n)
        S Yᵀ = I; k ≤ `memory`. Never changed in place: a copy.copy of this object is a snapshot.
    d, e : ndarray, shape (n,)
        The diagonal part of A and the diagonal of B.
    H0 : ndarray, shape (n,)
        The diagonal of H_0.
    beta : float
        β.
    contradicting, dependent, cancelled, flat, condensed : int
        Pairs dropped for each of the four reasons, and how often the block was condensed.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref.krylov.recycled import RecycledInverse
    >>> A, H = np.diag([1.0, 4.0, 100.0]), RecycledInverse(3, memory=2)
    >>> H.extend([(s, A @ s) for s in np.eye(3)[:2]])
    >>> H(np.array([1.0, 4.0, 0.0]))  # exact on what it has seen
    array([1., 1., 0.])
    >>> H.change_diagonal(np.array([0.0, 4.0, 0.0]))  # A + diag(0, 4, 0), for no product
    >>> H(np.array([1.0, 8.0, 0.0]))
    array([1., 1., 0.])
    """

    def __init__(self, n: int, memory: int, dtype: npt.DTypeLike = np.float64, flat: float = FLAT) -> None:
        self.n, self.memory, self.least = as_integer("n", n, least=1), min(as_integer("memory", memory), n), flat
        self.S = self.Y = np.zeros((0, n), dtype)
        self.d, self.e = np.zeros(n, dtype), np.ones(n, dtype)
        self.beta, self._curvatures = 1.0, ()  # type: float, tuple[float, ...]
        self.contradicting = self.dependent = self.cancelled = self.flat = self.condensed = 0
        self._scale()

    @property
    def k(self) -> int:
        """How many pairs are kept."""
        return len(self.S)

    def __call__(self, r: np.ndarray) -> np.ndarray:
        """H r, shape (n,)."""
        return self.apply(r)[0]

    def apply(self, r: np.ndarray) -> tuple[np.ndarray, float]:
        """(H r, rᵀH r); the second as a sum of squares, never negative."""
        if not self.k:
            z = self.H0 * r
            return z, float(r @ z)
        a, w = parallel.coefficients(self.S, r), r.copy()
        parallel.subtract_rows(self.Y, a, w)  #                        w = r − Yᵀa
        z = self.H0 * w
        square = float(a @ a) + parallel.dot(w, z)  #                  rᵀH r = |a|² + wᵀH_0 w
        parallel.subtract_rows(self.S, parallel.coefficients(self.Y, z) - a, z)
        return z, square  #                                            H r = Sᵀa + (I − SᵀY) H_0 w

    def energy(self, r: np.ndarray) -> float:
        """√(rᵀH r) ≈ ‖A⁻¹r‖_A: how far from a solution a residual r is, in the norm of A."""
        return math.sqrt(self.apply(r)[1])

    # -- learning ------------------------------------------------------------------------------

    def extend(self, pairs: Iterable[Pair]) -> None:
        """Keep pairs (s, A s) of the A in force, the last the newest."""
        self.take(deque(pairs))

    def take(self, pairs: deque[Pair]) -> None:
        """Keep them as `extend` does, and empty `pairs`: each goes when it is copied."""
        finite = deque[Pair]()
        while pairs:
            s, y = pairs.popleft()
            if np.isfinite(s).all() and np.isfinite(y).all():
                finite.append((s, y))
            else:
                self.flat += 1
        if not finite or not self.memory:
            return
        fresh = len(finite)
        S, Y = (np.empty((fresh + self.k, self.n), self.d.dtype) for _ in range(2))  # no memory until written
        for i in range(fresh):
            S[i], Y[i] = finite.pop()
        old_S, old_Y = self.S, self.Y
        self.forget()  # an interruption from here on leaves H_0
        S[fresh:] = old_S
        del old_S
        Y[fresh:] = old_Y
        del old_Y
        self._keep(S, Y, fresh)

    def change_diagonal(self, d: np.ndarray | None, e: np.ndarray | None = None) -> None:
        """A has another diagonal part now, None being 0, and B another diagonal, None being unknown: 1."""
        d = np.zeros_like(self.d) if d is None else np.asarray(d, self.d.dtype)
        e = np.ones_like(self.d) if e is None else np.asarray(e, self.d.dtype)
        same_d, same_e = np.array_equal(d, self.d), np.array_equal(e, self.e)
        change, self.d, self.e = d - self.d, d, e
        if not (same_d and same_e):
            self._scale()
        if not same_d:
            S, Y = self.S.copy(), _moved(self.S, self.Y, change)
            self.forget()
            self._keep(S, Y)

    def absorb(self, other: RecycledInverse) -> None:
        """Keep what `other` knows of a neighbouring A beside what is kept here, as if it were older."""
        S, Y = (np.empty((self.k + other.k, self.n), self.d.dtype) for _ in range(2))
        S[: self.k], S[self.k :], Y[: self.k] = self.S, other.S, self.Y
        Y[self.k :] = _moved(other.S, other.Y, self.d - other.d)
        self._keep(S, Y)

    def forget(self) -> None:
        """Keep nothing; β stays."""
        self.S = self.Y = np.zeros((0, self.n), self.d.dtype)

    def _scale(self) -> None:
        """H_0 = diag(1/(d + βe)), positive where d + βe is not."""
        sizes = self.d + self.beta * self.e
        if not sizes.min() > 0:
            sizes = np.maximum(sizes, 1e-3 * float(np.abs(sizes).max()))
        self.H0 = (1 / sizes).astype(self.d.dtype, copy=False)

    def _keep(self, S: np.ndarray, Y: np.ndarray, fresh: int = 0) -> None:
        """The block of these rows, which nobody else holds and which are written to; the first `fresh` are new."""
        if not len(S):
            return
        L, R, used = self._biorthogonal(S @ Y.T, self._sizes(S))
        _turn(L, S)
        _turn(R, Y)
        for _ in range(ROUNDS):  # the first leaves what cancelled in it; the second, as a rule, rounding only
            N = S @ Y.T
            off = float(np.abs(N - np.eye(len(N))).max(initial=0.0))
            if off <= ROUNDING * unit_roundoff(N.dtype):
                break
            if off <= NEARLY:
                L, R = _straight(N)
            else:
                L, R, again = self._biorthogonal(N, self._sizes(S))
                used = [used[i] for i in again]
            _turn(L, S)
            _turn(R, Y)
        learned = S[: sum(i < fresh for i in used)]
        squares = _by_rows(lambda part: np.einsum("ij,ij->i", part, self.e * part), learned)
        of_d = _by_rows(lambda part: np.einsum("ij,ij->i", part, self.d * part), learned)
        of_B = np.maximum(1 - of_d, 0) / np.maximum(squares, np.finfo(squares.dtype).smallest_normal)
        self._curvatures = (*self._curvatures, *of_B[::-1].tolist())[-RECENT:]
        if fresh and self._curvatures and (beta := _typical(self._curvatures)) > 0:
            self.beta = beta  #                                        sᵀB s/sᵀs, its median
            self._scale()
        if len(S) > self.memory:
            V = self._condensed(S)
            _turn(V.T, S)
            _turn(V.T, Y)
        self.S, self.Y = S, Y

    def _sizes(self, S: np.ndarray) -> np.ndarray:
        """sᵀH_0⁻¹s of each row."""
        return _by_rows(lambda part: np.einsum("ij,ij->i", part / self.H0, part), S)

    def _biorthogonal(self, N: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[int]]:
        """L, R with L N Rᵀ = I, and the rows they use: N = S Yᵀ read newest first, unfit rows left out.

        Parameters
        ----------
        N : ndarray, shape (k, k)
        sizes : ndarray, shape (k,)
            sᵀH_0⁻¹s.
        """
        k, used = len(N), []  # type: int, list[int]
        L, R = np.zeros((k, k)), np.zeros((k, k))
        N, u = N.astype(np.float64, copy=False), unit_roundoff(self.d.dtype)
        roots = np.sqrt(np.maximum(np.diag(N), 0))
        for i in range(k):
            m, size = len(used), float(N[i, i])
            if not 0 < size < math.inf:
                self.flat += 1
                continue
            a, b = R[:m] @ N[i], L[:m] @ N[:, i]  #                    a = Y s,  b = S y
            gap, total = a - b, float(a @ a) + float(b @ b) + 2 * size
            if not float(gap @ gap) <= CONTRADICTION**2 * total:
                self.contradicting += 1
                continue
            left = size - float(a @ b)  #                              (s − Sᵀa)ᵀ(y − Yᵀb)
            if not left > DEPENDENT * size:
                self.dependent += 1
                continue
            if not left > self.least * sizes[i]:
                self.flat += 1
                continue
            root = math.sqrt(left)
            L[m], R[m] = -a @ L[:m] / root, -b @ R[:m] / root
            L[m, i] += 1 / root
            R[m, i] += 1 / root
            if not u * float(np.abs(L[m]) @ roots) * float(np.abs(R[m]) @ roots) <= u**AMPLIFIED:
                self.cancelled += 1  # u|L||N||R|: what the rounding of N has grown to
                continue
            used.append(i)
        L[len(used) :] = R[len(used) :] = 0
        return L[: len(used)].astype(self.d.dtype), R[: len(used)].astype(self.d.dtype), used

    def _condensed(self, S: np.ndarray) -> np.ndarray:
        """V, whose VᵀS are Ritz vectors of A beside H_0⁻¹ in span(S), those in the middle of the spectrum left out.

        VᵀV = I leaves S Yᵀ = I. What is left out are the neighbours θ_i … θ_j whose ratio is smallest: there one
        multiple of H_0 stands for all of them.
        """
        self.condensed += 1
        G = _by_rows(lambda part: (part / self.H0) @ S.T, S)
        kappa, V = np.linalg.eigh(G)  #                                sᵀA s = 1 and θ = 1/κ, descending
        out = len(S) - max(1, int(KEPT * self.memory))
        kappa = np.maximum(kappa, np.finfo(kappa.dtype).smallest_normal)
        first = int(np.argmin(kappa[out - 1 :] / kappa[: len(S) - out + 1]))
        return np.delete(V, np.s_[first : first + out], axis=1)


def _moved(S: np.ndarray, Y: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Y + d ∘ S, row by row."""
    made = np.empty_like(Y)
    for i, s in enumerate(S):
        np.multiply(d, s, out=made[i])
        made[i] += Y[i]
    return made


def _by_rows(f: Callable[[np.ndarray], np.ndarray], S: np.ndarray) -> np.ndarray:
    """f(S), of some rows at a time where they are long; never of one alone, whose sums NumPy would begin elsewhere."""
    parts = len(S) // ROWS if S.shape[1] > COLUMNS else 1
    return np.concatenate([f(part) for part in np.array_split(S, max(1, parts))])


def _turn(T: np.ndarray, S: np.ndarray) -> None:
    """T S in place of S, which has no more rows then than T, and holds no more memory."""
    n = S.shape[1]
    for i in range(max(1, n // COLUMNS)):
        part = slice(i * COLUMNS, n if i + 1 >= n // COLUMNS else (i + 1) * COLUMNS)
        S[: len(T), part] = T @ S[:, part]
    S.resize((len(T), n), refcheck=False)


def _typical(curvatures: tuple[float, ...]) -> float:
    """Their median, and at least `SMALL` of the largest: what newer pairs leave of a direction may be noise."""
    return max(float(np.median(curvatures)), SMALL * max(curvatures))


def _straight(N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """L, R with L N Rᵀ = I to first order, for N = I + E with a small E: I − E/2 and I − Eᵀ/2."""
    half = (N - np.eye(len(N), dtype=N.dtype)) / 2
    return np.eye(len(N), dtype=N.dtype) - half, np.eye(len(N), dtype=N.dtype) - half.T


def pairs_within(n: int, dtype: npt.DTypeLike = np.float64, most: int = 100, size: int = BYTES) -> int:
    """How many pairs of vectors of this length fit into `size` bytes; between 2 and `most`."""
    return max(2, min(most, size // (2 * n * np.dtype(dtype).itemsize)))
