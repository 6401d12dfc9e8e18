"""φ and ∇φ for any optimizer: the optimum reached, the accuracy promised, the products saved, the failures reported."""

import pickle
from fractions import Fraction

import mpmath as mp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, root

from lancbio_ref import (
    ArgumentError,
    BilevelProblem,
    CallableError,
    CertificateStatus,
    EvaluationError,
    HyperObjective,
    LipschitzConstants,
    LowerLevel,
    SolveStatus,
    UpperLevel,
    problems,
)
from lancbio_ref.rounding import norm2


class BareRidge(problems.Ridge):
    """Ridge without the Lipschitz constants that its linearization has."""

    def linearize(self, x, y):
        point = super().linearize(x, y)
        point.lipschitz = None
        return point


def bare(ridge):
    return BareRidge(ridge.X_train, ridge.t_train, ridge.X_val, ridge.t_val)


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


def scalar(gradient, hessian, **options):
    """min ½(y*(x) − 1)² over one lower variable."""
    upper = UpperLevel(lambda x, y: 0.5 * float((y - 1) @ (y - 1)), lambda x, y: 0 * x, lambda x, y: y - 1)
    lower = LowerLevel(gradient, lambda x, y: [[float(hessian(y[0]))]], lambda x, y: [[-1.0]], **options)
    return BilevelProblem(upper, lower, n_y=1)


def sinh_problem(**options):
    """y + sinh y = x."""
    return scalar(lambda x, y: y + np.sinh(y) - x, lambda y: 1 + np.cosh(y), mu=2.0, **options)


# -- optima --------------------------------------------------------------------------------


LBFGSB = dict(method="L-BFGS-B", options=dict(gtol=1e-13, ftol=0.0, maxiter=500))
NEWTON = dict(method="trust-constr", hess="3-point", options=dict(gtol=1e-12, xtol=1e-15))


@pytest.mark.parametrize("optimizer, relative", [(LBFGSB, 1e-3), (NEWTON, 0.0)], ids=["lbfgsb", "newton"])
@pytest.mark.parametrize("constants", [lambda ridge: ridge, bare], ids=["guaranteed", "bare"])
@pytest.mark.parametrize("seed", range(3))
def test_ridge_reaches_its_closed_form_optimum(seed, constants, optimizer, relative):
    F = HyperObjective(constants(fitted_ridge(seed)), accuracy=4e-11, relative=relative)  # what is proven here
    found = minimize(F, np.zeros(6), jac=True, **optimizer)
    x, phi = ridge_optimum(F.problem)
    assert np.abs(found.x - x).max() <= 1e-10
    assert abs(found.fun - phi) <= 1e-16
    F(found.x)
    assert F.last.guaranteed == (constants is not bare) and F.n_missed == 0


@pytest.mark.parametrize("seed", [0, 3, 14, 19])
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


@pytest.mark.parametrize("seed", [1, 2, 5])
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
@settings(max_examples=60)
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
@settings(max_examples=40)
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
    if not constants:  # the correction needs none
        problem.lipschitz = None
    F = HyperObjective(problem, accuracy=1e-2, relative=0.0)
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


# -- failures ------------------------------------------------------------------------------


def test_indefinite_lower_level():
    F = HyperObjective(scalar(lambda x, y: y**3 - y - x, lambda y: 3 * y * y - 1), [2.0])
    F([6.0])
    good = F.last
    F._y = np.zeros(1)  # where the curvature is −1
    with pytest.raises(EvaluationError, match="lower level: INDEFINITE") as caught:
        F([0.5])
    error = caught.value
    assert error.status == SolveStatus.INDEFINITE and error.report.direction @ error.report.direction > 0
    assert error.result is good is F.last and F.n_eval == 1
    copied = pickle.loads(pickle.dumps(error))
    assert str(copied) == str(error) and copied.status == error.status and copied.result.value == good.value


def test_indefinite_where_the_lower_gradient_vanishes():
    """y = 0 is a maximum: the lower level has nothing to do, and the linear system tells."""
    F = HyperObjective(scalar(lambda x, y: -y, lambda y: -1.0))
    with pytest.raises(EvaluationError, match="linear system A v = b: INDEFINITE"):
        F([1.0])


def test_newton_maxiter_too_small():
    with pytest.raises(EvaluationError, match="lower level: NOT_CONVERGED; raise maxiter") as caught:
        HyperObjective(sinh_problem(), newton_maxiter=2)([20.0])
    assert caught.value.result is None and caught.value.report.n_iter == 2
    assert HyperObjective(sinh_problem())([20.0])[0] > 0


def test_linear_maxiter_too_small():
    problem = problems.quadratic(3, 40, condition=1e4, rng=0)
    with pytest.raises(EvaluationError, match="linear system A v = b: NOT_CONVERGED"):
        HyperObjective(problem, maxiter=3)(np.ones(3))


def test_mu_too_large_is_refuted():
    F = HyperObjective(scalar(lambda x, y: y - x, lambda y: 1.0, mu=5.0, cross_norm=1.0, smoothness=1.0))
    with pytest.raises(EvaluationError, match="MU_REFUTED; give the problem") as caught:
        F([3.0])
    assert caught.value.report.direction is not None


@pytest.mark.parametrize("what", ["upper.value", "lower.grad_y"])
def test_nan_from_a_callable(what):
    state = {"bad": False}

    def spoil(right):
        return np.nan * right if state["bad"] else right

    upper = UpperLevel(
        lambda x, y: spoil(float(y @ y)) if what == "upper.value" else float(y @ y),
        lambda x, y: 0 * x,
        lambda x, y: 2 * y,
    )
    lower = LowerLevel(
        lambda x, y: spoil(y - x) if what == "lower.grad_y" else y - x, lambda x, y: np.eye(2), lambda x, y: -np.eye(2)
    )
    F = HyperObjective(BilevelProblem(upper, lower, n_y=2))
    F([1.0, 2.0])
    good, state["bad"] = F.last, True
    with pytest.raises(CallableError, match=what) as caught:
        F([1.0, 3.0])
    assert caught.value.result is good and F.n_eval == 1
    state["bad"] = False
    assert np.allclose(F.gradient([1.0, 3.0]), [2.0, 6.0])


def test_more_than_rounding_allows_is_reported():
    F = HyperObjective(problems.quadratic(3, 6, rng=0), accuracy=0.0, relative=0.0)
    F(np.ones(3))
    assert F.last.status == SolveStatus.FLOOR and not F.last.guaranteed and F.n_missed == 1
    assert 0 < F.last.gradient_bound < 1e-11
    assert "not reached (FLOOR: as accurate as" in F.last.message and "; 1 short of their tolerance" in str(F)


@pytest.mark.parametrize("constants", [lambda ridge: ridge, bare], ids=["guaranteed", "bare"])
def test_an_impossible_point_does_not_spoil_the_next(constants):
    """At x = −40 the modulus is 4e-18, and no certificate reaches 1e-8; after that, elsewhere, it does again."""
    problem = constants(problems.random_ridge(20, 15, 6, rng=0))
    F = HyperObjective(problem, strict=False)
    F(np.zeros(6))
    F(np.where(np.arange(6) < 3, -40.0, 30.0))
    assert F.last.status in (SolveStatus.FLOOR, SolveStatus.NOT_CONVERGED) and F.n_missed == 1
    gradient = F.gradient(np.ones(6))
    assert F.last.status == SolveStatus.CONVERGED and F.n_missed == 1
    assert np.linalg.norm(gradient - problem.hypergradient(np.ones(6))) < 1e-8


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    "x",
    [[-400, 0, 0], [-500, 0, 0], [-400, 30, 0], [-400, -400, -400], [-700, 700, 0], [600, -300, -600], [300, -300, 0]],
)
def test_bounds_that_overflow_end_the_evaluation(x, strict):
    """exp(−400)⁻² is inf: no bound, FLOOR said, and a gradient that is right all the same."""
    F = HyperObjective(problems.random_ridge(6, 6, 3, rng=0), strict=strict)
    value, gradient = F(np.array(x, dtype=float))
    assert F.last.status == SolveStatus.FLOOR and not F.last.guaranteed and F.last.gradient_bound == np.inf
    assert "its bound overflows" in F.last.message and F.last.value_bound > 1e100
    assert np.abs(gradient - F.problem.hypergradient(np.array(x, dtype=float))).max() < 1e-15
    assert F.n_hvp < 500 and value > 0


@pytest.mark.parametrize("mu, fy", [(1e-140, 1.0), (1e-200, 0.0)])
def test_a_hopeless_modulus_ends_the_evaluation_where_the_lower_gradient_is_zero(mu, fy):
    """y = x = 1 and b = 0, to the bit: what rounding may hide in ∇_y g, over this μ, is more than there is."""
    problem = scalar(lambda x, y: y - x, lambda y: 1.0, mu=mu, cross_norm=1.0, smoothness=1.0)
    problem.lipschitz = LipschitzConstants(fx=0.0, fy=fy, gxy=1.0, gyy=0.0)
    F = HyperObjective(problem)
    F([1.0])
    assert F.last.lower.grad_norm == 0 and F.last.status == SolveStatus.FLOOR
    assert F.last.gradient_bound > 1e200
    assert F.last.value_bound > 1e60 if fy else F.last.value_bound < 1e-100  # f does not move with y at all


@pytest.mark.parametrize(
    "F, words",
    [
        (HyperObjective(sinh_problem(), newton_maxiter=2), ("newton_maxiter", "accuracy", "strict=False")),
        (HyperObjective(scalar(lambda x, y: -y, lambda y: -1.0)), ("strongly convex",)),
        (
            HyperObjective(scalar(lambda x, y: y - x, lambda y: 1.0, mu=5.0, cross_norm=1.0)),
            ("LowerLevel", "smaller mu"),
        ),
    ],
    ids=["not-converged", "indefinite", "mu-refuted"],
)
def test_what_to_do_is_said_in_the_objectives_own_words(F, words):
    with pytest.raises(EvaluationError) as caught:
        F([20.0])
    remedy = caught.value.remedy
    assert all(word in remedy for word in words) and "rtol" not in remedy and "certify" not in remedy
    assert remedy in str(caught.value)


def test_what_is_not_strict_returns_what_it_reached():
    F = HyperObjective(problems.quadratic(3, 40, condition=1e4, rng=0), maxiter=3, strict=False)
    _, gradient = F(np.ones(3))
    assert F.last.status == SolveStatus.NOT_CONVERGED and not F.last.guaranteed and F.n_missed == 1
    assert np.linalg.norm(gradient - F.problem.hypergradient(np.ones(3))) <= F.last.gradient_bound < np.inf
    assert "not reached (NOT_CONVERGED: raise maxiter" in F.last.message


def test_without_mu_nothing_is_guaranteed():
    F = HyperObjective(scalar(lambda x, y: 2 * y - x, lambda y: 2.0), accuracy=1e-10)
    value, gradient = F([1.0])  # y* = ½, φ = ½(x/2 − 1)²
    assert abs(value - 0.125) < 1e-15 and abs(gradient[0] + 0.25) < 1e-10
    assert F.last.gradient_bound == np.inf and "no mu or no ||J||" in F.last.message


@pytest.mark.parametrize(
    "options, argument",
    [
        (dict(accuracy=-1e-8), "accuracy"),
        (dict(accuracy=np.nan), "accuracy"),
        (dict(relative=2.0), "relative"),
        (dict(maxiter=0), "maxiter"),
        (dict(newton_maxiter=1.5), "newton_maxiter"),
        (dict(strict="yes"), "strict"),
        (dict(y0=np.zeros(4)), "y0"),
    ],
)
def test_bad_options(options, argument):
    with pytest.raises(ArgumentError) as caught:
        HyperObjective(problems.quadratic(2, 3, rng=0), **options)
    assert caught.value.argument == argument


def test_bad_points():
    F = HyperObjective(problems.quadratic(2, 3, rng=0))
    for x in (np.zeros(3), [np.nan, 0.0], "no"):
        with pytest.raises(ArgumentError, match=r"^x: "):
            F(x)
    with pytest.raises(ArgumentError, match="problem"):
        HyperObjective(lambda x, y: 0.0)
    upper = UpperLevel(lambda x, y: 0.0, lambda x, y: 0 * x, lambda x, y: y)
    lower = LowerLevel(lambda x, y: y - x, lambda x, y: np.eye(2), lambda x, y: -np.eye(2))
    with pytest.raises(ArgumentError, match="y0: found None"):
        HyperObjective(BilevelProblem(upper, lower))(np.zeros(2))


@pytest.mark.parametrize("rho", [0.0, 1.0])
@pytest.mark.parametrize("mu", [5e-324 * 2**20, 1e-310, 2.2e-308])
def test_a_subnormal_modulus_bounds_phi(mu, rho):
    """1/mu overflows, and is in no bound: φ = ½(x/mu)² + ½ρx², ∇φ = x/mu² + ρx, exactly."""
    made = problems.quadratic_from_arrays([[mu]], [[1.0]], [0.0], [0.0], rho)
    for x in (0.0, 1e-323, 3e-321, -1e-318, 2e-316):
        point, a = Fraction(x), Fraction(mu)
        if abs(point / a**2) > Fraction(1e305):
            continue
        found = HyperObjective(made).evaluate([x])
        value, gradient = (point / a) ** 2 / 2 + Fraction(rho) * point**2 / 2, point / a**2 + Fraction(rho) * point
        assert found.value_bound < 1e-9 and not np.isnan(found.gradient_bound)
        assert found.value_certificate == CertificateStatus.CERTIFIED
        assert abs(Fraction(found.value) - value) <= Fraction(found.value_bound)
        if found.gradient_bound < np.inf:
            assert abs(Fraction(float(found.gradient[0])) - gradient) <= Fraction(found.gradient_bound)
        else:
            assert found.certificate == CertificateStatus.NONE and not found.guaranteed


@pytest.mark.parametrize("mu", [5e-324, 1e-310])
def test_the_smallest_modulus_of_a_black_box_divides_nothing_by_zero(mu):
    upper = UpperLevel(lambda x, y: 0.5 * float(y @ y), lambda x, y: 0 * x, lambda x, y: y)
    lower = LowerLevel(lambda x, y: y - x, lambda x, y: np.eye(1), lambda x, y: -np.eye(1), mu=mu)
    made = BilevelProblem(upper, lower, n_y=1, lipschitz=LipschitzConstants(0.0, 1.0, 0.0, 0.0))
    for x in (0.0, 5e-324, 1.0):
        found = HyperObjective(made).evaluate([x])
        assert found.status == SolveStatus.FLOOR and found.value == pytest.approx(0.5 * x * x)
        assert not found.guaranteed and found.value_bound >= abs(found.value - 0.5 * x * x)
