"""Fits by products with A and older factorizations are those by new ones, to what was asked of them."""

import math

import numpy as np
import pytest

from lancbio_ref.estimators import BilevelLogisticRegression, stack
from lancbio_ref.estimators.conjugate import conjugate_gradients
from lancbio_ref.estimators.direct import DirectObjective
from lancbio_ref.estimators.shared import Point, least_between, scanned
from tests.estimators.test_stacks import CASES, problems

KEPT = [case for case in CASES if case[0] != "squared"]  # whose Hessian no y moves, and whose factors always are new


@pytest.mark.parametrize(("loss", "penalty", "weights"), KEPT)
@pytest.mark.parametrize("accuracy", [0.0, 1e-5])
def test_a_walk_with_kept_factors_is_one_with_new_factors(loss, penalty, weights, accuracy, monkeypatch):
    whole, _ = problems(loss, penalty, weights)
    exact = DirectObjective(whole, np.zeros(whole.n_y), 1.0)
    monkeypatch.setattr(stack, "MANY", 1)
    kept = DirectObjective(whole, np.zeros(whole.n_y), 1.0)
    kept.accuracy = accuracy
    rng, x = np.random.default_rng(2), np.full(whole.n_x, 1.0)
    for length in (0.0, 3.0, 3.0, 0.1, 0.1, 0.01, 0.0):
        x = x - length * rng.random(x.size)
        value, gradient = kept(x)
        true, slope = exact(x)
        error = max(accuracy, 0.05 * np.abs(gradient).max() if accuracy else 0.0, 1e-8)
        assert abs(value - true) <= 10 * error**2 + 1e-11 * abs(true)  # of second order
        assert np.linalg.norm(gradient - slope) <= error
    assert kept.n_products > 0
    assert kept.n_factorizations < exact.n_factorizations
    value, found = kept.certified(x)
    assert value == pytest.approx(true, rel=1e-10)
    np.testing.assert_allclose(found.value, slope, rtol=1e-6, atol=1e-10)


def test_a_factor_is_made_anew_where_products_would_take_longer(monkeypatch):
    whole, _ = problems("logistic", "feature", "fixed")
    monkeypatch.setattr(stack, "MANY", 1)
    kept = DirectObjective(whole, np.zeros(whole.n_y), 1.0)
    kept(np.full(whole.n_x, 5.0))
    made = kept.n_factorizations
    kept(np.full(whole.n_x, 5.0 + 1e-9))
    assert kept.n_factorizations == made  # the same A
    kept(np.full(whole.n_x, -15.0))
    assert kept.n_factorizations > made


def test_conjugate_gradients_end_where_they_say():
    rng = np.random.default_rng(0)
    roots = rng.standard_normal((3, 12, 12))
    A = roots @ roots.transpose(0, 2, 1) + 0.1 * np.eye(12)
    b, target = rng.standard_normal((3, 12)), np.array([1.0, math.inf, 1e-14])
    weight = np.einsum("kii->ki", A)

    def product(v):
        return np.einsum("kij,kj->ki", A, v)

    def scaled(r, which):
        return np.where(which[:, None], r / weight, 0.0)

    found = conjugate_gradients(product, scaled, b, target, 60)
    r = b - product(found.x)
    left = np.einsum("kj,kj->k", r, r / weight)
    assert found.x[1].any() == found.products[1] == 0
    assert (left[[0, 2]] <= 1.01 * target[[0, 2]] + 1e-25).all()
    assert 0 < found.products[0] < found.products[2] <= 60
    assert not (conjugate_gradients(product, scaled, b, target, 2).left <= target)[2]  # two products were not enough
    assert not conjugate_gradients(lambda v: -product(v), scaled, b, target, 9).x.any()  # an A that bends down


@pytest.mark.parametrize("shape", [(0.3, 0.0), (2.9, 1.5), (-4.4, -0.7)])
def test_a_minimum_between_two_points_is_found_in_few_evaluations(shape):
    least, skew = shape
    counted = []

    def evaluate(c):
        """log cosh with a tilt: flat far away, as penalties are."""
        z = c - least
        counted.append(c)
        value = math.log(math.cosh(z)) + 0.02 * z * z + skew * (math.atan(z) - z / (1 + z * z)) / 4
        slope = math.tanh(z) + 0.04 * z + skew * (2 * z * z / (1 + z * z) ** 2) / 4
        return Point(value, c, slope)

    best, other = scanned(evaluate, -18.0, 12.0)
    assert (best.slope < 0) != (other.slope < 0)
    counted.clear()
    end, n, message = least_between(evaluate, best, other, 1e-9, 50)
    assert abs(end.slope) <= 1e-9 and end.c == pytest.approx(least, abs=1e-8) and message.startswith("CONVERGENCE")
    assert n <= len(counted) <= 9
    end, _, message = least_between(evaluate, best, other, 1e-9, 1)
    assert message.startswith("STOP")


def test_a_step_in_the_slope_is_halved_to_its_place():
    def evaluate(c):
        return Point(abs(c - 0.7), c, math.copysign(1.0, c - 0.7))

    end, n, message = least_between(evaluate, evaluate(3.0), evaluate(0.0), 1e-9, 100)
    assert end.c == pytest.approx(0.7, abs=1e-9) and n < 45 and message.startswith("CONVERGENCE")


def test_an_estimator_whose_factors_are_kept_finds_the_same_penalty(monkeypatch):
    rng = np.random.default_rng(3)
    X = rng.standard_normal((90, 6))
    y = (X @ rng.standard_normal((6, 3)) + rng.standard_normal((90, 3))).argmax(axis=1)
    made = []
    for many in (10**6, 1):
        monkeypatch.setattr(stack, "MANY", many)
        made.append([BilevelLogisticRegression(penalty=kind, cv=3).fit(X, y) for kind in ("all", "feature")])
    for new, kept in zip(*made, strict=True):
        np.testing.assert_allclose(kept.log_penalties_, new.log_penalties_, atol=1e-3)
        np.testing.assert_allclose(kept.coef_, new.coef_, atol=1e-4)
        assert kept.validation_loss_ == pytest.approx(new.validation_loss_, rel=1e-6)
        assert str(kept.certificate_.lower_level) == str(new.certificate_.lower_level) == "certified"
