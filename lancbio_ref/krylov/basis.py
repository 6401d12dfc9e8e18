"""The memory of a Lanczos process: the vectors q_1 … q_{k+1}, and their duals p_j = M⁻¹q_j beside them.

Vectors lie one a row and are numbered from 1, as in the formulas. Where the basis is stored each has a row of its own,
and the rows double when they are full; else there are two or three rows, used in turn.

Without a preconditioner p_j is q_j. Then there is no second array, and who asks for duals gets the vectors: that rests
on `_p` being None, never on two names for one array, which joblib writes as two.
"""

from __future__ import annotations

import numpy as np

from .. import memory
from ..rounding import is_finite
from . import fused

LEAST = 16  # steps to make room for where memory does not suffice for those that were announced


class Basis:
    """Room for q_1 … q_{k+1} and p_1 … p_{k+1}, which the process fills.

    Parameters
    ----------
    n, dtype
        Length and type of a vector.
    capacity : int
        Steps to make room for at once: one vector more.
    ring : int
        How many rows take turns; 0 where the basis is stored.
    has_duals : bool
        Whether the process is preconditioned, and p_j another vector than q_j.
    ends_with_solve : bool
        Whether nobody looks at it after the solve that it is for, so that its memory may be that of the solve before.

    Examples
    --------
    >>> import numpy as np
    >>> basis = Basis(3, np.dtype(float), capacity=1, ring=2, has_duals=False)
    >>> q, p, before, w = basis.step(2)
    >>> np.shares_memory(q, p), before is w  # w_2 is formed where p_1 was
    (True, True)
    """

    def __init__(
        self, n: int, dtype: np.dtype, *, capacity: int, ring: int, has_duals: bool, ends_with_solve: bool = False
    ) -> None:
        self.n, self.dtype, self.capacity, self.ring, self.has_duals = n, dtype, capacity, ring, has_duals
        self.ends_with_solve = ends_with_solve
        try:
            self._make_room()
        except MemoryError:
            if ring or capacity <= LEAST:
                raise
            self.capacity = LEAST
            self._make_room()

    def _make_room(self) -> None:
        """Rows that cost memory when they are first written, or that a solve before has left."""
        rows = self.ring or self.capacity + 1
        room = memory.rows if self.ends_with_solve and not self.ring else np.empty
        q = room((rows, self.n), self.dtype)
        p = room((rows, self.n), self.dtype) if self.has_duals else None
        self._q, self._p = q, p  # together, or not at all: a MemoryError leaves the basis as it was

    def q(self, j: int) -> np.ndarray:
        """q_j, a view."""
        return self._q[(j - 1) % len(self._q)]

    def p(self, j: int) -> np.ndarray:
        """p_j, a view."""
        return self._duals[(j - 1) % len(self._q)]

    @property
    def _duals(self) -> np.ndarray:
        return self._q if self._p is None else self._p

    def rows(self, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        """q_first … q_last and p_first … p_last, views with one vector a row; of a ring, one vector at a time."""
        start = (first - 1) % len(self._q)
        part = slice(start, start + last - first + 1)
        return self._q[part], self._duals[part]

    def start(self, j: int) -> np.ndarray:
        """q_j, once there is room for q_{j+1}."""
        if j >= len(self._q) and not self.ring:
            self._grow()
        return self._q[(j - 1) % len(self._q)]

    def step(self, j: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """q_j, p_j, p_{j−1} (p_1 where j = 1, for β_1 = 0 takes nothing of it), and for w_j the row of p_{j+1}."""
        q, P, rows = self.start(j), self._duals, len(self._q)
        here = (j - 1) % rows
        p, w = P[here], P[j % rows]
        before = p if j == 1 else w if rows == 2 else P[here - 1]
        return q, p, before, w

    def _grow(self) -> None:
        """Geometric growth: a basis of k vectors is copied fewer than 2k times in all."""
        old, before = (self._q, self._p), self.capacity
        self.capacity = 2 * self.capacity + 1
        try:
            self._make_room()
        except MemoryError:
            self.capacity = before
            raise
        for grown, rows in zip((self._q, self._p), old, strict=True):
            if grown is not None and rows is not None:
                grown[: len(rows)] = rows

    def own(self) -> None:
        """Copy vectors that cannot be written to, such as those of a basis that was loaded as a memory map."""
        if self._p is None and self._q.flags.writeable:  # as nearly always
            return
        for name in ("_q", "_p"):
            if (rows := getattr(self, name)) is not None and not rows.flags.writeable:
                setattr(self, name, np.array(rows))

    def divide(self, j: int, beta: float) -> None:
        """q_j ← q_j/β, and p_j likewise."""
        for vector in self._both(j):
            fused.divide(vector, beta)

    def clear(self, j: int) -> None:
        """q_j ← 0, and p_j likewise."""
        for vector in self._both(j):
            vector[:] = 0

    def holds_numbers(self, j: int) -> bool:
        """Whether q_j and p_j are finite."""
        return all(is_finite(vector) for vector in self._both(j))

    def _both(self, j: int) -> tuple[np.ndarray, ...]:
        """q_j and, where it is another vector, p_j."""
        here = (j - 1) % len(self._q)
        return (self._q[here],) if self._p is None else (self._q[here], self._p[here])
