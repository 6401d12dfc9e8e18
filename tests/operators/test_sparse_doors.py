"""Sparse matrices with indices outside of them are refused at every door, before a compiled loop reads with them."""

import numpy as np
import pytest
import scipy.sparse as sp

from lancbio_ref import (  # fmt: skip
    ArgumentError,
    BilevelProblem,
    CallableError,
    Linearization,
    LowerLevel,
    UpperLevel,
    certify_mu,
    lanczos,
    lanczos_solve,
    problems,
)
from lancbio_ref.datasets import tfidf
from lancbio_ref.operators import DesignMatrix, DiagonalLowRank, GeneralizedLinear, SparseOperator, as_operator, jacobi
from lancbio_ref.operators import csr as checks

N = 5
GOOD = sp.csr_array(np.diag(np.arange(1.0, 6.0)))
ONES, LABELS = np.ones(N), np.array([0, 1, 2, 1, 0])

LOGISTIC = problems.logistic(GOOD, LABELS, GOOD, LABELS)


def bad(kind, fmt="csr"):
    """A matrix with one-based or negative indices, or row pointers that fall, exceed the entries or end with 0."""
    data, indices, indptr = np.arange(1.0, 6.0), np.arange(5), np.arange(6)
    if kind == "one-based":
        indices = indices + 1
    elif kind == "negative":
        indices = indices - 1
    elif kind == "far":
        indices = indices * 10**6
    matrix = {"csr": sp.csr_array, "csc": sp.csc_array, "csr_matrix": sp.csr_matrix}[fmt](
        (data, indices, indptr), shape=(N, N)
    )
    if kind == "falling":
        matrix.indptr[2] = 0
    elif kind == "beyond":
        matrix.indptr[-1] = 50
    elif kind == "ends with 0":
        matrix.indptr[-1] = 0
    return matrix


KINDS = ["one-based", "negative", "far", "falling", "beyond", "ends with 0"]
DOORS = {
    "as_operator": lambda A: as_operator("A", A),
    "SparseOperator": SparseOperator,
    "DesignMatrix": DesignMatrix,
    "GeneralizedLinear": lambda A: GeneralizedLinear(A, ONES),
    "DiagonalLowRank.base": lambda A: DiagonalLowRank(ONES, base=A),
    "Linearization.A": lambda A: Linearization(A, GOOD, ONES, ONES),
    "Linearization.J": lambda A: Linearization(GOOD, A, ONES, ONES),
    "Linearization.M": lambda A: Linearization(GOOD, GOOD, ONES, ONES, M=A),
    "lanczos_solve": lambda A: lanczos_solve(A, ONES),
    "lanczos_solve.M": lambda A: lanczos_solve(GOOD, ONES, M=A),
    "lanczos": lambda A: lanczos(A, ONES, 2),
    "certify_mu": lambda A: certify_mu(A, 0.5),
    "jacobi": jacobi,
    "ridge.X_train": lambda A: problems.ridge(A, ONES, GOOD, ONES),
    "ridge.X_val": lambda A: problems.ridge(GOOD, ONES, A, ONES),
    "logistic.X_train": lambda A: problems.logistic(A, LABELS, GOOD, LABELS),
    "logistic.X_val": lambda A: problems.logistic(GOOD, LABELS, A, LABELS),
    "logistic.accuracy": lambda A: LOGISTIC.accuracy(np.ones(3 * N), A, LABELS),
    "synthetic.G": lambda A: problems.synthetic_from_arrays(ONES, ONES, ONES, A, 0.5),
    "tfidf": tfidf,
    "tfidf.reference": lambda A: tfidf(GOOD, A),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("door", DOORS)
def test_csr(door, kind):
    with pytest.raises(ArgumentError, match="ind"):
        DOORS[door](bad(kind))


@pytest.mark.parametrize("fmt", ["csc", "csr_matrix"])
@pytest.mark.parametrize("kind", KINDS)
def test_other_compressed_formats(kind, fmt):
    matrix = bad(kind, fmt)
    before = matrix.indptr.copy()
    with pytest.raises(ArgumentError, match="ind"):
        SparseOperator(matrix)
    np.testing.assert_array_equal(matrix.indptr, before)


def test_bsr_coo_and_lil():
    blocks = sp.bsr_array(sp.csr_array(np.eye(4)), blocksize=(2, 2))
    blocks.indices[0] = 2
    places = sp.coo_array(np.eye(4))
    places.coords[1][0] = -1
    short = sp.coo_array(np.eye(4))
    short.coords = (short.coords[0][:2], short.coords[1])
    rows = sp.lil_array(np.eye(4))
    rows.rows[0] = [7]
    for matrix in (blocks, places, short, rows):
        with pytest.raises(ArgumentError) as caught:
            SparseOperator(matrix, name="G")
        assert caught.value.argument == "G"


def test_every_format_is_taken():
    dense = np.array([[2.0, 0.0, 1.0, 0.0], [0.0, 3.0, 0.0, 0.0], [1.0, 0.0, 0.0, 5.0], [0.0, 0.0, 0.0, 4.0]])
    for fmt in ("csr", "csc", "coo", "bsr", "dia", "dok", "lil"):
        np.testing.assert_array_equal(SparseOperator(sp.csr_array(dense).asformat(fmt)).toarray(), dense)
    np.testing.assert_array_equal(SparseOperator(sp.bsr_array(dense, blocksize=(2, 2))).toarray(), dense)


def test_a_callable_that_returns_such_a_matrix_is_named():
    problem = BilevelProblem(
        UpperLevel(lambda x, y: 0.0, lambda x, y: x, lambda x, y: y),
        LowerLevel(lambda x, y: y, lambda x, y: bad("one-based"), lambda x, y: GOOD),
    )
    with pytest.raises(CallableError, match=r"lower\.hessian, call 1"):
        problem.hessian(ONES, ONES)


def test_flags_that_somebody_set_are_not_believed():
    matrix = sp.csr_array((np.array([1e16, 1.0, -1e16]), np.array([0, 0, 0]), np.array([0, 3])), shape=(1, 1))
    matrix.has_canonical_format = True
    operator = SparseOperator(matrix)
    assert operator.A.nnz == 1 and matrix.nnz == 3


def test_small_integers_given_twice_do_not_wrap():
    places = (np.array([0, 0]), np.array([0, 0]))
    matrix = sp.coo_array((np.array([100, 100], np.int8), places), shape=(1, 1))
    assert SparseOperator(matrix).toarray()[0, 0] == 200.0


def test_what_has_been_checked_is_not_checked_again(monkeypatch):
    X = sp.csr_array(np.random.default_rng(0).standard_normal((6, 3)))
    ridge = problems.ridge(X, np.ones(6), X, np.ones(6))
    logistic = problems.logistic(X, [0, 1, 0, 1, 0, 1], X, [0, 1, 0, 1, 0, 1])
    monkeypatch.setattr(checks, "_check_compressed", lambda *a: pytest.fail("checked again"))
    for problem in (ridge, logistic):
        batch = problem.minibatch(upper=[0, 2], lower=[1, 3, 4])
        assert batch.n_samples == (2, 3)
        batch.linearize(np.zeros(3), np.ones(3))
    problem = ridge.minibatch(lower=[1, 4])
    np.testing.assert_array_equal(problem.X_train.toarray(), X.toarray()[[1, 4]])
