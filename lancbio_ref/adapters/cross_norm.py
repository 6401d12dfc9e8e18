"""‖J‖ from a few products with J and Jᵀ: Lanczos on J Jᵀ from a fixed start.

    w = J Jᵀ q_j,   α_j = q_jᵀw,   w ← w − α_j q_j − β_j q_{j−1},   β_{j+1} = ‖w‖,   q_{j+1} = w/β_{j+1}

The largest eigenvalue θ of the tridiagonal T is at most ‖J‖². From a start that is random to J (J. Kuczyński, H.
Woźniakowski, SIAM J. Matrix Anal. Appl. 13, 1992, theorem 4.2), after k steps and for every spectrum,

    P{θ < (1 − ε)‖J‖²}  ≤  1.648 √n_x exp(−√ε (2k − 1))

What is estimated is doubled, so that ε = ¾ is allowed; k is the least for which this is at most 10⁻³: 7 steps at
n_x = 1000, 8 at 30 000. No basis is kept orthogonal: the largest Ritz value does not need it.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ..rounding import norm2
from .problem import Product

FAILS, SHARE = 1e-3, 0.75  # the probability that θ is below (1 − SHARE)‖J‖²


def steps_for(n: int) -> int:
    """k for n = n_x.

    Examples
    --------
    >>> from lancbio_ref.adapters.cross_norm import steps_for
    >>> [steps_for(n) for n in (1, 1000, 30_000)]
    [1, 7, 8]
    """
    return min(n, math.ceil((math.log(1.648 * math.sqrt(n) / FAILS) / math.sqrt(SHARE) + 1) / 2))


def start_of(n: int, dtype: npt.DTypeLike) -> np.ndarray:
    """q_1."""
    q = np.random.default_rng(0).standard_normal(n)
    return (q / np.linalg.norm(q)).astype(dtype)


def steps_of(J: Product, Jt: Product, n: int, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """α_1 … α_k, β_2 … β_{k+1}, and q_{j−1}ᵀJ Jᵀq_j, which is β_j where J Jᵀ is symmetric.

    Where β is at the level of rounding the space is invariant: it counts as zero, and so do the steps after it.
    """
    before, q, beta = np.zeros(n, dtype), start_of(n, dtype), dtype.type(0)
    found = np.zeros((3, steps_for(n)), dtype)
    for j in range(found.shape[1]):
        w = J(Jt(q))
        alpha, along, size = q @ w, before @ w, norm2(w)
        w = w - alpha * q - beta * before
        after = norm2(w)
        if not after > n * np.finfo(dtype).eps * size:  # so is NaN
            found[:, j] = alpha, after if math.isnan(after) else 0.0, along
            break
        before, q, beta = q, w / dtype.type(after), dtype.type(after)
        found[:, j] = alpha, beta, along
    return found[0], found[1], found[2]


def norm_of(alpha: np.ndarray, beta: np.ndarray, along: np.ndarray) -> float:
    """√θ: at most ‖J‖, and mostly near it.

    NaN where something is not finite, or J Jᵀ is not symmetric, as where only one of J and Jᵀ is cut off.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref.adapters.cross_norm import norm_of, steps_of
    >>> J = np.diag([3.0, 2.0, 1.0])
    >>> round(norm_of(*steps_of(J.dot, J.T.dot, 3, J.dtype)), 12)
    3.0
    """
    beside = beta[:-1]
    T = np.diag(alpha) + np.diag(beside, 1) + np.diag(beside, -1)
    uneven = np.abs(along[1:] - beside).max(initial=0.0)
    if not uneven <= np.finfo(alpha.dtype).eps ** (1 / 3) * np.abs(alpha).max():  # so is NaN
        return math.nan
    return math.sqrt(max(0.0, float(np.linalg.eigvalsh(T)[-1])))
