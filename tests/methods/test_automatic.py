"""Steps that nobody gives: every rule against its formula, every method on every ready problem, and what goes wrong."""

import copy
import math
import pickle

import numpy as np
import pytest

from lancbio_ref import (
    ArgumentError,
    BilevelProblem,
    BilevelResult,
    CallableError,
    HyperObjective,
    LancbioError,
    LowerLevel,
    SolveStatus,
    StepStatus,
    UpperLevel,
    compare,
    methods,
    minimize,
    problems,
)
from lancbio_ref.jobs.settings import OPTIONS
from lancbio_ref.methods import F2SA, HOAG, SOBA, Automatic, LancBiO, State, automatic, steps
from lancbio_ref.operators import as_dense
from tests.thorough import sampled

rng = np.random.default_rng(0)
X, TWO, THREE, REAL = rng.standard_normal((30, 4)), rng.integers(0, 2, 30), rng.integers(0, 3, 30), rng.random(30)
STEPPED = [name for name in methods.names() if "step_y" in OPTIONS[name]]
VALIDATED = dict(validation=(X[20:], REAL[20:]))
PROBLEMS = {
    "quadratic": problems.quadratic(4, 6, condition=20.0, rng=0),
    "ridge": problems.random_ridge(30, 30, 4, rng=0),
    "synthetic": problems.synthetic(6, 10.0, rng=0),
    "logistic": problems.logistic(X, TWO, X[::-1], TWO[::-1]),
    "multinomial": problems.logistic(X, THREE, X[::-1], THREE[::-1]),
    "cleaning": problems.data_cleaning(X, THREE, X[::-1].copy(), THREE, n_classes=3),
    "huber": problems.generalized_linear(X[:20], REAL[:20], loss="huber", **VALIDATED),
    "poisson": problems.generalized_linear(
        X[:20], np.round(REAL[:20]), loss="poisson", validation=(X[20:], np.ones(10))
    ),
    "folds": problems.Folds([problems.random_ridge(12, 12, 4, rng=seed) for seed in (0, 1)]),
}


def start(name):
    problem = PROBLEMS[name]
    return problem, np.full(problem.n_x, 0.1), np.full(problem.n_y, 0.1)


# -- every method on every ready problem ---------------------------------------------------


@pytest.mark.parametrize("name, method", sampled([(name, method) for name in PROBLEMS for method in STEPPED], 4))
def test_every_method_on_every_problem_ends_with_a_status_and_goes_down(name, method):
    problem, x0, _ = start(name)
    found = minimize(problem, x0, method=method, maxiter=60, rng=0)
    assert found.status == SolveStatus.COMPLETED and np.isfinite(found.x).all()
    phi = HyperObjective(problem, accuracy=1e-6, strict=False).value
    allowed = 0.05 if method in ("bsa", "ttsa") else 1e-3  # whose h is random
    assert phi(found.x) < phi(x0) + allowed * abs(phi(x0))


CASES = [
    (name, method, size) for name in ("ridge", "logistic", "cleaning") for method in STEPPED for size in (8, (5, 10))
]


@pytest.mark.parametrize("name, method, size", sampled(CASES, 14))
def test_mini_batches(name, method, size):
    problem, x0, y0 = start(name)
    found = minimize(problem, x0, y0, method=method, maxiter=40, rng=0, batch_size=size)
    assert found.status == SolveStatus.COMPLETED
    again = minimize(problem, x0, y0, method=method, maxiter=40, rng=0, batch_size=size)
    np.testing.assert_array_equal(found.x, again.x)


@pytest.mark.parametrize("method", [name for name in STEPPED if name not in ("bsa", "ttsa")])  # which are random
def test_a_stationary_point_is_found(method):
    problem, x0, y0 = start("quadratic")
    found = minimize(problem, x0, y0, method=method, maxiter=800, tol=1e-6, rng=0)
    assert found.status == SolveStatus.CONVERGED
    if method not in ("stocbio", "f2sa"):  # which are biased
        np.testing.assert_allclose(found.x, problem.stationary_point(), atol=1e-3)


# -- what is given is used, what is not is chosen ------------------------------------------


@pytest.mark.parametrize("method", STEPPED)
def test_steps_that_are_given_are_used_to_the_bit(method):
    problem, x0, y0 = start("ridge")
    given = {name: 0.01 for name in ("step_x", "step_y", "step_v") if name in OPTIONS[method]}
    found = minimize(problem, x0, y0, method=method, maxiter=5, rng=0, **given)
    made = minimize(problem, x0, y0, method=methods.METHODS[method](**given), maxiter=5, rng=0)
    np.testing.assert_array_equal(found.x, made.x)
    assert found.steps == {} and "step_x" not in found.trace and found.state.steps is None


@pytest.mark.parametrize("left", [None, "auto", "nothing"])
def test_one_step_is_given_and_the_others_are_not(left):
    problem, x0, y0 = start("ridge")
    found = minimize(
        problem, x0, y0, method="soba", maxiter=9, step_v=0.02, **({} if left == "nothing" else dict(step_x=left))
    )
    assert set(found.steps) == {"step_x", "step_y"} and "step_v" not in found.trace
    assert len(found.trace["step_x"]) == 9 and found.state.steps.chosen["step_y"] == found.trace["step_y"][-1]
    assert "step_x = " in str(found) and "1.5/||A||" in found.steps["step_y"]


def test_other_options_are_chosen_too_unless_they_are_given():
    problem, x0, y0 = start("quadratic")
    assert "inner_steps" in minimize(problem, x0, y0, maxiter=2).steps
    assert "inner_steps" not in minimize(problem, x0, y0, maxiter=2, inner_steps=2).steps
    assert minimize(problem, x0, y0, maxiter=2, step_x=0.1, step_y=0.01, subspace="auto").steps.keys() == {
        "inner_steps",
        "subspace",
    }
    assert methods.build("hoag", dict(step_x="auto")) == HOAG()


@pytest.mark.parametrize(
    "wrong", [dict(step_x=0.0), dict(step_v="x"), dict(step_y=math.nan), dict(step_z=1.0)], ids=str
)
def test_what_is_given_wrongly_is_named(wrong):
    with pytest.raises(ArgumentError) as caught:
        methods.build("soba", wrong)
    assert caught.value.argument in (*wrong, "options")
    with pytest.raises(ArgumentError, match="limited_by"):
        Automatic(HOAG)


# -- the rules ------------------------------------------------------------------------------


def test_steps_of_the_lower_level_are_those_of_the_norm():
    """θ = 1.5/‖A‖ of a constant A; F2SA's y steps along σA + ∇²_yy f."""
    problem, x0, y0 = start("quadratic")
    norm = np.linalg.norm(as_dense(problem.hessian(x0, y0)), 2)
    found = minimize(problem, x0, y0, method="soba", maxiter=30)
    np.testing.assert_allclose(found.trace["step_y"], 1.5 / norm, rtol=1e-3)
    np.testing.assert_allclose(found.trace["step_v"], 1.5 / norm, rtol=1e-3)
    found = minimize(problem, x0, y0, method="f2sa", maxiter=3, penalty=7.0)
    s = found.state.steps
    assert found.trace["step_y"][-1] == pytest.approx(1.5 / (7.0 * s.norm_A + s.curvature_f)) and s.curvature_f > 0


def test_products_that_the_rules_ask_for_are_counted():
    for method in STEPPED:
        problem, x0, y0 = copy.copy(PROBLEMS["ridge"]), *start("ridge")[1:]
        problem.calls.clear()
        found = minimize(problem, x0, y0, method=method, maxiter=30, rng=0)
        assert found.n_hvp == problem.calls.get("lower.hessian(x, y) @ v", 0), method
        assert found.n_grad == problem.calls["lower.grad_y"], method


def test_the_step_of_x_changes_h_by_at_most_half_where_h_is_a_gradient():
    """φ = ½ Σ d_i x_i², where y*(x) = x is soon exact, and h = ∇φ: (1) is between ½/L and ½/μ."""
    d = np.array([1.0, 3.0, 10.0])
    upper = UpperLevel(value=lambda x, y: 0.5 * float(d @ y**2), grad_x=lambda x, y: 0 * x, grad_y=lambda x, y: d * y)
    lower = LowerLevel(
        grad_y=lambda x, y: 1.5 * (y - x), hessian=lambda x, y: 1.5 * np.eye(3), cross=lambda x, y: -1.5 * np.eye(3)
    )
    problem = BilevelProblem(upper, lower, n_y=3)
    found = minimize(problem, np.ones(3), method="amigo-cg", maxiter=300, tol=1e-8)
    used = found.trace["step_x"]
    assert found.success
    assert used[0] < 1e-300 and used[1] == pytest.approx(0.1 / 10, rel=0.1)
    assert 0.5 / 10 / 2 <= np.median(used[4:]) <= 0.5  # L = 10, μ = 1


def test_a_run_that_goes_on_is_one_run(tmp_path):
    for method in ("lancbio", "soba", "bsa", "f2sa", "stable"):
        problem, x0, y0 = start("ridge")
        whole = minimize(problem, x0, y0, method=method, maxiter=37, rng=0)
        part = minimize(problem, x0, y0, method=method, maxiter=20, rng=0)
        for state in (part.state, pickle.loads(pickle.dumps(part.state))):
            more = minimize(problem, state=state, method=method, maxiter=17)
            np.testing.assert_array_equal(more.x, whole.x)
            assert more.n_hvp == whole.n_hvp
    part.save(tmp_path / "run.npz")
    saved = BilevelResult.load(tmp_path / "run.npz")
    np.testing.assert_array_equal(minimize(problem, state=saved.state, method=method, maxiter=17).x, whole.x)
    assert saved.steps == part.steps


def test_a_run_with_given_steps_may_go_on_without_them_and_back():
    problem, x0, y0 = start("ridge")
    for method in STEPPED:
        given = {name: 0.01 for name in ("step_x", "step_y", "step_v") if name in OPTIONS[method]}
        first = minimize(problem, x0, y0, method=method, maxiter=5, rng=0, **given)
        more = minimize(problem, state=first.state, method=method, maxiter=5)
        assert more.nit == 10 and more.n_hvp >= first.n_hvp and "step_x" in more.steps
        last = minimize(problem, state=more.state, method=method, maxiter=5, **given)
        assert last.nit == 15 and last.steps == {}


# -- divergence ----------------------------------------------------------------------------


def explosive(limit=30.0):
    """∇_y g = exp(x)(y − x) has a curvature that x moves, and whose callables fail where x is large."""

    def at(x):
        if np.abs(x).max() > limit:
            raise ValueError("x is too far away")
        return np.exp(x)

    upper = UpperLevel(
        value=lambda x, y: 0.5 * float((y + 3) @ (y + 3)), grad_x=lambda x, y: 0 * x, grad_y=lambda x, y: y + 3
    )
    lower = LowerLevel(
        grad_y=lambda x, y: at(x) * (y - x),
        hessian=lambda x, y: np.diag(at(x)),
        cross=lambda x, y: np.diag(at(x) * (y - x) - at(x)),
        grad_x=lambda x, y: at(x) * (0.5 * (y - x) ** 2 - (y - x)),
        mu=1e-12,
    )
    return BilevelProblem(upper, lower, n_y=2)


@pytest.mark.parametrize("method", STEPPED)
def test_divergence_is_halved_and_logged(method, monkeypatch):
    """With the limits of the rules taken away, λ runs off until the problem refuses its x."""
    monkeypatch.setattr(steps, "CHANGE", 1e4)
    monkeypatch.setattr(steps, "REACH", 1e6)
    monkeypatch.setattr(automatic, "BLOWN", 30.0)
    found = minimize(explosive(), np.full(2, 2.0), method=method, maxiter=60, rng=0)
    s = found.state.steps
    assert s.halvings and found.status == SolveStatus.COMPLETED
    rows = found.trace["status"] == StepStatus.HALVED
    assert 0 < rows.sum() <= s.halvings and np.abs(found.x).max() <= 30


def test_an_error_that_no_step_is_to_blame_for_is_raised_as_it_is():
    def wrong(x, y):
        raise KeyError("a fault of the user's")

    problem = explosive()
    broken = BilevelProblem(
        problem.upper, LowerLevel(grad_y=wrong, hessian=problem.lower.hessian, cross=problem.lower.cross), n_y=2
    )
    with pytest.raises(KeyError):
        minimize(broken, np.ones(2))
    nan = BilevelProblem(
        problem.upper,
        LowerLevel(grad_y=lambda x, y: y * np.nan, hessian=problem.lower.hessian, cross=problem.lower.cross),
        n_y=2,
    )
    with pytest.raises(CallableError, match=r"lower\.grad_y, call 1"):
        minimize(nan, np.ones(2))
    lower = LowerLevel(problem.lower.grad_y, problem.lower.hessian, problem.lower.cross)
    with pytest.raises(ArgumentError, match=r"LowerLevel\.grad_x"):
        minimize(BilevelProblem(problem.upper, lower, n_y=2), np.ones(2), method="f2sa")


def test_a_zero_gradient_and_a_zero_hessian_move_nothing():
    zero = UpperLevel(value=lambda x, y: 0.0, grad_x=lambda x, y: 0 * x, grad_y=lambda x, y: 0 * y)
    flat = LowerLevel(
        grad_y=lambda x, y: 0 * y, hessian=lambda x, y: np.zeros((2, 2)), cross=lambda x, y: np.zeros((2, 2)), mu=1.0
    )
    for method in ("lancbio", "soba", "stocbio", "stable"):
        found = minimize(BilevelProblem(zero, flat, n_y=2), np.ones(2), method=method, maxiter=12)
        assert found.status == SolveStatus.COMPLETED and (found.x == 1).all()


# -- steps that are given, of every size ----------------------------------------------------

GRID = [
    (m, p, x, y)
    for m in STEPPED
    for p in ("ridge", "cleaning")
    for x in (1e-6, 1.0, 1e3, 1e6)
    for y in (1e-6, 1e-2, 1e3, 1e6)
]


@pytest.mark.parametrize("method, name, step_x, step_y", sampled(GRID, 9))
def test_given_steps_of_any_size_end_with_a_status_or_an_error_of_ours_with_a_remedy(method, name, step_x, step_y):
    problem, x0, y0 = start(name)
    given = {k: v for k, v in dict(step_x=step_x, step_y=step_y, step_v=step_y).items() if k in OPTIONS[method]}
    try:
        found = minimize(problem, x0, y0, method=method, maxiter=50, rng=0, **given)
    except LancbioError as error:
        found, words = error.result, str(error)
    else:
        words = "choose"
    assert np.isfinite(found.x).all() and any(word in words for word in ("choose", "rescale", "expected"))


# -- compare, and float32 ----------------------------------------------------------------------


def test_compare_chooses_by_the_same_rule():
    problem, x0, _ = start("ridge")
    found = compare(problem, ["lancbio", "soba"], x0, maxiter=20)
    alone = minimize(problem, x0, np.zeros(4), method="soba", maxiter=20)
    np.testing.assert_array_equal(found.runs[1, "soba"]["x"], alone.x)
    assert found.summary["methods"]["soba"]["settings"]["options"] == dict(step_x="auto", step_y="auto", step_v="auto")


@pytest.mark.parametrize("method", STEPPED)
def test_float32(method):
    data = [array.astype(np.float32) for array in (X, REAL, X[::-1], REAL[::-1])]
    problem = problems.ridge(*data)
    found = minimize(problem, np.zeros(4, np.float32), method=method, maxiter=40, rng=0)
    assert found.x.dtype == np.float32 and found.status == SolveStatus.COMPLETED


def test_classes_declare_what_their_steps_multiply():
    for name in STEPPED:
        kind = methods.METHODS[name]
        assert set(kind.limited_by) == {f for f in OPTIONS[name] if f in ("step_y", "step_v", "step_z")}
    assert Automatic(LancBiO).missing == ("step_x", "step_y") and Automatic(F2SA, dict(step_x=1.0)).missing == (
        "step_y",
        "step_z",
    )
    assert isinstance(Automatic(SOBA).init(PROBLEMS["ridge"], np.zeros(4), np.zeros(4), np.zeros(4), rng), State)


@pytest.mark.parametrize("method", [name for name in STEPPED if name not in ("f2sa", "hjfbio")])
def test_a_run_that_has_arrived_stays(method):
    """h is 0, or rounding, from some iteration on: no quotient of two of those makes a step."""
    H = np.diag([1.0, 1.5, 2.0])
    value = lambda x, y: 0.5 * np.sum((y - 1) ** 2)  # noqa: E731
    upper = UpperLevel(value=value, grad_x=lambda x, y: 0 * x, grad_y=lambda x, y: y - 1)
    lower = LowerLevel(grad_y=lambda x, y: H @ y - x, hessian=lambda x, y: H, cross=lambda x, y: -np.eye(3), mu=1.0)
    problem = BilevelProblem(upper, lower, n_y=3)
    for seed in sampled(range(3), 3):
        result = minimize(problem, np.ones(3), method=method, maxiter=1000, rng=seed)
        assert np.abs(result.x - H.diagonal()).max() < (0.1 if method in ("bsa", "ttsa") else 1e-10), result.x
