"""‖J‖ from three products with J and three with Jᵀ: Lanczos on J Jᵀ from a fixed start, and what the start can hide.

    w = J Jᵀ q_j,   α_j = q_jᵀw,   w ← w − α_j q_j − β_j q_{j−1},   β_{j+1} = ‖w‖,   q_{j+1} = w/β_{j+1}

After k steps p(t) = (t − θ_1) … (t − θ_k), with the Ritz values θ_i, has ‖p(J Jᵀ) q_1‖ = β_2 … β_{k+1}. The part of it
along the eigenvector u of λ = ‖J‖² is |p(λ)||uᵀq_1|, no larger. So λ is at most the root t > θ_k of

    (t − θ_1) … (t − θ_k) |uᵀq_1| = β_2 … β_{k+1}

(J. L. M. van Dorsselaer, M. E. Hochstenbach, H. A. van der Vorst, SIAM J. Matrix Anal. Appl. 22, 2001). Of a start that
is random to J, uniform on the sphere, uᵀq_1 has a density of at most √((n − 1)/(2π)), n = n_x, so that

    P{|uᵀq_1| < s}  ≤  s √(2(n − 1)/π) = 10⁻³      for s = 10⁻³ √(π/(2(n − 1))):

a bound that fails for one J in a thousand, for every spectrum. It is the sharper the sooner the process ends: three
steps come to 1.0 to 3.0 ‖J‖ at n = 1000 and to 3.9 ‖J‖ at 30 000, the worst being a spectrum without gaps. No basis is
kept orthogonal in so few steps.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ..rounding import norm2
from .problem import Product

FAILS, STEPS, FEW = 1e-3, 3, 7  # the probability that ‖J‖ is above the bound; k; the n_x for which k = n_x


def steps_for(n: int) -> int:
    """k for n = n_x; n steps leave nothing to hide, and of so few entries they are made.

    Examples
    --------
    >>> from lancbio_ref.adapters.cross_norm import steps_for
    >>> [steps_for(n) for n in (2, 7, 8, 1000)]
    [2, 7, 3, 3]
    """
    return n if n <= FEW else STEPS


def start_of(n: int, dtype: npt.DTypeLike) -> np.ndarray:
    """q_1."""
    q = np.random.default_rng(0).standard_normal(n)
    return (q / np.linalg.norm(q)).astype(dtype)


def steps_of(J: Product, Jt: Product, n: int, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """α_1 … α_k, β_2 … β_{k+1}, and q_{j−1}ᵀJ Jᵀq_j, which is β_j where J Jᵀ is symmetric.

    A β of less than √u‖w‖ has lost the digits of a direction to go on in: it is the last, and zeros follow.
    """
    before, q, beta = np.zeros(n, dtype), start_of(n, dtype), dtype.type(0)
    found = np.zeros((3, steps_for(n)), dtype)
    for j in range(found.shape[1]):
        w = J(Jt(q))
        alpha, along, size = q @ w, before @ w, norm2(w)
        w = w - alpha * q - beta * before
        after = norm2(w)
        found[:, j] = alpha, after, along
        if not after > math.sqrt(np.finfo(dtype).eps) * size:  # so is NaN
            break
        before, q, beta = q, w / dtype.type(after), dtype.type(after)
    return found[0], found[1], found[2]


def bound_of(alpha: np.ndarray, beta: np.ndarray, along: np.ndarray, n: int) -> float:
    """√t: at least ‖J‖, but for one start in a thousand; ‖J‖ itself after n steps, or in an invariant space.

    NaN where something is not finite, where J is nearly 0, or where J Jᵀ is not symmetric, as where only one of J and
    Jᵀ is cut off.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref.adapters.cross_norm import bound_of, steps_of
    >>> J = np.diag([3.0, 2.0, 1.0])
    >>> round(bound_of(*steps_of(J.dot, J.T.dot, 3, J.dtype), 3), 6)
    3.0
    >>> J = np.diag(np.arange(1000.0))
    >>> round(bound_of(*steps_of(J.dot, J.T.dot, 1000, J.dtype), 1000) / 999, 1)
    2.9
    """
    eps, smallest = float(np.finfo(along.dtype).eps), float(np.finfo(along.dtype).tiny)
    alpha, beta, along = (part.astype(np.float64) for part in (alpha, beta, along))
    if not (alpha[0] > smallest / eps and math.isfinite(alpha.sum() + beta.sum())):
        return math.nan  # nor is zero told from what underflows
    k = np.count_nonzero(alpha)  # the steps that were made
    alpha, beta, along = alpha[:k], beta[:k], along[:k]
    if not np.abs(along[1:] - beta[:-1]).max(initial=0.0) <= eps ** (1 / 3) * np.abs(alpha).max():  # so is NaN
        return math.nan
    theta = np.linalg.eigvalsh(np.diag(alpha) + np.diag(beta[:-1], 1) + np.diag(beta[:-1], -1))
    high = float(theta[-1])
    if k < n:
        beta = np.maximum(beta, 4 * eps * high)  # rounding may hide as much
        product = float(np.log(beta).sum() - math.log(FAILS * math.sqrt(math.pi / (2 * (n - 1)))))
        high += _root((high - theta).tolist(), product)
    return math.sqrt(high) * (1 + math.sqrt(eps))


def _root(gaps: list[float], log_product: float) -> float:
    """d > 0 with Σ log(d + gap_i) = log_product, from above; d lies between m less the largest gap, and m = Π^{1/k}."""
    most = math.exp(log_product / len(gaps))
    low, high = math.log(max(most - max(gaps), most * 1e-16)), math.log(most)
    for _ in range(60):
        middle = (low + high) / 2
        d = math.exp(middle)
        enough = math.fsum([math.log(d + gap) for gap in gaps]) >= log_product
        low, high = (low, middle) if enough else (middle, high)
    return math.exp(high)
