"""Gauss and Gauss–Radau estimates enclose the A-norm of the error above the floor; Chebyshev's bound holds."""

import numpy as np
import pytest
from hypothesis import assume, given

from lancbio_ref import ArgumentError, lanczos
from lancbio_ref.krylov.bounds import chebyshev_bound, gauss_lower, gauss_radau_upper, neumann_bound
from tests.strategies import systems
from validation.truths.exact import energy_norm, rational


def energy_errors(A, b, run):
    """‖x_k − A⁻¹b‖_A of the Galerkin iterates, exactly from the computed x_k."""
    exact_A, truth = rational(A), rational(A).solve(rational(b))
    errors = []
    for k in range(run.alpha.size + 1):
        T = run.T[:k, :k]
        x = run.Q[:, :k] @ np.linalg.solve(T, run.start_norm * np.eye(k)[:, 0]) if k else np.zeros(b.size)
        errors.append(energy_norm(rational(x) - truth, exact_A))
    return np.array(errors)


@given(system=systems(max_n=10, max_log_kappa=4, zero_b=False))
def test_estimates_enclose_the_error_above_the_floor(system):
    assume(system.n >= 3)
    run = lanczos(system.A, system.b, system.n)
    errors = energy_errors(system.A, system.b, run)
    floor = 1e-6 * errors[0]
    mu = np.linalg.eigvalsh(system.A)[0] * (1 - 1e-8)
    upper = gauss_radau_upper(run.alpha, run.beta, run.start_norm, mu)
    lower = gauss_lower(run.alpha, run.beta, run.start_norm, delay=1)
    for k, error in enumerate(errors):
        if error > floor:
            assert error <= upper[k] * (1 + 1e-6)
            if k < lower.size:
                assert lower[k] <= error * (1 + 1e-6)


def test_a_false_mu_breaks_radau_early():
    A = np.diag([1.0, 2.0, 3.0, 10.0])
    run = lanczos(A, np.ones(4), 4)
    assert np.isfinite(gauss_radau_upper(run.alpha, run.beta, run.start_norm, 0.99)).all()
    assert np.isinf(gauss_radau_upper(run.alpha, run.beta, run.start_norm, 5.0)[1:]).any()


@pytest.mark.parametrize("kappa", [2.0, 100.0, 1e4])
def test_chebyshev_bound_holds_and_beats_neumann(kappa):
    A = np.diag(np.linspace(1, kappa, 60))
    b = np.ones(60)
    run = lanczos(A, b, 30)
    truth = b / np.diag(A)
    first = np.sqrt(truth @ A @ truth)
    for k in range(1, run.alpha.size + 1):
        x = run.Q[:, :k] @ np.linalg.solve(run.T[:k, :k], run.start_norm * np.eye(k)[:, 0])
        error = np.sqrt((x - truth) @ A @ (x - truth))
        assert error <= chebyshev_bound(kappa, k) * first * (1 + 1e-10) + 1e-12 * first
    assert chebyshev_bound(1e4, 200) < neumann_bound(1e4, 200)


def test_mu_must_be_positive():
    with pytest.raises(ArgumentError, match=r"mu: found 0.*> 0"):
        gauss_radau_upper(np.ones(1), np.ones(1), 1.0, 0.0)
