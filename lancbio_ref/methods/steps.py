"""Steps that nobody chose: each from a formula, measured when a run begins and renewed as it goes on.

*The lower level and the linear system.* A step θ of z ← z − θ(B z − …) shrinks every error while θ < 2/‖B‖. ‖B‖ is
measured, by `PRODUCTS` Lanczos steps from a random start and, at each later window, two power steps from where the last
ended; a Ritz value lies below ‖A‖, by 0.103 (ln n/(k − 1))² of it in expectation (J. Kuczyński, H. Woźniakowski, SIAM
J. Matrix Anal. Appl. 13, 1992). A known L is not used: it is up to five times ‖A‖ on the problems of this package.

    step_y, step_v, step_z  =  1.5/‖A‖;       F2SA's step_y  =  1.5/(σ‖A‖ + ‖∇²_yy f q‖), q the Ritz vector

*The step of x* is a spectral one, after Y. Malitsky and K. Mishchenko ("Adaptive gradient descent without descent",
ICML 2020), whose condition is that a step change h by at most half of it:

    λ_k ≤ ½‖x_k − x_{k−1}‖/‖h_k − h_{k−1}‖                                                                         (1)

Where h = ∇φ and ‖∇φ(x − tλh) − h‖ ≤ ½t‖h‖ on the way, φ(x − λh) ≤ φ(x) − ∫ λ hᵀ∇φ(x − tλh) dt ≤ φ(x) − ¾λ‖h‖²: a
decrease that is *estimated*, from no product and no value of f. A line search on φ needs y*(x), which a single loop
does not have; HOAG, MAID and recycled-newton, which do, search. λ begins with x held for an iteration, then moves x by
0.1 max(1, ‖x‖_∞), and doubles until (1) binds. From then on it stands still during *windows* of five iterations, or a
quarter of all so far, for h also moves with y and v, which (1) cannot tell from x. No step moves x by more than
max(1, ‖x‖_∞). After a window

    ‖h‖ (root mean square) has grown by more than a tenth:    λ ← λ/2
    ‖h‖ has fallen to half, and (1) never bound λ:            λ ← the last of (1) in it, at most 4λ
    else                                                      λ ← the median of (1) in it, at least λ/2, at most 2λ

(the second for φ that flattens on the way, as in the logarithm of a penalty: (1) grows, and its median lags behind)

and at once λ ← 2·(1) where that is below λ/4. Where x or h changed by no more than a rounding, (1) says nothing, and λ
stays. Where h is random (BSA, TTSA, mini-batches), (1) is formed of the means of x and h in two windows, less their
variance; where noise hides the change, λ ← 0.8 λ, as 1/k.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..krylov import lanczos
from ..rounding import norm2, unit_roundoff

if TYPE_CHECKING:
    from ..problem import BilevelProblem
    from .base import State

PRODUCTS = 10  # of the first measurement of ‖A‖
SHARE = 1.5  # of 1/‖B‖: 2/‖B‖ is the limit, and ‖B‖ is measured from below
LOSS = 0.8  # of ‖A‖ between two measurements, which are made from below
STILL = 0.05  # of ‖A‖: a change above which it is measured again in the next iteration
FIRST_MOVE, REACH = 0.1, 1.0  # of max(1, ‖x‖_∞): the first step of x, and any
CHANGE = 0.5  # of h by one step: (1)
SHORTEST, GROWN = 5, 1.1  # iterations of a window; ‖h‖ over that of the window before
FALLEN, LEAP = 0.5, 4.0  # ‖h‖ over that of the window before; λ over it, where (1) has not bound
RELAXED = 2**0.5  # a window, of the bounds that a divergence left
FADING = 0.8  # a window whose mean of h noise hides: as 1/k, for windows grow by a quarter
HELD = 2.3e-308  # the λ of the first iteration, which has no h to choose one by


@dataclass
class Steps:
    """What `Automatic` has chosen, and what the next choice needs; in ``state.steps``.

    Attributes
    ----------
    chosen : dict
        The options by name, as the last iteration used them.
    why : dict of str to str
        The same names, and each one's rule.
    norm_A, smallest, curvature_f : float
        ‖A‖, the smallest Ritz value and ‖∇²_yy f q‖, as measured last.
    q : ndarray, shape (n_y,)
        The Ritz vector of ‖A‖.
    h : ndarray, shape (n_x,), or None where it cannot be compared
        h_{k−1}.
    step, used, began, most : float
        λ for the next iteration; as `reach` lets it be; that of the head of the window; what bounds it since a
        divergence.
    is_rising : bool
        Whether (1) has not yet bound λ.
    due : int
        The iteration after which ‖A‖ is measured again.
    share : float
        What 1.5/‖B‖ is multiplied with: 1, and less after a divergence.
    first, last : int
        The iterations of the window.
    squares, moves : float, list of float
        Σ‖h‖² and the right sides of (1) in the window.
    level, highest : float
        The root mean square of ‖h‖ in the window before, and the largest so far.
    sums, means : tuple of ndarray
        Σx and Σh in this window, their means in the one before; where h is random.
    noise : float
        The variance of the mean of h in the one before.
    reach : float
        The λ that moves x by max(1, ‖x‖_∞) along h_{k−1}.
    count : int
        Iterations in the window.
    head, earlier : tuple of ndarray
        x, y and v where the window began, and the one before.
    norms : (float, float)
        ‖A‖ at `earlier` and at `head`.
    halvings, in_a_row : int
        After divergences; since the last iteration that was finished.
    """

    chosen: dict[str, Any] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    norm_A: float = math.nan
    smallest: float = math.nan
    curvature_f: float = 0.0
    q: np.ndarray | None = None
    h: np.ndarray | None = None
    step: float = HELD
    used: float = HELD
    began: float = HELD
    most: float = math.inf
    is_rising: bool = True
    due: int = 1
    share: float = 1.0
    first: int = 1
    last: int = 0
    squares: float = 0.0
    moves: list[float] = field(default_factory=list)
    level: float = math.inf
    highest: float = 0.0
    sums: tuple[Any, Any] = (0.0, 0.0)
    means: tuple[Any, ...] = ()
    noise: float = 0.0
    reach: float = math.inf
    count: int = 0
    head: tuple[np.ndarray, ...] = ()
    earlier: tuple[np.ndarray, ...] = ()
    norms: tuple[float, float] = (0.0, 0.0)
    halvings: int = 0
    in_a_row: int = 0

    def words(self) -> dict[str, str]:
        """Value and rule of each option that was chosen."""
        return {name: f"{_short(self.chosen[name])}: {rule}" for name, rule in self.why.items()}


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


# -- the step of x ------------------------------------------------------------------------------------


def look(new: State, s: Steps, random: bool) -> None:
    """What iteration k shows of λ, and λ for the next."""
    assert new.h is not None
    size, u = norm2(new.h), unit_roundoff(new.x.dtype)
    s.squares, s.count = s.squares + size * size, s.count + 1
    if random:
        s.sums = s.sums[0] + new.x, s.sums[1] + new.h
    if s.step <= HELD:
        largest = float(np.abs(new.h).max())
        s.step = FIRST_MOVE * max(1.0, float(np.abs(new.x).max())) / largest if largest > 0 else HELD
    elif s.h is not None and not random:
        moved, change = s.used * norm2(s.h), norm2(new.h - s.h)  # ‖x_k − x_{k−1}‖, ‖h_k − h_{k−1}‖
        if moved > u * norm2(new.x) and change > u * s.highest:  # below, both are rounding
            bound = CHANGE * moved / change  # (1)
            s.moves.append(bound)
            if s.is_rising:
                s.is_rising = bound >= 2 * s.step or new.k < 4  # h_1 … h_3 say little: y and v have just begun to move
                s.step = min(2 * s.step, bound)
            elif bound < s.step / 8:
                s.step = 2 * bound
    s.step = max(min(s.step, s.most, longest(new.x.dtype)), HELD)
    s.reach = _quotient(REACH * max(1.0, float(np.abs(new.x).max())), float(np.abs(new.h).max()))
    s.h, s.used = new.h.copy(), min(s.step, s.reach)


def judge(s: Steps, random: bool) -> None:
    """λ by the window that has ended."""
    level = math.sqrt(s.squares / s.count)
    if random:
        now = tuple(total / s.count for total in s.sums)
        noise = max(s.squares / s.count - norm2(now[1]) ** 2, 0.0) / s.count  # the variance of the mean of h
        if s.means:
            change = norm2(now[1] - s.means[1]) ** 2 - noise - s.noise  # of its expectation
            if change > 0:
                s.moves, s.is_rising = [CHANGE * norm2(now[0] - s.means[0]) / math.sqrt(change)], False
            elif not s.is_rising:
                s.moves = [FADING * s.step]
        s.means, s.noise = now, noise
    if level > GROWN * s.level:
        s.step /= 2
    elif s.h is not None and level <= unit_roundoff(s.h.dtype) * s.highest:
        pass  # h is rounding: nothing is learned
    elif not random and not s.is_rising and level < FALLEN * s.level and s.moves and min(s.moves) >= s.step:
        s.step = min(s.moves[-1], LEAP * s.step)
    elif random or not s.is_rising:
        median = float(np.median(s.moves)) if s.moves else math.inf if random else s.step
        s.step = min(max(median, s.step / 2), 2 * s.step)
    s.most, s.share = RELAXED * s.most, min(1.0, RELAXED * s.share)
    s.level, s.highest = level, max(level, s.highest)


def longest(dtype: np.dtype) -> float:
    """Of the steps of a run in this type."""
    return 0.25 * float(np.finfo(dtype).max)


def _quotient(a: float, b: float) -> float:
    return a / b if b > 0 else math.inf


# -- what is measured ---------------------------------------------------------------------------------


def measure(problem: BilevelProblem, x: np.ndarray, y: np.ndarray, counted: State, s: Steps) -> None:
    """‖A‖, its Ritz vector q, the smallest Ritz value and ‖∇²_yy f q‖ at (x, y); `counted` has the products."""
    A = problem.hessian(x, y)
    start = np.random.default_rng(0).standard_normal(y.size).astype(y.dtype)
    run = lanczos(A, start, min(PRODUCTS, y.size))
    values, vectors = np.linalg.eigh(run.T)
    i = int(np.argmax(np.abs(values)))
    s.norm_A, s.smallest = float(abs(values[i])) or 1.0, float(values[0])
    s.q = (run.Q @ vectors[:, i]).astype(y.dtype)
    counted.n_hvp += len(values)
    t = y.dtype.type(math.sqrt(unit_roundoff(y.dtype)) * max(1.0, norm2(y)))
    s.curvature_f = norm2(problem.upper_grad_y(x, y + t * s.q) - problem.upper_grad_y(x, y)) / float(t)
    counted.n_grad_upper += 2


def measure_again(problem: BilevelProblem, x: np.ndarray, y: np.ndarray, counted: State, s: Steps) -> None:
    """‖A‖ by the larger of ‖A q‖ and ‖A d‖/‖d‖, d the last direction of y: what a step too long lets grow, d shows."""
    A, before, found = problem.hessian(x, y), s.norm_A, []
    for z in (s.q, counted.direction_y):
        if z is not None and (size := norm2(z)) > 0:
            Az = A.matvec(z / size)
            counted.n_hvp += 1
            found.append((norm2(Az), Az))
    s.norm_A, s.q = max(found, key=lambda pair: pair[0], default=(before, s.q))
    s.norm_A = max(s.norm_A, LOSS * before)
    still = abs(s.norm_A - before) <= STILL * before
    s.due = counted.k + (max(1, counted.k // 4) if still else 1)
