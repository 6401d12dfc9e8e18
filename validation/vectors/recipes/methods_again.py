"""The outer loops once more, by other formulas: the second route to a trace.

*LancBiO* without square roots: with q_j = p_j/d_j, d_j = ‖p_j‖ and D = diag(d_1, …, d_j),

    p_{j+1} = A_j p_j − α_j p_j − β_j² p_{j−1},   Δv = P_j z,   (D T_j D) z = P_jᵀ(b_k − w),

where D T_j D is rational: α_i d_i² on the diagonal and d_{i+1}² beside it. In rational arithmetic b = w, β = 0, a
singular T and dependent directions of SubBiO are decided here, exactly. *SubBiO* from the two directions as they are,
not made orthonormal; *AmIGO-GD* by the series of its residual; *AmIGO-CG* as the Galerkin solution in the span of
r, A r, …; the *Neumann* series by Horner's rule, its random term by powers of the matrix; *STABLE* with mpmath's
eigenvalues.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from .arithmetic import Arithmetic, Column, Digits, Rational, Rows, add, scaled, subtract, transpose
from .recycled_again import recycled_newton
from .sources import Options, Row

Run = Callable[..., list[Row]]


class Schedule:
    """m by the published rule, and when a subspace ends."""

    def __init__(self, subspace: Any) -> None:
        constant = isinstance(subspace, int)
        self.m = subspace if constant else subspace["initial"]
        self.growth: Fraction = Fraction(1) if constant else subspace["growth"]
        self.every: int = 1 if constant else subspace["every"]
        self.maximum = subspace if constant else subspace["maximum"]

    def restarts(self, k: int, columns: int, n: int, due: bool) -> bool:
        if k % self.every == self.every - 1:
            self.m = min(math.ceil(self.growth * self.m), self.maximum)
        return due or self.m == 1 or k % self.m == 1 or columns >= self.maximum or columns >= n


def definite(T: Rows) -> bool:
    """Whether the pivots of a tridiagonal T are positive."""
    pivot = T[0][0]
    for i in range(1, len(T)):
        if not pivot > 0:
            return False
        pivot = T[i][i] - T[i][i - 1] * T[i][i - 1] / pivot
    return bool(pivot > 0)


def _inner(source: Any, x: Column, y: Column, step: Any, count: int) -> Column:
    for _ in range(count if source.has_levels else 0):
        y = [t - step * g for t, g in zip(y, source.gy(x, y), strict=True)]
    return y


def _finish(source: Any, row: Row, x: Column, J: Rows, c: Column, v: Column, step: Any) -> Row:
    h = [t - source.at.dot(line, v) for t, line in zip(c, J, strict=True)]
    row |= {"v": v, "h": h}
    if source.has_levels:
        row["x_next"] = [s - step * t for s, t in zip(x, h, strict=True)]
    return row


def lancbio(source: Any, options: dict[str, Any], x: Column, y: Column, v: Column, count: int) -> list[Row]:
    at, o, schedule = source.at, Options(source.at, options), Schedule(options["subspace"])
    decide = isinstance(at, Rational)
    zero = at.number(Fraction(0))
    rows: list[Row] = []
    P, sizes, alphas, due = [], [], [], True  # type: ignore[var-annotated]
    for k in range(1, count + 1):
        y = _inner(source, x, y, o.step_y if source.has_levels else None, options.get("inner_steps", 0))
        A, J, b, c = source.point(k, x, y)
        row: Row = {"k": k, "y": y} if source.has_levels else {"k": k}
        row["restarted"] = schedule.restarts(k, len(P), len(y), due)
        row["m"], due = schedule.m, False
        row |= {"exact": False, "singular": False, "breakdown": False, "indefinite": False}
        if row["restarted"]:
            v_bar, w = v, at.times(A, v)
            P, sizes, alphas = [], [], []
        r = subtract(b, w)
        if decide and not any(r):
            v, due, row["exact"], row["dv"] = v_bar, True, True, [zero] * len(y)
        else:
            if not P:
                p, size = r, at.dot(r, r)
            beta_squared = size / sizes[-1] if P else zero
            u = subtract(at.times(A, p), scaled(beta_squared, P[-1])) if P else at.times(A, p)
            P.append(p)
            sizes.append(size)
            alphas.append(at.dot(p, u) / size)
            S = [[zero] * len(P) for _ in P]  # D T D
            for i in range(len(P)):
                S[i][i] = alphas[i] * sizes[i]
                if i:
                    S[i][i - 1] = S[i - 1][i] = sizes[i]
            row["indefinite"] = not definite(S)
            try:
                z = at.solve(S, at.times(P, r))
                row["dv"] = at.times(transpose(P), z)
                v = add(v_bar, row["dv"])
            except ZeroDivisionError:
                if not decide:
                    raise
                row["dv"], due, row["singular"] = subtract(v, v_bar), True, True
                row["indefinite"] = False
            p = subtract(u, scaled(alphas[-1], p))
            size = at.dot(p, p)
            row["alpha"], row["beta_squared"] = alphas[-1], size / sizes[-1]
            if decide and size == 0:
                due, row["breakdown"] = True, True
        row["columns"] = len(P)
        rows.append(_finish(source, row, x, J, c, v, o.step_x if source.has_levels else None))
        x = row.get("x_next", x)
    return rows


def subbio(source: Any, options: dict[str, Any], x: Column, y: Column, v: Column, count: int) -> list[Row]:
    at, o = source.at, Options(source.at, options)
    decide = isinstance(at, Rational)
    rows = []
    for k in range(1, count + 1):
        y = _inner(source, x, y, o.step_y if source.has_levels else None, options.get("inner_steps", 0))
        A, J, b, c = source.point(k, x, y)
        row: Row = {"k": k, "y": y} if source.has_levels else {"k": k}
        moved = [s - o.step_v * t for s, t in zip(v, at.times(A, v), strict=True)]
        S = [b, moved]
        row["b_is_zero"] = decide and not any(b)
        if decide:
            S = [s for s in S if any(s)]
            if len(S) == 2 and at.dot(b, b) * at.dot(moved, moved) == at.dot(b, moved) * at.dot(b, moved):
                S = S[:1]
        row["columns"] = len(S)
        if S:
            z = at.solve([[at.dot(s, at.times(A, t)) for t in S] for s in S], [at.dot(s, b) for s in S])
            v = at.times(transpose(S), z)
        else:
            v = [at.number(Fraction(0))] * len(b)
        rows.append(_finish(source, row, x, J, c, v, o.step_x if source.has_levels else None))
        x = row.get("x_next", x)
    return rows


def _series(at: Arithmetic, o: Options, A: Rows, b: Column, v: Column, k: int) -> Column:
    """AmIGO-GD: v + η Σ_{q<Q} (I − ηA)^q (b − A v), by Horner's rule."""
    r = subtract(b, at.times(A, v))
    s = r
    for _ in range(o.inverse_steps - 1):
        s = add(r, subtract(s, scaled(o.step_v, at.times(A, s))))
    return add(v, scaled(o.step_v, s))


def _galerkin(at: Arithmetic, o: Options, A: Rows, b: Column, v: Column, k: int) -> Column:
    """AmIGO-CG: the minimizer over v + span{r, A r, …, A^{Q−1} r}."""
    r = subtract(b, at.times(A, v))
    powers = [r]
    for _ in range(o.inverse_steps):
        powers.append(at.times(A, powers[-1]))
    S, AS = powers[:-1], powers[1:]
    z = at.solve([[at.dot(s, t) for t in AS] for s in S], [at.dot(s, r) for s in S])
    return add(v, at.times(transpose(S), z))


def _horner(at: Arithmetic, o: Options, A: Rows, b: Column, v: Column, k: int) -> Column:
    s = b
    for _ in range(o.inverse_steps):
        s = add(b, subtract(s, scaled(o.step_v, at.times(A, s))))
    return scaled(o.step_v, s)


def _power(at: Arithmetic, o: Options, A: Rows, b: Column, v: Column, k: int) -> Column:
    """η Q M^p b with M = I − ηA formed."""
    n = len(b)
    M = [[at.number(Fraction(int(i == j))) - o.step_v * A[i][j] for j in range(n)] for i in range(n)]
    result = [[at.number(Fraction(int(i == j))) for j in range(n)] for i in range(n)]
    for _ in range(o.p[k - 1]):
        columns = transpose(result)
        result = transpose([at.times(M, column) for column in columns])
    return scaled(o.step_v * o.inverse_steps, at.times(result, b))


def _with(inverse: Callable[..., Column]) -> Run:
    def run(source: Any, options: dict[str, Any], x: Column, y: Column, v: Column, count: int) -> list[Row]:
        o, rows = Options(source.at, options), []
        for k in range(1, count + 1):
            decays = "decay_x" in options
            step_x = o.decayed("step_x", "decay_x", k) if decays else o.step_x
            step_y = o.decayed("step_y", "decay_y", k) if decays else o.step_y
            y = _inner(source, x, y, step_y, options.get("inner_steps", 1))
            A, J, b, c = source.point(k, x, y)
            v = inverse(source.at, o, A, b, v, k)
            rows.append(_finish(source, {"k": k, "y": y}, x, J, c, v, step_x))
            x = rows[-1]["x_next"]
        return rows

    return run


def soba(source: Any, options: dict[str, Any], x: Column, y: Column, v: Column, count: int) -> list[Row]:
    o, rows = Options(source.at, options), []
    for k in range(1, count + 1):
        A, J, b, c = source.point(k, x, y)
        row = _finish(source, {"k": k}, x, J, c, v, o.step_x)
        del row["v"]
        residual = subtract(b, source.at.times(A, v))
        row["v_next"] = [s + o.step_v * t for s, t in zip(v, residual, strict=True)]
        row["y_next"] = _inner(source, x, y, o.step_y, 1)
        x, y, v = row["x_next"], row["y_next"], row["v_next"]
        rows.append(row)
    return rows


def hjfbio(source: Any, options: dict[str, Any], x: Column, y: Column, v: Column, count: int) -> list[Row]:
    at, o, rows = source.at, Options(source.at, options), []
    for k in range(1, count + 1):
        d = o.difference
        points = [[t + sign * d * s for t, s in zip(y, v, strict=True)] for sign in (1, -1)]
        (up_y, down_y), (up_x, down_x) = ([g(x, p) for p in points] for g in (source.gy, source.gx))
        direction = [(s - t) / (2 * d) - u for s, t, u in zip(up_y, down_y, source.fy(x, y), strict=True)]
        h = [u - (s - t) / (2 * d) for s, t, u in zip(up_x, down_x, source.fx(x, y), strict=True)]
        v = [s - o.step_v * t for s, t in zip(v, direction, strict=True)]
        square = at.dot(v, v)
        if square > o.radius * o.radius:
            v = scaled(at.sqrt(o.radius * o.radius / square), v)
        y_next = _inner(source, x, y, o.step_y, 1)
        x = [s - o.step_x * t for s, t in zip(x, h, strict=True)]
        y = y_next
        rows.append({"k": k, "h": h, "x_next": x, "y_next": y, "v_next": v})
    return rows


def f2sa(source: Any, options: dict[str, Any], x: Column, y: Column, v: Column, count: int) -> list[Row]:
    o, rows = Options(source.at, options), []
    z, sigma = y, o.penalty
    for k in range(1, count + 1):
        alpha, step = o.decayed("step_y", "decay_y", k), o.decayed("step_x", "decay_x", k)
        z = _inner(source, x, z, o.step_z, o.inner_steps)
        for _ in range(o.inner_steps):
            f, g = source.fy(x, y), source.gy(x, y)
            y = [t - alpha * a - alpha * sigma * b for t, a, b in zip(y, f, g, strict=True)]
        at_y, at_z, f = source.gx(x, y), source.gx(x, z), source.fx(x, y)
        h = [a + sigma * s - sigma * t for a, s, t in zip(f, at_y, at_z, strict=True)]
        x = [s - step * t for s, t in zip(x, h, strict=True)]
        sigma += o.decayed("penalty_growth", "decay_penalty", k)
        rows.append({"k": k, "y": y, "z": z, "h": h, "x_next": x, "sigma_next": sigma})
    return rows


def stable(source: Any, options: dict[str, Any], x: Column, y: Column, v: Column, count: int) -> list[Row]:
    if not isinstance(source.at, Digits):
        raise TypeError("STABLE's projections need mpmath's digits")
    mp, o, rows = source.at.mp, Options(source.at, options), []
    previous: Any = None
    for k in range(1, count + 1):
        A, J, b, c = source.point(k, x, y)
        A_, J_ = mp.matrix(A), mp.matrix(J)
        if previous is None:
            H_yy, H_xy = A_, J_
        else:
            H_yy, H_xy = (1 - o.momentum) * (H_yy - previous[0]) + A_, (1 - o.momentum) * (H_xy - previous[1]) + J_
        previous = A_, J_
        values, vectors = mp.eigsy((H_yy + H_yy.T) / 2)
        values = mp.diag([max(t, o.mu) for t in values])
        H_yy = vectors * values * vectors.T
        U, s, V = mp.svd_r(H_xy)
        H_xy = U * mp.diag([min(t, o.cross_norm) for t in s]) * V
        v = list(mp.lu_solve(H_yy, mp.matrix(b)))
        h = subtract(c, list(H_xy * mp.matrix(v)))
        x_next = [s - o.step_x * t for s, t in zip(x, h, strict=True)]
        follow = list(mp.lu_solve(H_yy, H_xy.T * mp.matrix(subtract(x_next, x))))
        y = subtract(_inner(source, x, y, o.step_y, 1), follow)
        x = x_next
        rows.append({"k": k, "v": v, "h": h, "x_next": x, "y_next": y})
    return rows


METHODS: dict[str, Run] = {
    "lancbio": lancbio,
    "subbio": subbio,
    "amigo-gd": _with(_series),
    "amigo-cg": _with(_galerkin),
    "stocbio": _with(_horner),
    "bsa": _with(_power),
    "ttsa": _with(_power),
    "soba": soba,
    "hjfbio": hjfbio,
    "f2sa": f2sa,
    "stable": stable,
    "recycled-newton": recycled_newton,
}
