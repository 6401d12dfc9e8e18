"""φ and ∇φ where they cannot be had: what fails is reported, with what was reached and a remedy, and spoils nothing."""

import pickle
from fractions import Fraction

import numpy as np
import pytest

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
from tests.objectives import bare, scalar, sinh_problem


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
