"""Refutations and excuses with rounding on the wrong side of the truth: integers, whose spectrum is known exactly.

BᵀB with fewer rows than columns is singular and positive semidefinite, and c I + BᵀB has the smallest eigenvalue c. In
floating point zᵀAz of the vectors that a solve finds falls below 0, or below c, all the same: by rounding, which the
proof of negative curvature, and the refutation of μ, must therefore add.
"""

import numpy as np
import pytest

from lancbio_ref import Linearization, SolveStatus
from lancbio_ref.krylov import solve
from lancbio_ref.operators import CheckedOperator, as_operator
from tests.strategies import symmetric

MODES = ("full", "selective", "partial", "local", "none")


def semidefinite(seed, dtype):
    """BᵀB of small integers, exactly; of rank at most n − 1."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 7))
    B = rng.integers(-3, 4, (int(rng.integers(1, n)), n))
    return (B.T @ B).astype(dtype), rng.standard_normal(n).astype(dtype)


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("mode", MODES)
def test_rounding_is_no_negative_curvature_in_a_solve(mode, dtype):
    for seed in range(60):
        A, b = semidefinite(seed, dtype)
        operator = CheckedOperator(as_operator("A", A), "A")
        report = solve(operator, b, rtol=0.0, maxiter=300, reorthogonalization=mode)
        assert report.status != SolveStatus.INDEFINITE and report.direction is None


@pytest.mark.parametrize("name", ["exact", "neumann"])
def test_rounding_is_no_negative_curvature_in_a_strategy(name):
    for seed in range(60):
        A, b = semidefinite(seed, "d")
        found = Linearization(A, np.eye(b.size), b, np.zeros(b.size)).hypergradient(inverse=name, maxiter=300)
        assert found.status != SolveStatus.INDEFINITE and found.direction is None


@pytest.mark.parametrize("inverse", ["lanczos", "exact"])
def test_rounding_refutes_no_modulus(inverse):
    for seed in range(100):
        A, b = semidefinite(seed, "d")
        A = A + 3 * np.eye(b.size)
        point = Linearization(A, np.eye(b.size), b, np.zeros(b.size), mu=3.0)
        assert point.hypergradient(inverse=inverse, rtol=0).status != SolveStatus.MU_REFUTED
        # and an eigenvector to 3, as far as it can be written down, for a right-hand side
        z = np.linalg.eigh(A)[1][:, 0]
        point = Linearization(A, np.eye(b.size), z, np.zeros(b.size), mu=3.0)
        assert point.hypergradient(inverse=inverse, rtol=0).status != SolveStatus.MU_REFUTED


@pytest.mark.parametrize("mode", MODES)
def test_a_huge_answer_excuses_no_residual(mode):
    """Condition numbers of 1e14 to 1e18: (n + 10)u‖A‖‖x‖ exceeds ‖b‖, and an x that solves nothing is no success."""
    for seed in range(30):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(2, 9))
        A = symmetric(np.append(np.linspace(1, 2, n - 1), 10.0 ** -int(rng.integers(14, 19))), rng)
        b = rng.standard_normal(n)
        report = solve(as_operator("A", A), b, rtol=1e-12, maxiter=300, reorthogonalization=mode)
        assert not (report.status.success and np.linalg.norm(b - A @ report.x) > 0.02 * np.linalg.norm(b))
