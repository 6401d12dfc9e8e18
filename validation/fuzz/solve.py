"""`lanczos_solve`: what its info says, against the exact residual and the exact definiteness of A."""

from __future__ import annotations

import numpy as np

from lancbio_ref.rounding import gamma, norm2, smallest_subnormal, unit_roundoff

from . import draw, exact, linear
from .harness import Case


def check(case: Case) -> None:
    r = case.r
    n = draw.size(r)
    A = draw.symmetric(r, n, draw.dtype(r), definite=0.8)
    if faint := draw.chance(r, 0.1):
        A, small = draw.faint(r, n, A.dtype)
    elif draw.chance(r, 0.1):
        A = np.fliplr(np.eye(n)).astype(A.dtype) * 2.0 ** int(r.integers(-5, 6))  # zero pivots
    case.let(A0=A, A=draw.layout(r, A))
    b = draw.array(r, n, draw.dtype(r), wild=draw.chance(r, 0.3))
    if draw.chance(r, 0.3):
        b = np.eye(n, dtype=b.dtype)[int(r.integers(n))]
    if faint:
        b = small
    options = dict(
        rtol=draw.one_of(r, linear.RTOLS),
        reorthogonalization=draw.one_of(r, linear.MODES),
    )
    if draw.chance(r, 0.2):
        options["atol"] = float(np.ldexp(norm2(b), -int(r.integers(1, 40))))
    if draw.chance(r, 0.2):
        options["restart"] = int(r.integers(1, 4))
    if draw.chance(r, 0.2):
        options["maxiter"] = int(r.integers(1, 2 * n + 1))
    case.let(b=b, options=options)
    how = ""
    if draw.chance(r, 0.2):
        case.let(M=linear._preconditioner(r, n, case))
        how += "M=M, "
    if draw.chance(r, 0.3):
        case.let(x0=draw.array(r, n, draw.dtype(r), wild=draw.chance(r, 0.2)))
        how += "x0=x0, "
    if case.run(f"x, info = lanczos_solve(A, b, {how}**options)"):
        judge(case)


def judge(case: Case) -> None:
    x, info, options = case["x"], case["info"], case["options"]
    case.require("no NaN", bool(np.isfinite(x).all()), f"x = {x}")
    if not np.isfinite(x).all():
        return
    M = exact.matrix(case["A"])
    if info == -1:
        case.require("info -1", not exact.is_definite(M, strict=False), "A is positive semidefinite")
        return
    if info != 0:
        return
    b = exact.matrix(case["b"])
    residual = exact.root(exact.square(b - M * exact.matrix(x)))
    asked = max(options["rtol"] * norm2(case["b"]), options.get("atol", 0.0))
    allowed = asked * (1 + 2.0**-40) + _rounding(case, x)
    what = f"residual {residual!r}, asked {asked!r}, with the rounding of its evaluation {allowed!r}"
    case.require("info 0", residual <= allowed, what)
    if residual > 0:
        case.statements[-1].ratio = allowed / residual


def _rounding(case: Case, x: np.ndarray) -> float:
    """What evaluating b − A x may hide: γ_{n+1}|A||x| + u|b − A x| and underflow, norm-wise and rounded up."""
    A = case["A"]
    kind = np.result_type(A.dtype, case["b"].dtype)
    n, u = x.size, unit_roundoff(kind)
    absolute = exact.matrix(abs(A)) * exact.matrix(np.abs(x))
    size = exact.root(exact.square(absolute)) + norm2(case["b"])
    return 1.001 * gamma(n + 3, u) * size + 2 * n * smallest_subnormal(kind)
