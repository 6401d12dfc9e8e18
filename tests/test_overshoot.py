"""An optimizer that steps out of what φ is defined on is sent back, and a caller who starts there is told."""

import numpy as np
import pytest
from scipy.optimize import minimize

from lancbio_ref import (
    ArgumentError,
    BilevelProblem,
    CallableError,
    DomainError,
    HyperObjective,
    LowerLevel,
    UpperLevel,
    problems,
)

FAR = np.array([0.0, 0.0, 900.0])


def objective(seed=0, n=3):
    return HyperObjective(problems.random_ridge(12, 9, n, rng=seed), accuracy=1e-7)


@pytest.mark.parametrize(("method", "start"), [("BFGS", 3.0), ("SLSQP", 3.0), ("Newton-CG", 0.0)])
def test_optimizers_come_back(method, start):
    F = HyperObjective(problems.random_ridge(20, 15, 6, rng=1), relative=0.0 if method == "Newton-CG" else 1e-3)
    maxiter = 60 if method == "BFGS" else 25
    found = minimize(F, np.full(6, start), jac=True, method=method, options=dict(maxiter=maxiter))
    assert np.isfinite(found.fun) and np.isfinite(found.x).all() and np.linalg.norm(found.jac) < 0.05
    assert found.fun <= F.value(np.full(6, start))
    assert F.n_outside > 0 or method != "BFGS"  # its first step after a flat stretch leaves exp's range


def test_what_is_said_outside():
    F = objective()
    value, gradient = F(np.zeros(3))
    outside, back = F(FAR)
    assert outside == np.inf and F.n_outside == 1 and F.n_eval == 1
    assert isinstance(F.last_outside[1], DomainError) and F.last_outside[1].argument == "x"
    size = np.linalg.norm(gradient)
    assert np.linalg.norm(back) == pytest.approx(size) and back @ FAR == pytest.approx(size * 900)
    assert F.last.value == value and F(np.zeros(3))[0] == value  # nothing is lost
    again = F(np.full(3, 0.1))
    assert np.array_equal(again[1], objective_at(0.1)[1]) or np.allclose(again[1], objective_at(0.1)[1], atol=1e-6)


def objective_at(x):
    return objective()(np.full(3, x))


def test_separate_functions():
    F = objective()
    F.value(np.zeros(3))
    with pytest.raises(DomainError):  # nothing says that it would be no gradient
        F.gradient(FAR)
    assert F.value(FAR) == np.inf and F.gradient(FAR)[2] > 0
    with pytest.raises(DomainError):
        F.gradient(-FAR)
    with pytest.raises(DomainError):
        F.evaluate(FAR)


def test_infinite_steps():
    F = objective()
    F(np.zeros(3))
    value, back = F(np.array([np.inf, 0.0, -np.inf]))
    assert value == np.inf and back[0] > 0 > back[2] and back[1] == 0
    for wrong in (np.array([np.nan, 0, 0]), np.array([np.inf, np.nan, 0]), np.zeros(2), "x"):
        with pytest.raises(ArgumentError):
            F(wrong)


def test_a_start_is_the_callers_own():
    for call in (objective(), objective().value, objective().gradient):
        with pytest.raises(DomainError, match=r"entries in \(-708"):
            call(FAR)


def own(grad_y):
    return BilevelProblem(
        UpperLevel(value=lambda x, y: float(y @ y), grad_x=lambda x, y: 0 * x, grad_y=lambda x, y: 2 * y),
        LowerLevel(grad_y=grad_y, hessian=lambda x, y: np.eye(1), cross=lambda x, y: -np.eye(1)),
        n_y=1,
    )


def test_callables_may_say_that_x_is_outside():
    def grad_y(x, y):
        if x[0] > 1:
            raise DomainError("x", x[0], "at most 1")
        return y - x

    F = HyperObjective(own(grad_y))
    F([0.0])
    assert F([2.0])[0] == np.inf and F([2.0])[1] > 0 and F.n_outside == 2


def test_other_faults_of_a_callable_are_no_overshoot():
    F = HyperObjective(own(lambda x, y: y - x if x[0] < 1 else np.full(1, np.nan)))
    F([0.0])
    with pytest.raises(CallableError) as caught:
        F([2.0])
    assert caught.value.result is F.last and F.n_outside == 0


def test_any_exception_carries_the_last_evaluation():
    def grad_y(x, y):
        if x[0] > 1:
            raise RuntimeError("mine")
        return y - x

    F = HyperObjective(own(grad_y))
    F([0.0])
    with pytest.raises(RuntimeError) as caught:
        F([2.0])
    assert caught.value.result is F.last
