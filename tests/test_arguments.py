"""Integers that float64 does not have, and masks, are refused by name wherever numbers come in."""

import numpy as np
import pytest
import scipy.sparse as sp

from lancbio_ref import ArgumentError, Linearization, certify_mu, hypergradient, lanczos_solve, minimize, problems
from lancbio_ref.arguments import as_number, as_tolerance, as_vector
from lancbio_ref.datasets import tfidf
from lancbio_ref.formation import FormationErrors
from lancbio_ref.minibatch import as_indices
from lancbio_ref.operators import (
    DenseOperator,
    DesignMatrix,
    DiagonalLowRank,
    GeneralizedLinear,
    MultinomialCross,
    MultinomialHessian,
    PrescribedSpectrum,
    SparseOperator,
    as_operator,
)

ODD = 2**53 + 1
X, LABELS = np.eye(2), np.array([0, 1])
RIDGE = problems.ridge(X, [1.0, 2.0], X, [1.0, 2.0])
LOGISTIC = problems.logistic(X, LABELS, X, LABELS)
CLEANING = problems.data_cleaning(X[:, :1], LABELS, X[:, :1], LABELS, n_classes=2)

VECTORS = {  # entry point: a callable of one vector of two numbers
    "as_vector": lambda v: as_vector("v", v),
    "DiagonalLowRank.d": DiagonalLowRank,
    "DiagonalLowRank.s": lambda v: DiagonalLowRank([1.0, 1.0], U=X, s=v),
    "GeneralizedLinear.d": lambda v: GeneralizedLinear(X, v),
    "GeneralizedLinear.ridge": lambda v: GeneralizedLinear(X, [1.0, 1.0], v),
    "PrescribedSpectrum": PrescribedSpectrum,
    "Linearization.b": lambda v: Linearization(X, X, v, [1.0, 1.0]),
    "Linearization.at x": lambda v: Linearization(X, X, [1.0, 1.0], [1.0, 1.0], at=(v, X[0])),
    "Linearization.at y": lambda v: Linearization(X, X, [1.0, 1.0], [1.0, 1.0], at=(X[0], v)),
    "accuracy.y": lambda v: LOGISTIC.accuracy(v, X, LABELS),
    "lanczos_solve.b": lambda v: lanczos_solve(X, v),
    "ridge.t": lambda v: problems.ridge(X, v, X, [1.0, 2.0]),
    "hypergradient.x": lambda v: hypergradient(RIDGE, v),
    "hypergradient.y": lambda v: hypergradient(RIDGE, [0.0, 0.0], v),
    "minimize.x0": lambda v: minimize(RIDGE, v, [0.0, 0.0], step_x=0.1, step_y=0.1, maxiter=1),
}
MATRICES = {  # a callable of one 2 × 2 matrix
    "DenseOperator": DenseOperator,
    "as_operator": lambda A: as_operator("A", A),
    "DesignMatrix": DesignMatrix,
    "DiagonalLowRank.U": lambda A: DiagonalLowRank([1.0, 1.0], U=A),
    "DiagonalLowRank.base": lambda A: DiagonalLowRank([1.0, 1.0], base=A),
    "GeneralizedLinear.X": lambda A: GeneralizedLinear(A, [1.0, 1.0]),
    "certify_mu": lambda A: certify_mu(A, 0.5),
    "Linearization.A": lambda A: Linearization(A, X, [1.0, 1.0], [1.0, 1.0]),
    "Linearization.M": lambda A: Linearization(X, X, [1.0, 1.0], [1.0, 1.0], M=A),
    "lanczos_solve.M": lambda A: lanczos_solve(X, [1.0, 1.0], M=A),
    "ridge": lambda A: problems.ridge(A, [1.0, 2.0], X, [1.0, 2.0]),
    "logistic": lambda A: problems.logistic(X, LABELS, A, LABELS),
    "data_cleaning": lambda A: problems.data_cleaning(A, LABELS, X, LABELS, n_classes=2),
    "logistic.accuracy": lambda A: LOGISTIC.accuracy(np.ones(2), A, LABELS),
    "quadratic": lambda A: problems.quadratic_from_arrays(X, A, [1.0, 1.0], [1.0, 1.0]),
    "synthetic": lambda A: problems.synthetic_from_arrays([1.0, 1.0], [1.0, 1.0], [0.0, 0.0], A, 0.5),
    "tfidf": tfidf,
}
LARGE = [
    [ODD, 1],
    [ODD, 0.5],
    (0.5, -ODD),
    np.array([1, ODD]),
    np.array([-ODD, 1]),
    np.array([2**64 - 1, 0], np.uint64),
    [np.int64(ODD), 0.5],
    [2**63 + 1, -1],
]


@pytest.mark.parametrize("entry", VECTORS)
@pytest.mark.parametrize("value", LARGE, ids=str)
def test_integers_that_float64_does_not_have(entry, value):
    with pytest.raises(ArgumentError) as caught:
        VECTORS[entry](value)
    assert caught.value.found.startswith("the integer ") and "round them yourself" in caught.value.expected


@pytest.mark.parametrize("entry", MATRICES)
@pytest.mark.parametrize("row", [[ODD, 1], [ODD, 0.5]], ids=str)
def test_matrices_of_such_integers(entry, row):
    for matrix in ([row, [1, 1]], [[1, 1], [1, 2**53 + 3]]):
        with pytest.raises(ArgumentError) as caught:
            MATRICES[entry](matrix)
        assert caught.value.found.startswith("the integer ")


def test_sparse_matrices_of_such_integers():
    with pytest.raises(ArgumentError, match="the integer 9007199254740993"):
        SparseOperator(sp.csr_array(np.array([[ODD, 1], [1, 1]])))


def test_integers_that_float64_has_are_taken():
    for value in ([2**53, 2**60], np.array([-(2**62), 2**53]), [2**60, 0.5], np.array([2**63, 1], np.uint64), [True]):
        np.testing.assert_array_equal(as_vector("v", value), np.asarray(value, float))
    assert as_number("a", 2**60) == as_tolerance("a", np.int64(2**60)) == 2.0**60


@pytest.mark.parametrize("value", [ODD, np.int64(ODD), np.uint64(2**64 - 1), np.array(ODD), 10**40 + 1])
@pytest.mark.parametrize("function", [as_number, as_tolerance])
def test_numbers(function, value):
    with pytest.raises(ArgumentError, match="the integer"):
        function("a", value)


@pytest.mark.skipif(np.finfo(np.longdouble).eps == np.finfo(float).eps, reason="long doubles are doubles here")
def test_long_doubles_are_not_rounded_in_silence():
    with pytest.raises(ArgumentError, match="round it yourself"):
        as_number("a", 1 + np.finfo(np.longdouble).eps)
    assert as_number("a", np.longdouble(0.5)) == 0.5


@pytest.mark.parametrize("mask", [True, False, np.ma.nomask])
@pytest.mark.parametrize("entry", VECTORS)
def test_masked_vectors(entry, mask):
    with pytest.raises(ArgumentError) as caught:
        VECTORS[entry](np.ma.masked_array([1.0, 2.0], mask=mask))
    assert caught.value.found == "a masked array" and "filled" in caught.value.expected


@pytest.mark.parametrize("entry", MATRICES)
def test_masked_matrices(entry):
    masked = np.ma.masked_array([[2.0, 1.0], [1.0, 2.0]], mask=[[False, True], [True, False]])
    for matrix in (masked, [masked[0], masked[1]]):
        with pytest.raises(ArgumentError) as caught:
            MATRICES[entry](matrix)
        assert caught.value.found == "a masked array"


def test_masks_elsewhere():
    masked = np.ma.masked_array([0, 1], mask=[True, False])
    half = np.full((2, 2), 0.5)
    for call in (
        lambda: problems.logistic(X, masked, X, LABELS),
        lambda: as_indices("lower", masked, 2),
        lambda: MultinomialHessian(X, np.ma.masked_array(half), np.ones(2)),
        lambda: MultinomialCross(X, half, np.ma.masked_array([1.0, 1.0])),
        lambda: as_number("a", np.ma.masked_array(1.0)),
    ):
        with pytest.raises(ArgumentError, match="masked"):
            call()


@pytest.mark.parametrize("scored", [LOGISTIC, CLEANING], ids=["logistic", "cleaning"])
def test_no_accuracy_of_what_broadcasts_or_is_no_number(scored):
    """labels of shape (n, 1) were compared with every sample, a single label with all, and NaN belonged to class 0."""
    samples, y = X[:, :1] if scored is CLEANING else X, np.arange(scored.n_y, dtype=float)
    assert scored.accuracy(y, samples, LABELS) in (0.0, 0.5, 1.0)
    for labels in (LABELS[:, None], 1, LABELS[:1], LABELS + 0.5, np.ma.masked_array(LABELS, [True, False])):
        with pytest.raises(ArgumentError, match=r"^labels: "):
            scored.accuracy(y, samples, labels)
    for wrong in (y * np.nan, y[:1], y + 1j, y[:, None], np.ma.masked_array(y, y > 0)):
        with pytest.raises(ArgumentError, match=r"^y: "):
            scored.accuracy(wrong, samples, LABELS)
    for wrong in (samples * np.nan, np.hstack([samples, samples]), samples + 1j, np.ma.masked_array(samples, True)):
        with pytest.raises(ArgumentError, match=r"^X: "):
            scored.accuracy(y, wrong, LABELS)


def test_what_a_linearization_takes_besides_arrays():
    wrong = {
        "at": [5, (X[0],), (X[0], X[:1]), (X[0, :1], X[0]), (X[0] + 1j, X[0]), ([None, 1.0], X[0]), (X[0], "ab")],
        "lipschitz": [5, (1.0, 1.0, 1.0, 1.0), {"fx": 1.0}],
        "formation": [5, {"grad_y": 0.0}],
    }
    for name, values in wrong.items():
        for value in values:
            with pytest.raises(ArgumentError, match=f"^{name}: "):
                Linearization(X, X, [1.0, 1.0], [1.0, 1.0], **{name: value})
    assert Linearization(X, X, [1.0, 1.0], [1.0, 1.0], at=([3, 4], [0.0, 2.0])).norms == (5.0, 2.0)
    for value in ("0", 1j, X[0], lambda: "0"):
        with pytest.raises(ArgumentError, match=r"^FormationErrors\.b: "):
            FormationErrors(b=value)["b"]
