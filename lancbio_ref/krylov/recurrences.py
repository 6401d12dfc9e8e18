"""Compiled recurrences over the k coefficients of T: its eigenvalues, and what orthogonality has been lost.

As in :mod:`lancbio_ref.kernels` the caller owns all memory, and what is written is named.
"""

from __future__ import annotations

import math

import numpy as np

from ..kernels import exact, loop

REFRESH = 1e-2  # a good Ritz vector is formed again when its residual has fallen by this factor,
LOCKED = 1e-3  # and it was above this share of the gap to the other Ritz values
MIXED = 0.1  # nearer than the residual over this, a value that is still moving may be of the same eigenvectors
TURNS = 4  # while that lasts, the first two vectors of so many are orthogonalized against all of Q
NONE_YET, SETTLED, UNSETTLED, FRESH, FAILED, TOO_DEAR = range(6)  # what a look at the Ritz pairs may find


@loop
def _root_of_squares(f, g):
    """√(f² + g²); ``hypot``, which would take half the time of `last_components`, only near the ends of the range."""
    total = f * f + g * g
    return math.sqrt(total) if 1e-280 < total < 1e280 else np.hypot(f, g)


@loop
def last_components(d, e, z):
    """Eigenvalues of a symmetric tridiagonal matrix and the last component of each eigenvector.

    QL iteration with implicit shifts, the rotations applied to the single row e_kᵀ of the eigenvector matrix
    (Golub and Welsch, Math. Comp. 23, 1969): O(k²) instead of O(k³).

    d : diagonal, k;  overwritten by the eigenvalues, unordered.
    e : off-diagonal, k (the last entry is not read);  destroyed.
    z : k;  overwritten by the last components.
    Returns False where an eigenvalue took more than 60 iterations, else True.
    """
    k = d.size
    for i in range(k):
        z[i] = 0.0
    z[k - 1] = 1.0
    e[k - 1] = 0.0
    for start in range(k):
        for sweep in range(61):
            end = start  # the block start..end has no negligible off-diagonal entry
            while end < k - 1 and abs(e[end]) > 1.2e-16 * (abs(d[end]) + abs(d[end + 1])):
                end += 1
            if end == start:
                break
            if sweep == 60:
                return False
            half = (d[start + 1] - d[start]) / (2.0 * e[start])  # Wilkinson's shift
            root = _root_of_squares(half, 1.0)
            g = d[end] - d[start] + e[start] / (half + (root if half >= 0 else -root))
            s, c, p = 1.0, 1.0, 0.0
            deflated = False
            for i in range(end - 1, start - 1, -1):  # chase the bulge upwards by plane rotations
                f, b = s * e[i], c * e[i]
                r = _root_of_squares(f, g)
                e[i + 1] = r
                if r == 0.0:
                    d[i + 1] -= p
                    e[end] = 0.0
                    deflated = True
                    break
                s, c = f / r, g / r
                g = d[i + 1] - p
                r = (d[i] - g) * s + 2.0 * c * b
                p = s * r
                d[i + 1] = g + p
                g = c * r - b
                f = z[i + 1]
                z[i + 1] = s * z[i] + c * f
                z[i] = c * z[i] - s * f
            if not deflated:
                d[start] -= p
                e[start] = g
                e[end] = 0.0
    return True


@exact
def least_last_component(alpha, beta):
    """A lower bound of |e_kᵀs| for every eigenvector s of T, of norm 1.

    (e_1ᵀs_i)(e_kᵀs_i) Π_{j≠i}(θ_i − θ_j) = β_2 ⋯ β_k (Parlett, The Symmetric Eigenvalue Problem, 7.9), |e_1ᵀs_i| ≤ 1,
    and the θ lie within Gershgorin's interval.

    alpha, beta : β_j in beta[j − 1] couples α_{j−1} and α_j; k and k + 1, read.
    """
    k, low, high, least = alpha.size, math.inf, -math.inf, 1.0
    for j in range(k):
        radius = beta[j] * (j > 0) + beta[j + 1] * (j < k - 1)
        low, high = min(low, alpha[j] - radius), max(high, alpha[j] + radius)
    for j in range(1, k):
        least *= beta[j] / (high - low)
    return least


@loop
def omega_recurrence(alpha, beta, j, theta, before, row, after):
    """Simon's estimate of q_{j+1}ᵀq_k for k < j, from those of q_j (`row`) and q_{j−1} (`before`); indices from 0.

        β_{j+1} ω_{j+1,k} = β_{k+1} ω_{j,k+1} + (α_k − α_j) ω_{j,k} + β_k ω_{j,k−1} − β_j ω_{j−1,k} ± ϑ

    alpha, beta : coefficients, at least j + 1; beta[i] couples q_i and q_{i+1}.
    theta : ϑ, the size of the rounding error of one step, given the sign that makes |ω| larger.
    before, row : rows of ω for q_{j−1} and q_j;  not written.
    after : row for q_{j+1}, j + 2;  written, except the entries j and j + 1, which the caller sets.
    Returns the largest |ω|.
    """
    largest = 0.0
    for k in range(j):
        value = beta[k] * row[k + 1] + (alpha[k] - alpha[j]) * row[k]
        if k > 0:
            value += beta[k - 1] * row[k - 1]
        value -= beta[j - 1] * before[k]
        value = (value + (theta if value >= 0 else -theta)) / beta[j]
        after[k] = value
        largest = max(largest, abs(value))
    return largest


@exact
def _square(x):
    """x² as high + low, for |x| ≤ 1 (T. J. Dekker, Numer. Math. 18, 1971)."""
    head = 134217729.0 * x  # 2²⁷ + 1 halves the digits
    head = head - (head - x)
    tail, high = x - head, x * x
    return high, ((head * head - high) + 2.0 * head * tail) + tail * tail


@exact
def hypot(a, b, c):
    """√(a² + b² + c²) of finite numbers, in twice the digits and then rounded: the bits of Python's ``math.hypot``."""
    a, b, c = abs(a), abs(b), abs(c)
    largest = max(a, b, c)
    if largest == 0.0:
        return 0.0
    exponent = math.frexp(largest)[1]
    total = rest = 0.0
    for x in (a, b, c):
        high, low = _square(math.ldexp(x, -exponent))
        added = total + high
        part = added - total
        rest += ((total - (added - part)) + (high - part)) + low
        total = added
    root = math.sqrt(total + rest)
    high, low = _square(root)
    root += ((total - high) + (rest - low)) / (2.0 * root)
    return math.ldexp(root, exponent)


@exact
def sort_pairs(theta, residual, least):
    """Ritz values in ascending order, and their residuals, taken for `least` where smaller.   Writes both."""
    for i in range(theta.size):  # in place: the loop before left them nearly in order
        value, size, j = theta[i], max(residual[i], least), i - 1
        while j >= 0 and theta[j] > value:
            theta[j + 1], residual[j + 1] = theta[j], residual[j]
            j -= 1
        theta[j + 1], residual[j + 1] = value, size


@exact
def has_fresh(theta, residual, tolerance, good):
    """Whether a Ritz vector has become good that was not formed yet, or much better than one that was off.

    theta, residual : Ritz values, ascending, and their residuals, read.
    good : 4 × clusters, ascending: the low and the high end of each, the largest residual it had when it was formed,
        and how many vectors it has;  read.
    """
    k, i = theta.size, 0
    while i < k:
        if residual[i] > tolerance:
            i += 1
            continue
        low = high = theta[i]  # the good values from here on that one cluster has
        worst, members, first, last = 0.0, 0, i, i
        while i < k:
            if residual[i] <= tolerance:
                if theta[i] - high > tolerance and not _bridged(high, theta[i], tolerance, good):
                    break
                high, worst, members, last = theta[i], max(worst, residual[i]), members + 1, i
            i += 1
        gap = math.inf
        if last - first >= members:
            gap = 0.0
        if first > 0:
            gap = min(gap, theta[first] - theta[first - 1])
        if last + 1 < k:
            gap = min(gap, theta[last + 1] - theta[last])
        vectors, before = 0.0, 0.0
        for known in range(good.shape[1]):
            width = max(tolerance, good[2, known])
            if good[1, known] + width >= low and good[0, known] - width <= high:
                vectors += good[3, known]
                before = max(before, good[2, known])
        if vectors < members or (worst <= REFRESH * before and before > LOCKED * gap):
            return True
    return False


@exact
def _bridged(low, high, tolerance, good):
    """Whether a cluster is near to both values: its vectors would count for the one and for the other."""
    for known in range(good.shape[1]):
        width = max(tolerance, good[2, known])
        if good[1, known] + width >= high and good[0, known] - width <= low:
            return True
    return False


@exact
def is_unsettled(theta, residual, tolerance, good):
    """Whether a value that is not good is so near to a cluster that its vectors may be off by `MIXED`.

    As :func:`has_fresh`.
    """
    for known in range(good.shape[1]):
        width, members, bad = good[2, known] / MIXED, 0.0, False
        for i in range(theta.size):
            if good[0, known] - width <= theta[i] <= good[1, known] + width:
                members += 1.0
                bad = bad or residual[i] > tolerance
        if bad and members > good[3, known]:
            return True
    return False


@exact
def none_is_good(alpha, beta, residual_norm, scale, u):
    """Whether a bound of all last components says that no Ritz vector is good, without a look at any.

    As :func:`look_at_pairs`.
    """
    return residual_norm * least_last_component(alpha, beta) > 2 * math.sqrt(u) * scale


@exact
def look_at_pairs(alpha, beta, residual_norm, unit, scale, u, dear, good):
    """What `Selective.apply` has to do: NONE_YET is good; SETTLED, against the vectors that there are, or UNSETTLED,
    against all of Q in turn; FRESH vectors have to be formed; or the QL iteration FAILED; or it is TOO_DEAR to look.

    alpha, beta : β_j in beta[j − 1] couples α_{j−1} and α_j; k and k + 1, read.
    residual_norm : ‖w_k‖.   unit, scale, u : of the process, and its unit roundoff.
    dear : whether to read all of Q costs less.   good : as `has_fresh` wants it.
    """
    k, known = alpha.size, good.shape[1]
    if known == 0 and none_is_good(alpha, beta, residual_norm, scale, u):
        return NONE_YET
    if dear:
        return TOO_DEAR
    theta, off, last = np.empty(k), np.empty(k), np.empty(k)
    for i in range(k):
        theta[i], off[i] = alpha[i] / unit, beta[i + 1] / unit
    if not last_components(theta, off, last):
        return FAILED
    size, is_good = scale / unit, False
    tolerance = math.sqrt(u) * size
    for i in range(k):
        last[i] = residual_norm / unit * abs(last[i])  # of each pair
        is_good = is_good or last[i] <= tolerance
    if not (is_good or known):
        return NONE_YET
    sort_pairs(theta, last, u * size)
    if is_good and has_fresh(theta, last, tolerance, good):
        return FRESH
    if known == 0:
        return NONE_YET
    return UNSETTLED if is_unsettled(theta, last, tolerance, good) else SETTLED


@exact
def cg_coefficients(alpha, beta, start_norm, gamma, squares):
    """γ_j and ‖r_j‖² of conjugate gradients, as :func:`lancbio_ref.krylov.bounds.cg_coefficients` explains them.

    alpha, beta : k, read.   gamma : k, written.   squares : k + 1, written.
    """
    k = alpha.size
    gamma[:] = math.inf
    squares[:] = math.inf
    squares[0], pivot = start_norm * start_norm, math.inf
    for j in range(k):
        pivot = alpha[j] - (beta[j - 1] * beta[j - 1] / pivot if j else 0.0)  # d_{j+1} = α_{j+1} − β_{j+1}²/d_j
        if pivot == 0:
            break
        gamma[j] = 1 / pivot
        ratio = beta[j] * gamma[j]
        squares[j + 1] = squares[j] * (ratio * ratio)  # ‖r_{j+1}‖ = ‖r_j‖ β_{j+2}/d_{j+1}
    for j in range(k):
        if math.isnan(gamma[j]):
            gamma[j] = math.inf
    for j in range(k + 1):
        if math.isnan(squares[j]):
            squares[j] = math.inf


@exact
def radau_bounds(gamma, squares, mu, upper):
    """The estimates of :func:`lancbio_ref.krylov.bounds.gauss_radau_upper`, inf from where the recurrence breaks.

    gamma : k, read.   squares : k + 1, read.   upper : k + 1, written.
    """
    upper[:] = math.inf
    radau = 1 / mu
    if squares[0] != 0:  # ‖r_0‖² may have underflowed
        upper[0] = math.sqrt(radau * squares[0])
    for k in range(gamma.size):
        gap = radau - gamma[k]
        if not (gap > 0 and math.isfinite(squares[k + 1])):
            if squares[k + 1] == 0:
                upper[k + 1] = 0.0
            break
        weight = mu * gap + (squares[k + 1] / squares[k] if squares[k] != 0 else 0.0)
        if not (math.isfinite(gap) and 0 < weight < math.inf):  # mu so small, or a fall so steep, that it overflows
            break
        radau = gap / weight
        upper[k + 1] = math.sqrt(radau * squares[k + 1])
