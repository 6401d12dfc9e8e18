"""The textbook is proven: its lines, unchanged, run in Arb balls, give the numbers of the vectors."""

from fractions import Fraction

import flint
import numpy as np
import pytest

from lancbio_ref import oracle
from lancbio_ref.oracle.balls import PrecisionError, ends, precision
from lancbio_ref.oracle.hexfloat import from_decimal
from lancbio_ref.oracle.levels import make_case
from lancbio_ref.textbook import lanczos, trace
from tests.oracle.cases import THOROUGH, at
from validation.vectors.textbook_in_balls import answer, cholesky, in_balls, modules, solve

BITS = 1024
NARROW = 10**-34
LARGEST = 48 if THOROUGH else 16  # n_y of the systems


def reproduces(found, text):
    """Balls and the text of an enclosure: they meet, and the balls are narrower than 10⁻³⁴ of the largest entry."""
    balls = [flint.arb(t) for t in np.atleast_1d(found).tolist()]
    pairs = [(from_decimal(mid), from_decimal(rad)) for mid, rad in zip(text["mid"], text["rad"], strict=True)]
    largest = max(abs(mid) for mid, _ in pairs) or 1
    assert len(balls) == len(pairs)
    for ball, (mid, rad) in zip(balls, pairs, strict=True):
        low, high = ends(ball)
        assert low <= mid + rad and mid - rad <= high and high - low <= NARROW * largest


@pytest.mark.parametrize("vector", at("trace"), ids=lambda vector: vector.id)
def test_a_trace_is_the_textbook_s(vector):
    """Every method, every problem, every singularity: each number of each row."""
    with precision(BITS):
        rows = answer("trace", "dense", make_case(vector, "trace"))["rows"]
        for row, expected in zip(rows, vector.raw["expected"]["rows"], strict=True):
            for name, text in expected.items():
                if isinstance(text, dict):
                    reproduces(row[name], text)


def systems(level):
    return [v for v in at(level) if v.result == "valid" and v.n_y <= LARGEST]


@pytest.mark.parametrize("name", ["conjugate gradients", "lanczos", "preconditioned", "cholesky"])
def test_a_solution_is_the_textbook_s(name):
    for vector in systems("solve"):
        with precision(4 * BITS):
            reproduces(answer("solve", name, make_case(vector, "solve"))["v"], vector.raw["expected"]["v"])


def test_a_hypergradient_is_the_textbook_s():
    for vector in systems("hypergradient"):
        with precision(4 * BITS):
            h = answer("hypergradient", "arrays", make_case(vector, "hypergradient"))["h"]
            reproduces(h, vector.raw["expected"]["h"])


@pytest.mark.parametrize("name", ["none", "full"])
def test_a_process_is_the_textbook_s(name):
    """Up to breakdown, where it ends; in exact arithmetic reorthogonalization changes nothing."""
    for vector in systems("lanczos"):
        with precision(4 * BITS):
            found = answer("lanczos", name, make_case(vector, "lanczos"))
            for quantity in ("alpha", "beta"):
                reproduces(found[quantity], vector.raw["expected"][quantity])


def test_an_indefinite_matrix_is_refused():
    with precision(BITS), pytest.raises(np.linalg.LinAlgError):
        answer("solve", "lanczos", make_case(oracle.load("indefinite-001"), "solve"))


# -- what stands in for NumPy ----------------------------------------------------------------------


def test_elimination_and_a_factorization_in_balls():
    A = in_balls([[Fraction(t) for t in row] for row in ((0, 2, 1), (1, 1, 0), (3, 0, 1))])
    b = in_balls([Fraction(t) for t in (5, 3, 6)])
    with precision(BITS):
        assert all(abs(t) < 1e-200 for t in A @ solve(A, b) - b)
        L = cholesky(A @ A.T)
        assert all(abs(t) < 1e-200 for t in (L @ L.T - A @ A.T).ravel()) and not np.triu(L, 1).any()


def test_zero_is_told_from_what_may_be_zero():
    ones = in_balls([[1.0, 1.0], [1.0, 1.0]])
    with pytest.raises(np.linalg.LinAlgError):
        solve(ones, ones[0])
    with pytest.raises(PrecisionError):
        solve(ones + np.array([[0, 0], [0, flint.arb(0, 1e-9)]]), ones[0])
    with pytest.raises(np.linalg.LinAlgError):
        cholesky(in_balls([[1.0, 2.0], [2.0, 1.0]]))


def test_projections_are_left_out_only_where_they_change_nothing():
    """Eigenvalues that coincide cannot be isolated; but 2I is above I, not above 3I, and ‖2I‖_F < 3, not < 2½."""
    baselines, twice = modules()["baselines"], 2 * in_balls([[1.0, 0.0], [0.0, 1.0]])
    assert (baselines.raise_eigenvalues(twice, flint.arb(1)) == twice).all()
    assert (baselines.lower_singular_values(twice, flint.arb(3)) == twice).all()
    with pytest.raises(np.linalg.LinAlgError):
        baselines.raise_eigenvalues(twice, flint.arb(3))
    with pytest.raises(ValueError, match="isolate"):
        baselines.lower_singular_values(twice, flint.arb(2.5))


def test_the_textbook_itself_is_left_alone():
    modules()
    assert lanczos.np is np and trace.np is np


def test_schedules_and_labels_stay_what_they_are():
    given = in_balls({"subspace": {"growth": 1.5}, "step_x": 0.1, "labels": np.array([1, 0]), "p": None})
    assert given["subspace"] == {"growth": 1.5} and given["labels"].dtype.kind == "i" and given["p"] is None
    assert given["step_x"] == flint.arb(0.1)
