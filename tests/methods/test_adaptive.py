"""HOAG and MAID: what each of their iterations promises, on problems whose φ, ∇φ and y* are known in closed form."""

import numpy as np
import pytest
from scipy.sparse.linalg import LinearOperator

from lancbio_ref import (
    ArgumentError,
    BilevelProblem,
    CallableError,
    LowerLevel,
    SolveStatus,
    StepStatus,
    UpperLevel,
    methods,
    minimize,
    problems,
)
from lancbio_ref.methods import HOAG, MAID, HalvedSteps
from lancbio_ref.methods.maid import ETA, LENGTHEN, LOOSEN, SHORTEN, Constants
from tests.methods import dense
from tests.methods.test_limits import PROBLEMS, at_solution, minimizer, stationary

METHODS = {"hoag": HOAG, "maid": MAID}
BOTH = pytest.mark.parametrize("name", METHODS)


def states(problem, method, maxiter, x0, y0, **options):
    kept = []
    minimize(problem, x0, y0, method=method, maxiter=maxiter, callback=lambda s: kept.append(vars(s).copy()), **options)
    return kept


def phi(P, problem, x):
    """φ(x) and ∇φ(x), by dense formulas."""
    return problem.value(x, minimizer(P, x)), at_solution(P, np.linalg.inv)(x)


@BOTH
@pytest.mark.parametrize("kind", PROBLEMS)
@pytest.mark.parametrize("step_x", [1e-2, 1e6])
def test_converges_to_the_stationary_point_from_any_first_step(name, kind, step_x):
    problem, P, x0, _ = PROBLEMS[kind]()
    result = minimize(problem, x0, np.ones(P.n_y), method=name, step_x=step_x, tol=1e-6, maxiter=300)
    assert result.success, result.message
    truth = stationary(P, x0)
    if np.linalg.norm(result.x - truth) > 1e-3:  # a first step of 10⁶ may lead elsewhere: to another stationary point
        assert kind == "ridge" and step_x == 1e6
        truth = stationary(P, result.x)
    np.testing.assert_allclose(result.x, truth, atol=1e-4)


# -- HOAG ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "decrease, expected",
    [
        ("quadratic", [0.3, 0.075, 0.3 / 9, 0.3 / 16]),
        ("cubic", [0.3, 0.0375, 0.3 / 27, 0.3 / 64]),
        ("exponential", [0.3, 0.27, 0.243, 0.2187]),
    ],
)
def test_hoag_keeps_its_schedule(decrease, expected):
    problem, P, x0, _ = PROBLEMS["quadratic"]()
    seen = states(problem, HOAG(tolerance=0.3, decrease=decrease), 40, x0, np.ones(4))
    np.testing.assert_allclose([s["epsilon"] for s in seen[:4]], expected, rtol=1e-14)
    reached = np.array([
        (np.linalg.norm(P.gy(s["x"], s["y"])), np.linalg.norm(P.A(s["x"], s["y"]) @ s["v"] - s["b"])) for s in seen
    ])  # fmt: skip
    allowed = np.array([s["epsilon"] for s in seen])
    assert (reached <= 1.001 * allowed[:, None]).all()
    assert (reached.max(axis=1) > 1e-4 * allowed).sum() >= 5  # and does not simply solve to the end


def test_hoag_takes_the_first_step_that_falls_enough():
    """(v) holds for the step that was taken, and not for twice that where there were two trials; L follows its rule."""
    problem, P, x0, _ = PROBLEMS["quadratic"]()
    seen, before = states(problem, HOAG(step_x=100.0, tolerance=1e-9), 25, x0, np.ones(4)), 100.0
    for s in seen:
        np.testing.assert_allclose(s["h"], phi(P, problem, s["x"])[1], atol=1e-7)
        np.testing.assert_allclose(s["x_next"], s["x"] - s["step"] * s["h"], rtol=1e-14)
        assert s["step"] == before / 2.0 ** (s["n_trials"] - 1)
        size = np.linalg.norm(s["h"]) ** 2

        def excess(step, s=s, size=size):
            return phi(P, problem, s["x"] - step * s["h"])[0] - (s["value"] - 0.5 * step * size)

        assert excess(s["step"]) <= 1e-7
        assert s["n_trials"] == 1 or excess(2 * s["step"]) > -1e-7
        before = s["step"] * (1.05 if s["n_trials"] == 1 else 1.0)
        assert s["step_next"] == pytest.approx(before, rel=1e-15)
        before = s["step_next"]
    assert seen[0]["n_trials"] > 3 and min(s["n_trials"] for s in seen) == 1


# -- MAID ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", PROBLEMS)
def test_every_iteration_of_maid_is_a_proof(kind):
    """ω bounds the error of h, e that of f, and φ falls by what (4) says; with the bounds of the problem itself."""
    problem, P, x0, _ = PROBLEMS[kind]()
    for s in states(problem, MAID(step_x=10.0), 30, x0, np.ones(P.n_y)):
        value, gradient = phi(P, problem, s["x"])
        norm = np.linalg.norm(s["h"])
        assert np.linalg.norm(s["h"] - gradient) <= s["omega"] * (1 + 1e-9) + 1e-14
        assert s["omega"] <= (1 - ETA) * norm
        assert np.linalg.norm(s["y"] - minimizer(P, s["x"])) <= s["distance"] * (1 + 1e-9) + 1e-14
        assert s["distance"] <= s["epsilon"] * (1 + 1e-9)
        assert abs(s["value"] - value) <= s["value_error"] + 1e-14
        assert s["psi"] <= 1e-15 * abs(value) and s["step"] > 0
        np.testing.assert_allclose(s["x_next"], s["x"] - s["step"] * s["h"], rtol=1e-13)
        after = phi(P, problem, s["x_next"])[0]
        assert after <= value - 0.5 * ETA * s["step"] * norm**2 + 1e-14
        assert s["step_next"] == pytest.approx(s["step"] / LENGTHEN, rel=1e-15)
        assert s["epsilon_next"] == pytest.approx(LOOSEN * s["epsilon"], rel=1e-15)


def test_maid_tightens_only_where_it_must():
    """From an accuracy that proves nothing, ε and δ are halved until (3) holds, and not once more."""
    problem, _, x0, _ = PROBLEMS["quadratic"]()
    first = states(problem, MAID(step_x=1e-3, tolerance=1e3), 1, x0, np.ones(4))[0]
    halvings = np.log2(1e3 / first["epsilon"])
    assert halvings == round(halvings) > 3 and first["delta"] == first["epsilon"]
    assert first["omega"] > 1e-4 * np.linalg.norm(first["h"])
    again = states(problem, MAID(step_x=1e-3, tolerance=first["epsilon"]), 1, x0, np.ones(4))[0]
    assert again["epsilon"] == first["epsilon"]


def test_maid_tries_one_step_more_after_every_failure():
    """Steps 10⁹, 10⁹/2, … are all too long for j = 1; each round tries one more, with half the ε."""
    problem, _, x0, _ = PROBLEMS["quadratic"]()
    first = states(problem, MAID(step_x=1e4, tolerance=1e-9, backtracks=1), 1, x0, np.ones(4))[0]
    rounds = round(np.log2(1e-9 / first["epsilon"]))
    shortened = round(np.log(first["step"] / 1e4) / np.log(SHORTEN))
    assert rounds == shortened > 3  # round r tries 1, ϱ, …, ϱ^r, and the last of them is the first that is new
    assert first["n_trials"] == (rounds + 1) * (rounds + 2) / 2


def test_constants_that_nobody_knows_count_as_one():
    black_box = LinearOperator((1, 1), matvec=lambda v: 3 * v, dtype=float)
    known = Constants(2.0, 3.0, 5.0, 7.0, 11.0, 13.0)
    assert known.omega(0.5, 0.25, 2.0) == 0.5 * (5 + 22) + (3 + 5.5) / 2 * (0.25 + 0.5 * (7 + 26))
    assert known.value_error(np.array([3.0, 4.0]), 0.5) == 2.5 + 0.875
    made = BilevelProblem(
        UpperLevel(lambda x, y: float(y @ y), lambda x, y: 0 * x, lambda x, y: 2 * y),
        LowerLevel(lambda x, y: y + x, lambda x, y: np.eye(1), lambda x, y: black_box),
    )
    assert Constants.of(made.linearize(np.ones(1), np.ones(1))) == Constants(1.0, 1.0, 1.0, 1.0, 1.0, 1.0)


# -- both ------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("kind", ["synthetic", "ridge"])
def test_counts_are_the_calls_of_the_problem(name, kind):
    """Also those of steps so long that the problem refuses the point: exp(x) overflows."""
    if kind == "ridge":
        problem, x0, y0 = problems.random_ridge(9, 9, 3, rng=1), np.zeros(3), np.ones(3)
    else:
        problem = problems.synthetic(12, 10.0, rng=2)
        x0, y0, _ = problem.initial_point(3)
    problem.calls.clear()
    state = states(problem, METHODS[name](step_x=1e5 if kind == "ridge" else 50.0), 5, x0, y0)[-1]
    called = [
        problem.calls.get(what, 0)
        for what in ("lower.hessian(x, y) @ v", "lower.cross(x, y) @ v", "lower.grad_y", "upper.grad_y", "upper.value")
    ]
    counted = [state[c] for c in ("n_hvp", "n_cross", "n_grad", "n_grad_upper", "n_value")]
    counted[-1] += 1  # of the result
    assert called == counted
    assert problem.calls.get("lower.cross(x, y).T @ v", 0) == 0


@BOTH
def test_at_the_minimizer_x_stays(name):
    problem, P, x0, _ = PROBLEMS["quadratic"]()
    truth = stationary(P, x0)
    seen = states(problem, METHODS[name](tolerance=1e-13), 4, truth, minimizer(P, truth))
    assert max(np.linalg.norm(s["x_next"] - truth) for s in seen) < 1e-12
    assert all(s["status"] in (StepStatus.REGULAR, StepStatus.NO_DECREASE) for s in seen)


@BOTH
def test_where_f_falls_nowhere_x_stays_and_the_status_says_so(name):
    """Its gradient says otherwise: f is 1 at the start and 2 everywhere else."""
    problem = problems.quadratic(2, 3, rng=0)
    object.__setattr__(problem.upper, "value", lambda x, y: 1.0 if (x == 1).all() else 2.0)
    result = minimize(problem, np.ones(2), np.zeros(3), method=METHODS[name](tolerance=1e-13), maxiter=2)
    assert (result.x == 1).all() and set(result.trace["status"]) == {StepStatus.NO_DECREASE}
    assert result.trace["h_norm"].min() > 0.1 and StepStatus.NO_DECREASE.remedy
    assert name == "hoag" or result.trace["n_grad"][0] == result.trace["n_grad"][1]  # nothing new to try: nothing done


@BOTH
def test_a_point_that_no_step_can_leave_is_the_problems_own_error(name):
    """f is NaN everywhere but at the start: however short the step, the exception is the callable's."""
    problem = problems.quadratic(2, 3, rng=0)
    value, x0 = problem.upper.value, np.ones(2)
    spoiled = lambda x, y: value(x, y) if (x == x0).all() else np.nan  # noqa: E731
    object.__setattr__(problem.upper, "value", spoiled)
    with pytest.raises(CallableError, match=r"upper\.value, call \d+: returned nan") as caught:
        minimize(problem, x0, np.zeros(3), method=METHODS[name](tolerance=1e-13), maxiter=2)
    assert caught.value.result.nit == 0


@BOTH
def test_mini_batches_are_refused(name):
    problem = problems.random_ridge(40, 30, 4, rng=0)
    with pytest.raises(ArgumentError, match=f"batch_size: .*{name} solves to an accuracy"):
        minimize(problem, np.zeros(4), np.zeros(4), method=name, batch_size=5)


@BOTH
def test_a_concave_lower_level_is_named(name):
    made = problems.quadratic(2, 3, rng=0)
    object.__setattr__(made.lower, "hessian", lambda x, y: -np.eye(3))
    with pytest.raises(ArithmeticError, match="lower level: INDEFINITE") as caught:
        minimize(made, np.ones(2), np.ones(3), method=name)
    assert caught.value.status == SolveStatus.INDEFINITE


@BOTH
def test_float32_stays_float32_and_vectors_are_never_written_again(name):
    rng = np.random.default_rng(1)
    X, labels = rng.standard_normal((12, 4)).astype(np.float32), rng.integers(3, size=12)
    problem = problems.data_cleaning(X, labels, X, labels, n_classes=3)
    x, y, v = problem.initial_point(0)
    result = minimize(problem, x, y, v0=v, method=name, maxiter=3, tolerance=1e-3)
    assert {a.dtype for a in (result.x, result.y, result.v, result.hypergradient)} == {np.dtype(np.float32)}
    method = METHODS[name]()
    state = method.step(problem, method.init(problem, x, y, v, rng))
    kept = {key: value.copy() for key, value in vars(state).items() if isinstance(value, np.ndarray)}
    method.step(problem, state)
    for key, value in kept.items():
        np.testing.assert_array_equal(getattr(state, key), value, err_msg=key)


@pytest.mark.parametrize(
    "name, option, wrong",
    [(name, option, wrong) for name in METHODS for option in ("step_x", "tolerance") for wrong in (0.0, np.nan, "1")]
    + [("hoag", "decrease", "linear"), ("maid", "backtracks", 0), ("maid", "backtracks", 1.5)],
)
def test_options_are_checked_and_named(name, option, wrong):
    with pytest.raises(ArgumentError) as caught:
        methods.build(name, {option: wrong})
    assert caught.value.argument == option


def test_the_dense_problems_here_are_the_package_s():
    """What `phi` rests on."""
    for make in PROBLEMS.values():
        problem, P, x0, _ = make()
        y = minimizer(P, x0)
        np.testing.assert_allclose(problem.lower_grad_y(x0, y), 0, atol=1e-12)
        assert isinstance(P, (dense.Quadratic, dense.Ridge))


@BOTH
def test_a_step_that_adapts_itself_is_not_halved_from_outside(name):
    with pytest.raises(ArgumentError, match="a method that keeps its steps"):
        HalvedSteps(METHODS[name](), start=5)
