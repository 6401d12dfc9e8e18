"""The quadratic model of φ at one point: products with ∇²φ by one difference, and its minimum in a box.

With y′(x)u = −A⁻¹Jᵀu and w = (w_x, w_y) the derivative of (c − J v, b − A v) along (u, y′u) at fixed v,

    ∇²φ u = w_x − J v′u,    A v′u = w_y                        for h = c − J v, A v = b, differentiated along x
    p = −H Jᵀu ≈ y′u,       q = H w_y ≈ v′u,    B u = w_x − J q

w is one difference quotient, and H stands for A⁻¹: no system is solved. What it costs is one linearization at a
neighbouring point with one product A v, and three cross products.

*Gains.* The split difference, along (u, 0) and (0, p) apart, shows what errors of y and v do to h. An error e of y with
‖e‖_A = E changes h by w_x(e) − J A⁻¹w_y(e), one of v by J e, so

    G_y = ‖w_x(p) − J H w_y(p)‖/‖p‖_A,   G_v = ‖J q‖/‖q‖_A,   ‖h − ∇φ‖ ≈ G_y E_y + G_v E_v,
    G_yy = |pᵀw_y(p)|/‖p‖_A²             the curvature of f − vᵀ∇_y g along p

are measured along the very directions in which y and v move; an outlier is cut to `OUTLIER` times the median of the
last seven. What y is wrong by makes φ̂ wrong, too: :mod:`lancbio_ref.methods.recycled_values`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import LancbioError
from ..inverse.recycled import Levels
from ..krylov.recycled import Pair, RecycledInverse
from ..rounding import norm2, unit_roundoff

OUTLIER = 10.0
FARTHEST = 10.0  # the error of y over E_y, where y − H∇_y g does not contract
MOST_PRODUCTS = 50  # B u in one subproblem
QUIET = 1e-2  # |h_i| over the largest: an entry that may wait


@dataclass(frozen=True)
class Gains:
    """G_y, G_v and G_yy, that along y′u and, `moved`, that along −H∇_y g; `left` is θ there, `recent` are last G_y."""

    y: float = 0.0
    v: float = 0.0
    yy: float = 0.0
    recent: tuple[float, ...] = ()
    moved: float = 0.0
    left: float = 0.0

    def error(self, energy_y: float, energy_v: float) -> float:
        """G_y E_y + G_v E_v ≈ ‖h − ∇φ(x)‖₂."""
        return self.y * energy_y + self.v * energy_v

    @property
    def most(self) -> float:
        """The larger G_yy."""
        return max(self.yy, self.moved)

    def error_of_phi(self, energy_y: float, energy_v: float) -> float:
        """½ G_yy E² + E_v E ≈ |φ̂ − φ(x)|, E = E_y/(1 − θ), at most `FARTHEST` times E_y."""
        farther = energy_y / max(1 - self.left, 1 / FARTHEST)
        return farther * (0.5 * self.most * farther + energy_v)


@dataclass(frozen=True)
class ModelStep:
    """s, and what moves along with it.

    Attributes
    ----------
    s : ndarray, shape (n_x,)
    predicted : float
        hᵀs + ½ sᵀB s.
    y, v : ndarray, shape (n_y,)
        y′(x)s and v′(x)s.
    Jts : ndarray, shape (n_y,)
        Jᵀs.
    left : float
        ‖h + B s‖₂, over what is free to move.
    n_products : int
    ended : str
        "" where the model's minimum was found, else why not: "edge" of the box, "curvature" ≤ 0, "most" products, or
        "outside", a point where the problem can not be evaluated.
    slope, norm : float
        hᵀs and ‖h‖₂.
    quiet : bool
        Whether it ended at the edge of entries alone whose |h_i| is beneath `QUIET` of the largest.
    """

    s: np.ndarray
    predicted: float
    y: np.ndarray
    v: np.ndarray
    Jts: np.ndarray
    left: float
    n_products: int
    ended: str
    slope: float
    norm: float
    quiet: bool = False

    def least(self, change: float) -> float:
        """Where φ(x + t s) ≈ φ + t slope + t²(change − slope) is least, in [0.1, 0.5]; 0.25 where nothing is known."""
        if not math.isfinite(change):
            return 0.25
        return min(max(-self.slope / (2 * (change - self.slope)), 0.1), 0.5) if change > self.slope else 0.5

    def shorter(self, t: float) -> ModelStep:
        """t s, for 0 < t ≤ 1, at no product: what is left of h is convex in t, the rest linear or a parabola."""
        predicted = t * self.slope + t * t * (self.predicted - self.slope)
        left = (1 - t) * self.norm + t * self.left
        y, v, Jts = t * self.y, t * self.v, t * self.Jts
        return replace(self, s=t * self.s, predicted=predicted, y=y, v=v, Jts=Jts, left=left, slope=t * self.slope)


class Model:
    """h + B s at the point (x, y, v); `differences` says that J has no adjoint, and Jᵀu comes from gradients ∇_y g."""

    def __init__(
        self,
        levels: Levels,
        J: Any,
        at: tuple[np.ndarray, np.ndarray, np.ndarray],
        known: tuple[np.ndarray, np.ndarray, np.ndarray],
        gains: Gains,
        differences: bool = False,
    ) -> None:
        self.levels, self.J, self.gains, self.differences = levels, J, gains, differences
        self.x, self.y, self.v = at
        self.h, self.r, self.gradient = known  # c − J v, b − A v, ∇_y g
        self.delta = unit_roundoff(self.y.dtype) ** 0.375  # 1e-6: what rounding and the next order make of B u is even

    def product(self, u: np.ndarray, split: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """B u, p ≈ y′u, q ≈ v′u and Jᵀu; where `split`, the gains too, for one linearization more."""
        H, J = self.levels.H, self.J
        Jtu = self._adjoint(u)
        p = -H(Jtu)
        if split:
            x_x, x_y = self._derivative(u, np.zeros_like(p))
            y_x, y_y = self._derivative(np.zeros_like(u), p)
            w_x, w_y = x_x + y_x, x_y + y_y
        else:
            w_x, w_y = self._derivative(u, p)
        q, square = H.apply(w_y)
        Jq = self.levels.cross(J, q)
        if split:
            self._learn(p, Jtu, y_x, y_y, norm2(Jq), square)
        return w_x - Jq, p, q, Jtu

    def _derivative(self, u: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(c − J v, b − A v)′ along (u, p), v fixed."""
        lengths = [size / largest for z, step, size in self._sizes(u, p) if (largest := float(np.abs(step).max())) > 0]
        if not lengths:
            return np.zeros_like(self.h), np.zeros_like(self.r)
        t = self.x.dtype.type(self.delta * min(lengths))
        there = self.levels.linearize(self.x + t * u, self.y + t * p)
        h = there.c - self.levels.cross(there.J, self.v)
        r = there.b - self.levels.product(there.A, self.v)
        return (h - self.h) / t, (r - self.r) / t

    def _sizes(self, u: np.ndarray, p: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, float]]:
        return [(z, step, max(1.0, float(np.abs(z).max()))) for z, step in ((self.x, u), (self.y, p))]

    def _adjoint(self, u: np.ndarray) -> np.ndarray:
        """Jᵀu; from ∇_y g(x + t u, y) where J has no adjoint."""
        if not self.differences:
            try:
                Jtu = self.J.rmatvec(u)
                self.levels.counts.n_cross += 1
                return Jtu
            except NotImplementedError:
                self.differences = True
        t = self.x.dtype.type(self.delta * max(1.0, float(np.abs(self.x).max())) / float(np.abs(u).max()))
        return (self.levels.gradient(self.x + t * u, self.y) - self.gradient) / t

    def _learn(
        self, p: np.ndarray, Jtu: np.ndarray, w_x: np.ndarray, w_y: np.ndarray, size_Jq: float, square_q: float
    ) -> None:
        square_p = max(-float(p @ Jtu), 0.0)  #                        ‖p‖_A² ≈ JᵀuᵀH Jᵀu
        if not square_p > 0:
            return
        Jq = self.levels.cross(self.J, self.levels.H(w_y))
        gain = norm2(w_x - Jq) / math.sqrt(square_p)
        recent = (*self.gains.recent, gain)[-7:]
        self.gains = Gains(
            min(gain, OUTLIER * float(np.median(recent))),
            size_Jq / math.sqrt(square_q) if square_q > 0 else self.gains.v,
            abs(float(p @ w_y)) / square_p,
            recent,
            self.gains.moved,
            self.gains.left,
        )

    def minimize(
        self,
        low: np.ndarray,
        high: np.ndarray,
        radius: float,
        M: RecycledInverse,
        forcing: float,
        split: bool = True,
        hold: bool = False,
    ) -> ModelStep:
        """min hᵀs + ½ sᵀB s in low ≤ s ≤ high, by conjugate gradients preconditioned by M; M learns from them.

        The gains are measured where `split`. The iteration ends at an edge of the trust region, |s_i| = `radius`, as
        Steihaug's does (SIAM J. Numer. Anal. 20, 1983). Where it meets a bound of x, that entry is held and the
        iteration goes on with the others (J. J. Moré and G. Toraldo, SIAM J. Optim. 1, 1991). With `hold` the quiet
        entries of x stay: the largest |h_i| is never among them, so that (1) of the note holds with κ/n.
        """
        s, Bs = np.zeros_like(self.x), np.zeros_like(self.x)
        y, v, Jts = np.zeros_like(self.y), np.zeros_like(self.y), np.zeros_like(self.y)
        r, pairs, ended, wanted = self.h, list[Pair](), "", math.inf
        free = ~(((low >= 0) & (r > 0)) | ((high <= 0) & (r < 0)))
        quiet, stopped = np.abs(r) <= QUIET * float(np.abs(r).max(initial=0.0, where=free)), False
        free = free & ~quiet if hold else free
        d, square, fresh = s, 0.0, True
        while True:
            masked = np.where(free, r, 0)
            z = np.where(free, M(masked), 0)
            next_square = max(float(masked @ z), 0.0)
            wanted = forcing * math.sqrt(next_square) if not pairs else wanted
            if not math.sqrt(next_square) > wanted:
                break
            if len(pairs) >= MOST_PRODUCTS:
                ended = ended or "most"
                break
            d = -z if fresh else -z + (next_square / square) * d
            square, fresh = next_square, False
            try:
                Bd, p, q, Jtd = self.product(d, split=split and not pairs)
            except LancbioError:
                ended = "outside"
                break
            pairs.append((d, Bd))
            curvature = float(d @ Bd)
            to_edge = _room(s, d, low, high)
            alpha = square / curvature if curvature > 0 else math.inf
            at_edge = alpha >= to_edge
            alpha = min(alpha, to_edge)
            s, Bs, r = np.clip(s + alpha * d, low, high), Bs + alpha * Bd, r + alpha * Bd
            y, v, Jts = y + alpha * p, v + alpha * q, Jts + alpha * Jtd
            if at_edge:
                ended = "edge" if curvature > 0 else "curvature"
                held = ((s <= low) & (d < 0)) | ((s >= high) & (d > 0))
                free, fresh = free & ~held, True
                if curvature <= 0 or float(np.abs(s[held]).max(initial=0.0)) >= radius:
                    stopped = bool(held.any() and quiet[held].all())
                    break
        M.extend(pairs)
        predicted = float(self.h @ s) + 0.5 * float(s @ Bs)
        left = norm2(np.where(free, r, 0))
        return ModelStep(s, predicted, y, v, Jts, left, len(pairs), ended, float(self.h @ s), norm2(self.h), stopped)


def _room(s: np.ndarray, d: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    """The largest t with low ≤ s + t d ≤ high."""
    with np.errstate(all="ignore"):
        room = np.where(d > 0, (high - s) / d, np.where(d < 0, (low - s) / d, np.inf))
    return max(float(np.nanmin(room)), 0.0) if room.size else math.inf
