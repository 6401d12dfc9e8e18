"""What LAPACK returns is looked at, whatever its info says; and is asked for in units in which it can answer."""

import importlib
import math

import numpy as np
import pytest

from lancbio_ref import LanczosProcess
from lancbio_ref.krylov import tridiagonal
from lancbio_ref.krylov.tridiagonal import extreme_ritz_values, solve_tridiagonal
from lancbio_ref.status import StepStatus

BIG = np.finfo(float).max


@pytest.mark.parametrize("power", [-1050, -600, 0, 600, 1020])
def test_extreme_ritz_values_at_any_scale(power):
    alpha, beta = np.ldexp([1.0, 2.0, 4.0], power), np.ldexp([0.5, 0.25, 7.0], power)
    plain = extreme_ritz_values(np.array([1.0, 2.0, 4.0]), np.array([0.5, 0.25, 7.0]))
    assert extreme_ritz_values(alpha, beta) == tuple(math.ldexp(value, power) for value in plain)


def test_a_solution_that_overflows_is_none():
    found = solve_tridiagonal(np.array([1e-300, 1.0]), np.array([0.0]), np.array([1e300, 1.0]))
    assert found.y is None and found.status == StepStatus.SINGULAR


@pytest.mark.parametrize("values", ["nan", "raise"])
def test_a_driver_that_fails_in_silence_is_replaced(monkeypatch, values):
    def failing(alpha, off, **options):
        if values == "raise":
            raise np.linalg.LinAlgError
        return np.full(alpha.size, np.nan), np.full((alpha.size, 1), np.nan)

    def failing_values(alpha, off, **options):
        asked.append(1)
        return np.full(alpha.size, 7.0 if values == "raise" else np.nan), int(values == "raise")

    asked = []
    monkeypatch.setattr(tridiagonal.lapack, "dsterf", failing_values)
    monkeypatch.setattr(tridiagonal, "eigh_tridiagonal", failing)
    A = np.array([[2.0, 1.0], [1.0, 2.0]])
    process = LanczosProcess([1.0, 0.0], capacity=2)
    process.step(A), process.step(A)
    assert extreme_ritz_values(process.alpha, process.beta) == pytest.approx((1, 3)) and asked
    vectors, _ = process.ritz_vectors(0, 0)
    assert np.abs(vectors[0]) == pytest.approx([math.sqrt(0.5)] * 2)


@pytest.mark.parametrize("values", ["nan", "raise"])
def test_the_dense_driver_too(monkeypatch, values):
    strategies = importlib.import_module("lancbio_ref.inverse.strategies")

    def failing(dense):
        if values == "raise":
            raise np.linalg.LinAlgError
        return np.full(2, np.nan), np.full((2, 2), np.nan)

    monkeypatch.setattr(strategies.scipy.linalg, "eigh", failing)
    from lancbio_ref import Linearization

    found = Linearization([[2.0, 1.0], [1.0, 2.0]], np.eye(2), [1.0, 2.0], [0.0, 0.0], mu=0.9).hypergradient(
        inverse="exact"
    )
    assert found.success and found.condition_estimate == pytest.approx(3)
    assert math.isfinite(found.error_bound)
