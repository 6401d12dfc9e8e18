"""The steps of one cycle in compiled code: those of `LanczosProcess.step`, of the iterates, and the tests of `solve`.

`take_steps` goes on until a test ends the cycle, or something is met that is Python's: an exception that has to name
what is not finite, a Ritz vector that has to be formed, memory that has to grow. It says which, and is called again
afterwards. Kernels, blocks and the order of operations are those of the Python path, and so are the bits (tested for
every operator and mode).

All that a cycle keeps between calls is one record of type `CYCLE`, and the arrays that the caller owns.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import kernels
from ..kernels import BLOCK, FIRST, compiled
from ..operators import ready_products
from . import compiled_vectors as vectors
from . import lapack, losses, recurrences
from .compiled_vectors import HIGH, LOW, OPTIONS

# What a cycle may wait for: `phase`
STEP, ADVANCE, TESTS, LAST_STEP, BEGIN = range(5)
# Why it came back: `reason`
GOES_ON, DONE, MEMORY_FULL, STEP_IN_PYTHON, FORM, ASK_SIZE, NOT_MODERATE, PAUSE = range(8)
# How its basis is kept orthogonal: `mode`
NONE, LOCAL, FULL, SELECTIVE = range(4)
MODES = {"none": NONE, "local": LOCAL, "full": FULL, "selective": SELECTIVE}

LARGEST = float(np.finfo(float).max)

CYCLE = np.dtype(
    [
        # what holds for the whole cycle
        ("mode", "i8"),
        ("u", "f8"),
        ("tolerance", "f8"),
        ("most", "i8"),  # steps that are left to the solve
        ("restart", "i8"),  # vectors that may be stored
        ("known_norm", "f8"),  # of A, or 0
        ("floor_from", "f8"),  # √u‖r_0‖, from where on the rounding floor is asked for
        ("moderate", "i8"),  # a binary exponent of ‖A‖ beyond which the solve begins again in other units
        ("from_zero", "i8"),  # whether x_0 = 0
        ("start_norm", "f8"),
        ("ptsv", "u8"),
        ("pause", "i8"),  # steps to make in one call, at most
        # the process
        ("phase", "i8"),
        ("reason", "i8"),
        ("k", "i8"),
        ("steps", "i8"),  # made here, since the caller last asked
        ("scale", "f8"),
        ("unit", "f8"),
        ("residual_norm", "f8"),  # ‖w_j‖
        ("breakdown", "i8"),
        ("n_reorthogonalized", "i8"),
        ("turn", "i8"),  # `Selective.turn`
        ("look", "i8"),  # `SelectiveWhileCheap.look`
        # T = L D Lᵀ, and the iterate
        ("taken", "i8"),
        ("columns", "i8"),
        ("z", "f8"),
        ("multiplier", "f8"),
        ("pivot", "f8"),
        ("last", "f8"),
        ("definite", "i8"),
        ("p_square", "f8"),
        ("proposed", "f8"),  # ‖w_j‖|e_jᵀ T_j⁻¹ ρ e_1|
        ("floor", "f8"),
        ("floor_at", "f8"),
        ("size", "f8"),  # ‖x_j‖ where Python was asked for it, else −1
        ("has_x", "i8"),  # whether x_j has been formed
    ]
)

_with = [lapack, losses, recurrences, vectors, ready_products]
_with += [kernels.dense, kernels.multinomial, kernels.some_rows, kernels.sparse, kernels.vectors]
_sources: Any = [module.__file__ for module in [*_with, kernels.compiling]]
stepping = compiled(patient=True, sources=_sources, **OPTIONS)
within = compiled(no_cpython_wrapper=True, no_cfunc_wrapper=True, sources=_sources, **OPTIONS)


@within
def _subtract_due(w, ritz, known, beta, u):
    """Take the Ritz vectors that are due out of w_j; in how many passes.   Writes w and known."""
    limit, blocks, passes = losses.LIMIT * math.sqrt(u), -(-w.size // BLOCK), 0
    rows = losses.due(limit, known)
    losses.take_turns(rows, known)
    while rows.size and passes < losses.PASSES:
        k = rows.size
        partial = np.empty((blocks, k))
        kernels.coefficients_of(FIRST, blocks, ritz, rows, w, partial)
        if blocks == 1:
            h = partial[0]
        else:
            h = np.empty(k)
            kernels.add_in_order(FIRST, -(-k // BLOCK), partial, h)
        kernels.subtract_some(FIRST, blocks, ritz, rows, h, w)
        losses.settle(rows, h, beta, u, known)
        rows = losses.above(limit, known)
        passes += 1
    return passes


@within
def _reorthogonalize(Q, alpha, beta, ritz, good, known, w, b, c):
    """Take out of w_j what the mode says; 0 where w_j was left as it was, −1 where Ritz vectors have to be formed."""
    rows, taken, passes = Q.shape[0], 0, 0  # good Ritz vectors that are taken out; then these rows
    first, last = 0, c.k
    if c.mode == LOCAL:
        passes = min(c.k, 2)
    elif c.mode == FULL:
        passes = 2
    elif c.mode == SELECTIVE:
        dear = c.k * c.look > w.size
        found = recurrences.look_at_pairs(alpha[: c.k], beta, b, c.unit, c.scale, c.u, dear, good)
        if found == recurrences.FRESH:
            return -1
        if found == recurrences.TOO_DEAR:
            c.mode, passes = FULL, 2
        else:
            size = c.scale / c.unit
            losses.advance(alpha[c.k - 1] / c.unit, beta[c.k - 1] / c.unit, b / c.unit, c.u, size, known)
            meets_all = found == recurrences.FAILED
            if found == recurrences.SETTLED or found == recurrences.UNSETTLED:
                meets_all = c.turn == 1 or (c.turn == 0 and found == recurrences.UNSETTLED)
                c.turn = (c.turn + 1) % recurrences.TURNS if meets_all or c.turn else 0
            if meets_all:
                losses.settle_all(c.u, known)
            elif good.shape[1] > 0:
                taken = _subtract_due(w, ritz, known, b, c.u)
            passes = 2 * int(meets_all) + 2 * int(b <= 16 * math.sqrt(c.u) * c.scale)
    for turn in range(1, passes + 1):
        if c.mode == LOCAL:
            first = (c.k - 1 - passes + turn) % rows
            last = first + 1
        vectors.subtract(w, Q[first:last])
    return passes + taken


@within
def _close_step(Q, alpha, beta, ritz, good, known, Aq, partial, c):
    """From A q_j to q_{j+1}: `LanczosProcess.step` after its product.   Writes Q, alpha, beta, known and c."""
    blocks, rows, j = partial.size, Q.shape[0], c.k + 1
    here = (j - 1) % rows
    q, w, beta_j = Q[here], Q[j % rows], beta[j - 1]
    p_before = q if j == 1 else Q[(here + rows - 1) % rows]
    kernels.dot_after(FIRST, blocks, q, Aq, beta_j, p_before, partial)  # α_j = q_jᵀu_j,  u_j = A q_j − β_j q_{j−1}
    a = vectors.total(partial)
    if rows == 2 and j > 1:  # w_j = u_j − α_j q_j, where q_{j−1} was
        kernels.next_in_place(FIRST, blocks, Aq, beta_j, a, q, w, partial)
    else:
        kernels.next_vector(FIRST, blocks, Aq, beta_j, p_before, a, q, w, partial)
    square = vectors.total(partial)
    if not math.isfinite(square) and not vectors.all_finite(Aq):
        c.reason = STEP_IN_PYTHON
        return
    b = math.sqrt(square) if LOW < square < HIGH else vectors.norm(w, partial)
    if not (math.isfinite(a) and math.isfinite(b)):
        c.reason = STEP_IN_PYTHON
        return
    alpha[c.k] = a
    c.k += 1
    c.steps += 1
    c.residual_norm = beta[c.k] = b
    c.scale = max(c.scale, min(recurrences.hypot(beta_j, a, b), LARGEST))
    changed = 0
    if j == 1 or c.scale > c.unit * 2.0**400:
        c.unit = math.ldexp(1.0, min(max(math.frexp(c.scale)[1], -1020), 1020))
        if c.mode == SELECTIVE and j > 1:
            changed = -1  # what was good has to show it again
    if changed == 0:
        changed = _reorthogonalize(Q, alpha, beta, ritz, good, known, w, b, c)
    if changed < 0:
        c.reason = FORM
        return
    if changed:
        c.n_reorthogonalized += 1
        c.residual_norm = beta[c.k] = b = vectors.norm(w, partial)
    c.breakdown = b <= (w.size + 10) * c.u * c.scale
    if c.breakdown:
        w[:] = 0
    else:
        kernels.divide(FIRST, blocks, w, b)  # q_{j+1} = w_j/β_{j+1}


@within
def _advance(Q, alpha, beta, x, p, c):
    """`LDL.append`, and the iterate's own recurrence where there is one.   Writes x, p and c."""
    c.taken = c.k
    a, b = alpha[c.k - 1], beta[c.k - 1]
    if c.pivot != 0:
        c.multiplier = b / c.pivot  # l_j = β_j/d_{j−1}
        c.pivot = a - c.multiplier * b  # d_j = α_j − l_j β_j
        c.z *= -c.multiplier
    else:
        c.pivot = a
    if not c.pivot > 0:
        c.definite = 0
    c.last = c.z / c.pivot if c.pivot != 0 else 0.0
    if c.definite:
        c.columns = c.k
        c.proposed = abs(c.last) * c.residual_norm
    if c.mode <= LOCAL:
        c.p_square = 1 + c.multiplier * c.multiplier * c.p_square
        step = c.last if c.definite else 0.0
        kernels.descend(FIRST, -(-x.size // BLOCK), p, c.multiplier, Q[(c.k - 1) % Q.shape[0]], x, step)


@within
def _galerkin(alpha, beta, y, c):
    """y ← T⁻¹ρ e_1, whether ``dptsv`` solved that."""
    y[:] = 0
    y[0] = c.start_norm
    return lapack.solve_definite(c.ptsv, alpha[: c.columns], beta[1 : c.columns + 1], y)


@within
def _form(Q, alpha, beta, start, x, c):
    """x ← x_j, from the stored basis; whether T could be solved.   Writes x."""
    y = np.empty(c.columns)
    if not _galerkin(alpha, beta, y, c):
        return False
    vectors.combination(Q[: c.columns], y, x)
    for i in range(x.size):
        x[i] = start[i] + x[i]
    return True


@within
def _size(Q, alpha, beta, start, x, partial, c):
    """‖x_j‖; −1 where Python has to be asked."""
    if c.size >= 0:
        return c.size
    if c.mode <= LOCAL:
        return vectors.norm(x, partial)
    if c.from_zero:
        y = np.empty(c.columns)
        if not _galerkin(alpha, beta, y, c):
            return -1.0
        return vectors.norm(y, np.empty(-(-y.size // BLOCK)))
    return vectors.norm(x, partial) if _form(Q, alpha, beta, start, x, c) else -1.0


@within
def _test(Q, alpha, beta, start, x, partial, c):
    """The tests of a cycle, in the order and with the reasons of `_Cycles._cycle`; sets `reason` or `phase`."""
    if c.breakdown or c.steps >= c.most:
        c.reason = DONE
    elif not c.definite:
        c.phase = LAST_STEP
    elif c.proposed <= c.tolerance:
        c.reason = DONE
    else:
        if c.proposed <= 0.1 * c.floor_at and c.proposed <= c.floor_from:
            size = _size(Q, alpha, beta, start, x, partial, c)
            if size < 0:
                c.reason = ASK_SIZE
                return
            c.size = -1.0
            c.floor, c.floor_at = c.u * max(c.known_norm, c.scale) * size, c.proposed
        if c.proposed <= c.floor:
            c.reason = DONE
        elif c.mode > LOCAL and c.k >= c.restart:
            c.reason = MEMORY_FULL
        else:
            c.phase = STEP


@stepping
def take_steps(A, Q, alpha, beta, ritz, good, known, start, x, p, b, r, absolute, cycle):
    """Steps, until `reason` says why not; returns ‖b − A x_j‖, or −1 where Python has to evaluate it, and whether
    |A||x_j| was formed too.

    A : a tuple of :mod:`lancbio_ref.operators.ready`.
    Q : rows × n, the basis or a ring of it;  written.
    alpha, beta : α_j in alpha[j − 1], β_j in beta[j − 1];  written.
    ritz : good Ritz vectors, one a row, read.   good : 4 × their clusters, as `recurrences.has_fresh` wants it.
    known : what `losses` knows of the Ritz vectors, a row each;  written.
    start : x_0.   x, p : the iterate and its direction, of short recurrences; else x is x_j at the end;  written.
    b : the right-hand side, read.   r : b − A x_0 at the beginning;  b − A x_j at the end, where its norm is returned.
    absolute : n or 0, float64: where n, |A||x_j| is formed by the way, for an A that can;  written.
    cycle : one record of type CYCLE;  written.
    """
    c = cycle[0]
    c.reason, n = GOES_ON, x.size
    Aq, partial, ended = np.empty(n, x.dtype), np.empty(-(-n // BLOCK)), c.steps + c.pause
    if c.phase == BEGIN:  # q_1 = r/‖r‖
        for i in range(n):
            Q[0, i] = r[i]
        kernels.divide(FIRST, partial.size, Q[0], c.start_norm)
        c.phase = STEP
    while c.reason == GOES_ON:
        if c.phase == STEP or c.phase == LAST_STEP:
            if alpha.size <= c.k + 1 or (c.mode > LOCAL and c.k + 1 >= Q.shape[0]):
                c.reason = STEP_IN_PYTHON
            elif c.steps >= ended:
                c.reason = PAUSE
            else:
                ready_products.product(A, Q[c.k % Q.shape[0]], Aq)
                _close_step(Q, alpha, beta, ritz, good, known, Aq, partial, c)
                if c.reason == GOES_ON:
                    if c.phase == LAST_STEP:
                        c.reason = DONE
                    c.phase = ADVANCE
        elif c.phase == ADVANCE:
            exponent = math.frexp(c.scale)[1] if c.scale > 0 else 0
            if c.k == 1 and abs(exponent) > c.moderate:
                c.reason = NOT_MODERATE
            else:
                _advance(Q, alpha, beta, x, p, c)
                c.phase = TESTS
        else:
            _test(Q, alpha, beta, start, x, partial, c)
    if c.mode > LOCAL and (c.reason == DONE or c.reason == MEMORY_FULL) and c.definite and c.columns:
        c.has_x = _form(Q, alpha, beta, start, x, c)
    if not ((c.reason == DONE or c.reason == MEMORY_FULL) and (c.mode <= LOCAL or c.has_x) and vectors.all_finite(x)):
        return -1.0, False
    formed = False
    if absolute.size:
        formed = ready_products.product_and_absolute(A, x, Aq, absolute)
    else:
        ready_products.product(A, x, Aq)
    if not vectors.all_finite(Aq):
        return -1.0, False
    for i in range(n):
        r[i] = b[i] - Aq[i]
    return vectors.norm(r, partial), formed and vectors.all_finite(absolute)


@stepping
def step_and_solve(Q, alpha, beta, Aq, r, projected, y, dv, k, scale, unit, u, ptsv):
    """The rest of step k + 1 of a process without reorthogonalization, after its product, and dv = Q T⁻¹Qᵀr with the
    new T.

    Q, alpha, beta : as in `take_steps`;  written.   Aq, r : n, read.
    projected, y : k + 1, Qᵀr and T⁻¹Qᵀr;  written.   dv : n, written.
    k, scale, unit, u, ptsv : as in `CYCLE`; numbers, for Python takes as long to fill in a record as this does in all.
    Returns whether the step was made, and not left to Python; whether T was positive definite, else there is no dv;
    and of the step scale, unit, ‖w‖, and whether that is a breakdown.
    """
    cycle, blocks = np.zeros(1, CYCLE), -(-r.size // BLOCK)
    c = cycle[0]
    c.k, c.scale, c.unit, c.u, c.ptsv = k, scale, unit, u, ptsv
    c.mode, c.reason = NONE, GOES_ON
    _close_step(Q, alpha, beta, Q[:0], np.empty((4, 0)), np.empty((0, losses.COLUMNS)), Aq, np.empty(blocks), c)
    if c.reason == GOES_ON:
        partial = np.empty((blocks, c.k))
        kernels.coefficients(FIRST, blocks, Q[: c.k], r, partial)
        if blocks == 1:
            for i in range(c.k):
                projected[i] = partial[0, i]
        else:
            kernels.add_in_order(FIRST, -(-c.k // BLOCK), partial, projected)
        for i in range(c.k):
            y[i] = projected[i]
        c.has_x = lapack.solve_definite(c.ptsv, alpha[: c.k], beta[1 : c.k + 1], y)
        if c.has_x:
            vectors.combination(Q[: c.k], y.copy(), dv)
    last = cycle[0]  # which is c: the array has to be in use to the end, a record of it does not keep it alive
    made, solved, breakdown = last.reason == GOES_ON, last.has_x != 0, last.breakdown != 0
    scale, unit, size = last.scale, last.unit, last.residual_norm
    return made, solved, scale, unit, size, breakdown and cycle.size > 0
