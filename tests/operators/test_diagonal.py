"""The diagonal of an operator, from one pass over what it is made of, and the preconditioner that it makes."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import aslinearoperator

from lancbio_ref import lanczos_solve
from lancbio_ref.errors import ArgumentError
from lancbio_ref.operators import (
    CheckedOperator,
    DenseOperator,
    DiagonalLowRank,
    GeneralizedLinear,
    SparseOperator,
    diagonal_of,
    jacobi,
)

RNG = np.random.default_rng(0)
X = RNG.standard_normal((300, 7))
A = X.T @ X
OPERATORS = {
    "dense": DenseOperator(A),
    "sparse": SparseOperator(sp.csr_array(A)),
    "generalized linear": GeneralizedLinear(X, RNG.random(300), RNG.random(7)),
    "generalized linear, Fortran": GeneralizedLinear(np.asfortranarray(X), RNG.random(300), 0.5),
    "generalized linear, sparse": GeneralizedLinear(sp.csr_array(X), RNG.random(300), 0.5),
    "diagonal": DiagonalLowRank(RNG.random(7)),
    "low rank": DiagonalLowRank(RNG.random(7), U=X[:7, :2], s=[2.0, -1.0], V=X[7:14, :2], base=A),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_diagonal(name):
    operator = OPERATORS[name]
    np.testing.assert_allclose(diagonal_of(CheckedOperator(operator, "A")), np.diag(operator.toarray()), rtol=1e-12)


def test_jacobi_makes_bad_scaling_harmless():
    scale = 10.0 ** np.linspace(-4, 4, 7)
    bad = A / scale / scale[:, None]
    b = bad @ np.ones(7)
    x, info = lanczos_solve(bad, b, M=jacobi(bad), rtol=1e-13, maxiter=20)
    assert info == 0
    np.testing.assert_allclose(x, np.ones(7), rtol=1e-6)


def test_jacobi_refuses_by_name():
    with pytest.raises(ArgumentError, match="knows its diagonal"):
        jacobi(aslinearoperator(A))
    with pytest.raises(ArgumentError, match="positive entries"):
        jacobi(np.diag([1.0, -1.0]))
