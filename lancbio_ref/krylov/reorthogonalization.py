"""How the basis of a Lanczos process is kept orthogonal: five answers, one interface.

Rounding lets q_{j+1}ᵀq_k grow, and (Paige 1971) it grows exactly in the direction of Ritz vectors that have
converged. Each class here is told of every step through ``apply`` and may subtract from the new vector w_j what
should not be in it:

========== =============================================================== ==================
name       w_j is orthogonalized against                                   ‖I − QᵀQ‖₂
========== =============================================================== ==================
none       nothing more than the recurrence does                           may reach 1
local      q_j and q_{j−1} once more                                       may reach 1
selective  Ritz vectors that have converged to √u (Parlett, Scott 1979)    about √u
           (in a solve: all of Q, twice, from where that costs less)
partial    all of Q, when an estimate of the loss says so (Simon 1984)     about √u
full       all of Q, twice                                                 about u
========== =============================================================== ==================

References: B. N. Parlett and D. S. Scott, Math. Comp. 33 (1979); H. D. Simon, Math. Comp. 42 (1984).
"""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from . import fused, losses, recurrences

if TYPE_CHECKING:
    from .process import LanczosProcess


class NoReorthogonalization:
    """To teach ghosts and the loss of orthogonality, and for moving operators."""

    needs_basis = needs_last_two = False
    one_operator = False  # whether the reasoning presupposes that A does not change between steps

    def apply(self, process: LanczosProcess, w: np.ndarray, beta: float) -> bool:
        """Orthogonalize w, of norm `beta`, in place; return whether w was changed."""
        return False


class Local(NoReorthogonalization):
    """Against q_j and q_{j−1} once more."""

    needs_last_two = True

    def apply(self, process: LanczosProcess, w: np.ndarray, beta: float) -> bool:
        process.orthogonalize_local(w)
        return True


class Full(NoReorthogonalization):
    """Two passes of classical Gram–Schmidt: twice is enough (Giraud, Langou, Rozložník, van den Eshof 2005)."""

    needs_basis = True

    def apply(self, process: LanczosProcess, w: np.ndarray, beta: float) -> bool:
        process.orthogonalize_full(w)
        return True


class Partial(NoReorthogonalization):
    """When the ω-recurrence says that orthogonality falls below √(u/k): this vector and the next, against all.

    Two consecutive vectors must be cleaned, for the recurrence mixes them: the second is done at the next step.
    """

    needs_basis = True
    one_operator = True

    def __init__(self) -> None:
        self.before, self.row, self.after = np.zeros(4), np.zeros(4), np.zeros(4)
        self.again = False

    def apply(self, process: LanczosProcess, w: np.ndarray, beta: float) -> bool:
        u, j = process.unit_roundoff, process.k - 1
        if j + 2 > self.row.size:
            self.before, self.row, self.after = (
                np.concatenate([a, np.zeros(a.size)]) for a in (self.before, self.row, self.after)
            )
        if j == 0:
            self.row[0] = 1.0
        if beta == 0:
            return False
        # ϑ = 4u‖A‖: one product and two subtractions; with u‖A‖ one start in a hundred on nos5 loses 1e-7
        largest = recurrences.omega_recurrence(
            process.alpha, process.beta, j, 4 * u * process.scale, self.before, self.row, self.after
        )
        self.after[j] = u * math.sqrt(w.size) * process.scale / beta
        self.after[j + 1] = 1.0
        most = min(process.capacity, max(2 * process.k, 256))  # steps to expect
        act = self.again or largest > math.sqrt(u / most)
        if act:
            process.orthogonalize_full(w)
            self.after[: j + 1] = u
            self.again = not self.again
        self.before, self.row, self.after = self.row, self.after, self.before
        return act


class Selective(NoReorthogonalization):
    """Against the Ritz vectors Q_j s_i that are good: β_{j+1}|s_i[j]| ≤ √u ‖T_j‖.

    A Ritz vector is formed when its pair becomes good. Its sine to an eigenvector is at most its residual over the gap
    to the other Ritz values. Where that is below `locked`, it stays as it is: what it leaves in w_j shrinks by as much
    at every step. Else it is formed again whenever its residual has fallen by another factor `refresh`. Ritz values
    closer than √u‖T_j‖ do not define their vectors one by one, only the space that they span: such a cluster is formed
    together, and again when it has gained a member. Values that are near to a cluster that was formed before they were
    told apart belong to it both, however far apart they are.

    A good Ritz vector is a mixture where there are more eigenvalues within its residual than Ritz values so far. When
    the next one comes near, what was formed is worth little, and what is to be formed is not good yet: while that lasts
    (`mixed`), two vectors w_j in four are orthogonalized against all of Q: a pair, for the recurrence mixes two.

    A vector that has been orthogonalized against a good Ritz vector twice in succession need not be again for a while:
    a recurrence says for how long (:mod:`lancbio_ref.krylov.losses`).
    Measured: over clusters of any width the largest |QᵀQ − I| stays below 2.8 √u (docs/decisions/0034).
    """

    needs_basis = True
    one_operator = True
    locked, refresh, mixed = recurrences.LOCKED, recurrences.REFRESH, recurrences.MIXED

    def __init__(self) -> None:
        self.unit = 0.0
        self._forget()

    def _forget(self) -> None:
        self.clusters: list[Cluster] = []
        self._vectors = np.empty((0, 0))  # one good Ritz vector a row, in some order,
        self._duals: np.ndarray | None = None  # their duals, where there is a preconditioner
        self._known = np.empty((0, losses.COLUMNS))  # what is known of them, in the same rows
        self.free: list[int] = []
        self.turn = 0  # of a pair of vectors that meet all of Q and a rest; 0: none is due

    @property
    def vectors(self) -> np.ndarray:
        """The good Ritz vectors, one a row; other rows among them are no vectors."""
        return self._vectors[: self._used]

    @property
    def known(self) -> np.ndarray:
        """What :mod:`lancbio_ref.krylov.losses` knows of them, a row each; written at every step."""
        return self._known[: self._used]

    @property
    def _used(self) -> int:
        """Rows are taken from the first on."""
        return 1 + max((max(c.rows) for c in self.clusters), default=-1)

    def apply(self, process: LanczosProcess, w: np.ndarray, beta: float) -> bool:
        if self.unit != process.unit:  # T has grown by hundreds of binary digits: what was good has to show it again
            self.unit = process.unit
            for cluster in self.clusters:
                self._discard(cluster)
            self.clusters = []
        theta, off, last = process.alpha / process.unit, process.beta / process.unit, np.empty(process.k)
        if not self._known.flags.writeable:  # as in `LanczosProcess._checked`
            self._vectors, self._known = np.array(self._vectors), np.array(self._known)
            self._duals = None if self._duals is None else np.array(self._duals)
        u, size, residual_norm = process.unit_roundoff, process.scale / process.unit, float(off[-1])
        before = float(off[-2]) if process.k > 1 else 0.0
        losses.advance(float(theta[-1]), before, residual_norm, u, size, self.known)
        if not recurrences.last_components(theta, off, last):
            process.orthogonalize_full(w)  # the eigenvalue iteration failed: be safe
            losses.settle_all(u, self.known)
            return True
        residual, tolerance, order = residual_norm * np.abs(last), math.sqrt(u) * size, np.argsort(theta)
        theta, residual = theta[order], np.maximum(residual[order], u * size)
        if residual.min() <= tolerance:
            self._update(process, theta, residual, tolerance)
        if not self.clusters:
            return False
        meets_all = self.turn == 1 or (self.turn == 0 and self._is_unsettled(theta, residual > tolerance))
        self.turn = (self.turn + 1) % recurrences.TURNS if meets_all or self.turn else 0
        if meets_all:
            process.orthogonalize_full(w)
            losses.settle_all(u, self.known)
            return True
        limit, duals = losses.LIMIT * math.sqrt(u), self._vectors if self._duals is None else self._duals
        rows = losses.due(limit, self.known)
        if not rows.size:
            return False
        losses.take_turns(rows, self.known)
        for _ in range(losses.PASSES):
            h = fused.subtract_some(w, self._vectors, duals, rows)
            losses.settle(rows, h, beta, u, self.known)
            rows = losses.above(limit, self.known)
            if not rows.size:
                break
        return True

    def ends(self) -> np.ndarray:
        """The low and the high end of each cluster, its residual and the number of its vectors, shape (4, clusters)."""
        return np.array([(c.low, c.high, c.residual, len(c.rows)) for c in self.clusters]).T

    def _is_unsettled(self, theta: np.ndarray, bad: np.ndarray) -> bool:
        """Whether a value that is not good is so near to a cluster that its vectors may be off by `mixed`."""
        low, high, width, members = self.ends()
        first = np.searchsorted(theta, low - width / self.mixed)
        last = np.searchsorted(theta, high + width / self.mixed, "right")
        before = np.concatenate([[0], np.cumsum(bad)])
        return bool(((last - first > members) & (before[last] > before[first])).any())

    def _update(self, process: LanczosProcess, theta: np.ndarray, residual: np.ndarray, tolerance: float) -> None:
        """Form what is newly good, or was not to be trusted and is much better now; theta ascends."""
        good = np.flatnonzero(residual <= tolerance)
        lows, highs = reaches(self.clusters, tolerance)
        replaced: set[int] = set()
        groups = []
        first, last = theta[good, None][:-1], theta[good, None][1:]
        apart = np.diff(theta[good]) > tolerance
        apart &= ~((highs >= last) & (lows <= first)).any(axis=1)  # near to both, its vectors would count for both
        for members in np.split(good, np.flatnonzero(apart) + 1):
            worst = residual[members].max()
            known = np.flatnonzero((highs >= theta[members[0]]) & (lows <= theta[members[-1]]))
            old = [self.clusters[i] for i in known]
            before = max((c.residual for c in old), default=0.0)
            stale = worst <= self.refresh * before and before > self.locked * gap(theta, members)
            if sum(len(c.rows) for c in old) >= members.size and not stale:
                continue
            replaced.update(known)
            for cluster in old:
                self._discard(cluster)
            groups.append(members)
        if groups:
            kept = [c for i, c in enumerate(self.clusters) if i not in replaced]
            groups += self._nearly_good(theta, residual, tolerance, kept)
            fresh = self._form(process, groups, theta, residual)
            self.clusters = sorted(kept + fresh, key=lambda c: c.low)

    @np.errstate(under="ignore", over="ignore")
    def _nearly_good(
        self, theta: np.ndarray, residual: np.ndarray, tolerance: float, kept: list[Cluster]
    ) -> list[np.ndarray]:
        """Values that are not good yet, and have no vector, whose vector would be locked, each for itself.

        θ is off by ρ²/gap at most: where that is below √u‖T‖, the value will still be this one when it is good.
        """
        apart = np.minimum(np.diff(theta, prepend=-sys.float_info.max), np.diff(theta, append=sys.float_info.max))
        largest = np.minimum(self.locked * apart, math.sqrt(tolerance) * np.sqrt(apart))
        early = (residual > tolerance) & (residual <= largest)
        lows, highs = reaches(kept, tolerance)
        early[early] = ~((highs >= theta[early, None]) & (lows <= theta[early, None])).any(axis=1)
        return [np.array([i]) for i in np.flatnonzero(early)]

    def _form(
        self, process: LanczosProcess, groups: list[np.ndarray], theta: np.ndarray, residual: np.ndarray
    ) -> list[Cluster]:
        """Compute the Ritz vectors of these groups of indices (ascending values) into free rows; Q is read once."""
        members = np.concatenate(groups)
        while len(self.free) < members.size:
            self._grow(process)
        rows = np.array([self.free.pop() for _ in members])
        S = np.hstack([process.ritz_coefficients(g[0], g[-1])[:, g - g[0]] for g in groups])
        process.combine_into(S, rows, self._vectors, self._duals)
        for row, i in zip(rows, members, strict=True):
            self._known[row] = theta[i], residual[i], 0.0, 0.0, losses.FRESH, process.k
        parts = np.split(rows, np.cumsum([g.size for g in groups])[:-1])
        return [
            Cluster(theta[g[0]], theta[g[-1]], residual[g].max(), part.tolist())
            for g, part in zip(groups, parts, strict=True)
        ]

    def _discard(self, cluster: Cluster) -> None:
        self._known[cluster.rows, losses.DUE] = losses.NOBODY
        self.free += cluster.rows

    def _grow(self, process: LanczosProcess) -> None:
        """Twice as many rows, untouched: a row costs memory when it is first written."""
        size, rows = len(self._known), max(16, 2 * len(self._known))

        def grown(old: np.ndarray | None, width: int, dtype: np.dtype) -> np.ndarray:
            more = np.empty((rows, width), dtype)
            if size:
                more[:size] = old
            return more

        self._vectors = grown(self._vectors, process.n, process.dtype)
        if process.M is not None:
            self._duals = grown(self._duals, process.n, process.dtype)
        self._known = grown(self._known, losses.COLUMNS, self._known.dtype)
        self._known[size:, losses.DUE] = losses.NOBODY
        self.free = list(range(rows - 1, size - 1, -1)) + self.free


class SelectiveWhileCheap(Selective):
    """`Selective` until a look at the eigenvalues of T costs more than to read all of Q, from then on `Full`.

    A look is some k² rotations, each a root and two quotients that wait for those before; all of Q is four readings of
    kn entries. So `look`·k > n decides, numbers that are the same on every machine, and it is asked only where there
    would be a look.

    *The level stays.* Let QᵀQ = I + E, |E| ≤ ε, when that happens, and w have h = Qᵀw. The first pass leaves
    Qᵀ(I − QQᵀ)w = −E h, the second E²h: what is added to Q from then on is orthogonal to u, so the largest entry of E
    is that of the steps before. Of T, only the w of two steps have h above u, for the recurrence mixes two vectors:
    √u‖w‖ at most, as in `Partial`, which T survives to u‖A‖ (Simon 1984).
    """

    look = 16  # measured: 26 ns for each k² of a look, 1.6 ns for each kn of `Full` in the cache (docs/decisions/0050)

    def __init__(self) -> None:
        super().__init__()
        self.changed = False

    def apply(self, process: LanczosProcess, w: np.ndarray, beta: float) -> bool:
        if self.changed or self._is_dear(process, beta):
            self.change()
            process.orthogonalize_full(w)
            return True
        return super().apply(process, w, beta)

    def change(self) -> None:
        """Go on as `Full`, without the Ritz vectors."""
        if not self.changed:
            self._forget()
            self.changed, self.one_operator = True, False

    def _is_dear(self, process: LanczosProcess, beta: float) -> bool:
        if process.k * self.look <= process.n:
            return False
        u, known = process.unit_roundoff, self.clusters and self.unit == process.unit
        return bool(known) or not recurrences.none_is_good(process.alpha, process._beta, beta, process.scale, u)


def reaches(clusters: list[Cluster], tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """Between which values each cluster counts as near: an eigenvalue is within the residual of each of its values."""
    low, high, residual = np.array([c[:3] for c in clusters]).reshape(-1, 3).T
    width = np.maximum(residual, tolerance)
    return low - width, high + width


def gap(theta: np.ndarray, members: np.ndarray) -> float:
    """From these of the ascending Ritz values to the nearest other; 0 where one is among them."""
    first, last = members[0], members[-1]
    if last - first >= members.size:
        return 0.0
    below = theta[first] - theta[first - 1] if first else np.inf
    above = theta[last + 1] - theta[last] if last + 1 < theta.size else np.inf
    return float(min(below, above))


class Cluster(NamedTuple):
    """Good Ritz values within √u‖T‖ of each other, their largest residual when formed, and where their vectors are."""

    low: float
    high: float
    residual: float
    rows: list[int]


MODES: dict[str, type[NoReorthogonalization]] = {
    "full": Full, "selective": Selective, "partial": Partial, "local": Local, "none": NoReorthogonalization
}  # fmt: skip
