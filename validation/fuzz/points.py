"""The ready problems at random and extreme points: lower level, hyper-gradient, value, each with its bound."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from flint import arb

from lancbio_ref import CertificateStatus

from . import draw, linear, truth
from .harness import Case

GIVEN = CertificateStatus.GIVEN
NAMES = ("quadratic", "ridge", "binary", "logistic", "cleaning", "synthetic")


def build(case: Case, name: str | None = None) -> bool:
    """Lines that make `problem` from data of any types; `case.space['name']` says which."""
    r = case.r
    name = draw.one_of(r, NAMES) if name is None else name
    case.space["name"], case.space["wild"] = name, draw.chance(r, 0.2)
    return {"quadratic": _quadratic, "ridge": _ridge, "synthetic": _synthetic}.get(name, _classification)(case, name)


def _array(case: Case, *shape: int) -> np.ndarray:
    return draw.array(case.r, shape, draw.dtype(case.r), wild=case.space["wild"])


def _quadratic(case: Case, name: str) -> bool:
    r = case.r
    n, n_x = draw.size(r), draw.size(r, 4)
    A = draw.symmetric(r, n, draw.dtype(r), definite=0.98)
    B = draw.layout(r, _array(case, n, n_x), sparse=0.0)
    rho = draw.one_of(r, (0.0, 0.1, 1.0, abs(float(r.standard_normal()))))
    case.let(A=draw.layout(r, A, sparse=0.0), B=B, d=_array(case, n), t=_array(case, n), rho=rho)
    return case.run("problem = problems.quadratic_from_arrays(A, B, d, t, rho)")


def _ridge(case: Case, name: str) -> bool:
    r = case.r
    p, n, m = draw.size(r), draw.size(r, 8), draw.size(r, 8)
    case.let(X=draw.layout(r, _array(case, n, p)), t=_array(case, n))
    case.let(X_val=draw.layout(r, _array(case, m, p)), t_val=_array(case, m))
    return case.run("problem = problems.ridge(X, t, X_val, t_val)")


def _synthetic(case: Case, name: str) -> bool:
    r = case.r
    n = draw.size(r, 5)
    G = draw.symmetric(r, n, draw.dtype(r), definite=0.99)
    case.let(coef=_array(case, n), scale_x=_array(case, n), ridge=np.abs(_array(case, n)))
    case.let(G=draw.layout(r, G, sparse=0.0), gamma=draw.one_of(r, (0.0, 0.5, 0.1, 1e-3)))
    return case.run("problem = problems.synthetic_from_arrays(coef, scale_x, ridge, G, gamma)")


def _classification(case: Case, name: str) -> bool:
    r = case.r
    classes = 2 if name == "binary" else 3 if name == "logistic" else int(r.integers(2, 5))
    p, n, m = draw.size(r, {"binary": 5, "logistic": 2, "cleaning": 2}[name]), draw.size(r, 6), draw.size(r, 5)
    sparse = 0.0 if name == "cleaning" else 0.3
    case.let(X=draw.layout(r, _array(case, n, p), sparse=sparse), labels=r.integers(0, classes, n))
    case.let(X_val=draw.layout(r, _array(case, m, p), sparse=sparse), labels_val=r.integers(0, classes, m))
    case.let(n_classes=classes)
    if name == "cleaning":
        case.let(c=draw.one_of(r, (0.01, 1.0, 1e-6, 1e3, abs(float(r.standard_normal())))))
        data = "X, labels, X_val, labels_val, regularization=c, n_classes=n_classes"
        return case.run(f"problem = problems.data_cleaning({data})")
    case.let(weights=draw.one_of(r, ("all", "feature") if classes == 2 else ("all", "feature", "class")))
    return case.run("problem = problems.logistic(X, labels, X_val, labels_val, weights=weights, n_classes=n_classes)")


def point(case: Case, name: str = "x") -> None:
    """An x of either type: near 0, integers, equal entries, or far out, where an exponential is almost no number."""
    r, kind, n = case.r, draw.dtype(case.r), case["problem"].n_x
    far = case.space["name"] not in ("quadratic", "synthetic")
    style = draw.one_of(r, ("normal", "integers", "zero", "ties", "wide", "far"), (0.45, 0.12, 0.08, 0.1, 0.15, 0.1))
    if style == "zero":
        x = np.zeros(n)
    elif style == "ties":
        x = np.full(n, r.standard_normal())
    elif style == "integers":
        x = r.integers(-6, 7, n).astype(float)
    elif style == "normal":
        x = r.standard_normal(n)
    elif style == "wide":
        x = 8 * r.standard_normal(n)
    elif far:
        x = r.uniform(-1, 1, n) * (85 if kind == np.float32 else draw.one_of(r, (85, 700)))
    else:
        x = draw.array(r, n, kind, wild=True)
    case.let(**{name: x.astype(kind)})


def check_lower(case: Case) -> None:
    """`lower_solution(...).error_bound` ≥ |y − y*|."""
    r = case.r
    if not build(case):
        return
    point(case)
    tol = draw.one_of(r, (0.0, 1e-14, 1e-10, 1e-6, 1e-2, 1.0))
    how = ""
    if draw.chance(r, 0.4):
        case.let(y0=draw.array(r, case["problem"].n_y, draw.dtype(r), wild=draw.chance(r, 0.1)))
        how += "y0, "
    if draw.chance(r, 0.15):
        case.let(steps=int(r.integers(1, 4)))
        how += "maxiter=steps, "
    case.let(tol=tol)
    if not case.run(f"found = lower_solution(problem, x, {how}tol=tol)"):
        return
    found, name = case["found"], case.space["name"]
    case.require("no NaN", bool(np.isfinite(found.y).all()), "y is not finite")
    if found.error_bound == math.inf or found.certificate == CertificateStatus.NONE:
        case.encloses(f"lower {name}", (found.error_bound,), arb(0))
        return

    def judge(exact: Any) -> bool:
        error = None if exact is None else truth.norm(_difference(found.y, exact.y))
        return _kept(
            case, exact, lambda: case.encloses(f"lower {name}", (found.error_bound,), error, promised=_promised(found))
        )

    truth.decided(name, case.space, found.y, judge)


def _promised(found: Any) -> bool:
    return found.certificate >= GIVEN


def _difference(values: Any, exact: list[arb]) -> list[arb]:
    return [a - b for a, b in zip(truth.balls(values), exact, strict=True)]


def _kept(case: Case, exact: Any, claim: Any) -> bool:
    """Make claims; where one of them stays undecided, take them back, for a higher precision, and answer False."""
    before = len(case.statements)
    claim()
    if exact is not None and any(s.holds is None for s in case.statements[before:]):
        del case.statements[before:]
        return False
    return True


def check_gradient(case: Case) -> None:
    """error_bound + lower_level_bound ≥ ‖h − ∇φ(x)‖ of `hypergradient(problem, x[, y])`."""
    r = case.r
    if not build(case):
        return
    point(case)
    name, how = case.space["name"], ""
    options: dict[str, Any] = dict(rtol=draw.one_of(r, (0.0, 1e-14, 1e-10, 1e-4)))
    if draw.chance(r, 0.2):
        options["mu"] = draw.one_of(r, ("certify", "estimate"))
    if draw.chance(r, 0.3):
        case.let(v0=draw.array(r, case["problem"].n_y, draw.dtype(r)))
        how += ", v0=v0"
    if draw.chance(r, 0.3):
        options["inverse"] = draw.one_of(r, ("exact", "cg", "neumann"))
    elif draw.chance(r, 0.3):
        options["reorthogonalization"] = draw.one_of(r, linear.MODES)
    case.let(options=options)
    if draw.chance(r, 0.3):
        case.let(y=draw.array(r, case["problem"].n_y, draw.dtype(r)))
        how = ", y" + how
    elif draw.chance(r, 0.2):
        options["lower_tol"] = draw.one_of(r, (0.0, 1e-12, 1e-6, 1e-2))
    if not case.run(f"found = hypergradient(problem, x{how}, **options)"):
        return
    found = case["found"]
    case.require("no NaN", bool(np.isfinite(found.value).all()), "h is not finite")
    bounds, label = (found.error_bound, found.lower_level_bound), f"gradient {name}"
    promised = min(found.certificate.error, found.certificate.lower_level) >= GIVEN
    if not all(0 <= bound < math.inf for bound in bounds):
        case.encloses(label, bounds, arb(0))
        return

    def judge(exact: Any) -> bool:
        error = None if exact is None else truth.norm(_difference(found.value, exact.hypergradient()))
        return _kept(case, exact, lambda: case.encloses(label, bounds, error, promised=promised))

    start = found.lower.y if found.lower is not None else case["y"]
    truth.decided(name, case.space, start, judge)


def check_value(case: Case) -> None:
    """`HyperObjective.evaluate`: gradient_bound, value_bound, and `guaranteed`; a second x starts from the first."""
    r = case.r
    if not build(case):
        return
    name = case.space["name"]
    point(case, "x0")
    point(case)
    case.let(accuracy=draw.one_of(r, (0.0, 1e-12, 1e-8, 1e-3)), relative=draw.one_of(r, (0.0, 1e-3, 0.1)))
    case.let(strict=bool(draw.chance(r, 0.5)))
    if not case.run("F = HyperObjective(problem, accuracy=accuracy, relative=relative, strict=strict)"):
        return
    if draw.chance(r, 0.4):
        case.run("F.evaluate(x0)", optional=True)
    if not case.run("found = F.evaluate(x)"):
        return
    found = case["found"]
    finite = bool(np.isfinite(found.gradient).all()) and math.isfinite(found.value)
    case.require("no NaN", finite, "value or gradient is not finite")
    promised = found.certificate >= GIVEN
    if not finite or not (0 <= found.gradient_bound < math.inf or 0 <= found.value_bound < math.inf):
        case.encloses(f"gradient_bound {name}", (found.gradient_bound,), arb(0))
        return

    def judge(exact: Any) -> bool:
        error = off = None
        if exact is not None:
            error = truth.norm(_difference(found.gradient, exact.hypergradient()))
            off = abs(arb(found.value) - exact.value())

        def claims() -> None:
            case.encloses(f"gradient_bound {name}", (found.gradient_bound,), error, promised=promised)
            case.encloses(f"value_bound {name}", (found.value_bound,), off, promised=promised)
            if found.guaranteed:
                case.encloses("guaranteed", (found.tolerance,), error, promised=promised)

        return _kept(case, exact, claims)

    truth.decided(name, case.space, found.y, judge)
