"""Certificates where numbers overflow, vanish or are not to be trusted: proven all the same, or refused by name."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from lancbio_ref import (
    ArgumentError,
    Linearization,
    LipschitzConstants,
    RepresentationError,
    certify_mu,
    oracle,
    problems,
)
from lancbio_ref.operators import DiagonalLowRank, GeneralizedLinear, MultinomialHessian
from lancbio_ref.operators.proofs import largest_certified_mu


def test_the_discriminant_of_a_pointwise_modulus_is_rounded_outward():
    """2 L_gyy‖∇_y g‖ = μ_0² but for a few ulps: the bound was negative, or a division by zero."""
    for ulps in range(-40, 41):
        gradient = 0.13329589183011722 * (1 + ulps * 2.0**-52)
        point = Linearization(
            [[0.716]], [[1.0]], [1.0], [0.0], grad_y=[gradient], lipschitz=LipschitzConstants(0.0, 1.0, 0.0, 1.923)
        )
        found = point.hypergradient(mu="certify")
        assert found.lower_level_bound > 1e3 and found.error_bound < 1e-10


@pytest.mark.parametrize("mu", [1e-300, 1e-160, 1e160, 1e300])
def test_a_pointwise_modulus_at_the_ends_of_the_range(mu):
    point = Linearization(
        [[mu]], [[0.0]], [mu], [0.0], grad_y=[0.01 * mu], lipschitz=LipschitzConstants(1.0, 0.0, 0.0, mu)
    )
    found = point.hypergradient(mu="certify")
    assert found.lower_level_bound >= 0.01 and found.lower_level_bound < 0.011


# -- what LAPACK says is not taken on trust ----------------------------------------------------


def test_singular_matrices_are_never_certified():
    """Exact Gram matrices of rank n − 1: the factorization of some runs to its end, and only Rump's slack says no."""
    for seed in range(400):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(2, 5))
        V = rng.integers(-1000, 1001, (n, n - 1)).astype(float)
        D = np.ldexp(1.0, rng.integers(-6, 7, n))
        assert not certify_mu((V @ V.T) * D * D[:, None], 0.0)


def broken(scale=1.0):
    """A corner of 1e300 over a diagonal of 1e-300: LAPACK's pivot is 1e-300 − ∞ or NaN, and its info 0."""
    A = np.diag([1e-300] * 3)
    A[2, 0] = A[0, 2] = 1e300 * scale
    return A


@pytest.mark.parametrize("A", [broken(), broken(-1.0), np.full((3, 3), 1e308), np.array([[0.0, 1e308], [1e308, 0.0]])])
def test_a_factor_that_is_not_finite_proves_nothing(A):
    assert not certify_mu(A, 1e-306) and not certify_mu(A, -1e290)
    assert largest_certified_mu(A) is None
    if abs(A[0, 0]) < 1:  # not singular
        assert not oracle.enclose(Linearization(A, A, np.ones(len(A)), np.ones(len(A)))).definite
    with pytest.raises(ArgumentError, match="positive definite"):
        problems.quadratic_from_arrays(A, np.ones((len(A), 1)), np.ones(len(A)), np.ones(len(A)))


def test_certify_where_the_matrix_overflows():
    """Xᵀ D X beyond the largest number: not proven, and no exception of LAPACK's."""
    A = GeneralizedLinear(np.full((2, 2), 1e160), np.ones(2), 1.0)
    assert not certify_mu(A, 0.5) and largest_certified_mu(A) is None
    huge = DiagonalLowRank([1.0, 1.0], U=[[1e200], [1.0]])
    assert not certify_mu(huge, 0.5) and largest_certified_mu(huge) is None


def test_closed_forms_of_data_that_overflow_are_refused_by_name():
    problem = problems.ridge(np.full((2, 2), 1e160), np.ones(2), np.ones((2, 2)), np.ones(2))
    with pytest.raises(ArgumentError, match=r"X_train: .*Cholesky"):
        problem.solution(np.zeros(2))


def test_symmetry_is_proven_from_the_structure_or_refused():
    U, V = [[1.0], [0.0]], [[0.0], [1.0]]
    skew = DiagonalLowRank([5.0, 5.0], U=U, V=V)
    point = Linearization(skew, np.eye(2), np.ones(2), np.ones(2))
    for refused in (
        skew,
        DiagonalLowRank([5.0, 5.0], base=skew),
        DiagonalLowRank([5.0, 5.0], base=[[0.0, 1.0], [0.0, 0.0]]),
        DiagonalLowRank([5.0, 5.0], base=csr_array([[0.0, 1.0], [0.0, 0.0]])),
    ):
        with pytest.raises(ArgumentError, match="symmetric"):
            certify_mu(refused, 1.0)
    found = oracle.enclose(point)
    assert not found.symmetric and not found.definite
    for proven in (
        DiagonalLowRank([5.0, 5.0], U=U, V=U),
        DiagonalLowRank([5.0, 5.0], U=U, s=[-1.0], base=GeneralizedLinear(np.eye(2), [1.0, 1.0])),
        DiagonalLowRank([5.0, 5.0], base=MultinomialHessian(np.ones((1, 1)), np.full((1, 2), 0.5), np.ones(1))),
        DiagonalLowRank([5.0], U=[[1.0]], V=[[2.0]]),
    ):
        n = proven.shape[0]
        assert certify_mu(proven, 1.0)
        assert oracle.enclose(Linearization(proven, np.eye(n), np.ones(n), np.ones(n))).definite


def test_what_overflows_while_it_is_formed_is_named():
    X = np.full((2, 2), 1e160)
    point = Linearization(GeneralizedLinear(X, np.ones(2), 1.0), np.eye(2), np.ones(2), np.ones(2))
    with pytest.raises(RepresentationError, match="once it is formed"):
        point.hypergradient(inverse="exact")
    with pytest.raises(ArgumentError, match="ridge: found 4e\\+87"):
        GeneralizedLinear(np.ones((2, 1), np.float32), np.ones(2, np.float32), 4e87)
