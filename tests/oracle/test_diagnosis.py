"""Wrong hyper-gradients of one's own problem: every fault is named and nothing else; what is right is called right."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lancbio_ref import BilevelProblem, CheckVerdict, LowerLevel, UpperLevel, hypergradient, problems
from lancbio_ref.cli import main
from lancbio_ref.errors import ArgumentError, EvaluationError
from lancbio_ref.oracle import diagnose
from tests.thorough import THOROUGH, sampled

CASES = 200 if THOROUGH else 20


def own_problem(n_x=4, n_y=6, seed=0):
    """A black box with c ≠ 0, J that moves with y and A that moves with y: no two faults give the same numbers."""
    rng = np.random.default_rng(seed)
    B, S = rng.standard_normal((n_y, n_x)), rng.standard_normal((n_y, n_y))
    G, t, r = S @ S.T / n_y + np.eye(n_y), rng.standard_normal(n_y), rng.standard_normal(n_x)
    upper = UpperLevel(
        value=lambda x, y: 0.5 * float((y - t) @ (y - t)) + float(r @ x) + float(y.sum() * x.sum()),
        grad_x=lambda x, y: r + y.sum(),
        grad_y=lambda x, y: y - t + x.sum(),
    )
    lower = LowerLevel(
        grad_y=lambda x, y: G @ y + np.tanh(y) - (B @ np.sin(x)) * (2 + np.cos(y)),
        hessian=lambda x, y: G + np.diag(1 / np.cosh(y) ** 2 + (B @ np.sin(x)) * np.sin(y)),
        cross=lambda x, y: -((2 + np.cos(y))[:, None] * B * np.cos(x)).T,
    )
    return BilevelProblem(upper, lower, n_y=n_y), 0.1 * rng.standard_normal(n_x)


def parts(problem, x):
    truth = hypergradient(problem, x, lower_tol=1e-13, rtol=1e-13)
    y, v = truth.lower.y, truth.v
    A, J = (operator @ np.eye(y.size) for operator in (problem.hessian(x, y), problem.cross(x, y)))
    return truth.value, y, v, A, J, problem.upper_grad_y(x, y), problem.upper_grad_x(x, y)


def neumann(A, b, eta, terms):
    return eta * sum(np.linalg.matrix_power(np.eye(b.size) - eta * A, q) @ b for q in range(terms))


def faults(problem, x):
    """Words that the diagnosis must have, and the h that such a program gives."""
    h, y, v, A, J, b, c = parts(problem, x)
    zero, solve = 0 * y, np.linalg.solve
    at_zero = [operator @ np.eye(y.size) for operator in (problem.hessian(x, zero), problem.cross(x, zero))]
    return {
        "H01": -J @ v,
        "H02": c + J @ v,
        "H05": 0 * c,
        "H06": c - J @ b,
        "H07": c,
        "H08": c - J @ neumann(A, b, 0.17, 5),
        "T52": c - J @ neumann(A, b, 0.17, 5) / 0.17,
        "H20": c - J @ solve(problem.hessian(x, v) @ np.eye(y.size), b),
        "H21": c - problem.cross(x, v) @ v,
        "H22": J @ v - c,
        "H23": c - J @ solve(A, v),
        "H24": c - J @ A @ b,
        "damping": c - J @ solve(A + 0.3 * np.eye(y.size), b),
        "J v is multiplied by 2": c - 2 * J @ v,
        "J v is multiplied by 0.3": c - 0.3 * J @ v,
        "h is multiplied by 7.5": 7.5 * h,
        "J is evaluated at y = 0": c - at_zero[1] @ v,
        "A is evaluated at y = 0": c - J @ solve(at_zero[0], b),
        "b = ∇_y f is evaluated at y = 0": c - J @ solve(A, problem.upper_grad_y(x, zero)),
        "c = ∇_x f is evaluated at y = 0": problem.upper_grad_x(x, zero) - J @ v,
        "all is evaluated at y = 0": problem.upper_grad_x(x, zero)
        - at_zero[1] @ solve(at_zero[0], problem.upper_grad_y(x, zero)),
    }


PROBLEM, X = own_problem()


@pytest.mark.parametrize("name", faults(PROBLEM, X))
def test_every_fault_is_named_and_no_other(name):
    found = diagnose(PROBLEM, X, faults(PROBLEM, X)[name], mu="estimate")
    assert found.verdict == CheckVerdict.DIFFERS and found.digits < 3
    assert [match for match in found.matches if name in f"{match.fault} {match.words}"], str(found)
    assert len(found.matches) == 1 and f"numbers of: {found.matches[0]}" in str(found)


@pytest.mark.parametrize("k", [1, 2, 4])
def test_a_solver_that_stops_early_is_named(k):
    *_, A, J, b, c = parts(PROBLEM, X)
    z, r = 0 * b, b.copy()
    p = r.copy()
    for _ in range(k):
        a = r @ r / (p @ A @ p)
        z, after = z + a * p, r - a * A @ p
        p, r = after + (after @ after) / (r @ r) * p, after
    (match,) = diagnose(PROBLEM, X, c - J @ z, mu="estimate").matches
    assert match.fault == "S12" and f"after {k} step" in match.words


@pytest.mark.parametrize("n_x", sampled([2, 5, 1], 3))
@settings(max_examples=CASES, deadline=None)
@given(
    seed=st.integers(0, 10_000), kind=st.sampled_from(["noise", "entry", "shuffled", "rounded", "diagonal", "triangle"])
)
def test_what_is_no_fault_of_the_catalogue_is_not_named(n_x, seed, kind):
    problem, x = own_problem(n_x, 6, seed)
    h, _, v, A, J, b, c = parts(problem, x)
    rng = np.random.default_rng(seed)
    wrong = {
        "noise": lambda: h + 0.1 * np.linalg.norm(h) * rng.standard_normal(n_x),
        "entry": lambda: np.append(1.37 * h[0] + 0.01, h[1:]),
        "shuffled": lambda: c - J @ v[::-1],
        "rounded": lambda: np.round(h, 1) + 0.013,
        "diagonal": lambda: c - J @ (b / np.diag(A)),
        "triangle": lambda: c - J @ np.linalg.solve(np.tril(A), b),
    }[kind]()
    found = diagnose(problem, x, wrong, mu="estimate")
    assert found.verdict == CheckVerdict.DIFFERS
    assert not found.matches, str(found)


def ridge(n=20, p=5, seed=0, shift=0.0):
    """One penalty exp(x_j) a feature; X, and the problem's x, y and parts."""
    rng = np.random.default_rng(seed)
    X, X_val, w = rng.standard_normal((n, p)), rng.standard_normal((n, p)), rng.standard_normal(p)
    t, t_val = (Z @ w + 0.5 * rng.standard_normal(n) for Z in (X, X_val))
    return X, t, X_val, t_val, rng.standard_normal(p) - 1 - shift


def ridge_problem(X, t, X_val, t_val, factor=1.0):
    """½‖X_val y − t_val‖²/m over ½‖X y − t‖²/n + factor ½Σ exp(x_j) y_j²."""
    upper = UpperLevel(
        value=lambda x, y: 0.5 * float(np.mean((X_val @ y - t_val) ** 2)),
        grad_x=lambda x, y: 0 * x,
        grad_y=lambda x, y: X_val.T @ (X_val @ y - t_val) / len(X_val),
    )
    lower = LowerLevel(
        grad_y=lambda x, y: X.T @ (X @ y - t) / len(X) + factor * np.exp(x) * y,
        hessian=lambda x, y: X.T @ X / len(X) + np.diag(factor * np.exp(x)),
        cross=lambda x, y: np.diag(factor * np.exp(x) * y),
    )
    return BilevelProblem(upper, lower, n_y=X.shape[1])


def blunders(X, t, X_val, t_val, x):
    """What a stranger's program may compute, and no fault of the catalogue does."""
    h, y, v, A, J, b, _ = parts(ridge_problem(X, t, X_val, t_val), x)
    loss, ridge_of_x, half = X.T @ X / len(X), np.diag(np.exp(x)), len(X) // 2

    def right_of(*data, factor=1.0):
        return parts(ridge_problem(*data, factor=factor), x)[0]

    def right_at(x):
        return parts(ridge_problem(X, t, X_val, t_val), x)[0]

    def with_A(other):
        return -J @ np.linalg.solve(other, b)

    L, d = np.linalg.cholesky(A), np.diag(A)
    last = np.linalg.solve(X[-4:].T @ X[-4:] / 4 + ridge_of_x, X[-4:].T @ t[-4:] / 4)
    return {
        "gradient of the training loss": 0.5 * np.exp(x) * y**2,
        "Hessian of f for that of g": with_A(X_val.T @ X_val / len(X_val)),
        "both Hessians": with_A(A + X_val.T @ X_val / len(X_val)),
        "no penalty in A": with_A(loss),
        "twice the penalty in A": with_A(loss + 2 * ridge_of_x),
        "the penalty is not exp(x)": with_A(loss + np.eye(len(y))),
        "a sum for a mean in A alone": with_A(len(X) * loss + ridge_of_x),
        "ten times the loss in A": with_A(10 * loss + ridge_of_x),
        "half of the rows in A": with_A(X[:half].T @ X[:half] / half + ridge_of_x),
        "twice the penalty everywhere": right_of(X, t, X_val, t_val, factor=2.0),
        "one fold of the training data missing": right_of(X[4:], t[4:], X_val, t_val),
        "one fold of the validation data missing": right_of(X, t, X_val[4:], t_val[4:]),
        "training and validation exchanged": right_of(X_val, t_val, X, t),
        "no chain rule of the exponential": h / np.exp(x),
        "y for v": -J @ y,
        "v itself": v,
        "only the diagonal of A": with_A(np.diag(np.diag(A))),
        "one coordinate left out": np.append(0.0, h[1:]),
        "a buffer of momentum": 0.1 * h + 0.09 * right_at(x + 0.3) + 0.081 * right_at(x - 0.2),
        "signs, as Adam's first step": h / (np.abs(h) + 1e-8),
        "entries clipped": np.clip(h, -np.median(np.abs(h)), np.median(np.abs(h))),
        "weight decay": h + 1e-2 * x,
        "the last minibatch in J": -np.diag(np.exp(x) * last) @ v,
        "y halfway, and the wrong sign": np.exp(x) * y / 2 * np.linalg.solve(A, X_val.T @ (X_val @ y / 2 - t_val)),
        "L for the factor's transpose": -J @ np.linalg.solve(L, np.linalg.solve(L, b)),
        "two steps of Jacobi": -J @ (b / d + (b - A @ (b / d)) / d),
        "shifted by one": np.roll(h, 1),
    }


@pytest.mark.parametrize("seed, n, p, shift", [(15, 20, 5, 3.0), (0, 20, 5, 0.0)])
def test_blunders_of_strangers_are_not_right_and_are_not_named_falsely(seed, n, p, shift):
    """The nearest they come is where A or h is scaled, but for one small part: a fiftieth would do for a name."""
    data = ridge(n, p, seed, shift)
    problem, x = ridge_problem(*data[:4]), data[4]
    for name, wrong in blunders(*data).items():
        found = diagnose(problem, x, wrong, mu="estimate")
        assert found.verdict == CheckVerdict.DIFFERS and not found.matches, f"{name}: {found}"


@settings(max_examples=CASES, deadline=None)
@given(seed=st.integers(0, 10_000), digits=st.integers(1, 12))
def test_as_many_digits_are_counted_as_are_right(seed, digits):
    problem = problems.random_ridge(12, 8, 5, rng=seed)
    x = np.random.default_rng(seed).standard_normal(5)
    h = problem.hypergradient(x)
    direction = np.random.default_rng(seed + 1).standard_normal(5)
    wrong = h + 10.0**-digits * np.linalg.norm(h) * direction / np.linalg.norm(direction)
    found = diagnose(problem, x, wrong)
    assert digits - 1 <= found.digits <= digits + 1e-3 or (digits > 8 and found.digits > 7)
    assert found.right == (digits > 6) or digits == 6


def test_the_error_is_taken_apart():
    problem = problems.random_ridge(20, 10, 5, rng=0)
    x = np.zeros(5)
    y = problem.solution(x) + 1e-3
    there = hypergradient(problem, x, y)
    c, J = problem.upper_grad_x(x, y), problem.cross(x, y)
    v = there.v + 1e-5
    found = diagnose(problem, x, c - J @ v + 1e-7, y=y, v=v)
    truth = problem.hypergradient(x)
    assert found.parts["formula"] == pytest.approx(1e-7 * 5**0.5, rel=1e-4)
    assert found.parts["linear system"] == pytest.approx(np.linalg.norm(J @ (v - there.v)), rel=1e-4)
    assert found.parts["lower level"] == pytest.approx(np.linalg.norm(there.value - truth), rel=1e-4)
    assert "not y*(x)" in found.matches[0].words and "lower level further" in found.matches[0].remedy
    together = diagnose(problem, x, c - J @ v, y=y).parts
    assert set(together) == {"formula and linear system", "lower level"}


def test_float32_numbers_are_known_by_their_sight():
    problem, x = problems.random_ridge(20, 10, 5, rng=0), np.zeros(5)
    found = diagnose(problem, x, problem.hypergradient(x).astype(np.float32))
    assert found.right and found.narrow and 6 < found.digits < 9 and "float32" in str(found)


def test_a_problem_that_cannot_be_solved_is_an_error_with_its_status():
    upper = UpperLevel(lambda x, y: 0.0, lambda x, y: 0 * x, lambda x, y: y + 1)
    saddle = LowerLevel(lambda x, y: y * [1, -1], lambda x, y: np.diag([1.0, -1.0]), lambda x, y: np.ones((1, 2)))
    with pytest.raises(EvaluationError, match="INDEFINITE"):
        diagnose(BilevelProblem(upper, saddle, n_y=2), [1.0], [1.0])


@pytest.mark.parametrize(
    "change, argument",
    [
        (dict(h=[1.0]), "h"),
        (dict(h=[np.nan] * 5), "h"),
        (dict(v=np.zeros(5)), "y"),
        (dict(y=np.zeros(4)), "y"),
        (dict(y=np.zeros(5), v=np.zeros(4)), "v"),
        (dict(rtol=0), "rtol"),
        (dict(problem="ridge"), "problem"),
    ],
)
def test_arguments(change, argument):
    given = dict(problem=problems.random_ridge(20, 10, 5, rng=0), x=np.zeros(5), h=np.zeros(5)) | change
    with pytest.raises(ArgumentError) as caught:
        diagnose(given.pop("problem"), given.pop("x"), given.pop("h"), **given)
    assert caught.value.argument == argument


MODULE = """
import numpy as np
from lancbio_ref import problems

def case(sign=1.0):
    problem, x = problems.random_ridge(20, 10, 5, rng=0), np.zeros(5)
    return {"problem": problem, "x": x, "h": sign * problem.hypergradient(x)}

def wrong():
    return case(-1.0)

def fails():
    raise RuntimeError("no GPU")

def less():
    return {"problem": 1}

def more():
    return case() | {"z": 1}

def other():
    return 3
"""


def test_the_command(tmp_path, monkeypatch, capsys):
    (tmp_path / "mine_of_the_test.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    assert main(["diagnose", "mine_of_the_test:case"]) == 0
    assert capsys.readouterr().out.startswith("right: ")
    assert main(["diagnose", "mine_of_the_test:wrong"]) == 1
    assert "H02" in capsys.readouterr().out
    for name, words in {
        "mine_of_the_test:fails": "no GPU",
        "mine_of_the_test:less": "x in it too",
        "mine_of_the_test:more": "'z'",
        "mine_of_the_test:other": "a dict",
        "mine_of_the_test:nothing": "AttributeError",
        "no_such_module:f": "ModuleNotFoundError",
        "colon": "colon",
    }.items():
        assert main(["diagnose", name]) == 2, name
        error = capsys.readouterr().err
        assert words in error and error.count("\n") == 1, error


def test_a_right_hyper_gradient_of_a_float32_black_box_is_not_called_wrong():
    """Nor is a wrong one called right: what is taken for the error of the two solves is that of the type."""
    n, rng = 6, np.random.default_rng(0)
    S = rng.standard_normal((n, n)) / 2
    G, t = (S @ S.T + np.eye(n)).astype(np.float32), rng.standard_normal(n).astype(np.float32)
    problem = BilevelProblem(
        UpperLevel(value=lambda x, y: 0.5 * (y - t) @ (y - t), grad_x=lambda x, y: 0 * x, grad_y=lambda x, y: y - t),
        LowerLevel(
            grad_y=lambda x, y: G @ y - x,
            hessian=lambda x, y: G,
            cross=lambda x, y: -np.eye(n, dtype=np.float32),
            mu=1.0,
        ),
        n_y=n,
    )
    x, exact = np.ones(n, np.float32), G.astype(float)
    truth = np.linalg.solve(exact, np.linalg.solve(exact, np.ones(n)) - t)
    right = diagnose(problem, x, truth.astype(np.float32))
    assert right.verdict.name == "AGREES" and 3 < right.digits < 7.3
    for wrong in (-truth, 1.01 * truth, np.roll(truth, 1)):
        assert diagnose(problem, x, wrong.astype(np.float32)).verdict.name == "DIFFERS"
