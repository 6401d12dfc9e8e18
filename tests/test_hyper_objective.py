"""φ and ∇φ for any optimizer: the optimum reached, the accuracy promised, the products saved."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.optimize import minimize, root

from lancbio_ref import (
    BilevelProblem,
    CertificateStatus,
    HyperObjective,
    LipschitzConstants,
    SolveStatus,
    problems,
)
from lancbio_ref.rounding import norm2
from tests.objectives import bare, sinh_problem
from tests.thorough import few, sampled

INTERIOR_SEEDS = (3, 15, 53)  # the best penalties are finite: true of these, not of most (a useless feature wants ∞)


def interior_ridge(seed):
    return problems.random_ridge(8, 12, 3, noise=1.0, rng=seed)


def fitted_ridge(seed, p=6):
    """Some penalty makes y the best fit of the validation data, to 1e-8: φ* is small, and its values are sharp."""
    rng = np.random.default_rng(seed)
    X, X_val = rng.standard_normal((4 * p, p)), rng.standard_normal((3 * p, p))
    y, penalty = rng.choice([-2.0, -1.0, 1.0, 2.0], p), np.exp(rng.uniform(-1, 1, p))
    t = X @ (y + 4 * p * np.linalg.solve(X.T @ X, penalty * y))  # so that Xᵀ(t − X y)/n = penalty ∘ y
    return problems.ridge(X, t, X_val, X_val @ y + 1e-8 * rng.standard_normal(3 * p))


def ridge_optimum(problem):
    """(x*, φ(x*)) in closed form, in 50 digits, from the data alone.

    ∇φ = −exp(x) ∘ y* ∘ v vanishes, where no y*_j does, when v = 0 and so ∇_y f = 0: y* is the least-squares fit of the
    validation data. The x that gives it: exp(x_j) = (Xᵀ(t − X y*)/n)_j / y*_j.
    """
    with mp.workdps(50):
        X, X_val = mp.matrix(problem.X_train.tolist()), mp.matrix(problem.X_val.tolist())
        t, t_val = mp.matrix(problem.t_train.tolist()), mp.matrix(problem.t_val.tolist())
        y = mp.lu_solve(X_val.T * X_val, X_val.T * t_val)
        force, r = mp.mpf(1 / X.rows) * (X.T * (t - X * y)), X_val * y - t_val
        phi = mp.mpf(1 / X_val.rows) * (r.T * r)[0] / 2
        return np.array([float(mp.log(force[j] / y[j])) for j in range(X.cols)]), float(phi)


def cleaning(rng=0):
    rng = np.random.default_rng(rng)
    centers = rng.standard_normal((3, 4))
    labels, labels_val = rng.integers(0, 3, 30), rng.integers(0, 3, 24)
    X, X_val = (centers[k] + 0.5 * rng.standard_normal((len(k), 4)) for k in (labels, labels_val))
    labels[:10] = (labels[:10] + 1) % 3
    return problems.data_cleaning(X, labels, X_val, labels_val, regularization=0.05, n_classes=3)


# -- optima --------------------------------------------------------------------------------


LBFGSB = dict(method="L-BFGS-B", options=dict(gtol=1e-13, ftol=0.0, maxiter=500))
NEWTON = dict(method="trust-constr", hess="3-point", options=dict(gtol=1e-12, xtol=1e-15))


@pytest.mark.parametrize("optimizer, relative", [(LBFGSB, 1e-3), (NEWTON, 0.0)], ids=["lbfgsb", "newton"])
@pytest.mark.parametrize("constants", [lambda ridge: ridge, bare], ids=["guaranteed", "bare"])
@pytest.mark.parametrize("seed", sampled(range(3), 3))
def test_ridge_reaches_its_closed_form_optimum(seed, constants, optimizer, relative):
    F = HyperObjective(constants(fitted_ridge(seed)), accuracy=4e-11, relative=relative)  # what is proven here
    found = minimize(F, np.zeros(6), jac=True, **optimizer)
    x, phi = ridge_optimum(F.problem)
    assert np.abs(found.x - x).max() <= 1e-10
    assert abs(found.fun - phi) <= 1e-16
    F(found.x)
    assert F.last.guaranteed == (constants is not bare) and F.n_missed == 0


@pytest.mark.parametrize("seed", sampled([14, 0, 3, 19], 4))
def test_penalties_that_go_to_infinity(seed):
    """Useless features want exp(x_j) = ∞, useful ones 0: A is badly scaled without end, and no harm comes of it."""
    F = HyperObjective(problems.random_ridge(40, 40, 20, rng=seed))
    errors = []

    def objective(x):
        value, gradient = F(x)
        assert F.last.guaranteed or F.last.status == SolveStatus.FLOOR
        errors.append(np.linalg.norm(gradient - F.problem.hypergradient(x)) - F.last.tolerance)
        return value, gradient

    # SciPy's own tolerances would stop on the same path, only earlier
    found = minimize(objective, np.zeros(20), jac=True, method="L-BFGS-B", options=dict(gtol=1e-8, ftol=0.0))
    assert found.success and max(errors) <= 0


@pytest.mark.parametrize("seed", INTERIOR_SEEDS)
def test_random_ridge_reaches_its_closed_form_optimum(seed):
    """Where φ* is large, values of φ are flat to rounding at 1e-8 from the optimum; the gradient goes on to tell."""
    F = HyperObjective(interior_ridge(seed), accuracy=1e-12)
    found = minimize(F, np.zeros(3), jac=True, **LBFGSB)
    x, phi = ridge_optimum(F.problem)
    assert abs(found.fun - phi) <= 1e-14 and np.abs(found.x - x).max() <= 1e-5
    polished = root(HyperObjective(F.problem, accuracy=1e-13, relative=0.0).gradient, found.x, tol=1e-15)  # Powell's
    assert np.abs(polished.x - x).max() <= 1e-10


def test_quadratic_reaches_its_stationary_point():
    problem = problems.quadratic(5, 12, condition=50.0, rng=3)
    F = HyperObjective(problem, accuracy=1e-10)
    found = minimize(F, np.zeros(5), jac=True, **LBFGSB)
    assert np.abs(found.x - problem.stationary_point()).max() <= 1e-7
    assert F.last.guaranteed and F.last.certificate == CertificateStatus.CERTIFIED
    polished = root(HyperObjective(problem, accuracy=1e-12, relative=0.0).gradient, found.x, tol=1e-14)
    assert np.abs(polished.x - problem.stationary_point()).max() <= 1e-10


def test_data_cleaning_is_guaranteed_all_the_way():
    problem = cleaning()
    F, tolerances = HyperObjective(problem, accuracy=1e-7), []

    def check(intermediate_result):
        evaluation = F.evaluate(intermediate_result.x)
        assert evaluation.guaranteed and evaluation.status == SolveStatus.CONVERGED
        tolerances.append(evaluation.tolerance)

    start = F(np.zeros(30))[0]
    found = minimize(
        F, np.zeros(30), jac=True, method="L-BFGS-B", callback=check, options=dict(gtol=1e-6, ftol=0.0, maxiter=25)
    )
    assert found.fun < start - 0.1 and F.n_missed == 0
    assert tolerances[-1] < tolerances[0]
    x = found.x
    reference = HyperObjective(problem, accuracy=1e-11, relative=0.0)(x)  # from zero, by itself
    assert np.linalg.norm(F.gradient(x) - reference[1]) <= F.last.gradient_bound + 1e-11


@pytest.mark.parametrize("seed", sampled([1, 2, 5], 3))
def test_weights_of_features_that_three_classes_share(seed):
    """The weights of what separates the classes go to 0, and A grows singular along what softmax ignores."""
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((3, 5))
    labels, labels_val = rng.integers(0, 3, 40), rng.integers(0, 3, 30)
    X, X_val = (centers[k] + 0.7 * rng.standard_normal((len(k), 5)) for k in (labels, labels_val))
    F = HyperObjective(problems.logistic(X, labels, X_val, labels_val, weights="feature"))

    def objective(x):
        found = F(x)
        assert F.last.guaranteed or F.last.status == SolveStatus.FLOOR
        return found

    found = minimize(objective, np.zeros(5), jac=True, method="L-BFGS-B", options=dict(gtol=1e-8, ftol=0.0))
    assert found.success


def test_synthetic_descends_and_promises_the_linear_system_only():
    problem = problems.synthetic(12, 50.0, rng=1)
    x0, y0, _ = problem.initial_point(2)
    F = HyperObjective(problem, y0, accuracy=1e-9)
    found = minimize(F, x0, jac=True, method="L-BFGS-B", options=dict(gtol=1e-6, ftol=0.0))
    assert np.abs(found.jac).max() <= 1e-6
    F(found.x)
    assert F.last.hypergradient.error_bound <= F.last.tolerance and F.last.lower.grad_norm < 1e-8
    assert not F.last.guaranteed and F.last.gradient_bound == F.last.value_bound == np.inf
    assert F.last.certificate == CertificateStatus.NONE and "not guaranteed" in F.last.message
    assert "no Lipschitz constants" in str(F)


# -- accuracy ------------------------------------------------------------------------------


@given(seed=st.integers(0, 2**16), log_accuracy=st.floats(-10, 0), log_condition=st.floats(0, 4))
@few(25)
def test_bounds_hold_and_meet_the_tolerance(seed, log_accuracy, log_condition):
    problem = problems.quadratic(3, 6, condition=10**log_condition, rng=seed)
    F = HyperObjective(problem, accuracy=10**log_accuracy)
    for x in np.random.default_rng(seed).standard_normal((2, 3)):
        value, gradient = F(x)
        y = problem.solution(x)
        assert F.last.gradient_bound <= F.last.tolerance and F.last.status == SolveStatus.CONVERGED
        assert np.linalg.norm(gradient - problem.hypergradient(x)) <= F.last.gradient_bound + 1e-12
        assert abs(value - problem.value(x, y)) <= F.last.value_bound + 1e-13 * abs(value)


@given(seed=st.integers(0, 2**16), log_accuracy=st.floats(-10, -1))
@example(seed=2058, log_accuracy=-10.0)
@few(20)
def test_constants_that_hold_at_one_x_are_enough(seed, log_accuracy):
    problem = problems.random_ridge(9, 8, 5, noise=0.5, rng=seed)
    x = np.random.default_rng(seed).standard_normal(5)
    F = HyperObjective(problem, accuracy=10**log_accuracy, relative=0.0)
    value, gradient = F(x)
    assert F.last.tolerance == F.accuracy and F.last.gradient_bound <= max(F.accuracy, 1e-6)
    assert F.last.guaranteed == (F.last.status == SolveStatus.CONVERGED)
    assert F.last.guaranteed or (F.last.status == SolveStatus.FLOOR and log_accuracy < -6)  # where mu is small
    assert np.linalg.norm(gradient - problem.hypergradient(x)) <= F.last.gradient_bound + 1e-13
    assert abs(value - problem.value(x, problem.solution(x))) <= F.last.value_bound + 1e-14


@pytest.mark.parametrize("constants", [True, False], ids=["bounded", "bare"])
def test_the_value_is_of_second_order_in_what_y_lacks(constants):
    problem, x = problems.quadratic(4, 30, condition=1e3, rng=0), np.ones(4)
    bare = BilevelProblem(problem.upper, problem.lower, n_y=problem.n_y)  # without constants: the correction needs none
    F = HyperObjective(problem if constants else bare, accuracy=1e-2, relative=0.0)
    value, phi = F.value(x), problem.value(x, problem.solution(x))
    plain = problem.value(x, F.last.y)
    assert abs(value - phi) <= F.last.value_bound
    assert abs(value - phi) < 0.01 * abs(plain - phi)
    assert (F.last.value_bound < 1e-3) == constants


def test_value_and_gradient_fit():
    """Central differences of φ̂ against ĥ."""
    problem = problems.synthetic(8, 20.0, rng=4)
    x, y0, _ = problem.initial_point(5)
    F = HyperObjective(problem, y0, accuracy=1e-10, relative=0.0)
    step = 1e-5
    slopes = [(F.value(x + step * e) - F.value(x - step * e)) / (2 * step) for e in np.eye(8)]
    assert np.abs(F.gradient(x) - slopes).max() < 1e-7


def test_higher_orders_are_tightened_away():
    """At y_0 = 1, b = v = 0: to first order ‖∇_y g‖ = ½ is small enough; it is the bound's ρ_y² that is too large."""
    problem = sinh_problem(cross_norm=1.0)
    problem.lipschitz = LipschitzConstants(fx=0.0, fy=1.0, gxy=1e4, gyy=1.0)
    F = HyperObjective(problem, [1.0], accuracy=1.0, relative=0.0)
    F([1.5 + np.sinh(1.0)])  # ‖∇_y g(x, y_0)‖ = ½, less than 0.25 · 1/G_y = 1
    assert F.last.status == SolveStatus.CONVERGED and F.last.gradient_bound <= 1.0 and F.last.n_hvp > 0
    assert F.last.certificate == CertificateStatus.ESTIMATED and not F.last.guaranteed  # a black box promises nothing


def test_the_schedule_tightens_and_saves_products():
    products = {}
    for relative in (0.0, 1e-2):
        F = HyperObjective(cleaning(), accuracy=1e-8, relative=relative)
        tolerances = []

        def objective(x, F=F, tolerances=tolerances):
            value, gradient = F(x)
            assert F.last.guaranteed and F.last.tolerance == max(1e-8, F.relative * norm2(gradient))
            tolerances.append(F.last.tolerance)
            return value, gradient

        options = dict(gtol=1e-6, ftol=0.0, maxiter=15)
        minimize(objective, np.zeros(30), jac=True, method="L-BFGS-B", options=options)
        products[relative] = F.n_hvp / F.n_eval
        assert (tolerances[-1] < 0.1 * tolerances[0]) == (relative > 0)
    assert products[1e-2] < 0.9 * products[0.0]


# -- economy -------------------------------------------------------------------------------


def test_warm_starts_save_products():
    problem = problems.quadratic(5, 100, condition=30.0, rng=2)
    points = [1 + 0.5**k * np.ones(5) for k in range(8, 20)]
    warm = HyperObjective(problem, accuracy=1e-6, relative=0.0)
    cold = 0
    for x in points:
        warm(x)
        fresh = HyperObjective(problem, accuracy=1e-6, relative=0.0)
        fresh(x)
        cold += fresh.n_hvp
    assert warm.n_hvp < 0.7 * cold


def test_counts_are_the_calls_made():
    problem = cleaning()
    F = HyperObjective(problem)
    for x in np.random.default_rng(0).standard_normal((4, 30)):
        before = F.n_hvp, F.n_grad
        F(x)
        assert (F.n_hvp - before[0], F.n_grad - before[1]) == (F.last.n_hvp, F.last.n_grad)
    assert F.n_eval == 4 and F.n_grad == problem.calls["lower.grad_y"]
    assert F.n_hvp == sum(n for name, n in problem.calls.items() if name.startswith("lower.hessian(x, y)"))
    assert f"4 evaluations, {F.n_hvp} Hessian products" in str(F)


def test_value_and_gradient_at_one_x_cost_once():
    problem = problems.quadratic(3, 6, rng=0)
    F, x = HyperObjective(problem), np.ones(3)
    value, gradient = F(x)
    calls = dict(problem.calls)
    assert F.value(x) == value and np.array_equal(F.gradient(x), gradient)
    gradient[:] = 0  # the caller's own
    assert F.gradient(x).any() and problem.calls == calls and F.n_eval == 1
    x[:] = 2  # as an optimizer may
    assert F.value(x) != value and F.n_eval == 2
