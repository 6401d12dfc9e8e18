"""A modulus that is too large is refuted by a vector, not believed; a true one is never refuted."""

import copy

import numpy as np
import pytest

from lancbio_ref import CertificateStatus, LipschitzConstants, Proven, SolveStatus, certify_mu, hypergradient
from tests.pathologies.faulty import INVERSES, X0, Y0, A, N, operator, point, problem, symmetric
from validation.truths.exact import rational, smallest_eigenvalue_exceeds

LOWEST = 1.0  # of A


def quotient_below(M, z, mu) -> bool:
    """zᵀMz < μ zᵀz, exactly."""
    z, M = rational(z), rational(M)
    return (z.transpose() * M * z)[0, 0] < rational([mu])[0, 0] * (z.transpose() * z)[0, 0]


@pytest.mark.parametrize("mu", [1.0001, 1.5, 100.0, 1e300, Proven(1.5)], ids=repr)
@pytest.mark.parametrize("kind", ["array", "black-box"])
@pytest.mark.parametrize("mode", ["full", "selective", "partial"])
def test_refuted_by_a_verified_vector(mu, kind, mode):
    H = A if kind == "array" else operator(lambda v: A @ v)
    found = point(H, mu=mu, cross_norm=10.0).hypergradient(reorthogonalization=mode)
    assert found.status == SolveStatus.MU_REFUTED and not found.success
    assert quotient_below(A, found.direction, mu)
    assert found.error_bound == np.inf and found.certificate.error == CertificateStatus.NONE
    assert found.certificate.mu.status == CertificateStatus.NONE
    assert "Rayleigh quotient" in str(found)


@pytest.mark.parametrize("inverse", ["exact", "lanczos"])
@pytest.mark.parametrize("where", ["argument", "problem", "callable"])
def test_wherever_it_was_said(inverse, where):
    constants = LipschitzConstants(1.0, 1.0, 0.0, 0.0)
    given = {"argument": {}, "problem": {"lower.mu": 1.2}, "callable": {"lower.mu": lambda x, y: 1.2}}[where]
    options = dict(mu=1.2) if where == "argument" else {}
    found = hypergradient(problem(given, lipschitz=constants), X0, Y0, inverse=inverse, **options)
    assert found.status == SolveStatus.MU_REFUTED and quotient_below(A, found.direction, 1.2)
    assert found.error_bound == found.lower_level_bound == np.inf
    assert found.certificate.lower_level == CertificateStatus.NONE


@pytest.mark.parametrize("inverse", INVERSES)
def test_far_too_large_is_seen_by_every_inverse(inverse):
    found = point(mu=50.0).hypergradient(inverse=inverse, maxiter=2000)
    assert found.status == SolveStatus.MU_REFUTED and quotient_below(A, found.direction, 50.0)


def test_the_hypergradient_is_still_the_right_one():
    found, sound = point(mu=1.5).hypergradient(), point(mu=0.9).hypergradient()
    assert np.array_equal(found.value, sound.value)
    assert sound.success and np.isfinite(sound.error_bound)


@pytest.mark.parametrize("inverse", INVERSES)
@pytest.mark.parametrize("seed", range(8))
def test_a_true_modulus_is_never_refuted(seed, inverse):
    rng = np.random.default_rng(seed)
    M = symmetric(np.logspace(-seed - 1, 0, N), seed)
    values = np.linalg.eigvalsh(M)
    mu = next(m for m in values[0] * (1 - 10.0 ** -np.arange(12, 1, -1)) if certify_mu(M, m))
    assert smallest_eigenvalue_exceeds(M, mu)
    eigenvector = np.linalg.eigh(M)[1][:, 0]
    for b in (rng.standard_normal(N), eigenvector, M @ rng.standard_normal(N)):
        found = point(M, b=b, mu=mu).hypergradient(inverse=inverse, rtol=0, maxiter=300)
        assert found.status != SolveStatus.MU_REFUTED
        assert np.isfinite(found.error_bound)


@pytest.mark.parametrize("scale", [2.0**-600, 2.0**600])
def test_at_extreme_scales(scale):
    assert point(scale * A, mu=1.5 * scale).hypergradient().status == SolveStatus.MU_REFUTED
    assert point(scale * A, mu=0.9 * scale).hypergradient().success


def test_estimated_and_certified_moduli_are_not_refuted():
    for mu in ("estimate", "certify"):
        found = point().hypergradient(mu=mu)
        assert found.success and 0 < found.certificate.mu.value <= LOWEST


def test_a_preconditioner_does_not_mislead():
    for factor in (1e-3, 1.0, 1e3):  # the Ritz values of MA are those of A times this
        preconditioned = point(mu=0.9, M=factor * np.eye(N))
        assert preconditioned.hypergradient().success
        assert point(mu=5.0, M=factor * np.eye(N)).hypergradient().status == SolveStatus.MU_REFUTED


def test_the_linearization_keeps_its_own_modulus():
    sound = point(mu=0.9)
    before = copy.copy(sound)
    assert sound.hypergradient(mu=3.0).status == SolveStatus.MU_REFUTED
    assert sound.mu == before.mu == 0.9 and sound.hypergradient().success


def test_certify_mu_does_not_believe_it_either():
    assert certify_mu(A, 0.999999) and not certify_mu(A, 1.000001) and not certify_mu(A, 1e300)
