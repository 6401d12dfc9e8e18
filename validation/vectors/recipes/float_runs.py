"""What rounding does to a trace: the outer loops in float64, in four orders of rounding.

The errors of these runs are a vector's ``rounding`` and ``admissible``. Their digits hang on the order of every sum, so
these loops stay the ones that v1 was measured with; what is proven comes from the textbook and :mod:`.methods_again`.

``facts`` are the rows of an exact run: what float64 cannot decide (b = w, β = 0, T singular, directions dependent) is
told by them. A row is a dict of what iteration k computed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .arithmetic import Column, Floats, Rows, add, scaled, subtract, transpose
from .recycled_again import recycled_newton
from .sources import Options, Row


def inner(source: Any, x: Column, y: Column, step: Any, count: int) -> Column:
    """y ← y − θ∇_y g(x, y), `count` times; a sequence leaves y alone."""
    if source.has_levels:
        for _ in range(count):
            y = subtract(y, scaled(step, source.gy(x, y)))
    return y


def descend(source: Any, row: Row, x: Column, J: Rows, c: Column, v: Column, step: Any) -> Row:
    """h = c − J v and x⁺ = x − λh."""
    row["v"] = v
    row["h"] = subtract(c, source.at.times(J, v))
    if source.has_levels:
        row["x_next"] = subtract(x, scaled(step, row["h"]))
    return row


def start(source: Any, k: int, y: Column) -> Row:
    return {"k": k, "y": y} if source.has_levels else {"k": k}


def lancbio(source: Any, options: dict[str, Any], x: Column, y: Column, v: Column, facts: list[Row]) -> list[Row]:
    at, o = source.at, Options(source.at, options)
    rows: list[Row] = []
    Q, alphas, betas = [], [], []  # type: ignore[var-annotated]
    for k, fact in enumerate(facts, 1):
        y = inner(source, x, y, o.step_y if source.has_levels else None, options.get("inner_steps", 0))
        A, J, b, c = source.point(k, x, y)
        row = start(source, k, y)
        if fact["restarted"]:
            v_bar, w = v, at.times(A, v)
            Q, alphas, betas = [], [], []
        r = subtract(b, w)
        if fact["exact"]:
            v, row["dv"] = v_bar, [0.0] * len(y)
        else:
            if not Q:
                q, before, beta = scaled(1 / at.norm(r), r), [0.0] * len(r), 0.0
            u = subtract(at.times(A, q), scaled(beta, before))
            alphas.append(at.dot(q, u))
            Q.append(q)
            omega = subtract(u, scaled(alphas[-1], q))
            if fact["singular"]:
                row["dv"] = subtract(v, v_bar)
            else:
                z = at.solve(tridiagonal(alphas, betas), at.times(Q, r))
                row["dv"] = at.times(transpose(Q), z)
                v = add(v_bar, row["dv"])
            row["alpha"] = alphas[-1]
            if fact["breakdown"]:
                row["beta"] = 0.0
            else:
                row["beta"] = beta = at.norm(omega)
                betas.append(beta)
                before, q = q, scaled(1 / beta, omega)
        rows.append(descend(source, row, x, J, c, v, o.step_x if source.has_levels else None))
        x = row.get("x_next", x)
    return rows


def tridiagonal(alphas: Column, betas: Column) -> Rows:
    n = len(alphas)
    T: Rows = [[0.0] * n for _ in range(n)]
    for i in range(n):
        T[i][i] = alphas[i]
        if i:
            T[i][i - 1] = T[i - 1][i] = betas[i - 1]
    return T


def subbio(source: Any, options: dict[str, Any], x: Column, y: Column, v: Column, facts: list[Row]) -> list[Row]:
    at, o = source.at, Options(source.at, options)
    rows = []
    for k, fact in enumerate(facts, 1):
        y = inner(source, x, y, o.step_y if source.has_levels else None, options.get("inner_steps", 0))
        A, J, b, c = source.point(k, x, y)
        row = start(source, k, y)
        moved = subtract(v, scaled(o.step_v, at.times(A, v)))
        if fact["columns"] == 0:
            v = [0.0] * len(b)
        else:
            S = orthonormal(at, [b, moved] if fact["columns"] == 2 else [moved if fact["b_is_zero"] else b])
            AS = [at.times(A, s) for s in S]
            z = at.solve([[at.dot(s, t) for t in AS] for s in S], [at.dot(s, b) for s in S])
            v = at.times(transpose(S), z)
        rows.append(descend(source, row, x, J, c, v, o.step_x if source.has_levels else None))
        x = row.get("x_next", x)
    return rows


def orthonormal(at: Floats, columns: Rows) -> Rows:
    """Gram–Schmidt, twice."""
    basis: Rows = []
    for column in columns:
        for q in basis * 2:
            column = subtract(column, scaled(at.dot(q, column), q))
        basis.append(scaled(1 / at.norm(column), column))
    return basis


def one_solve(
    inverse: Callable[..., Column],
) -> Callable[..., list[Row]]:
    """The methods of the form: inner steps, a point, v by `inverse(at, o, A, b, v, k)`, h, x."""

    def run(source: Any, options: dict[str, Any], x: Column, y: Column, v: Column, facts: list[Row]) -> list[Row]:
        o, rows = Options(source.at, options), []
        for k in range(1, len(facts) + 1):
            ttsa = "decay_x" in options
            step_x = o.decayed("step_x", "decay_x", k) if ttsa else o.step_x
            step_y = o.decayed("step_y", "decay_y", k) if ttsa else o.step_y
            y = inner(source, x, y, step_y, options.get("inner_steps", 1))
            A, J, b, c = source.point(k, x, y)
            v = inverse(source.at, o, A, b, v, k)
            row = descend(source, start(source, k, y), x, J, c, v, step_x)
            rows.append(row)
            x = row["x_next"]
        return rows

    return run


def gradient_inverse(at: Floats, o: Options, A: Rows, b: Column, v: Column, k: int) -> Column:
    """v ← v − η(A v − b), Q times."""
    for _ in range(o.inverse_steps):
        v = subtract(v, scaled(o.step_v, subtract(at.times(A, v), b)))
    return v


def conjugate_gradients(at: Floats, o: Options, A: Rows, b: Column, v: Column, k: int) -> Column:
    """Q steps from v."""
    r = subtract(b, at.times(A, v))
    p, rho = r, at.dot(r, r)
    for _ in range(o.inverse_steps):
        Ap = at.times(A, p)
        gamma = rho / at.dot(p, Ap)
        v, r = add(v, scaled(gamma, p)), subtract(r, scaled(gamma, Ap))
        rho, old = at.dot(r, r), rho
        p = add(r, scaled(rho / old, p))
    return v


def neumann(at: Floats, o: Options, A: Rows, b: Column, v: Column, k: int) -> Column:
    """η Σ_{q=0}^{Q} (I − ηA)^q b."""
    term = total = b
    for _ in range(o.inverse_steps):
        term = subtract(term, scaled(o.step_v, at.times(A, term)))
        total = add(total, term)
    return scaled(o.step_v, total)


def random_neumann(at: Floats, o: Options, A: Rows, b: Column, v: Column, k: int) -> Column:
    """η Q (I − ηA)^p b, with the p that was drawn."""
    term = b
    for _ in range(o.p[k - 1]):
        term = subtract(term, scaled(o.step_v, at.times(A, term)))
    return scaled(o.step_v * o.inverse_steps, term)


def soba(source: Any, options: dict[str, Any], x: Column, y: Column, v: Column, facts: list[Row]) -> list[Row]:
    at, o, rows = source.at, Options(source.at, options), []
    for k in range(1, len(facts) + 1):
        A, J, b, c = source.point(k, x, y)
        h = subtract(c, at.times(J, v))
        row: Row = {
            "k": k,
            "h": h,
            "x_next": subtract(x, scaled(o.step_x, h)),
            "y_next": subtract(y, scaled(o.step_y, source.gy(x, y))),
            "v_next": subtract(v, scaled(o.step_v, subtract(at.times(A, v), b))),
        }
        x, y, v = row["x_next"], row["y_next"], row["v_next"]
        rows.append(row)
    return rows


def hjfbio(source: Any, options: dict[str, Any], x: Column, y: Column, v: Column, facts: list[Row]) -> list[Row]:
    at, o, rows = source.at, Options(source.at, options), []
    for k in range(1, len(facts) + 1):
        delta = o.difference
        ahead, behind = add(y, scaled(delta, v)), subtract(y, scaled(delta, v))
        Av = [s / (2 * delta) for s in subtract(source.gy(x, ahead), source.gy(x, behind))]
        Jv = [s / (2 * delta) for s in subtract(source.gx(x, ahead), source.gx(x, behind))]
        h = subtract(source.fx(x, y), Jv)
        v_next = subtract(v, scaled(o.step_v, subtract(Av, source.fy(x, y))))
        length = at.norm(v_next)
        if length > o.radius:
            v_next = scaled(o.radius / length, v_next)
        row: Row = {
            "k": k,
            "h": h,
            "x_next": subtract(x, scaled(o.step_x, h)),
            "y_next": subtract(y, scaled(o.step_y, source.gy(x, y))),
            "v_next": v_next,
        }
        x, y, v = row["x_next"], row["y_next"], row["v_next"]
        rows.append(row)
    return rows


def f2sa(source: Any, options: dict[str, Any], x: Column, y: Column, v: Column, facts: list[Row]) -> list[Row]:
    o, rows = Options(source.at, options), []
    z, sigma = y, o.penalty
    for k in range(1, len(facts) + 1):
        alpha, step = o.decayed("step_y", "decay_y", k), o.decayed("step_x", "decay_x", k)
        for _ in range(o.inner_steps):
            z = subtract(z, scaled(o.step_z, source.gy(x, z)))
            y = subtract(y, scaled(alpha, add(source.fy(x, y), scaled(sigma, source.gy(x, y)))))
        h = add(source.fx(x, y), scaled(sigma, subtract(source.gx(x, y), source.gx(x, z))))
        sigma = sigma + o.decayed("penalty_growth", "decay_penalty", k)
        x = subtract(x, scaled(step, h))
        rows.append({"k": k, "y": y, "z": z, "h": h, "x_next": x, "sigma_next": sigma})
    return rows


def stable(source: Any, options: dict[str, Any], x: Column, y: Column, v: Column, facts: list[Row]) -> list[Row]:
    at, o, rows = source.at, Options(source.at, options), []
    H_yy: Any = None
    before: Any = None
    keep = 1 - o.momentum
    for k in range(1, len(facts) + 1):
        A, J, b, c = source.point(k, x, y)
        if H_yy is None:
            H_yy, H_xy = A, J
        else:
            old_A, old_J = before
            H_yy = [add(scaled(keep, subtract(h, old)), new) for h, old, new in zip(H_yy, old_A, A, strict=True)]
            H_xy = [add(scaled(keep, subtract(h, old)), new) for h, old, new in zip(H_xy, old_J, J, strict=True)]
        before = A, J
        H_yy, H_xy = raised(at, H_yy, o.mu), shortened(at, H_xy, o.cross_norm)
        v = at.solve(H_yy, b)
        h = subtract(c, at.times(H_xy, v))
        x_next = subtract(x, scaled(o.step_x, h))
        follow = at.solve(H_yy, at.times(transpose(H_xy), subtract(x_next, x)))
        y_next = subtract(subtract(y, scaled(o.step_y, source.gy(x, y))), follow)
        rows.append({"k": k, "v": v, "h": h, "x_next": x_next, "y_next": y_next})
        x, y = x_next, y_next
    return rows


def raised(at: Floats, H: Rows, mu: Any) -> Rows:
    """P_{⪰ μI}[H]: H itself where H − μI has positive pivots; else by the eigenvalues of a 2 × 2 matrix."""
    n = len(H)
    shifted = [[H[i][j] - mu if i == j else H[i][j] for j in range(n)] for i in range(n)]
    work = [list(row) for row in shifted]
    for k in range(n):
        if not work[k][k] > 0:
            break
        for i in range(k + 1, n):
            factor = work[i][k] / work[k][k]
            work[i] = [s - factor * t for s, t in zip(work[i], work[k], strict=True)]
    else:
        return H
    if n != 2:
        raise NotImplementedError("a projection that is active is written for 2 × 2 matrices")
    # M = H − μI has one negative eigenvalue λ⁻, its projector is (λ⁺I − M)/(λ⁺ − λ⁻), and λ⁻ times that goes off
    (a, b), (_, d) = shifted
    half = at.sqrt((a - d) * (a - d) / 4 + b * b)
    low, high = (a + d) / 2 - half, (a + d) / 2 + half
    if not high > 0:
        raise NotImplementedError("both eigenvalues below the bound")
    s = low / (high - low)
    return [[H[0][0] - s * (high - a), H[0][1] + s * b], [H[1][0] + s * b, H[1][1] - s * (high - d)]]


def shortened(at: Floats, H: Rows, radius: Any) -> Rows:
    """P_{‖·‖ ≤ C}[H]: H itself where ‖H‖_F ≤ C; a single row is scaled."""
    size = at.sqrt(at.sum([t * t for row in H for t in row]))
    if size < radius:
        return H
    if len(H) != 1:
        raise NotImplementedError("a projection that is active is written for one row")
    return [scaled(radius / size, H[0])]


def recycled(source: Any, options: dict[str, Any], x: Column, y: Column, v: Column, facts: list[Row]) -> list[Row]:
    return recycled_newton(source, options, x, y, v, len(facts))


METHODS: dict[str, Callable[..., list[Row]]] = {
    "lancbio": lancbio,
    "subbio": subbio,
    "amigo-gd": one_solve(gradient_inverse),
    "amigo-cg": one_solve(conjugate_gradients),
    "stocbio": one_solve(neumann),
    "bsa": one_solve(random_neumann),
    "ttsa": one_solve(random_neumann),
    "soba": soba,
    "hjfbio": hjfbio,
    "f2sa": f2sa,
    "stable": stable,
    "recycled-newton": recycled,
}
