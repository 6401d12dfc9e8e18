"""Recycled Krylov–Newton once more, by other formulas: the second route to its traces, and what rounding does to them.

*H* is never a matrix here. The kept pairs are made biorthogonal without square roots,

    s̃_i = s_i − Σ_{j newer} s̃_j (ỹ_jᵀs_i)/d_j,   ỹ_i = y_i − Σ ỹ_j (s̃_jᵀy_i)/d_j,   d_i = s̃_iᵀỹ_i,

and since s̃_iᵀỹ_j = 0, the block formula of the textbook is the product of their single BFGS updates, in any order: the
two loops of J. Nocedal (*Updating quasi-Newton matrices with limited storage*, Math. Comp. 35, 1980). *Conjugate
gradients* for A d = r are the conjugate directions of the z_j = H r_j: each is made A-orthogonal to all before it, and
takes what p_jᵀr_0 says. The *model* is not symmetric to the last digit, so its recurrence is part of the method; its
decrease is ½sᵀ(h + r), r = h + B s.

The same lines run at 250 digits, where derivatives are differences of f and g, and in float64, in orders of rounding.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from .arithmetic import Arithmetic, Column, Rows, add, scaled, subtract, transpose
from .sources import Options, Row

Pair = tuple[Column, Column]
CONVERGED, DEPENDENT = Fraction(1, 10**16), Fraction(1, 10**6)


class Inverse:
    """H of pairs (s, A s), the newest last."""

    def __init__(self, at: Arithmetic, kept: list[Pair]) -> None:
        self.at = at
        self.rows: list[tuple[Column, Column, Any]] = []  # s̃, ỹ, d, the newest first
        self.beta = at.number(Fraction(1))
        curvatures = []
        for s, y in reversed(kept):
            size = at.dot(s, y)
            if not size > 0:
                continue
            a = [at.dot(ty, s) for _, ty, _ in self.rows]
            b = [at.dot(ts, y) for ts, _, _ in self.rows]
            d = [entry[2] for entry in self.rows]
            gap = at.sum([(u - w) * (u - w) / t for u, w, t in zip(a, b, d, strict=True)])
            both = at.sum([(u * u + w * w) / t for u, w, t in zip(a, b, d, strict=True)])
            if 4 * gap > both + 2 * size:
                continue
            for (ts, ty, t), u, w in zip(self.rows, a, b, strict=True):
                s, y = subtract(s, scaled(u / t, ts)), subtract(y, scaled(w / t, ty))
            left = at.dot(s, y)
            if left > at.number(DEPENDENT) * size:
                curvatures.append(left / at.dot(s, s))
                self.rows.append((s, y, left))
        if curvatures:
            self.beta = sorted(curvatures)[len(curvatures) // 2]

    def __call__(self, r: Column) -> Column:
        """H r by two loops."""
        at, taken = self.at, []
        for s, y, d in self.rows:
            alpha = at.dot(s, r) / d
            r = subtract(r, scaled(alpha, y))
            taken.append(alpha)
        z = [t / self.beta for t in r]
        for (s, y, d), alpha in zip(reversed(self.rows), reversed(taken), strict=True):
            z = add(z, scaled(alpha - at.dot(y, z) / d, s))
        return z


def recycled_newton(source: Any, options: dict[str, Any], x: Column, y: Column, v: Column, count: int) -> list[Row]:
    """All rows: s, hᵀs + ½sᵀB s, ρ and the next Δ of iteration k; y, v and h at x_next."""
    at, o, rows = source.at, Options(source.at, options), []
    kept_y: list[Pair] = []
    kept_x: list[Pair] = []
    radius = o.radius
    y, v, h = _levels(source, o, 0, x, y, v, kept_y)
    for k in range(1, count + 1):
        s, predicted, dy, dv, at_edge = _model(source, o, k, (x, y, v, h), radius, kept_y, kept_x)
        there = add(x, s)
        y_new, v_new, h_new = _levels(source, o, k, there, add(y, dy), add(v, dv), kept_y)
        ratio = at.dot(s, add(h, h_new)) / (2 * predicted)
        if ratio > at.number(Fraction(1, 10)):
            kept_x.append((s, subtract(h_new, h)))
            x, y, v, h = there, y_new, v_new, h_new
        if 4 * ratio < 1:
            radius = max(abs(t) for t in s) / 4
        elif 4 * ratio > 3 and at_edge:
            radius = 2 * radius
        row: Row = {"k": k, "s": s, "predicted": predicted, "ratio": ratio, "radius": radius}
        rows.append(row | {"y": y, "v": v, "h": h, "x_next": x})
    return rows


def _levels(
    source: Any, o: Options, k: int, x: Column, y: Column, v: Column, kept: list[Pair]
) -> tuple[Column, Column, Column]:
    at = source.at
    for _ in range(o.inner_steps):
        y = subtract(y, _solve(at, o, source.point(k, x, y)[0], source.gy(x, y), kept))
    A, J, b, c = source.point(k, x, y)
    v = add(v, _solve(at, o, A, subtract(b, at.times(A, v)), kept))
    return y, v, subtract(c, at.times(J, v))


def _solve(at: Arithmetic, o: Options, A: Rows, right: Column, kept: list[Pair]) -> Column:
    """The Galerkin solution of A d = `right` in the span of the directions, each from the residual before it."""
    H = Inverse(at, kept)
    pairs: list[Pair] = []
    d, r = [at.number(Fraction(0))] * len(right), right
    z = H(r)
    first = at.dot(r, z)
    for _ in range(o.inverse_steps):
        if not at.dot(r, z) > at.number(CONVERGED) * first:
            break
        p = z
        for q, Aq in pairs:
            p = subtract(p, scaled(at.dot(Aq, z) / at.dot(q, Aq), q))
        Ap = at.times(A, p)
        pairs.append((p, Ap))
        d = add(d, scaled(at.dot(p, right) / at.dot(p, Ap), p))
        r = subtract(right, at.times(A, d))
        z = H(r)
    kept[:] = (kept + pairs)[-o.memory :]
    return d


def _model(
    source: Any, o: Options, k: int, point: tuple[Column, ...], radius: Any, kept_y: list[Pair], kept_x: list[Pair]
) -> tuple[Column, Any, Column, Column, bool]:
    at, (x, y, v, h) = source.at, point
    M, H = Inverse(at, kept_x), Inverse(at, kept_y)
    A, J, b, _ = source.point(k, x, y)
    before = subtract(b, at.times(A, v))
    zero = at.number(Fraction(0))
    s, dy, dv, pairs, at_edge = [zero] * len(x), [zero] * len(y), [zero] * len(y), [], False
    r, z = h, M(h)
    square = first = at.dot(r, z)
    d = scaled(-1, z)
    for _ in range(len(x)):
        if not square > at.number(CONVERGED) * first:
            break
        p = scaled(-1, H(at.times(transpose(J), d)))
        t = o.difference / max(max(abs(e) for e in d), max(abs(e) for e in p))
        A_t, J_t, b_t, c_t = source.point(k, add(x, scaled(t, d)), add(y, scaled(t, p)))
        w_x = scaled(1 / t, subtract(subtract(c_t, at.times(J_t, v)), h))
        w_y = scaled(1 / t, subtract(subtract(b_t, at.times(A_t, v)), before))
        q = H(w_y)
        Bd = subtract(w_x, at.times(J, q))
        pairs.append((d, Bd))
        curvature = at.dot(d, Bd)
        room = min(((radius - e) / f if f > 0 else (radius + e) / -f) for e, f in zip(s, d, strict=True) if f != 0)
        at_edge = not curvature * room > square
        alpha = room if at_edge else square / curvature
        s, dy, dv = add(s, scaled(alpha, d)), add(dy, scaled(alpha, p)), add(dv, scaled(alpha, q))
        r = add(r, scaled(alpha, Bd))
        if at_edge:
            break
        z = M(r)
        square, old = at.dot(r, z), square
        d = add(scaled(-1, z), scaled(square / old, d))
    kept_x[:] = (kept_x + pairs)[-o.memory :]
    return s, at.dot(s, add(h, r)) / 2, dy, dv, at_edge
