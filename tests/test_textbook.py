"""The textbook implementations agree with the package's own methods, which were written and tested apart from them."""

from __future__ import annotations

import importlib
import re
import sys

import numpy as np
import pytest

from lancbio_ref import SubspaceSchedule, lanczos, lanczos_solve, methods, minimize, problems, textbook
from lancbio_ref.krylov.recycled import RecycledInverse
from lancbio_ref.oracle.correct import correct
from lancbio_ref.textbook.problems import FAMILIES, problem_of
from lancbio_ref.textbook.recycled import recycled_inverse, recycled_newton

ITERATIONS = 7
OPTIONS = {
    "lancbio": dict(step_x=0.05, step_y=0.1, inner_steps=2, subspace=3),
    "subbio": dict(step_x=0.05, step_y=0.1, step_v=0.1, inner_steps=2),
    "amigo-cg": dict(step_x=0.05, step_y=0.1, inner_steps=2, inverse_steps=2),
    "amigo-gd": dict(step_x=0.05, step_y=0.1, step_v=0.1, inner_steps=1, inverse_steps=3),
    "soba": dict(step_x=0.05, step_y=0.1, step_v=0.1),
    "stocbio": dict(step_x=0.05, step_y=0.1, step_v=0.1, inverse_steps=4),
    "bsa": dict(step_x=0.05, step_y=0.1, step_v=0.1, inverse_steps=4),
    "ttsa": dict(step_x=0.05, step_y=0.1, step_v=0.1, inverse_steps=4),
    "stable": dict(step_x=0.05, step_y=0.1, mu=3.0, cross_norm=0.7, momentum=0.3),
    "f2sa": dict(step_x=0.01, step_y=0.01, step_z=0.1, inner_steps=2, penalty=5.0, penalty_growth=1.0, decay_x=0.5),
    "hjfbio": dict(step_x=0.05, step_y=0.1, step_v=0.1, radius=0.5),
    "hoag": dict(step_x=8.0, tolerance=1e-12),  # both begin with steps that they must halve
    "maid": dict(step_x=8.0, tolerance=1e-12, backtracks=3),
}
COLUMNS = dict.fromkeys(OPTIONS, ("v", "h", "x_next")) | {
    "lancbio": ("y", "dv", "v", "h", "x_next"),
    "soba": ("y", "v", "h", "x_next", "y_next", "v_next"),
    "stable": ("v", "h", "x_next", "y_next", "prediction"),
    "f2sa": ("y", "z", "h", "x_next", "sigma_next"),
    "hjfbio": ("h", "x_next", "y_next", "v_next"),
    "hoag": ("y", "v", "h", "x_next", "step"),
    "maid": ("y", "v", "h", "x_next", "step"),
}
#: differences with δ = 10⁻⁵ round at about 10⁻¹¹; and solves to 10⁻¹² agree as far as that
TOLERANCES = dict.fromkeys(OPTIONS, 1e-11) | dict(hjfbio=1e-8, hoag=1e-9, maid=1e-9)


def matrix(n, condition, seed):
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    A = (Q * np.geomspace(1.0, condition, n)) @ Q.T
    return (A + A.T) / 2, rng


def synthetic(seed=0):
    """The paper's problem and the textbook's data of it."""
    n, rng = 6, np.random.default_rng(seed)
    G, _ = matrix(n, 20.0, seed)
    coef, scale_x, ridge = rng.uniform(-2, 2, n), rng.uniform(0.1, 1.1, n), 0.5 * rng.uniform(0, 1, n)
    data = dict(coef=coef, scale_x=scale_x, ridge=ridge, G=G, gamma=0.5)
    problem = problems.synthetic_from_arrays(coef, scale_x, ridge, G, 0.5)
    return problem, {"name": "synthetic", "data": data}


def run_both(method, problem, described, x0, y0, v0, **options):
    draws = ("p",) if method in ("bsa", "ttsa") else ()
    columns = COLUMNS[method] + draws
    run = dict(v0=v0, method=method, maxiter=ITERATIONS, rng=0, trace=columns)
    result = minimize(problem, x0, y0, **run, **options)
    case = dict(method=method, options=plain(options), x0=x0, y0=y0, v0=v0, iterations=ITERATIONS, problem=described)
    if draws:
        case["draws"] = {"p": result.trace["p"]}
    return result.trace, correct("trace")["dense"](case)["rows"]


def plain(options):
    schedule = options.get("subspace")
    if not isinstance(schedule, SubspaceSchedule):
        return options
    return options | {"subspace": {name: getattr(schedule, name) for name in ("initial", "growth", "every", "maximum")}}


@pytest.mark.parametrize("method", OPTIONS)
def test_every_method_makes_the_same_steps_as_the_package(method):
    problem, described = synthetic()
    x0, y0, v0 = problem.initial_point(1)
    trace, rows = run_both(method, problem, described, x0, y0, v0, **OPTIONS[method])
    tolerance = TOLERANCES[method]
    for k, row in enumerate(rows):
        for name in COLUMNS[method]:
            np.testing.assert_allclose(row[name], trace[name][k], rtol=tolerance, atol=tolerance, err_msg=f"{k} {name}")


@pytest.mark.parametrize("schedule", [1, 2, SubspaceSchedule(1, 1.5, 2, 5), SubspaceSchedule(2, 1.2, 3, 4)])
def test_lancbio_keeps_the_schedule(schedule):
    problem, described = synthetic(3)
    x0, y0, v0 = problem.initial_point(2)
    options = dict(step_x=0.05, step_y=0.1, inner_steps=2, subspace=schedule)
    trace, rows = run_both("lancbio", problem, described, x0, y0, v0, **options)
    for k, row in enumerate(rows):
        np.testing.assert_allclose(row["v"], trace["v"][k], rtol=1e-10, atol=1e-11)


def test_lancbio_stops_at_an_exact_start_and_at_a_breakdown():
    A = np.diag([1.0, 2.0, 4.0])
    sequence = dict(A=[A] * 4, J=[np.ones((1, 3))] * 4, b=[np.ones(3)] * 4, c=[np.zeros(1)] * 4)
    case = dict(
        method="lancbio", options={"subspace": 3}, x0=np.zeros(1), y0=np.zeros(3), iterations=4, sequence=sequence
    )
    exact = np.array([1.0, 0.5, 0.25])
    run = correct("trace")["dense"]
    for v0 in (exact, np.zeros(3)):
        rows = run(case | {"v0": v0})["rows"]
        np.testing.assert_allclose(rows[-1]["v"], exact, rtol=1e-14)
        np.testing.assert_allclose(rows[-1]["h"], [-1.75], rtol=1e-14)


def test_lancbio_keeps_v_where_T_is_singular():
    sequence = dict(A=[np.zeros((2, 2)), np.eye(2)], J=[np.ones((1, 2))] * 2, b=[np.ones(2)] * 2, c=[np.zeros(1)] * 2)
    case = dict(
        method="lancbio", options={"subspace": 2}, x0=np.zeros(1), y0=np.zeros(2), iterations=2, sequence=sequence
    )
    rows = correct("trace")["dense"](case | {"v0": np.array([3.0, 0.0])})["rows"]
    np.testing.assert_array_equal(rows[0]["v"], [3.0, 0.0])
    np.testing.assert_allclose(rows[1]["v"], [1.0, 1.0], rtol=1e-14)


def test_recycled_newton_ends_where_the_package_s_does():
    problem, described = synthetic()
    x0, y0, v0 = problem.initial_point(1)
    ours = minimize(problem, x0, y0, v0=v0, method="recycled-newton", tol=1e-9)
    options = dict(radius=1.0, inner_steps=1, inverse_steps=6, memory=40, difference=2.0**-17)
    rows = recycled_newton(problem_of({"problem": described}), x0, y0, v0, 15, options)
    assert np.linalg.norm(rows[0]["h"]) > 1e-2 and np.linalg.norm(rows[-1]["h"]) < 1e-8
    np.testing.assert_allclose(rows[-1]["x_next"], ours.x, atol=1e-7)
    np.testing.assert_allclose(rows[-1]["v"], ours.v, atol=1e-6)


def test_the_recycled_inverse_of_the_textbook_is_the_package_s():
    A, rng = matrix(12, 100.0, 3)
    pairs = [(s, A @ s) for s in rng.standard_normal((5, 12))]
    H = RecycledInverse(12, 12)
    H.extend(pairs)
    r = rng.standard_normal(12)
    np.testing.assert_allclose(recycled_inverse(pairs, 12) @ r, H(r), rtol=1e-9, atol=1e-12)


def package_problem(family):
    """A problem of the package, its data under the textbook's names, and a point."""
    rng = np.random.default_rng(4)
    if family == "quadratic":
        A, _ = matrix(5, 10.0, 0)
        data = dict(A=A, B=rng.standard_normal((5, 3)), d=rng.standard_normal(5), t=rng.standard_normal(5), rho=0.25)
        return problems.quadratic_from_arrays(*data.values()), data, rng.standard_normal(3), rng.standard_normal(5)
    if family == "ridge":
        names = ("X_train", "t_train", "X_val", "t_val")
        data = dict(zip(names, [rng.standard_normal(s) for s in ((8, 4), 8, (6, 4), 6)], strict=True))
        return problems.ridge(*data.values()), data, rng.standard_normal(4), rng.standard_normal(4)
    if family == "synthetic":
        problem, described = synthetic(5)
        return problem, described["data"], rng.standard_normal(6), rng.standard_normal(6)
    X, X_val = rng.standard_normal((9, 3)), rng.standard_normal((7, 3))
    labels, labels_val = np.arange(9) % 3, np.arange(7) % 3
    data = dict(X_train=X, labels_train=labels, X_val=X_val, labels_val=labels_val, classes=3)
    if family == "logistic":
        problem = problems.logistic(X, labels, X_val, labels_val, n_classes=3)
        return problem, data, rng.standard_normal(3), rng.standard_normal(9)
    problem = problems.data_cleaning(X, labels, X_val, labels_val, n_classes=3, regularization=0.125)
    return problem, data | {"regularization": 0.125}, rng.standard_normal(9), rng.standard_normal(12)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_problem_has_the_package_s_derivatives(family):
    problem, data, x, y = package_problem(family)
    mine, point = FAMILIES[family](**data), problem.linearize(x, y)
    close = dict(rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(mine.f(x, y), problem.value(x, y), **close)
    np.testing.assert_allclose(mine.f_x(x, y), problem.upper_grad_x(x, y), **close)
    np.testing.assert_allclose(mine.f_y(x, y), problem.upper_grad_y(x, y), **close)
    np.testing.assert_allclose(mine.g_x(x, y), problem.lower_grad_x(x, y), **close)
    np.testing.assert_allclose(mine.g_y(x, y), problem.lower_grad_y(x, y), **close)
    np.testing.assert_allclose(mine.A(x, y), point.A @ np.eye(y.size), **close)
    np.testing.assert_allclose(mine.J(x, y), point.J @ np.eye(y.size), **close)


@pytest.mark.parametrize("scale", [1e-170, 1.0, 1e170])
@pytest.mark.parametrize("name", correct("solve"))
def test_every_solver_solves_at_every_scale(name, scale):
    A, rng = matrix(12, 1e4, 1)
    b = scale * rng.standard_normal(12)
    v = correct("solve")[name](dict(A=A, b=b, v0=np.zeros(12)))["v"]
    np.testing.assert_allclose(v / scale, lanczos_solve(A, b / scale, rtol=1e-14)[0], rtol=1e-9)


@pytest.mark.parametrize("name", correct("solve"))
def test_every_solver_refuses_what_has_no_answer(name):
    run = correct("solve")[name]
    for A in (np.diag([1.0, -1.0]), np.array([[2.0, 1.0], [0.0, 2.0]]), np.diag([1.0, np.nan])):
        assert "reject" in run(dict(A=A, b=np.ones(2), v0=np.zeros(2)))
    assert "reject" in run(dict(A=1e-200 * np.eye(2), b=1e200 * np.ones(2), v0=np.zeros(2)))
    np.testing.assert_allclose(run(dict(A=np.eye(2), b=np.zeros(2), v0=np.ones(2)))["v"], 0, atol=1e-15)


@pytest.mark.parametrize("name", correct("lanczos"))
def test_every_process_is_the_package_s(name):
    A, rng = matrix(20, 100.0, 2)
    q1 = rng.standard_normal(20)
    mine, package = correct("lanczos")[name](dict(A=A, q1=q1, k=9)), lanczos(A, q1, 9)
    np.testing.assert_allclose(mine["alpha"], package.alpha, rtol=1e-9)
    np.testing.assert_allclose(mine["beta"], package.beta, rtol=1e-9)
    np.testing.assert_allclose(mine["Q"], package.Q, atol=1e-9)


def test_the_orthogonality_is_the_one_claimed():
    A = np.diag(np.geomspace(1.0, 1e6, 60))
    case = dict(A=A, q1=np.ones(60), k=60)
    loss = {}
    for name, run in correct("lanczos").items():
        Q = run(case)["Q"]
        loss[name] = np.linalg.norm(Q.T @ Q - np.eye(Q.shape[1]), 2)
    assert loss["full"] < 1e-13 and 1e-13 < loss["partial"] < 1e-7 and loss["none"] > 0.1


def test_breakdown_ends_the_process():
    A = np.diag([1.0, 2.0, 3.0, 4.0])
    for run in correct("lanczos").values():
        answer = run(dict(A=A, q1=np.array([1.0, 1.0, 0.0, 0.0]), k=4))
        assert answer["alpha"].size == 2 and answer["beta"][1] < 1e-14


def test_the_table_of_contents_names_what_there_is():
    """A stranger finds each formula in one hop: the table of the package's docstring leads to a function."""
    named = set()
    for line in textbook.__doc__.splitlines():
        if found := re.search(r"(\w+)\.py +(\w+(?:, \w+)*)$", line):
            named |= {(found[1], name) for name in found[2].split(", ")}
    for file, name in named:
        assert hasattr(importlib.import_module(f"lancbio_ref.textbook.{file}"), name)
    functions = {name.replace("-", "_") for name in methods.names()}
    assert functions <= {name for file, name in named if file in ("trace", "baselines", "recycled")}
    assert {kind.__name__ for kind in FAMILIES.values()} == {name for _, name in named if name[0].isupper()}


@pytest.mark.parametrize("name", methods.names())
def test_every_method_names_its_page_of_the_textbook(name):
    page = sys.modules[methods.METHODS[name].__module__].__doc__
    function = name.replace("-", "_")
    file = re.search(rf"In plain dense lines: .*`{function}`.* in `textbook/(\w+)\.py`\.", page)[1]
    assert hasattr(importlib.import_module(f"lancbio_ref.textbook.{file}"), function)
