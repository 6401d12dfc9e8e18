"""`Linearization.hypergradient` on systems whose answer is rational: bounds, statuses, directions, moduli."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.sparse as sp
from flint import fmpq, fmpq_mat

from lancbio_ref import CertificateStatus, Proven, SolveStatus
from lancbio_ref.operators import StructuredOperator
from lancbio_ref.rounding import norm2

from . import draw, exact, products
from .harness import Case

MODES = ("selective", "full", "partial", "local", "none")
GIVEN = CertificateStatus.GIVEN
RTOLS = (0.0, 1e-14, 1e-10, 1e-8, 1e-6, 1e-3, 0.5)


def check(case: Case) -> None:
    if not system(case):
        return
    r = case.r
    A = case["A"]
    if not case.run("point = Linearization(A, J, b, c, **known)"):
        return
    options, valid = _options(case, exact_system(A, case))
    case.let(options=options)
    inverse = draw.one_of(r, ("lanczos", "lanczos", "lanczos", "restarted", "exact", "cg", "neumann"))
    how = {"restarted": "inverse=LanczosInverse(mode, restart), "}.get(inverse, f"inverse={inverse!r}, ")
    if inverse == "lanczos" and draw.chance(r, 0.8):
        how += "reorthogonalization=mode, "
    case.let(mode=draw.one_of(r, MODES), restart=int(r.integers(1, 4)))
    if draw.chance(r, 0.3):
        how += "v0=v0, "
    if case.run(f"found = point.hypergradient({how}**options)"):
        judge(case, inverse, valid)


def system(case: Case) -> bool:
    """A, J, b, c of any types, layouts and kinds, and now and then a preconditioner, a norm, a start."""
    r = case.r
    n, n_x, wild = draw.size(r), draw.size(r, 4), draw.chance(r, 0.2)
    faint = False
    kind = draw.one_of(r, ("array", "operator", "black box"), (0.72, 0.18, 0.10))
    if kind == "operator":
        name = draw.one_of(r, ("low_rank", "linear_model", "softmax"))
        if not products.build(case, name, wild=wild, n=n, symmetric=True):
            return False
        n = case["A"].shape[0]
        if name == "low_rank" and not exact.is_symmetric(exact.of_operator(case["A"])):
            return False
    else:
        A = draw.symmetric(r, n, draw.dtype(r))
        if faint := draw.chance(r, 0.06):
            A, small = draw.faint(r, n, A.dtype)
        case.let(A0=A)
        if kind == "black box":
            case.run(
                "A = LinearOperator(A0.shape, matvec=lambda v: A0 @ v, rmatvec=lambda v: A0.T @ v, dtype=A0.dtype)"
            )
        else:
            case.let(A=_integers(r, n) if draw.chance(r, 0.015) else draw.layout(r, A))
    J = draw.array(r, (n_x, n), draw.dtype(r), wild=wild)
    case.let(J=draw.layout(r, J, integers=0.01), c=draw.array(r, n_x, draw.dtype(r), wild=wild))
    b = draw.array(r, n, draw.dtype(r), wild=wild)
    if draw.chance(r, 0.3):
        near, _ = exact.approximate(exact_system(case["A"], case))
        column = np.linalg.eigh((near + near.T) / 2)[1][:, int(r.integers(n))]
        b = draw.one_of(r, (column, np.eye(n)[0], near.sum(axis=1))).astype(b.dtype)
    if faint:
        b = small.astype(b.dtype)
    case.let(b=b, v0=draw.array(r, n, draw.dtype(r), wild=draw.chance(r, 0.1)))
    known: dict[str, Any] = {}
    if draw.chance(r, 0.2):
        case.let(M=_preconditioner(r, n, case))
        known["M"] = "M"
    case.lines.append(f"known = dict({', '.join(f'{name}={value}' for name, value in known.items())})")
    case.space["known"] = {name: case[value] for name, value in known.items()}
    return True


def _integers(r: Any, n: int) -> np.ndarray:
    """Symmetric integers, some of which no float64 is."""
    A = r.integers(-5, 6, (n, n))
    return A + A.T + np.diag(r.integers(2**53, 2**60, n))


def _preconditioner(r: Any, n: int, case: Case) -> np.ndarray:
    if draw.chance(r, 0.5):
        near, exponent = exact.approximate(exact_system(case["A"], case))
        diagonal = np.abs(np.diag(near))
        found = np.ldexp(1 / np.where(diagonal > 0, diagonal, 1.0), -exponent)
        found = found.astype(draw.dtype(r))
        return np.diag(np.where(np.isfinite(found) & (found > 0), found, np.ones((), found.dtype)))
    return draw.symmetric(r, n, draw.dtype(r), definite=1.0)


def exact_system(A: Any, case: Case) -> fmpq_mat:
    """A, exactly; of a black box, the array that its callables multiply with."""
    if isinstance(A, np.ndarray) or sp.issparse(A):
        return exact.matrix(A)
    return exact.of_operator(A) if isinstance(A, StructuredOperator) else exact.matrix(case["A0"])


def _options(case: Case, M: fmpq_mat) -> tuple[dict[str, Any], bool]:
    """Options, and whether the μ among them is a valid one (or none is given)."""
    r = case.r
    options: dict[str, Any] = dict(rtol=draw.one_of(r, RTOLS))
    if draw.chance(r, 0.2):
        options["maxiter"] = int(r.integers(1, 2 * M.nrows() + 1))
    kind = draw.one_of(
        r, ("valid", "proven", "large", "certify", "estimate", "none"), (0.22, 0.2, 0.1, 0.3, 0.13, 0.05)
    )
    if kind in ("certify", "estimate"):
        options["mu"] = kind
    elif kind != "none":
        near, exponent = exact.approximate(M)
        lowest = float(np.linalg.eigvalsh((near + near.T) / 2)[0])
        factor = r.uniform(1.0001, 3) if kind == "large" else draw.one_of(r, (0.5, 0.99, 1 - 1e-9, 1e-3))
        mu = float(np.ldexp(lowest * factor, exponent))
        if not 0 < mu < math.inf:
            return options, True
        options["mu"] = mu if kind != "proven" else Proven(mu)
        valid = exact.is_definite(exact.shifted(M, exact.number(mu)), strict=False)
        if kind != "large" and not valid:
            del options["mu"]
            return options, True
        return options, valid
    return options, True


def judge(case: Case, inverse: str, valid: bool) -> None:
    """Every claim of `found`."""
    found, M = case["found"], exact_system(case["A"], case)
    b, c, J = exact.matrix(case["b"]), exact.matrix(case["c"]), exact_system(case["J"], case)
    status, options = found.status, case["options"]
    finite = np.isfinite(found.value).all() and np.isfinite(found.v).all() and math.isfinite(found.residual_norm)
    case.require("no NaN", bool(finite), "a value that is not finite")
    if not finite:
        return
    h, v = exact.matrix(found.value), exact.matrix(found.v)
    residual = exact.square(b - M * v)
    certificate = found.certificate
    black = certificate.residual.status < CertificateStatus.CERTIFIED
    case.bounds("residual", certificate.residual.value, residual, promised=not black)
    mu = certificate.mu
    if options.get("mu") == "certify" and mu.value > 0:
        proven = exact.is_definite(exact.shifted(M, exact.number(mu.value)), strict=False)
        case.require("mu='certify'", proven, f"mu {mu.value!r} exceeds the smallest eigenvalue")
    if status in (SolveStatus.INDEFINITE, SolveStatus.MU_REFUTED):
        _direction(case, found, M)
        case.require("refuted: no bound", found.error_bound == math.inf, f"error_bound {found.error_bound!r}")
        return
    if status == SolveStatus.CONVERGED:
        asked = options["rtol"] * norm2(case["point"].b)
        case.require(
            "CONVERGED",
            found.residual_norm <= asked * (1 + 2.0**-50),
            f"residual {found.residual_norm!r}, asked {asked!r}",
        )
    if not valid or found.error_bound == math.inf:
        if math.isnan(found.error_bound):
            case.bounds("error_bound", found.error_bound, fmpq(0))
        return
    promised = certificate.error >= GIVEN
    try:
        truth = c - J * M.solve(b)
    except ZeroDivisionError:
        holds = False if promised else None
        case.require("error_bound singular", holds, f"A is singular, error_bound {found.error_bound!r}")
        return
    label = f"error_bound {inverse}" if promised else "error_bound estimated"
    case.bounds(label, found.error_bound, exact.square(h - truth), promised=promised)


def _direction(case: Case, found: Any, M: fmpq_mat) -> None:
    z = exact.matrix(found.direction)
    curvature, size = (z.transpose() * M * z)[0, 0], exact.square(z)
    if found.status == SolveStatus.INDEFINITE:
        case.require("INDEFINITE", bool(curvature < 0), "zᵀA z >= 0 along `direction`")
        return
    mu = case["options"]["mu"]
    if mu == "certify":
        case.require("MU_REFUTED", False, "a proven modulus is refuted")
    elif mu != "estimate":  # what was estimated and refuted is not in the result
        holds = bool(curvature < exact.number(mu) * size)
        case.require("MU_REFUTED", holds, "zᵀA z >= mu zᵀz along `direction`")
