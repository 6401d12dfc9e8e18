"""Theorems: `certify_mu`, `largest_certified_mu`, and the intervals of `oracle.enclose`."""

from __future__ import annotations

from typing import Any

import numpy as np
from flint import fmpq

from lancbio_ref.operators import structure_of

from . import draw, exact, linear, points, products
from .harness import Case, Statement


def check_mu(case: Case) -> None:
    """True ⇒ A is symmetric and λ_min(A) > mu, exactly; and so for the largest modulus that is found."""
    r = case.r
    if draw.chance(r, 0.65):
        A = _pathological(r) if draw.chance(r, 0.35) else draw.symmetric(r, draw.size(r), draw.dtype(r))
        case.let(A=draw.layout(r, A) if not draw.chance(r, 0.02) else linear._integers(r, draw.size(r)))
    else:
        kind = draw.one_of(r, ("low_rank", "linear_model", "softmax"))
        if not products.build(case, kind, symmetric=draw.chance(r, 0.8)):
            return
    M = linear.exact_system(case["A"], case)
    near, exponent = exact.approximate(M)
    lowest = float(np.linalg.eigvalsh((near + near.T) / 2)[0])
    slack = draw.one_of(r, (0.0, 1e-16, 1e-15, 1e-14, 1e-12, 1e-9, 0.1, 2.0)) * draw.one_of(r, (1.0, -1.0))
    mu = float(np.ldexp(lowest + slack * draw.one_of(r, (abs(lowest), 1.0)), exponent))
    if draw.chance(r, 0.3) or not np.isfinite(mu):
        least = float(np.ldexp(np.diag(near).min(), exponent))
        mu = draw.one_of(r, (0.0, 1e-306, 5e-324, 1.0, -1.0, 1e-6 * least))
    case.let(mu=mu)
    _largest(case, M, near, exponent)
    if case.run("proven = certify_mu(A, mu)") and case["proven"]:
        symmetric = exact.is_symmetric(M)
        case.require("certify_mu: symmetric", symmetric, "A is not symmetric")
        if symmetric:
            holds = exact.is_definite(exact.shifted(M, exact.number(mu)))
            case.require("certify_mu", holds, f"λ_min(A) <= {mu!r}")


def _largest(case: Case, M: Any, near: np.ndarray, exponent: int) -> None:
    if not case.run("largest = largest_certified_mu(A)", optional=True):
        return
    largest = case["largest"]
    if largest is None:
        case.statements.append(Statement("largest_certified_mu", True, said=False))
        return
    holds = exact.is_definite(exact.shifted((M + M.transpose()) * fmpq(1, 2), exact.number(largest)))
    case.require("largest_certified_mu", holds, f"λ_min(A) <= {float(largest)!r}")
    if holds and largest > 0:
        lowest = float(np.linalg.eigvalsh((near + near.T) / 2)[0])
        case.statements[-1].ratio = float(np.ldexp(lowest, exponent)) / largest


def _pathological(r: Any) -> np.ndarray:
    """A few entries of any size: factorizations that overflow, underflow, or turn to NaN."""
    n, kind = draw.size(r), draw.dtype(r)
    if n > 2 and draw.chance(r, 0.3):  # a tiny diagonal, and a few large entries beside it
        A = np.diag(np.full(n, np.ldexp(1.0, int(r.integers(-1070, -500)))))
        for i, j in r.integers(0, n, (int(r.integers(1, 3)), 2)).tolist():
            if i != j:
                A[i, j] = A[j, i] = np.ldexp(r.uniform(0.5, 1), int(r.integers(300, 1000)))
        return A
    A = draw.array(r, (n, n), kind, wild=True, style=draw.one_of(r, ("extreme", "scaled", "subnormal", "cancel")))
    A = np.tril(A) + np.tril(A, -1).T
    if draw.chance(r, 0.7):
        A[np.diag_indices(n)] = np.abs(np.diag(A))
    if draw.chance(r, 0.4):
        A[np.diag_indices(n)] = draw.array(r, 1, kind, wild=True, style="extreme")[0]
    if draw.chance(r, 0.5):
        A = np.where(r.random((n, n)) < 0.5, A, 0 * A)
        A = np.tril(A) + np.tril(A, -1).T
    return A.astype(kind)


def check_enclose(case: Case) -> None:
    """The exact A⁻¹b and c − J A⁻¹b lie in the intervals; `symmetric` and `definite` are true of the exact A."""
    r = case.r
    if draw.chance(r, 0.3):
        if not points.build(case):
            return
        points.point(case)
        case.let(y=draw.array(r, case["problem"].n_y, draw.dtype(r)))
        if not (case.run("point = problem.linearize(x, y)") and case.run("found = oracle.enclose(point)")):
            return
        point = case["point"]
        M, J, b, c = exact.of_operator(point.A), exact.of_operator(point.J), point.b, point.c
    else:
        if not _system(case):
            return
        M, J = linear.exact_system(case["A"], case), linear.exact_system(case["J"], case)
        b, c = case["b"], case["c"]
    found = case["found"]
    try:
        v = M.solve(exact.matrix(b))
    except ZeroDivisionError:
        case.require("enclose: singular", False, "A is singular")
        return
    black = structure_of(case["point"].A) is None
    for name, intervals, truth in (("v", found.v, v), ("h", found.h, exact.matrix(c) - J * v)):
        ends = zip(intervals.lower, truth.entries(), intervals.upper, strict=True)
        inside = all(_at_most(low, t) and (high == np.inf or t <= exact.number(high)) for low, t, high in ends)
        label = f"enclose: {name}" + (" of a black box" if black else "")
        case.require(label, inside, f"{intervals.lower} … {intervals.upper} leaves the truth out")
    if found.symmetric:
        case.require("enclose: symmetric", exact.is_symmetric(M), "A is not symmetric")
    if found.definite:
        definite = exact.is_symmetric(M) and exact.is_definite(M)
        case.require("enclose: definite", definite, "A is not positive definite")


def _at_most(low: float, truth: Any) -> bool:
    return low == -np.inf or exact.number(low) <= truth


def _system(case: Case) -> bool:
    r = case.r
    if draw.chance(r, 0.25):  # not symmetric, or pathological
        n = draw.size(r)
        A = _pathological(r) if draw.chance(r, 0.5) else draw.array(r, (n, n), draw.dtype(r))
        n = len(A)
        case.let(A=draw.layout(r, A), J=draw.layout(r, draw.array(r, (2, n), draw.dtype(r))))
        case.let(b=draw.array(r, n, draw.dtype(r)), c=draw.array(r, 2, draw.dtype(r)), known={})
    elif draw.chance(r, 0.3):
        if not products.build(case, draw.one_of(r, ("low_rank", "linear_model", "softmax"))):
            return False
        n = case["A"].shape[0]
        case.let(J=draw.array(r, (2, n), draw.dtype(r)), b=draw.array(r, n, draw.dtype(r)))
        case.let(c=draw.array(r, 2, draw.dtype(r)), known={})
    elif not linear.system(case):
        return False
    return case.run("point = Linearization(A, J, b, c, **known)") and case.run("found = oracle.enclose(point)")
