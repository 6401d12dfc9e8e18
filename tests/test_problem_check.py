"""problem.check: right derivatives pass on every problem, wrong ones fail in the row that names them."""

import dataclasses

import numpy as np
import pytest
from scipy.sparse.linalg import LinearOperator

from lancbio_ref import ArgumentError, BilevelProblem, CallableError, LowerLevel, UpperLevel, lower_solution, problems
from lancbio_ref.problem_check import CheckReport, CheckRow

MAKERS = {
    "quadratic": lambda rng: problems.quadratic(5, 5, condition=100.0, rng=rng),
    "ridge": lambda rng: problems.random_ridge(20, 12, 5, rng=rng),
    "synthetic": lambda rng: problems.synthetic(5, 100.0, rng=rng),
}
ROWS = [
    "A symmetric",
    "J adjoint",
    "grad_x f",
    "grad_y f",
    "grad_y g",
    "grad_x g",
    "A v",
    "J v",
    "mu",
    "smoothness",
    "cross_norm",
]


def point(problem, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal(problem.n_x), rng.standard_normal(problem.n_y)


def verdicts(problem, seed=0):
    report = problem.check(*point(problem, seed), rng=seed)
    return {row.name: row.verdict for row in report}


def rebuilt(problem, **changes):
    """The same problem with some of its callables exchanged."""
    upper = {name: value for name, value in changes.items() if name.startswith("f_")}
    lower = {name: value for name, value in changes.items() if not name.startswith("f_")}
    return_upper = dataclasses.replace(problem.upper, **{name[2:]: value for name, value in upper.items()})
    other = BilevelProblem(return_upper, dataclasses.replace(problem.lower, **lower), n_y=problem.n_y)
    other.n_x = problem.n_x
    return other


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("seed", range(25))
def test_right_derivatives_pass(name, seed):
    problem = MAKERS[name](seed)
    report = problem.check(*point(problem, seed), rng=seed)
    assert report.ok and bool(report), str(report)
    assert [row.name for row in report] == ROWS
    assert all(row.verdict == "ok" and row.error <= row.tolerance for row in report)


@pytest.mark.parametrize("name", MAKERS)
def test_right_derivatives_pass_at_the_lower_solution_and_at_zero(name):
    problem = MAKERS[name](1)
    x, _ = point(problem)
    y = problem.solution(x) if hasattr(problem, "solution") else np.zeros(problem.n_y)
    for z in (y, np.zeros_like(y), 100 * np.ones_like(y)):
        report = problem.check(x, z, rng=0)
        assert report.ok, str(report)


@pytest.mark.parametrize("condition", [1e5, 1e8])
def test_right_derivatives_pass_on_an_ill_conditioned_problem(condition):
    for problem in (problems.quadratic(8, 60, condition=condition, rng=0), problems.synthetic(60, condition, rng=0)):
        x, y = point(problem)
        for z in (y, lower_solution(problem, x, y, tol=1e-6).y):  # where ∇_y g is the rest of a cancellation
            report = problem.check(x, z, rng=1)
            assert report.ok, str(report)


@pytest.mark.parametrize("name", MAKERS)
def test_float32(name):
    problem = MAKERS[name](2)
    x, y = (z.astype(np.float32) for z in point(problem))
    report = problem.check(x, y, rng=0)
    assert report.ok, str(report)
    wrong = rebuilt(problem, grad_y=lambda x, y: 1.1 * problem.lower.grad_y(x, y))
    assert not wrong.check(x, y, rng=0)


def dense(operator, shape):
    return np.stack([operator.matvec(e) for e in np.eye(shape[1])], axis=1)


def one_entry_off(a):
    a = np.array(a, float)
    a.flat[1] += 1e-3 * np.linalg.norm(a)
    return a


BREAKS = {  # what is broken: (which callable, how, rows that must fail)
    "sign of grad_x f": ("f_grad_x", lambda a, p, x, y: -a, {"grad_x f"}),
    "grad_y f twice": ("f_grad_y", lambda a, p, x, y: 2 * a, {"grad_y f"}),
    "one entry of grad_y f": ("f_grad_y", lambda a, p, x, y: one_entry_off(a), {"grad_y f"}),
    "sign of grad_y g": ("grad_y", lambda a, p, x, y: -a, {"grad_y g", "A v", "J v"}),
    "half of grad_y g": ("grad_y", lambda a, p, x, y: a / 2, {"grad_y g", "A v", "J v"}),
    "one entry of grad_y g": ("grad_y", lambda a, p, x, y: one_entry_off(a), {"grad_y g"}),
    "sign of grad_x g": ("grad_x", lambda a, p, x, y: -a, {"grad_x g"}),
    "a factor in the value of g": ("value", lambda a, p, x, y: a / 2, {"grad_y g", "grad_x g"}),
    "a Hessian without one term": ("hessian", lambda A, p, x, y: dense(A, (5, 5)) - 1e-2 * np.eye(5), {"A v"}),
    "sign of J": ("cross", lambda J, p, x, y: -dense(J, (5, 5)), {"J v"}),
    "J twice": ("cross", lambda J, p, x, y: 2 * dense(J, (5, 5)), {"J v"}),
    "J is zero": ("cross", lambda J, p, x, y: np.zeros((5, 5)), {"J v"}),
    "a Hessian that is not symmetric": (
        "hessian",
        lambda A, p, x, y: dense(A, (5, 5)) + 1e-4 * np.triu(np.ones((5, 5)), 1),
        {"A symmetric", "A v"},
    ),
}


# f of the ridge problem does not depend on x: its gradient is zero with either sign
CASES = [(name, what) for name in MAKERS for what in BREAKS if (name, what) != ("ridge", "sign of grad_x f")]


@pytest.mark.parametrize(("name", "what"), CASES)
def test_wrong_derivatives_fail_in_their_row(name, what):
    target, wrong, rows = BREAKS[what]
    for seed in range(5):
        problem = MAKERS[name](seed)
        level, attribute = (problem.upper, target[2:]) if target.startswith("f_") else (problem.lower, target)
        right = getattr(level, attribute)
        broken = rebuilt(problem, **{target: lambda x, y, p=problem, f=right: wrong(f(x, y), p, x, y)})
        found = verdicts(broken, seed)
        assert {row for row, verdict in found.items() if verdict == "failed"} >= rows, found
        untouched = (
            {"grad_x f", "grad_y f"} if not target.startswith("f_") else {"grad_y g", "A v", "J v", "A symmetric"}
        )
        assert all(found[row] == "ok" for row in untouched)


@pytest.mark.parametrize("name", ["quadratic", "synthetic"])
def test_a_transposed_or_exchanged_j_fails(name):
    """J of the ridge problem is diagonal, so its transpose is right."""
    for seed in range(5):
        problem = MAKERS[name](seed)
        transposed = rebuilt(problem, cross=lambda x, y, p=problem: dense(p.lower.cross(x, y), (5, 5)).T)
        assert verdicts(transposed, seed)["J v"] == "failed"
    synthetic = MAKERS["synthetic"](0)
    exchanged = rebuilt(synthetic, cross=lambda x, y: synthetic.lower.cross(y, x))
    assert verdicts(exchanged)["J v"] == "failed"


def test_a_j_of_the_wrong_shape_is_named():
    problem = problems.quadratic(3, 5, rng=0)
    transposed = rebuilt(problem, cross=lambda x, y: -problem.B)
    with pytest.raises(CallableError, match=r"lower.cross"):
        transposed.check(np.ones(3), np.ones(5))


@pytest.mark.parametrize("name", MAKERS)
def test_a_wrong_adjoint_fails_and_a_missing_one_is_not_available(name):
    problem = MAKERS[name](0)

    def cross(x, y, rmatvec):
        J = problem.lower.cross(x, y)
        return LinearOperator(J.shape, matvec=J.matvec, rmatvec=rmatvec and (lambda u: rmatvec(J, u)), dtype=J.dtype)

    wrong = verdicts(rebuilt(problem, cross=lambda x, y: cross(x, y, lambda J, u: -J.rmatvec(u))))
    assert (wrong["J adjoint"], wrong["J v"]) == ("failed", "ok")
    missing = verdicts(rebuilt(problem, cross=lambda x, y: cross(x, y, None)))
    assert (missing["J adjoint"], missing["J v"], missing["cross_norm"]) == ("not available", "ok", "ok")


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("bound", ["mu", "smoothness", "cross_norm"])
def test_a_bound_on_the_wrong_side_fails(name, bound):
    for seed in range(5):
        problem = MAKERS[name](seed)
        x, y = point(problem, seed)
        A, J = dense(problem.hessian(x, y), (5, 5)), dense(problem.cross(x, y), (5, 5))
        exact = {"mu": np.linalg.eigvalsh(A)[0], "smoothness": np.linalg.eigvalsh(A)[-1]}
        exact["cross_norm"] = np.linalg.norm(J, 2)
        away = 1.01 if bound == "mu" else 0.99
        assert verdicts(rebuilt(problem, **{bound: float(exact[bound]) * away}), seed)[bound] == "failed"
        right = float(exact[bound]) * (1 - 1e-12 if bound == "mu" else 1 + 1e-12)
        assert verdicts(rebuilt(problem, **{bound: lambda x, y, right=right: right}), seed)[bound] == "ok"


def test_a_modulus_refuted_on_a_large_operator():
    """κ = 1e4 and n = 400: twenty products of a Krylov space find a quotient far below the middle of the spectrum."""
    problem = problems.quadratic(3, 400, condition=1e4, rng=0)
    assert verdicts(rebuilt(problem, mu=500.0))["mu"] == "failed"
    assert verdicts(rebuilt(problem, smoothness=9000.0))["smoothness"] == "failed"


def test_exact_bounds_of_a_multiple_of_the_identity_pass():
    problem = problems.quadratic_from_arrays(0.3 * np.eye(7), np.ones((7, 1)), np.ones(7), np.zeros(7))
    found = verdicts(rebuilt(problem, mu=0.3, smoothness=0.3, cross_norm=np.sqrt(7)))
    assert (found["mu"], found["smoothness"], found["cross_norm"]) == ("ok", "ok", "ok")


def test_an_indefinite_hessian_refutes_every_modulus():
    upper = UpperLevel(lambda x, y: float(y @ y), lambda x, y: 0 * x, lambda x, y: 2 * y)
    signs = np.array([1.0, -1.0])
    lower = LowerLevel(lambda x, y: signs * y - x, lambda x, y: np.diag(signs), lambda x, y: -np.eye(2), mu=1e-9)
    report = BilevelProblem(upper, lower).check(np.ones(2), np.ones(2), rng=0)
    assert [row.name for row in report.failed] == ["mu"]
    assert "Rayleigh quotient of A is -1" in report.failed[0].note


def test_what_is_not_given_is_not_available():
    problem = MAKERS["quadratic"](0)
    bare = rebuilt(problem, value=None, grad_x=None, mu=None, smoothness=None, cross_norm=None)
    found = verdicts(bare)
    missing = {row for row, verdict in found.items() if verdict == "not available"}
    assert missing == {"grad_y g", "grad_x g", "mu", "smoothness", "cross_norm"}
    assert bare.check(*point(problem)).ok


def test_a_flat_problem_passes():
    """Constants everywhere: all derivatives are zero, nothing divides by it."""
    upper = UpperLevel(lambda x, y: 3.0, lambda x, y: 0 * x, lambda x, y: 0 * y)
    lower = LowerLevel(
        lambda x, y: y, lambda x, y: np.eye(y.size), lambda x, y: np.zeros((x.size, y.size)), cross_norm=0.0
    )
    report = BilevelProblem(upper, lower).check(np.zeros(2), np.zeros(3), rng=0)
    assert report.ok, str(report)


def test_the_same_seed_gives_the_same_report():
    problem = MAKERS["synthetic"](0)
    x, y = point(problem)
    assert str(problem.check(x, y, rng=5)) == str(problem.check(x, y, rng=5))
    assert str(problem.check(x, y, rng=5)) != str(problem.check(x, y, rng=6))


def test_report_is_a_sequence_and_a_table():
    rows = [CheckRow("first", 1e-9, 1e-6, "ok"), CheckRow("second", np.nan, np.nan, "not available", "not given")]
    report = CheckReport(rows)
    assert len(report) == 2 and report[0] is rows[0] and list(report[1:]) == rows[1:] and rows[1] in report
    assert report and not CheckReport([*rows, CheckRow("third", 1.0, 1e-6, "failed", "why")])
    lines = str(report).splitlines()
    assert len(lines) == 3 and lines[2].split() == ["second", "-", "-", "not", "available", "not", "given"]
    assert lines[0].index("verdict") == lines[1].index("ok") == lines[2].index("not available")


def test_bad_arguments_and_bad_callables_are_named():
    problem = MAKERS["quadratic"](0)
    x, y = point(problem)
    with pytest.raises(ArgumentError, match="x: found nan"):
        problem.check(np.full(5, np.nan), y)
    with pytest.raises(ArgumentError, match="rng"):
        problem.check(x, y, rng="seed")
    with pytest.raises(CallableError, match=r"upper.grad_y"):
        rebuilt(problem, f_grad_y=lambda x, y: np.full(5, np.nan)).check(x, y)
