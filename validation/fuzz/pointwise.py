"""The bound for an inexact y where the caller's callables are all there is: separable g with a Lipschitz Hessian.

    g(x, y) = Σ_i s s(k y_i)-like terms + ½ yᵀQ y − yᵀ(B x),    f = ½‖y − t‖²

The terms are w softplus(k y_i) or w log cosh(k y_i); L_gyy = w k³/(6√3) or w k³ 4/(3√3), rounded up. Gradients of
callables round in ways that nobody proved: where the certificate says `estimated`, bound/error is only recorded. And
discriminants of a few units: the formula itself, at 2 L_gyy‖∇_y g‖ ≈ μ², against exact arithmetic.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from flint import arb, arb_mat, ctx

from lancbio_ref import CertificateStatus

from . import draw, truth
from .harness import Case

PROBLEM = {
    "softplus": (
        "s = lambda y: 0.5 * (1 + np.tanh(0.5 * y))\n"
        "first, second = lambda y: w * k * s(k * y), lambda y: w * k * k * s(k * y) * s(-k * y)",
        1 / (6 * math.sqrt(3)),
    ),
    "log cosh": (
        "first, second = lambda y: w * k * np.tanh(k * y), lambda y: w * k * k / np.cosh(k * y) ** 2",
        4 / (3 * math.sqrt(3)),
    ),
}
REST = """problem = BilevelProblem(
    UpperLevel(lambda x, y: 0.5 * float((y - t) @ (y - t)), lambda x, y: 0 * x, lambda x, y: y - t),
    LowerLevel(lambda x, y: first(y) + Q @ y - B @ x, lambda x, y: Q + np.diag(second(y)), lambda x, y: -B.T),
    lipschitz=LipschitzConstants(0.0, 1.0, 0.0, L_gyy),
)"""


class Separable(truth.Truth):
    """The truth of it."""

    def __init__(self, s: dict[str, Any]) -> None:
        self.kind, self.w, self.k = s["kind"], arb(float(s["w"])), arb(float(s["k"]))
        self.Q, self.B, self.t, self.x = (
            truth.rows_of(s["Q"]),
            truth.rows_of(s["B"]),
            truth.balls(s["t"]),
            truth.balls(s["x"]),
        )
        self.n_y = len(self.Q)

    def gradient(self, y: list[arb]) -> list[arb]:
        rows = zip(self.Q, self.B, y, strict=True)
        return [self._first(t) + truth.dot(q, y) - truth.dot(b, self.x) for q, b, t in rows]

    def _first(self, y: arb) -> arb:
        s = self.k * y
        return self.w * self.k * (truth.sigmoid(s) if self.kind == "softplus" else s.tanh())

    def hessian(self, y: list[arb]) -> arb_mat:
        found = arb_mat(self.Q)
        for i, t in enumerate(y):
            s = self.k * t
            slope = truth.sigmoid(s) * truth.sigmoid(-s) if self.kind == "softplus" else s.sech() ** 2
            found[i, i] += self.w * self.k**2 * slope
        return found

    def cross(self, y: list[arb]) -> arb_mat:
        return arb_mat([[-t for t in row] for row in zip(*self.B, strict=True)])

    def f(self, y: list[arb]) -> arb:
        r = self.f_y(y)
        return truth.dot(r, r) / 2

    def f_y(self, y: list[arb]) -> list[arb]:
        return [a - b for a, b in zip(y, self.t, strict=True)]


def check(case: Case) -> None:
    if draw.chance(case.r, 0.35):
        _formula(case)
    else:
        _problem(case)


def _problem(case: Case) -> None:
    r = case.r
    n, n_x = draw.size(r, 4), draw.size(r, 3)
    kind = draw.one_of(r, tuple(PROBLEM))
    source, third = PROBLEM[kind]
    w, k = float(10.0 ** r.uniform(-2, 1)), float(10.0 ** r.uniform(-1, 1))
    R = r.standard_normal((n, n))
    Q = R @ R.T * 0.1 + np.eye(n) * 10.0 ** r.uniform(-3, 0)
    Q = np.tril(Q) + np.tril(Q, -1).T
    case.let(w=w, k=k, Q=Q, B=r.standard_normal((n, n_x)), t=r.standard_normal(n), L_gyy=third * w * k**3 * (1 + 1e-12))
    case.space["kind"] = kind
    case.let(x=r.standard_normal(n_x))
    case.run(source)
    if not case.run(REST):
        return
    with ctx.workprec(256):
        exact = Separable(case.space)
        if not exact.solve(np.zeros(n)):
            return
        star = np.array([float(t.mid()) for t in exact.y])
        case.let(y=star + 10.0 ** r.uniform(-16, 0) * r.standard_normal(n))
        if not case.run("found = hypergradient(problem, x, y, mu='certify', rtol=0)"):
            return
        found = case["found"]
        error = truth.norm([a - b for a, b in zip(truth.balls(found.value), exact.hypergradient(), strict=True)])
        promised = found.certificate.lower_level >= CertificateStatus.GIVEN
        bounds = (found.error_bound, found.lower_level_bound)
        case.encloses("pointwise" if promised else "pointwise estimated", bounds, error, promised=promised)


def _formula(case: Case) -> None:
    """`lower_level_bound` with 2 L_gyy‖∇_y g‖ a few units or 2⁻ᵏμ² from μ²: never NaN, negative or too small."""
    r = case.r
    mu, gyy = (float(np.ldexp(r.uniform(0.5, 1), int(r.integers(-60, 60)))) for _ in range(2))
    share = int(r.integers(-6, 4)) * 2.0**-53 if draw.chance(r, 0.5) else -(2.0 ** -int(r.integers(1, 53)))
    gradient = mu * mu / (2 * gyy) * (1 + share)
    fx, fy, gxy = (draw.one_of(r, (0.0, 1.0, float(abs(r.standard_normal())))) for _ in range(3))
    case.let(constants=(fx, fy, gxy, gyy), mu=mu, gradient=gradient, v=float(abs(r.standard_normal())))
    case.run("lipschitz = LipschitzConstants(*map(Proven, constants))")
    code = "Bound(mu, CertificateStatus.CERTIFIED), Bound(1.0, CertificateStatus.CERTIFIED), pointwise=True"
    if not case.run(f"found = lower_level_bound(lipschitz, gradient, v, {code})"):
        return
    with ctx.workprec(400):
        m, L, g, v = arb(mu), arb(gyy), arb(gradient), arb(case["v"])
        D = m * m - 2 * L * g
        found = case["found"].value
        if D < 0:
            case.require("formula", found == math.inf, f"a bound of {found!r} where the discriminant is negative")
            return
        distance = 2 * g / (m + (D.sqrt() if D > 0 else arb(0)))
        modulus = m - L * distance
        if not modulus > 0:
            case.require("formula", found == math.inf, f"a bound of {found!r} where no modulus is left")
            return
        fx, fy, gxy = map(arb, (fx, fy, gxy))
        value = distance * (fx + gxy * v) + (1 + gxy * distance) / modulus * distance * (fy + L * v)
        case.encloses("formula", (found,), value)
