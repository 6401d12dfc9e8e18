"""The promise of the package, against exact rational arithmetic: accuracy at the floor, and bounds that hold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lancbio_ref import CertificateStatus, Linearization, RepresentationError, SolveStatus
from lancbio_ref.rounding import norm2
from tests.strategies import systems
from validation.truths.exact import nearest, norm, rational, relative_energy_error

U = 2.0**-53
MODES = ("full", "selective")


def true_error(system, found) -> float:
    """‖value − (c − J A⁻¹b)‖₂, exactly."""
    v = rational(system.A).solve(rational(system.b))
    return norm(rational(found.value) - (rational(system.c) - rational(system.J) * v))


@pytest.mark.parametrize("mode", MODES)
@given(system=systems())
def test_energy_error_within_50_u_kappa_and_bound_holds(mode, system):
    point = Linearization(system.A, system.J, system.b, system.c)
    found = point.hypergradient(rtol=0, mu="certify", reorthogonalization=mode)
    assert found.status in (SolveStatus.FLOOR, SolveStatus.CONVERGED), (found.status, system.kind)
    assert relative_energy_error(system.A, found.v, system.b) <= 50 * U * system.kappa
    assert np.isfinite(found.error_bound) and found.certificate.error == CertificateStatus.CERTIFIED
    assert true_error(system, found) <= found.error_bound


@given(system=systems(zero_b=False), log_rtol=st.floats(-9, -1))
def test_bound_is_tight_above_the_floor(system, log_rtol):
    point = Linearization(system.A, system.J, system.b, system.c)
    found = point.hypergradient(rtol=10**log_rtol, mu="certify")
    assert true_error(system, found) <= found.error_bound
    mu, norm_J = found.certificate.mu.value, np.linalg.norm(system.J, 2)
    if found.residual_norm > 1000 * found.certificate.rounding:
        assert found.error_bound <= 1.1 * norm_J * found.residual_norm / mu + 1e-13 * np.linalg.norm(found.value)


@given(system=systems())
def test_returned_residual_is_the_recomputed_one(system):
    point = Linearization(system.A, system.J, system.b, system.c)
    found = point.hypergradient(rtol=1e-8)
    assert found.residual_norm == pytest.approx(norm2(system.b - point.A.matvec(found.v)), rel=1e-13, abs=1e-300)


@given(system=systems(max_log_kappa=6, zero_b=False), seed=st.integers(0, 2**32 - 1))
def test_warm_start_changes_nothing_beyond_the_tolerance(system, seed):
    point = Linearization(system.A, system.J, system.b, system.c)
    cold = point.hypergradient(rtol=1e-8, mu="certify")
    warm = point.hypergradient(rtol=1e-8, mu="certify", v0=1e3 * np.random.default_rng(seed).standard_normal(system.n))
    assert true_error(system, warm) <= warm.error_bound
    assert np.linalg.norm(warm.value - cold.value) <= warm.error_bound + cold.error_bound
    if warm.status == SolveStatus.CONVERGED:
        assert warm.residual_norm <= 1e-8 * np.linalg.norm(system.b) * (1 + 1e-12)


@given(system=systems(max_log_kappa=8, zero_b=False))
def test_exact_warm_start_stays(system):
    v = rational(system.A).solve(rational(system.b))
    start = nearest(v)
    point = Linearization(system.A, system.J, system.b, system.c)
    found = point.hypergradient(rtol=0, v0=start, mu="certify")
    assert found.status.success
    assert relative_energy_error(system.A, found.v, system.b) <= 50 * U * system.kappa
    assert true_error(system, found) <= found.error_bound


@pytest.mark.parametrize("mode", MODES)
@given(system=systems(max_n=10, zero_b=False), a=st.integers(-498, 498), b=st.integers(-498, 498))
def test_scaling_by_powers_of_two(mode, system, a, b):
    """A and b at scales 1e±150: the same accuracy, and bounds that still hold."""
    A, right = np.ldexp(system.A, a), np.ldexp(system.b, b)
    point = Linearization(A, system.J, right, system.c)
    if abs(b - a) > 950:  # v* is near or beyond the end of the range: exact, or refused
        try:
            found = point.hypergradient(rtol=0, reorthogonalization=mode)
        except RepresentationError:
            return
    found = point.hypergradient(rtol=0, mu="certify", reorthogonalization=mode)
    assert found.status.success
    assert relative_energy_error(A, found.v, right) <= 50 * U * system.kappa
    v = rational(A).solve(rational(right))
    assert norm(rational(found.value) - (rational(system.c) - rational(system.J) * v)) <= found.error_bound


@given(system=systems(zero_b=False), shift=st.integers(-20, 20))
def test_moderate_scaling_is_exact(system, shift):
    point = Linearization(system.A, system.J, system.b, system.c)
    scaled = Linearization(np.ldexp(system.A, shift), system.J, np.ldexp(system.b, shift), system.c)
    first, second = (p.hypergradient(rtol=1e-10, reorthogonalization="full") for p in (point, scaled))
    np.testing.assert_array_equal(first.v, second.v)


@given(system=systems(max_log_kappa=8, zero_b=False), seed=st.integers(0, 2**32 - 1))
def test_signed_permutation_similarity(system, seed):
    rng = np.random.default_rng(seed)
    order, signs = rng.permutation(system.n), rng.choice([-1.0, 1.0], system.n)
    A = (signs[:, None] * system.A * signs)[np.ix_(order, order)]
    turned = Linearization(A, (system.J * signs)[:, order], (signs * system.b)[order], system.c)
    plain = Linearization(system.A, system.J, system.b, system.c)
    a, b = plain.hypergradient(rtol=0, mu="certify"), turned.hypergradient(rtol=0, mu="certify")
    assert np.linalg.norm(a.value - b.value) <= a.error_bound + b.error_bound
    assert a.certificate.mu.value == pytest.approx(b.certificate.mu.value, rel=0.05)


def test_unrepresentable_solution_is_an_error():
    with pytest.raises(RepresentationError, match="cannot represent"):
        Linearization([[2.0**-600]], [[1.0]], [2.0**500], [0.0]).hypergradient()


@pytest.mark.parametrize("inverse", ["lanczos", "exact", "cg", "neumann"])
@given(system=systems(max_log_kappa=2, zero_b=False))
def test_every_inverse_keeps_the_bound(inverse, system):
    point = Linearization(system.A, system.J, system.b, system.c)
    found = point.hypergradient(inverse=inverse, rtol=1e-9, mu="certify", maxiter=20_000)
    assert found.status.success
    assert true_error(system, found) <= found.error_bound
