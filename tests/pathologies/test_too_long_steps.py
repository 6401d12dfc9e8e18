"""A step that is far too long: the divergence is named, with its step; and what is no divergence is not called one."""

import copy
import pickle
from itertools import product

import numpy as np
import pytest

from lancbio_ref import (
    ArgumentError,
    BilevelProblem,
    CallableError,
    DivergenceError,
    LowerLevel,
    Minibatched,
    RepresentationError,
    SolveStatus,
    UpperLevel,
    minimize,
    problems,
)
from lancbio_ref.divergence import _grows
from lancbio_ref.jobs.settings import OPTIONS
from lancbio_ref.methods import HalvedSteps, LancBiO, State, names
from tests.pathologies.faulty import CALLABLES, METHODS, X0, Y0, operator, problem, run, spoiled, with_entry
from tests.thorough import sampled

rng = np.random.default_rng(0)
X, TWO, THREE = rng.standard_normal((30, 4)), rng.integers(0, 2, 30), rng.integers(0, 3, 30)
SATURATES = "cleaning"  # σ(x_i) is 0 or 1 far out, and x stops: a long step of x ends, and does not diverge


def by_hand(diagonal=(1.0, 2.0, 3.0), exp=np.exp):
    """Ridge regression with one exp(x_j) a coordinate, in callables that overflow where exp does."""
    A, n = np.diag(diagonal), len(diagonal)
    design, target = rng.standard_normal((9, n)), rng.standard_normal(9)
    upper = UpperLevel(
        value=lambda x, y: 0.5 * float((design @ y - target) @ (design @ y - target)),
        grad_x=lambda x, y: 0 * x,
        grad_y=lambda x, y: design.T @ (design @ y - target),
    )
    lower = LowerLevel(
        grad_y=lambda x, y: A @ y - 1 + exp(x) * y,
        hessian=lambda x, y: A + np.diag(exp(x)),
        cross=lambda x, y: np.diag(exp(x) * y),
        grad_x=lambda x, y: 0.5 * exp(x) * y**2,
        mu=1.0,
    )
    made = BilevelProblem(upper, lower, n_y=n)
    made.n_x = n
    return made


PROBLEMS = {
    "ridge": problems.random_ridge(30, 30, 4, rng=0),
    "quadratic": problems.quadratic(4, 5, rng=0),
    "logistic": problems.logistic(X, TWO, X[::-1], TWO[::-1]),
    "multinomial": problems.logistic(X, THREE, X[::-1], THREE[::-1]),
    "cleaning": problems.data_cleaning(X, THREE, X[::-1].copy(), THREE, n_classes=3),
    "synthetic": problems.synthetic(6, 10.0, rng=0),
    "callables": by_hand(),
}
CASES = [
    (name, method, step, batch)
    for name, made in PROBLEMS.items()
    for method in names()
    if "step_y" in OPTIONS[method]  # others find their steps themselves
    for step in ("step_x", "step_y")
    for batch in ((None, 8) if hasattr(made, "minibatch") else (None,))
]


def options(method, **changes):
    """Those among these, and `changes`, that the method has; μ is stable's."""
    steps = dict(step_x=1e-3, step_y=1e-2, step_v=1e-2, mu=1e-3) | changes
    return {name: value for name, value in steps.items() if name in OPTIONS[method]}


@pytest.mark.parametrize(("name", "method", "step", "batch"), sampled(CASES, 3))
def test_every_method_on_every_problem(name, method, step, batch):
    made = PROBLEMS[name]
    start = np.full(made.n_x, 0.1), np.full(made.n_y, 0.1)
    long = options(method, **{step: 1e9})
    result, error = ending(lambda: minimize(made, *start, method=method, maxiter=120, rng=0, batch_size=batch, **long))
    if error is not None:
        assert (error.step, error.value) == (step, 1e9)
        assert f"{step} = 1e+09 is too long" in str(error) and f"choose a smaller {step}" in str(error)
        assert error.result.nit <= error.iteration <= error.result.nit + 1
        assert f"at iteration {error.iteration}" in str(error)
        assert f"({np.linalg.norm(start[0]):.3g} at the start)" in str(error)
        assert set(error.sizes) == {"x", "y", "v"} and error.sizes["y"][0] == pytest.approx(np.linalg.norm(start[1]))
    else:  # only where the problem saturates, or a long step left it a slope of exactly nothing
        assert step == "step_x" and name in (SATURATES, "multinomial")
        assert result.status in (SolveStatus.COMPLETED, SolveStatus.DIVERGING)
        assert result.status == SolveStatus.COMPLETED or "step_x = 1e+09 is too long" in result.message
        assert np.abs(result.x).max() < 1e4 or "||x|| has grown from" in result.message
    assert all(np.isfinite(part).all() for part in (result.x, result.y, result.v))


def ending(call):
    """The result of a run, and the divergence it ended with, if it did."""
    try:
        return call(), None
    except DivergenceError as error:
        return error.result, error


@pytest.mark.parametrize(
    "method", [name for name in names() if "step_v" in OPTIONS[name] and name not in ("subbio", "hjfbio")]
)
def test_step_v_is_named_too(method):
    with pytest.raises(DivergenceError) as caught:
        minimize(PROBLEMS["quadratic"], np.ones(4), np.ones(5), method=method, rng=0, **options(method, step_v=1e9))
    assert (caught.value.step, caught.value.value) == ("step_v", 1e9)


def test_f2sa_knows_which_of_its_two_lower_steps_it_is():
    start = PROBLEMS["quadratic"], np.ones(4), np.ones(5)
    for step, other in (("step_z", "step_y"), ("step_y", "step_z")):
        with pytest.raises(DivergenceError) as caught:
            minimize(*start, method="f2sa", step_x=1e-3, **{step: 1e9, other: 1e-2})
        assert caught.value.step == step


def test_halved_steps_are_those_of_the_method_within():
    method = HalvedSteps(LancBiO(step_x=1e-3, step_y=1e9), start=50)
    with pytest.raises(DivergenceError) as caught:
        minimize(PROBLEMS["quadratic"], np.ones(4), np.ones(5), method=method)
    assert (caught.value.step, caught.value.value) == ("step_y", 1e9)


@pytest.mark.parametrize("factor", [1.5, 3.0, 30.0])
def test_a_step_a_little_too_long_is_named_as_well(factor):
    """θ = 2·factor/λ_max grows by |1 − 2·factor| an inner step."""
    made = problems.quadratic_from_arrays(np.diag([1.0, 4.0]), np.eye(2), d=[1.0, 1.0], t=[0.0, 0.0])
    with pytest.raises(DivergenceError) as caught:
        minimize(made, [0.1, 0.1], [0.0, 0.0], maxiter=3000, step_x=1e-3, step_y=2 * factor / 4, inner_steps=2)
    assert caught.value.step == "step_y"
    with pytest.raises(DivergenceError) as caught:
        minimize(made, [0.1, 0.1], [0.0, 0.0], maxiter=3000, step_x=40 * factor, step_y=0.25, inner_steps=9)
    assert caught.value.step == "step_x"


def test_what_showed_it_is_chained_and_counts_within_the_run():
    made = by_hand()
    minimize(made, np.zeros(3), np.zeros(3), step_x=0.01, step_y=0.1, maxiter=7)
    with pytest.raises(DivergenceError) as caught:
        minimize(made, np.zeros(3), np.zeros(3), step_x=1e9, step_y=0.1)
    error, cause = caught.value, caught.value.__cause__
    assert isinstance(cause, CallableError) and cause.call == 2 == error.iteration
    assert f"{cause.callable_name}, call 2: returned" in str(error)
    assert cause.at[0].shape == (3,) and np.abs(cause.at[0]).max() > 709
    with pytest.raises(DivergenceError) as caught:
        minimize(PROBLEMS["ridge"], np.zeros(4), np.zeros(4), step_x=1e9, step_y=0.1)
    assert isinstance(caught.value.__cause__, ArgumentError) and caught.value.result.nit == 1


def test_the_number_of_a_call_at_an_infinite_point_counts_within_the_run():
    for _ in range(2):
        with pytest.raises(DivergenceError, match=r"lower\.grad_y, call 2: evaluated where"):
            run(FIXED, step_y=1e308, inner_steps=3)


FIXED = problem()


def test_a_nan_at_moderate_iterates_is_the_callables_and_says_where():
    made = problem({"lower.grad_y": spoiled(CALLABLES["lower.grad_y"], 12, with_entry(np.nan))})
    run(made, maxiter=5)
    with pytest.raises(CallableError) as caught:
        run(made, maxiter=9)
    error = caught.value
    assert error.call == 7 and "lower.grad_y, call 7: returned nan at index 2" in str(error)
    assert "at iteration 7 of the run, calls counted from its start" in str(error) and "||y|| = " in str(error)
    assert error.result.nit == 6
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) and again.where == error.where


def test_an_overflow_at_the_users_own_start_is_no_divergence():
    with pytest.raises(ArgumentError, match="x: found 800") as caught:
        minimize(PROBLEMS["ridge"], np.full(4, 800.0), np.zeros(4), step_x=1e9, step_y=0.1)
    assert "at iteration 1" in str(caught.value) and caught.value.result.nit == 0
    with pytest.raises(CallableError) as caught:
        minimize(by_hand(), np.full(3, 800.0), np.zeros(3), step_x=1e9, step_y=1e9)
    assert caught.value.call == 1


def test_numbers_that_are_too_large_at_once_blame_no_step():
    """A⁻¹b overflows at the start, where no step has been taken."""
    made = problems.quadratic_from_arrays([[1e-300]], [[1.0]], d=[0.0], t=[1e300])
    with pytest.raises(RepresentationError, match="no step is to blame") as caught:
        minimize(made, [0.0], [0.0], method="amigo-cg", step_x=1e-3, step_y=1e-3)
    assert caught.value.result.nit == 0


def test_a_concave_lower_level_has_no_step_that_is_short_enough():
    lower = LowerLevel(grad_y=lambda x, y: -y - x, hessian=lambda x, y: -np.eye(2), cross=lambda x, y: -np.eye(2))
    upper = UpperLevel(value=lambda x, y: float(y @ y), grad_x=lambda x, y: 0 * x, grad_y=lambda x, y: 2 * y)
    with pytest.raises(DivergenceError, match="negative curvature") as caught:
        minimize(BilevelProblem(upper, lower), np.ones(2), np.ones(2), step_x=1e-9, step_y=1.0, maxiter=5000)
    assert caught.value.step is None


@pytest.mark.parametrize("maxiter", [20, 60])
def test_growth_that_stays_finite_is_not_completed_without_a_word(maxiter):
    made = PROBLEMS["quadratic"]
    result = minimize(made, np.ones(4), np.ones(5), step_x=1e-6, step_y=3.0, maxiter=maxiter)
    assert result.status == SolveStatus.DIVERGING and not result.success
    assert "has grown from" in result.message and "step_y = 3 is too long" in result.message
    assert "smaller step" in result.status.remedy


def test_a_distant_solution_is_no_divergence_but_is_told():
    """y* = 10⁹, and everything shrinks on the way there."""
    made = problems.quadratic_from_arrays([[1.0]], [[1.0]], d=[1e9], t=[1e9], rho=1.0)
    result = minimize(made, [0.0], [0.0], step_x=0.1, step_y=0.5, maxiter=2000)
    assert result.status == SolveStatus.COMPLETED and "||y|| has grown from 0 to 1e+09" in result.message


def test_a_large_callable_error_on_the_way_to_a_distant_solution_is_not_blamed_on_x():
    """y is large and moves, but by steps that shrink; x is where it was."""
    calls = 0

    def grad_y(x, y):
        nonlocal calls
        calls += 1
        return y - 1e3 - x if calls != 4 else np.full(1, np.nan)

    upper = UpperLevel(value=lambda x, y: 0.0, grad_x=lambda x, y: x, grad_y=lambda x, y: 0 * y)
    lower = LowerLevel(grad_y=grad_y, hessian=lambda x, y: np.eye(1), cross=lambda x, y: -np.eye(1))
    with pytest.raises(CallableError, match=r"lower\.grad_y, call 4"):
        minimize(BilevelProblem(upper, lower), [0.0], [0.0], step_x=0.1, step_y=0.2)


def test_an_own_exception_of_a_callable_shows_a_divergence_only_where_something_has_grown():
    def strict(x):
        if np.abs(x).max() > 700:
            raise ValueError("math domain error")
        return np.exp(x)

    with pytest.raises(DivergenceError) as caught:
        minimize(by_hand(exp=strict), np.zeros(3), np.zeros(3), step_x=1e9, step_y=0.1)
    assert caught.value.step == "step_x" and type(caught.value.__cause__) is ValueError
    with pytest.raises(ValueError, match="math domain error") as untouched:
        minimize(by_hand(exp=strict), np.full(3, 701.0), np.zeros(3), step_x=1.0, step_y=0.1)
    assert type(untouched.value) is ValueError


def test_a_method_of_ones_own_without_steps_is_told_to_shorten_them():
    class Doubling:
        def init(self, problem, x0, y0, v0, rng):
            return State(0, x0, x0, y0, v0)

        def step(self, problem, state):
            return State(state.k + 1, state.x_next, 1e40 * state.x_next, state.y, state.v, h=state.x_next)

    with pytest.raises(DivergenceError, match="choose shorter steps") as caught:
        minimize(PROBLEMS["quadratic"], np.ones(4), np.ones(5), method=Doubling())
    assert caught.value.step is None and caught.value.iteration == 8


def test_the_trials_do_not_touch_the_runs_own_batches():
    logs = []
    for maxiter in (3, 300):
        batched = Minibatched(PROBLEMS["ridge"], 5, 5, rng=3)
        start = batched, np.zeros(4), np.zeros(4)
        result, error = ending(lambda start=start, k=maxiter: minimize(*start, step_x=1e-3, step_y=10.0, maxiter=k))
        assert error is not None or maxiter == 3
        if error is not None:
            assert error.step == "step_y" and max(draw.k for draw in batched.log) <= error.iteration
        logs.append([draw for draw in result.batches if draw.k <= 3])
    for one, other in zip(*logs, strict=True):
        assert one[:3] == other[:3] and np.array_equal(one.indices, other.indices)


def test_a_subspace_that_is_nearly_the_whole_space_is_named_beside_step_x():
    with pytest.raises(DivergenceError, match=r"or a smaller subspace than m = 10, more than half of R\^3"):
        minimize(by_hand(), np.zeros(3), np.zeros(3), step_x=1e9, step_y=0.1)


@pytest.mark.parametrize(("step", "value"), [("step_x", 1e39), ("step_y", 1e-46), ("step_v", 1e300)])
def test_a_step_that_the_type_of_the_run_cannot_hold_is_refused(step, value):
    single = np.ones(3, np.float32), np.zeros(12, np.float32)
    with pytest.raises(ArgumentError, match=f"{step}: .*float32"):
        minimize(problem(), *single, **METHODS["subbio"] | {step: value})


def test_a_divergence_survives_pickling():
    error = DivergenceError("m", iteration=3, step="step_x", value=0.5, sizes={"x": (1.0, 2.0)})
    for again in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
        assert (str(again), again.iteration, again.step, again.value) == ("m", 3, "step_x", 0.5)
        assert again.sizes == error.sizes


def test_a_product_that_overflows_knows_its_vector():
    huge = operator(lambda v: np.full(12, np.inf) if np.abs(v).max() > 1e3 else v)
    with pytest.raises(DivergenceError) as caught:
        minimize(
            problem({"lower.hessian": lambda x, y: huge}),
            X0,
            Y0,
            method="amigo-gd",
            step_x=1e-9,
            step_y=0.1,
            step_v=1e9,
        )
    assert caught.value.step == "step_v" and caught.value.__cause__.at[0].shape == (12,)


def test_a_trial_that_fails_before_its_first_step_proves_nothing():
    calls = 0

    def fails_at(call):
        def field(z):
            nonlocal calls
            calls += 1
            if calls == call:
                raise ValueError("mine")
            return 3.0 * z

        return field

    assert _grows(fails_at(1), np.ones(2), 0.1) is None
    calls = 0
    assert _grows(fails_at(2), np.ones(2), 0.1) == 1
    assert _grows(lambda z: 3.0 * z, np.ones(2), 0.6) is None and _grows(lambda z: 3.0 * z, np.ones(2), 0.8) == 1
    assert _grows(lambda z: -3.0 * z, np.ones(2), 0.8) == -1


@pytest.mark.parametrize("method, far", sampled(product(names(), ["x0", "d", "t"]), 4))
def test_no_unit_of_measurement_makes_a_run_diverge(method, far):
    """Starts at zero say nothing of the scale: with short steps nothing diverges, however far the solution is."""
    q = problems.quadratic(3, 4, rng=0)
    steps = options(method, step_x=0.01, step_y=0.05, step_v=0.05, mu=1.0)
    for scale in (1e9, 1e18, 1e100):
        size = {name: scale if name == far else 1.0 for name in ("d", "t")}
        made = problems.quadratic_from_arrays(q.A, q.B, q.d * size["d"], q.t * size["t"], q.rho)
        x0 = np.full(3, scale if far == "x0" else 0.0)
        for maxiter in (2, 20) if "step_y" not in OPTIONS[method] else (2, 3, 4, 20, 200):
            result = minimize(made, x0, np.zeros(4), method=method, maxiter=maxiter, rng=0, **steps)
            assert result.status in (SolveStatus.COMPLETED, SolveStatus.FLOOR), (scale, maxiter, result.message)


@pytest.mark.parametrize("method", [name for name in names() if "step_y" in OPTIONS[name]])  # they look at f at once
def test_an_overflow_of_f_alone_blames_no_step(method):
    """f = ½‖y − t‖² overflows at the y that belongs to the user's own x0, which short steps leave where it was."""
    made = problems.quadratic(3, 4, rng=0)
    steps = options(method, step_x=0.01, step_y=0.05, step_v=0.05, mu=1.0)
    with pytest.raises(CallableError, match=r"upper\.value, call 1: returned inf.*at iteration 5"):
        minimize(made, np.full(3, 1e160), np.zeros(4), method=method, maxiter=5, rng=0, **steps)
