"""No correct candidate fails or is accused: other precisions, orders of summation, algorithms, reorthogonalizations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.linalg import cho_factor, cho_solve, lu_factor, lu_solve
from scipy.sparse.linalg import minres

from lancbio_ref import SubspaceSchedule, hypergradient, lanczos, lanczos_solve, minimize, problems
from lancbio_ref.linearization import Linearization
from lancbio_ref.oracle.correct import correct
from lancbio_ref.oracle.levels import make_case
from lancbio_ref.oracle.suspects import suspects
from lancbio_ref.status import SolveStatus
from tests.oracle.cases import at, some, verdict


def acquit(level, function, *, precision="float64", vectors=None):
    """Every case passes or is undecided, most pass, and nothing is named."""
    vectors = at(level) if vectors is None else vectors
    answers, passed = {}, 0
    for vector in vectors:
        case = make_case(vector, level)
        try:
            with np.errstate(all="ignore"):
                answers[vector.id] = function(case)
        except (ValueError, ArithmeticError) as error:
            answers[vector.id] = {"reject": str(error)}
        found = verdict(vector, level, answers[vector.id], precision)
        assert found.status != "failed", f"{vector.id}: {found.reason}"
        passed += found.status == "passed"
    assert passed > len(vectors) / 2
    assert suspects(level, answers, vectors, precision=precision) == []


# -- orders of summation -------------------------------------------------------------------


def reversed_dot(A, x):
    return A[..., ::-1] @ x[::-1]


def permuted_dot(A, x):
    order = np.random.default_rng(x.size).permutation(x.size)
    return A[..., order] @ x[order]


def pairwise_dot(A, x):
    return (A * x).sum(axis=-1)


def sequential_dot(A, x):
    total = 0.0 * A[..., 0]
    for i in range(x.size):
        total = total + A[..., i] * x[i]
    return total


def exact_dot(A, x):
    rows = (A * x).reshape(-1, x.size)
    sums = np.array([math.fsum(row) for row in rows])
    return sums.reshape(A.shape[:-1]) if A.ndim > 1 else sums[0]


DOTS = [reversed_dot, permuted_dot, pairwise_dot, sequential_dot, exact_dot]


def checked(A):
    """What every candidate owes: a refusal where A is no Hessian at a minimum."""
    if not (np.isfinite(A).all() and np.array_equal(A, A.T)):
        raise ValueError("A is not symmetric or not finite")
    pivots = np.diag(np.linalg.cholesky(A / np.abs(A).max())) ** 2
    if pivots.min() < 1e-15 * len(A):
        raise ValueError("A is singular to working precision")
    return A


def units(case):
    """A and b near 1, and the exponent that brings v back."""
    A, b = checked(case["A"]), case["b"]
    s, t = (int(np.frexp(np.abs(a).max())[1]) for a in (A, b))
    return np.ldexp(A, -s), np.ldexp(b, -t), np.ldexp(case["v0"], s - t), t - s


def representable(v):
    if not np.isfinite(v).all():
        raise OverflowError("not representable")
    return v


def conjugate_gradients(dot):
    def run(case):
        A, b, v, unit = units(case)
        r = b - dot(A, v)
        p, rho = r, dot(r, r)
        stop = (1e-16 * np.linalg.norm(b)) ** 2
        for _ in range(60 * b.size):
            if rho <= stop:
                break
            Ap = dot(A, p)
            gamma = rho / dot(p, Ap)
            v, r = v + gamma * p, r - gamma * Ap
            rho, old = dot(r, r), rho
            p = r + (rho / old) * p
        return {"v": representable(np.ldexp(v, unit))}

    return run


def plain_lanczos(dot):
    def run(case):
        A, q = case["A"], case["q1"] / np.linalg.norm(case["q1"])
        size, columns, alphas, betas = np.abs(A).sum(axis=1).max(), [], [], []
        before, beta = 0 * q, 0.0
        for _ in range(case["k"]):
            columns.append(q)
            w = dot(A, q) - beta * before
            alphas.append(dot(q, w))
            w = w - alphas[-1] * q
            beta = np.linalg.norm(w / size) * size
            betas.append(beta)
            if beta <= (q.size + 10) * 1.2e-16 * size:
                break
            before, q = q, w / beta
        return dict(alpha=np.array(alphas), beta=np.array(betas), Q=np.stack(columns, 1), reorthogonalization="none")

    return run


@pytest.mark.parametrize("dot", DOTS)
def test_conjugate_gradients_in_any_order_of_summation(dot):
    acquit("solve", conjugate_gradients(dot), vectors=some("solve"))


@pytest.mark.parametrize("dot", DOTS)
def test_lanczos_in_any_order_of_summation(dot):
    acquit("lanczos", plain_lanczos(dot), vectors=some("lanczos"))


# -- other algorithms ----------------------------------------------------------------------


def by_cholesky(case):
    A, b, _, unit = units(case)
    return {"v": representable(np.ldexp(cho_solve(cho_factor(A), b), unit))}


def by_lu(case):
    A, b, _, unit = units(case)
    return {"v": representable(np.ldexp(lu_solve(lu_factor(A), b), unit))}


def by_minres(case):
    A, b, v, unit = units(case)
    for _ in range(8):  # MINRES stops by its own estimates: begin anew on the residual
        r = b - A @ v
        if not r.any():
            break
        v = v + minres(A, r, rtol=1e-15, maxiter=10 * b.size)[0]
    return {"v": representable(np.ldexp(v, unit))}


def by_the_package(case):
    v, status = lanczos_solve(checked(case["A"]), case["b"], case["v0"], rtol=1e-15)
    if status == SolveStatus.INDEFINITE:
        raise ValueError("indefinite")
    return {"v": v}


@pytest.mark.parametrize("solver", [by_cholesky, by_lu])
def test_direct_solvers(solver):
    acquit("solve", solver)


def test_minres():
    acquit("solve", by_minres, vectors=[v for v in some("solve") if (v.kappa or 1.0) < 1e5])


@pytest.mark.parametrize("level", ["solve", "hypergradient", "lanczos", "trace"])
def test_the_textbook(level):
    for run in correct(level).values():
        acquit(level, run)


@pytest.mark.parametrize("level", ["solve", "hypergradient", "lanczos"])
def test_the_textbook_in_float32(level):
    def single(run):
        def low(case):
            with np.errstate(over="ignore", under="ignore"):
                return run({k: a.astype(np.float32) if isinstance(a, np.ndarray) else a for k, a in case.items()})

        return low

    for name, run in correct(level).items():
        if name != "problem":  # its data are inputs of a level of their own
            acquit(level, single(run), precision="float32", vectors=some(level))


# -- the package itself ----------------------------------------------------------------------


def test_the_package_s_solver():
    acquit("solve", by_the_package)


@pytest.mark.parametrize("mode", ["full", "partial", "selective", "local", "none"])
def test_the_package_s_reorthogonalizations(mode):
    def run(case):
        found = lanczos(case["A"], case["q1"], case["k"], reorthogonalization=mode)
        return dict(alpha=found.alpha, beta=found.beta, Q=found.Q, reorthogonalization=mode)

    acquit("lanczos", run)


def test_the_package_s_hypergradient_of_arrays():
    def run(case):
        point = Linearization(checked(case["A"]), case["J"], case["b"], case["c"])
        found = point.hypergradient(v0=case["v0"], rtol=1e-13)
        return {"h": found.value}

    acquit("hypergradient", run)


def test_the_package_s_hypergradient_of_problems():
    vectors = [v for v in at("hypergradient") if v.problem is not None and v.result == "valid"]

    def run(case):
        problem, x, y = package_problem(case["problem"]), case["problem"]["x"], case["problem"]["y"]
        return {"h": hypergradient(problem, x, y, rtol=1e-13).value}

    acquit("hypergradient", run, vectors=vectors)


def package_problem(described):
    """The package's problem for the data of a vector."""
    data = described["data"]
    if described["name"] == "quadratic":
        return problems.quadratic_from_arrays(**data)
    if described["name"] == "ridge":
        return problems.ridge(**data)
    if described["name"] == "synthetic":
        return problems.synthetic_from_arrays(data["coef"], data["scale_x"], data["ridge"], data["G"], data["gamma"])
    sets = [np.asarray(data[name]) for name in ("X_train", "labels_train", "X_val", "labels_val")]
    if described["name"] == "logistic":
        return problems.logistic(*sets, n_classes=data["classes"])
    return problems.data_cleaning(*sets, n_classes=data["classes"], regularization=data["regularization"])


def test_the_package_s_traces():
    vectors = [v for v in at("trace") if v.problem is not None and not v.inputs["draws"]]
    vectors = [
        v for v in vectors if v.inputs["method"] != "recycled-newton"
    ]  # the package's asks for accuracy, not steps

    def run(case):
        options = dict(case["options"])
        if isinstance(options.get("subspace"), dict):
            options["subspace"] = SubspaceSchedule(**options["subspace"])
        names = {
            "soba": ("y_next", "v_next"),
            "hjfbio": ("y_next", "v_next"),
            "stable": ("v", "y_next"),
            "f2sa": ("y", "z"),
        }
        columns = ("h", "x_next", *names.get(case["method"], ("y", "v")))
        found = minimize(
            package_problem(case["problem"]),
            case["x0"],
            case["y0"],
            v0=case["v0"],
            method=case["method"],
            maxiter=case["iterations"],
            trace=columns,
            **options,
        )
        return {"rows": [{"k": k + 1} | {name: found.trace[name][k] for name in columns} for k in range(found.nit)]}

    acquit("trace", run, vectors=vectors)
