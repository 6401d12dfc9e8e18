"""Constants on a ball around y that holds y*: where none hold over all y, and where those are far from sharp.

*The ball.* Let λ(R) bound the Hessian of g(x, ·) from below on the ball of radius R around y, and G ≥ ‖∇_y g(x, y)‖. If
G < λ(R) R, the minimizer lies in the ball: on its sphere ⟨∇_y g(y′), y′ − y⟩ ≥ λR² − GR > 0, and g is convex. Then

    ‖y − y*‖ ≤ G/λ(R) =: ρ,

and whatever holds on the smaller ball of radius ρ holds on the way from y to y*, which is all that a certificate asks.
Scores of sample i move by at most ‖x_i‖ρ there, so ℓ″ and its slope are those of an interval of scores: of eˢ, which no
constant bounds, a number near e^{s_i}; of a loss with a kink, 0 where no score comes near it.

*λ(R).* With c_i ≤ ℓ″ on the ball (times Π for several classes, see :mod:`.losses.multinomial`),

* min D always;
* with intercepts a, D ≥ d on all else: Σ w_i c_i(x_i·v + a)² ≥ W(m·v + a)², W = Σ w_i c_i, m = Σ w_i c_i x_i/W
  (Jensen), and with ν = ‖m‖, α = |a|, β = ‖v‖, the smallest eigenvalue of W(α − νβ)² + dβ² is at least its determinant
  over its trace, while for α < νβ, β² > 1/(1 + ν²):

      λ ≥ 1/((1 + ν²)/d + 1/W).

  What pins the mean of several classes' intercepts is `PIN`, in the one direction that the data do not see: λ ≤ `PIN`;
* where features are not, or hardly, penalized, what :func:`~lancbio_ref.operators.proofs.largest_certified_mu` proves
  of Xᵀ diag(wc) X + D, for one score a sample and at most `DENSE` coefficients.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...operators import GeneralizedLinear
from ...operators.proofs import largest_certified_mu
from ...rounding import ROUND_UP, Proven, norm2
from .losses import ScalarLoss
from .sums import BELOW

if TYPE_CHECKING:
    from .problem import Point

PIN = 1.0  # ½ PIN C ā², of several classes' mean intercept ā: it moves no probability
DENSE = 300  # coefficients, for a proof that costs their cube
WEAK = 1e-4  # a penalty next to the mean curvature of a coefficient: below, the data may say more than it does
RADII = [2.0**-k for k in (0, 2, 4, 7, 10, 14, 18, 24)]  # largest movements of a score that are tried


@dataclass(frozen=True)
class Ball:
    """What holds from y to y*.

    Attributes
    ----------
    radius : float
        ρ ≥ ‖y − y*‖.
    mu : float
        A lower bound of the Hessian there.
    """

    radius: float
    mu: float


def ball_at(point: Point, gradient_bound: float) -> Ball | None:
    """The ball around y for ‖∇_y g‖ ≤ `gradient_bound`; None where nothing is proven."""
    everywhere = global_modulus(point)
    longest = point.longest_row
    if everywhere is not None:
        radius = _over(gradient_bound, everywhere)  # y* is in there whatever λ is
        if point.problem.has_constant_curvature or not radius < math.inf:
            return Ball(radius, everywhere)
        if radius * longest <= RADII[0]:
            mu = max(modulus_within(point, radius), everywhere)
            return Ball(_over(gradient_bound, mu), mu)
    for step in RADII:
        radius = step / longest if longest > 0 else step
        mu = modulus_within(point, radius)
        if mu > 0 and gradient_bound * ROUND_UP < mu * radius:
            mu = max(mu, everywhere or 0.0)
            return Ball(_over(gradient_bound, mu), mu)
    return None if everywhere is None else Ball(_over(gradient_bound, everywhere), everywhere)


def _over(a: float, b: float) -> float:
    return a / b * ROUND_UP


def global_modulus(point: Point) -> float | None:
    """A lower bound over all y: min D, or where ℓ″ is constant, what `modulus_within` says; None for none."""
    problem, D = point.problem, point.D
    smallest = problem.penalty.least(D)
    if problem.has_constant_curvature:
        smallest = max(smallest, modulus_within(point, 0.0))
    return smallest if smallest > 0 else None


def modulus_within(point: Point, radius: float) -> float:
    """λ(R); 0 where nothing is proven."""
    problem, D = point.problem, point.D
    d, proven = problem.penalty.least(D, problem.features), point.proven_modulus(radius)
    if not (d > 0 and problem.has_intercept):
        return max(d, proven) if d > 0 else proven
    floor = point.floor(radius)
    W = floor.total * (1 - 2.0**-30)
    if not W > 0:
        return 0.0
    size, spread = floor.sums.size, float(floor.spread.max(initial=0.0))
    nu = (norm2(floor.sums) + 2.0**-30 * spread * math.sqrt(size + 1)) / W * ROUND_UP
    jensen = min(1 / ((1 + nu * nu) / d + 1 / W) / ROUND_UP, PIN * BELOW if problem.n_scores > 1 else math.inf)
    return max(jensen, proven)


def proven_modulus(point: Point, weights: np.ndarray) -> float:
    """Of Xᵀ diag(wc) X + D, where D says little: a feature's penalty is 0, or `WEAK` next to the curvature; else 0."""
    problem, D, design = point.problem, point.D, point.problem.train.design
    if not (isinstance(problem.loss, ScalarLoss) and D.size <= DENSE and weights.any()):
        return 0.0
    typical = float(weights @ design.row_norms**2) / D.size
    if float(D[problem.features].min()) > WEAK * typical:
        return 0.0
    lowest = np.maximum(D.astype(np.float64) * BELOW - float(np.finfo(D.dtype).tiny), 0.0)
    proven = largest_certified_mu(GeneralizedLinear(design.operator, weights, lowest))
    return 0.0 if proven is None else float(proven)


def finite_bound(bound: float | None) -> Proven | None:
    """`Proven`, where it is a positive number."""
    return Proven(bound) if bound is not None and 0 < bound < math.inf else None
