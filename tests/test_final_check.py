"""The last h of a run against a certified hyper-gradient: what it says, what it costs, and that it loses nothing."""

import math
import pickle

import numpy as np
import pytest

from lancbio_ref import (
    ArgumentError,
    BilevelProblem,
    LowerLevel,
    SolveStatus,
    UpperLevel,
    hypergradient,
    minimize,
    problems,
)
from lancbio_ref.final_check import final_check
from lancbio_ref.jobs.settings import OPTIONS
from lancbio_ref.methods import names
from lancbio_ref.status import CheckVerdict
from tests.pathologies.faulty import CALLABLES, METHODS, X0, Y0, problem, run

STEPS = dict(step_x=0.2, step_y=0.1, inner_steps=3)
EXACT = ("x", "y", "v", "hypergradient", "n_hvp", "n_cross", "n_grad", "n_grad_upper", "fun", "nit")


@pytest.fixture
def quadratic():
    return problems.quadratic(3, 5, rng=0)


def options(method):
    given = dict(step_x=0.05, step_y=0.1, step_v=0.1) | (dict(mu=0.1) if method == "stable" else {})
    return {name: value for name, value in given.items() if name in OPTIONS[method]}


def poisson():
    """Poisson regression with one penalty exp(x_j) a coefficient, in callables without any bounds; n_y = 11."""
    rng = np.random.default_rng(2)
    X, Z = (rng.standard_normal((40, 11)) / math.sqrt(11) for _ in range(2))
    w = rng.standard_normal(11)
    s, t = (rng.poisson(np.exp(M @ w)).astype(float) for M in (X, Z))
    upper = UpperLevel(
        value=lambda x, y: float(np.mean(np.exp(Z @ y) - t * (Z @ y))),
        grad_x=lambda x, y: 0 * x,
        grad_y=lambda x, y: Z.T @ (np.exp(Z @ y) - t) / 40,
    )
    lower = LowerLevel(
        grad_y=lambda x, y: X.T @ (np.exp(X @ y) - s) / 40 + np.exp(x) * y,
        hessian=lambda x, y: (X.T * np.exp(X @ y)) @ X / 40 + np.diag(np.exp(x)),
        cross=lambda x, y: np.diag(np.exp(x) * y),
    )
    return BilevelProblem(upper, lower, n_y=11)


#: without the one that ends by itself at the floor of rounding, where h is smaller than what is known of it
GOING_ON = [name for name in names() if name != "recycled-newton"]


@pytest.mark.parametrize("method", GOING_ON)
def test_it_is_the_distance_to_the_true_gradient_at_x_K(quadratic, method):
    last = []
    result = minimize(
        quadratic, np.ones(3), np.ones(5), method=method, maxiter=40, rng=1, check=True,
        callback=lambda state: last.append(state.x), **options(method),
    )  # fmt: skip
    truth = np.linalg.norm(result.hypergradient - quadratic.hypergradient(last[-1]))
    check = result.check
    assert abs(check.distance - truth) <= check.bound * (1 + 1e-6) + 1e-13
    assert check.norm == pytest.approx(np.linalg.norm(quadratic.hypergradient(last[-1])), rel=1e-8)
    size = max(np.linalg.norm(result.hypergradient), check.norm)
    assert check.tolerance == pytest.approx(0.1 * size)
    assert check.verdict == (CheckVerdict.AGREES if truth < 0.1 * size else CheckVerdict.DIFFERS)
    assert check.message in result.message and f"{check.distance:.3g}" in check.message
    assert (check.verdict.remedy in result.message or check.verdict.remedy[1:] in result.message) or not check.refuted


@pytest.mark.parametrize("method", GOING_ON)
def test_the_run_is_the_same_to_the_bit_and_its_counts_too(quadratic, method):
    runs = [
        minimize(quadratic, np.ones(3), np.ones(5), method=method, maxiter=9, rng=1, check=check, **options(method))
        for check in (False, True)
    ]
    for name in EXACT:
        np.testing.assert_array_equal(getattr(runs[0], name), getattr(runs[1], name))
    assert runs[0].check is None and "h was not checked" in runs[0].message and "h was not" not in runs[1].message


def test_what_it_spends_is_told_and_is_what_the_problem_saw(quadratic):
    plain = minimize(quadratic, np.ones(3), np.ones(5), maxiter=9, **STEPS)
    quadratic.calls.clear()
    checked = minimize(quadratic, np.ones(3), np.ones(5), maxiter=9, check=True, **STEPS)
    assert quadratic.calls["lower.hessian(x, y) @ v"] == checked.n_hvp + checked.check.n_hvp
    assert quadratic.calls["lower.grad_y"] == checked.n_grad + checked.check.n_grad
    assert checked.n_hvp == plain.n_hvp and checked.check.n_hvp > 0


def test_an_own_h_that_is_far_off_is_told():
    """Own ‖h‖ and the true one differ by a factor; without bounds, the solves decide."""
    result = minimize(poisson(), np.full(11, -2.0), np.zeros(11), step_x=10, step_y=0.01, maxiter=8, check=True)
    assert result.status == SolveStatus.COMPLETED and result.check.verdict == CheckVerdict.DIFFERS
    assert "h is not the gradient of phi" in result.message and "no bounds" in result.message
    assert "smaller subspace" in result.message and result.check.bound == math.inf


def test_tol_is_not_reached_where_the_check_refutes_it(quadratic):
    """stocBiO's own h vanishes at a point where ∇φ does not."""
    biased = dict(method="stocbio", step_x=0.1, step_y=0.1, step_v=0.01, inverse_steps=2, maxiter=20_000, tol=1e-6)
    believed = minimize(quadratic, np.ones(3), np.ones(5), **biased)
    checked = minimize(quadratic, np.ones(3), np.ones(5), check=True, **biased)
    assert believed.status == SolveStatus.CONVERGED and "h was not checked" in believed.message
    assert checked.status == SolveStatus.NOT_CONVERGED and not checked.success and checked.nit == believed.nit
    assert "refutes that tol = 1e-06 was reached" in checked.message
    np.testing.assert_array_equal(believed.x, checked.x)
    exact = minimize(quadratic, np.ones(3), np.ones(5), check=True, maxiter=20_000, tol=1e-6, **STEPS)
    assert exact.status == SolveStatus.CONVERGED and exact.check.verdict == CheckVerdict.AGREES
    assert exact.check.tolerance == 1e-6 and exact.check.norm <= 2e-6


def test_a_run_in_batches_is_checked_against_the_whole_problem():
    ridge = problems.random_ridge(30, 20, 4, rng=0)
    last = []
    result = minimize(
        ridge, np.zeros(4), np.zeros(4), batch_size=5, rng=0, maxiter=30, step_x=0.05, step_y=0.05, check=True,
        callback=lambda state: last.append(state.x),
    )  # fmt: skip
    assert result.check.norm == pytest.approx(np.linalg.norm(ridge.hypergradient(last[-1])), rel=1e-8)
    assert max(draw.k for draw in result.batches) == 30


def test_zero_is_the_gradient_where_it_is_zero():
    made = problems.quadratic_from_arrays(np.eye(2), np.eye(2), d=[0.0, 0.0], t=[0.0, 0.0])
    zero = np.zeros(2)
    assert final_check(made, zero, zero, zero, zero, y0=zero).verdict == CheckVerdict.AGREES
    found = final_check(made, zero, zero, zero, np.ones(2), y0=zero)
    assert found.refuted and found.distance == math.sqrt(2)


def test_bounds_too_wide_to_tell_are_said_to_be():
    """float32 data: the bound of the check is wider than the gradient."""
    made, zero = problem({"lower.mu": 1e-12, "lower.cross_norm": 1e9}), np.zeros(12)
    h = hypergradient(made, X0, zero, mu="estimate").value
    from lancbio_ref import LipschitzConstants

    wide = problem({"lower.mu": 1e-12, "lower.cross_norm": 1e9}, lipschitz=LipschitzConstants(1, 1, 1, 1))
    found = final_check(wide, X0, Y0, zero, h, y0=Y0)
    assert found.verdict == CheckVerdict.UNDECIDED and math.isfinite(found.bound) and "remains open" in found.message


class Spoiled(Exception):
    """The caller's own."""


@pytest.mark.parametrize("error", [Spoiled, ValueError, ZeroDivisionError, KeyboardInterrupt])
@pytest.mark.parametrize("name", ["upper.grad_x", "upper.grad_y", "lower.grad_y", "lower.hessian", "lower.cross"])
def test_nothing_that_the_check_meets_loses_the_run(name, error):
    """The callable fails at the very first call after the run's own."""
    clean, over = run(maxiter=4, trace=("x", "v")), False

    def spoil(x, y):
        if over:
            raise error("mine")
        return CALLABLES[name](x, y)

    def value(x, y):
        nonlocal over
        over = True  # f is evaluated last
        return CALLABLES["upper.value"](x, y)

    result = run(problem({name: spoil, "upper.value": value}), maxiter=4, trace=("x", "v"), check=True)
    for part in EXACT:
        np.testing.assert_array_equal(getattr(result, part), getattr(clean, part))
    if error is KeyboardInterrupt:
        assert result.status == SolveStatus.INTERRUPTED and result.check.verdict == CheckVerdict.INTERRUPTED
        assert "the run was finished, its check was not" in result.message
    else:
        assert result.status == SolveStatus.COMPLETED and result.check.verdict == CheckVerdict.FAILED
        assert f"h was not checked ({error.__name__}: mine)" in result.message
    assert math.isnan(result.check.distance) and result.check.hypergradient is None


def test_a_lower_level_without_solution_makes_the_check_fail_and_says_so():
    concave = {"lower.grad_y": lambda x, y: -1e-3 * y - x.sum(), "lower.hessian": lambda x, y: -1e-3 * np.eye(12)}
    result = run(problem(concave), maxiter=3, check=True)
    assert result.check.verdict == CheckVerdict.FAILED and not result.check.lower.status.success
    assert "INDEFINITE" in result.message and result.status == SolveStatus.COMPLETED


def test_an_indefinite_system_is_no_gradient():
    """∇_y g vanishes, so the lower level is taken for solved; the Hessian says that it is not."""
    saddle = problem({"lower.hessian": lambda x, y: -np.eye(12)})
    y = np.linalg.solve(CALLABLES["lower.hessian"](X0, Y0), -CALLABLES["lower.grad_y"](X0, Y0))
    found = final_check(saddle, X0, y, Y0, np.ones(3), y0=Y0)
    assert found.verdict == CheckVerdict.FAILED and "INDEFINITE" in found.message


def test_no_check_of_nothing_and_none_after_an_interrupt():
    def stop(state):
        raise KeyboardInterrupt

    result = run(callback=stop, check=True)
    assert result.status == SolveStatus.INTERRUPTED and result.check is None and result.nit == 1


@pytest.mark.parametrize("wrong", [None, 1, "yes"])
def test_no_boolean(wrong):
    with pytest.raises(ArgumentError) as caught:
        run(check=wrong)
    assert caught.value.argument == "check"


def test_it_prints_and_pickles():
    result = run(check=True, method="subbio")
    again = pickle.loads(pickle.dumps(result))
    assert str(again.check) == str(result.check) and str(result.check).startswith(f"check: {result.check.verdict}: ")
    assert result.check.message in str(result) and METHODS
