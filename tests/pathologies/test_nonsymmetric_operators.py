"""An A that is not symmetric: proofs refuse it, the check finds it, no status claims more than the residual shows."""

import numpy as np
import pytest
import scipy.sparse as sp

from lancbio_ref import ArgumentError, certify_mu, hypergradient, lanczos_solve
from tests.pathologies.faulty import INVERSES, MODES, X0, Y0, A, B, N, operator, point, problem

SKEW = np.triu(np.random.default_rng(3).standard_normal((N, N)), 1)
CASES = {
    "slightly": A + 1e-6 * (SKEW - SKEW.T),
    "strongly": A + 3 * (SKEW - SKEW.T),
    "triangular": np.triu(A) + np.eye(N),
    "rotation": np.kron(np.eye(N // 2), [[0.0, 1.0], [-1.0, 0.0]]),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("wrap", [np.array, sp.csr_array], ids=["dense", "sparse"])
def test_no_modulus_is_certified(name, wrap):
    for call in (
        lambda: certify_mu(wrap(CASES[name]), 0.1),
        lambda: point(wrap(CASES[name])).hypergradient(mu="certify"),
        lambda: hypergradient(problem({"lower.hessian": lambda x, y: wrap(CASES[name])}), X0, Y0, mu="certify"),
    ):
        with pytest.raises(ArgumentError) as caught:
            call()
        assert caught.value.argument == "A" and caught.value.expected == "a matrix symmetric to the bit"
        assert caught.value.found.startswith("|A - Aᵀ| up to")


def test_one_bit_is_enough():
    almost = A.copy()
    almost[0, 1] = np.nextafter(almost[0, 1], np.inf)
    with pytest.raises(ArgumentError, match="symmetric to the bit"):
        certify_mu(almost, 0.1)


def test_a_black_box_proves_nothing():
    with pytest.raises(ArgumentError, match="an array, a sparse matrix or an operator of this package"):
        certify_mu(operator(lambda v: A @ v), 0.1)


@pytest.mark.parametrize("name", CASES)
def test_check_finds_it(name):
    H = CASES[name]
    report = problem({"lower.hessian": lambda x, y: operator(lambda v: H @ v)}).check(X0, Y0, rng=0)
    assert not report.ok and "A symmetric" in [row.name for row in report.failed]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("mode", MODES)
def test_lanczos_solve_does_not_claim_success(mode, name):
    x, info = lanczos_solve(CASES[name], B, rtol=1e-8, maxiter=100, reorthogonalization=mode)
    assert np.isfinite(x).all()
    assert (info == 0) == (np.linalg.norm(CASES[name] @ x - B) <= 1e-8 * np.linalg.norm(B))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("inverse", INVERSES)
def test_hypergradient_reports_the_true_residual(inverse, name):
    H = CASES[name]
    if inverse == "neumann" and name == "rotation":  # |1 - 1/i| > 1, though no curvature is negative
        with pytest.raises(ArgumentError, match="the Neumann series diverges"):
            point(H).hypergradient(inverse=inverse, maxiter=100)
        return
    found = point(H).hypergradient(inverse=inverse, maxiter=100)
    residual = np.linalg.norm(H @ found.v - B)
    assert found.residual_norm == pytest.approx(residual, rel=1e-9, abs=1e-12)
    assert found.success == (residual <= 1e-10 * np.linalg.norm(B))
