"""What the structured operators claim: ‖A‖₂ ≤ norm_bound(), and the rounding of one product, entry by entry."""

from __future__ import annotations

from typing import Any

import numpy as np
from flint import arb

from lancbio_ref.rounding import gamma, smallest_subnormal, unit_roundoff

from . import draw, exact
from .harness import Case, Statement

KINDS = ("dense", "sparse", "low_rank", "linear_model", "softmax", "softmax_cross", "scattered", "weights")


def check(case: Case) -> None:
    r = case.r
    kind = draw.one_of(r, KINDS)
    if not build(case, kind):
        return
    A = case["A"]
    M = exact.of_operator(A)
    _norm(case, kind, M)
    _product(case, kind, A, M)


def build(case: Case, kind: str, **options: Any) -> bool:
    """Lines that make an operator `A` of this kind; False where it is refused, or holds what is no number."""
    if not _build(case, kind, **options):
        return False
    finite = bool(np.isfinite(getattr(case["A"], "ridge", 0.0)).all())
    case.require("finite numbers", finite, "a ridge that overflows the operator's type is accepted")
    return finite


def _build(case: Case, kind: str, *, wild: bool | None = None, n: int | None = None, symmetric: bool = False) -> bool:
    """Square and with n rows where it can be."""
    r = case.r
    wild = draw.chance(r, 0.45) if wild is None else wild
    n = draw.size(r) if n is None else n

    def array(*shape: int, style: str | None = None) -> np.ndarray:
        return draw.array(r, shape, draw.dtype(r), wild=wild, style=style)

    if kind in ("dense", "sparse"):
        values = draw.symmetric(r, n, draw.dtype(r)) if symmetric else array(draw.size(r, 8), n)
        case.let(A0=draw.layout(r, values, sparse=float(kind == "sparse")))
        return case.run("A = operators.as_operator('A', A0)")
    if kind == "low_rank":
        return _low_rank(case, n, array, symmetric)
    if kind == "linear_model":
        rows = draw.size(r, 8)
        d = array(rows)
        ridge: Any = array(n) if draw.chance(r, 0.7) else float(array(1)[0])
        if symmetric:
            d, ridge = np.abs(d), np.abs(ridge)
        case.let(X=draw.layout(r, array(rows, n), sparse=0.4), d=d, ridge=ridge)
        return case.run("A = operators.GeneralizedLinear(X, d, ridge)")
    if kind == "weights":
        case.let(E=array(draw.size(r, 4), n), axis=draw.one_of(r, (0, 1, None)))
        return case.run("A = WeightCross(E, axis)")
    return _softmax(case, kind, n, array)


def _low_rank(case: Case, n: int, array: Any, symmetric: bool) -> bool:
    r = case.r
    case.let(d=np.abs(array(n)) if symmetric else array(n))
    parts = ["d"]
    if draw.chance(r, 0.8):
        rank = draw.size(r, 3)
        case.let(U=array(n, rank))
        parts.append("U=U")
        if draw.chance(r, 0.6):
            case.let(s=np.abs(array(rank)) if symmetric else array(rank))
            parts.append("s=s")
        if draw.chance(r, 0.3):
            case.let(V=array(n, rank) if draw.chance(r, 0.7) else 2 * case["U"])
            parts.append("V=V")
    if draw.chance(r, 0.4):
        base = draw.symmetric(r, n, draw.dtype(r)) if symmetric else array(n, n)
        case.let(base=draw.layout(r, base))
        parts.append("base=base")
    return case.run(f"A = operators.DiagonalLowRank({', '.join(parts)})")


def _softmax(case: Case, kind: str, p: int, array: Any) -> bool:
    r = case.r
    rows, classes = draw.size(r, 6), int(r.integers(2, 5))
    p = min(p, 3)
    X = draw.layout(r, array(rows, p), sparse=0.3)
    logits = array(rows, classes)
    case.let(X=X, logits=np.clip(logits, -1e30, 1e30).astype(logits.dtype))
    if not case.run("P = softmax(logits)"):
        return False
    if kind == "softmax":
        w = np.abs(array(rows))
        case.let(w=w, ridge=abs(float(array(1)[0])))
        return case.run("A = operators.MultinomialHessian(X, P, w, ridge)")
    case.let(labels=r.integers(0, classes, rows), d=array(rows))
    case.run("R = P.copy()\nR[np.arange(len(R)), labels] -= 1")
    if not case.run("A = operators.MultinomialCross(X, R, d)"):
        return False
    if kind == "scattered":
        case.let(rows=np.sort(r.permutation(rows + 2)[:rows]), total=rows + 2)
        return case.run("A = operators.ScatteredRows(A, rows, total)")
    return True


def _norm(case: Case, kind: str, M: Any) -> None:
    if not case.run("bound = A.norm_bound()"):
        return
    bound, label = float(case["bound"]), f"norm_bound {kind}"
    if not bound >= 0 or bound == np.inf:
        case.encloses(label, (bound,), arb(0))
        return
    near, exponent = exact.approximate(M)
    size = float(np.ldexp(np.linalg.norm(near, 2), exponent))
    holds = exact.exceeds_norm(bound, M)
    case.require(label, holds, f"norm_bound {bound!r}, the norm is about {size!r}")
    if size > 0 and np.isfinite(size):
        case.statements[-1].ratio = bound / size if holds else min(bound / size, 1 - 1e-16)


def _product(case: Case, kind: str, A: Any, M: Any) -> None:
    r = case.r
    v = draw.array(r, A.shape[1], draw.dtype(r), wild=draw.chance(r, 0.3))
    case.let(v=v.astype(np.result_type(v, A.dtype)))
    if not case.run("product, absolute = A.matvec(v), A.abs_product(np.abs(v))"):
        return
    product, absolute = case["product"], case["absolute"]
    if not np.isfinite(product).all():
        return
    kind_of = case["v"].dtype
    factor, tiny = product_model(A, kind_of)
    absolute = np.where(np.isnan(absolute), np.inf, absolute.astype(np.float64))
    if factor == np.inf or not np.isfinite(absolute).all():
        case.statements.append(Statement(f"product {kind}", True, said=False))
        return
    errors = (exact.matrix(product) - M * exact.matrix(case["v"])).entries()
    share, least = exact.number(factor), exact.number(tiny)
    pairs = [(share * exact.number(a) + least, e * e) for a, e in zip(absolute, errors, strict=True)]
    worst = min(pairs, key=lambda pair: exact.root(pair[0] ** 2 / pair[1]) if pair[1] > 0 else np.inf)
    case.bounds(f"product {kind}", *worst)


def product_model(A: Any, kind: np.dtype) -> tuple[float, float]:
    """(factor, η) of |fl(A v) − A v| ≤ factor · abs_product(|v|) + η, as the certificates use it."""
    if hasattr(A, "product_factor"):
        factor = float(A.product_factor(kind))
    else:
        g = gamma(A.terms, unit_roundoff(kind))
        factor = g / (1 - g) if g < 1 else np.inf
    return factor, A.terms * smallest_subnormal(kind)
