"""How far the next vector has lost its orthogonality to each good Ritz vector: a recurrence of three terms.

Let y = Q_m s be a Ritz vector as it was formed after m steps, A y = θ y + ρ q_{m+1}, and τ_j = yᵀq_j for j > m, which
is 0 but for rounding. From yᵀ times the step of the process (B. N. Parlett and D. S. Scott, Math. Comp. 33, 1979),

    β_{j+1} τ_{j+1} = (θ − α_j) τ_j − β_j τ_{j−1} + ρ q_{m+1}ᵀq_j − yᵀf_j,

where f_j is the rounding of a step, some u‖A‖, `NOISE` of them here, and ρ meets what is left of orthogonality, at most
√u: both are added with the sign that makes |τ| larger. So for some numbers a step one knows when w_j has to be
orthogonalized against y: where |τ_{j+1}| would exceed `LIMIT`·√u, and once more at the next step, for the recurrence
mixes two. In between y is not read.

Subtracting y_l (y_lᵀw) changes y_iᵀw by y_iᵀy_l times it. Those of one step m, and y_l itself, are as orthonormal as
Q_m, to √u; for others (θ_i − θ_l) y_iᵀy_l = ρ_i q_{m+1}ᵀy_l − ρ_l y_iᵀq_{m'+1}, hence (ρ_i + ρ_l)/|θ_i − θ_l| more.
Where one pass leaves more than the limit there is another, `PASSES` at most: without it a loss that grows by 10⁴ a
step, as where β falls with the last of some outliers, outgrows what a thousandth of a neighbour leaves.

What is known of a vector is a row of an array, as it lies in the array of vectors, with the columns named here. All
is in the units of the process, ‖A‖ being near to 1.
"""

from __future__ import annotations

import math

import numpy as np

from ..kernels import exact

VALUE, RESIDUAL, LOST, BEFORE, DUE, STEP = range(6)  # θ, ρ, τ_{j+1}, τ_j, and:
NOBODY, RESTS, AGAIN, FRESH = -1.0, 0.0, 1.0, 2.0  # in DUE: no vector is in this row; at this step; at two steps
COLUMNS = 6  # STEP is the m at which the vector was formed
NOISE = 32.0  # u‖A‖ that a step adds: 3 of its own, and √k from forming y
PASSES = 3
LIMIT = 0.1  # √u that a vector of the basis may have along a Ritz vector


@exact
def advance(alpha, beta, beta_next, u, size, known):
    """τ_{j+1} from τ_j and τ_{j−1}, for every vector.

    alpha, beta, beta_next : α_j, β_j and ‖w_j‖.   u, size : unit roundoff and ‖A‖.   known : a row a vector;  written.
    """
    if beta_next == 0.0:
        return
    for i in range(known.shape[0]):
        if known[i, DUE] != NOBODY:
            lost = (known[i, VALUE] - alpha) * known[i, LOST] - beta * known[i, BEFORE]
            noise = NOISE * u * size + math.sqrt(u) * known[i, RESIDUAL]
            lost = (lost + (noise if lost >= 0 else -noise)) / beta_next
            known[i, BEFORE], known[i, LOST] = known[i, LOST], lost


@exact
def due(limit, known):
    """The rows of the vectors that w_j has to be orthogonalized against.   known : read."""
    rows, count = np.empty(known.shape[0], np.intp), 0
    for i in range(known.shape[0]):
        if known[i, DUE] > RESTS or (known[i, DUE] == RESTS and not abs(known[i, LOST]) <= limit):
            rows[count] = i
            count += 1
    return rows[:count]


@exact
def above(limit, known):
    """The rows of the vectors that w_j still has more of than `limit`.   known : read."""
    rows, count = np.empty(known.shape[0], np.intp), 0
    for i in range(known.shape[0]):
        if known[i, DUE] != NOBODY and not abs(known[i, LOST]) <= limit:
            rows[count] = i
            count += 1
    return rows[:count]


@exact
def take_turns(rows, known):
    """After these rows have had their turn: rest after the second one in succession.   known : written."""
    for i in rows:
        known[i, DUE] = RESTS if known[i, DUE] == AGAIN else AGAIN


@exact
def settle(rows, h, residual_norm, u, known):
    """Take down that w_j, of norm `residual_norm`, was orthogonalized against these rows; h were the coefficients.

    rows, h : m, read.   known : written.
    """
    for i in rows:
        known[i, LOST] = u
    for i in range(known.shape[0]):
        if known[i, DUE] != NOBODY:
            more = 0.0
            for place in range(rows.size):
                other = rows[place]
                share = math.sqrt(u)
                if known[i, STEP] != known[other, STEP]:
                    apart = abs(known[i, VALUE] - known[other, VALUE])
                    both = known[i, RESIDUAL] + known[other, RESIDUAL]
                    share += both / apart if both < apart else 1.0
                more += share * abs(h[place])
            more /= residual_norm
            known[i, LOST] += more if known[i, LOST] >= 0 else -more


@exact
def settle_all(u, known):
    """Take down that w_j was orthogonalized against all of Q.   known : written."""
    for i in range(known.shape[0]):
        if known[i, DUE] != NOBODY:
            known[i, LOST], known[i, DUE] = u, max(known[i, DUE] - 1.0, RESTS)
