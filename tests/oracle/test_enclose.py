"""Intervals that are proofs: they hold the exact answer, whatever A is, and are as narrow as float64 allows."""

import time
from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.sparse.linalg import aslinearoperator

from lancbio_ref import Linearization, oracle, problems
from lancbio_ref.errors import ArgumentError
from lancbio_ref.operators import DiagonalLowRank, GeneralizedLinear
from lancbio_ref.oracle import balls
from lancbio_ref.oracle.balls import PrecisionError
from validation.truths.exact import rational

entries = st.floats(-1e3, 1e3).map(lambda t: float(np.float64(t)))


def holds(intervals, column):
    """lower ≤ the exact number ≤ upper, in rational arithmetic."""
    for low, high, q in zip(intervals.lower, intervals.upper, column.entries(), strict=True):
        value = Fraction(int(q.p), int(q.q))
        if not (low == -np.inf or Fraction(low) <= value) or not (high == np.inf or value <= Fraction(high)):
            return False
    return True


def exactly(A, J, b, c):
    v = rational(A).solve(rational(b))
    return v, rational(c) - rational(J) * v


@given(st.integers(1, 6), st.integers(1, 4), st.data())
def test_the_exact_answer_lies_inside(n_y, n_x, data):
    A = data.draw(hnp.arrays(float, (n_y, n_y), elements=entries))
    J, b, c = (data.draw(hnp.arrays(float, s, elements=entries)) for s in ((n_x, n_y), n_y, n_x))
    try:
        v, h = exactly(A, J, b, c)
    except ZeroDivisionError:
        with pytest.raises(PrecisionError):
            oracle.enclose(Linearization(A, J, b, c))
        return
    found = oracle.enclose(Linearization(A, J, b, c))
    assert holds(found.v, v) and holds(found.h, h)
    assert found.kind == "entries" and found.symmetric == bool((A == A.T).all())
    for intervals in (found.v, found.h):
        finite = np.isfinite(intervals.width)
        with np.errstate(over="ignore"):
            two_up = np.nextafter(np.nextafter(intervals.lower, np.inf), np.inf)
        assert (intervals.upper <= two_up)[finite].all()
        assert intervals.contains(np.clip(intervals.nearest, -1e308, 1e308)) or not finite.all()


@pytest.mark.parametrize("exponent", [-60, -25, 25, 60])
def test_ill_conditioned_matrices_are_no_harder(exponent):
    """A graded matrix with κ up to 2⁴⁸⁰, far beyond what float64 solves."""
    rng = np.random.default_rng(0)
    B = rng.integers(-8, 9, (9, 9)).astype(float)
    scales = 2.0 ** (exponent * np.arange(9) / 2 // 1)
    A = scales[:, None] * (B @ B.T + np.eye(9)) * scales
    point = Linearization(A, np.ones((1, 9)), rng.integers(-8, 9, 9).astype(float), [1.0])
    found = oracle.enclose(point)
    v, h = exactly(A, np.ones((1, 9)), point.b, point.c)
    assert holds(found.v, v) and holds(found.h, h)


@pytest.mark.parametrize("id", ["quadratic-005", "ridge-003", "bcsstk01-001", "ill-conditioned-004", "scalar-003"])
def test_intervals_hold_the_vectors_answers(id):
    vector = oracle.load(id)
    A = vector.inputs["A"]
    found = oracle.enclose(Linearization(A, *(vector.inputs[key] for key in "Jbc")))
    for intervals, name in ((found.v, "v"), (found.h, "h")):
        for low, high, (mid, rad) in zip(
            intervals.lower, intervals.upper, vector.expected[name].fractions(), strict=True
        ):
            assert Fraction(low) <= mid + rad and mid - rad <= Fraction(high)
        np.testing.assert_array_equal(intervals.nearest, vector.expected[name].float64)
    assert found.symmetric and found.definite


def test_bits_are_doubled_where_they_do_not_suffice():
    H = np.array([[1 / (i + j + 1) for j in range(12)] for i in range(12)])
    point = Linearization(H, np.ones((1, 12)), np.ones(12), [0.0])
    assert oracle.enclose(point, bits=64).bits > 64
    np.testing.assert_array_equal(oracle.enclose(point, bits=64).h.nearest, oracle.enclose(point, bits=512).h.nearest)


def test_two_hundred_unknowns_in_a_few_seconds():
    n = 200
    rng = np.random.default_rng(1)
    B = rng.standard_normal((n, n))
    A = B @ B.T + 1e-8 * np.eye(n)
    start = time.process_time()
    found = oracle.enclose(
        Linearization((A + A.T) / 2, rng.standard_normal((n, n)), rng.standard_normal(n), rng.standard_normal(n))
    )
    assert time.process_time() - start < 20
    assert found.definite and np.abs(found.h.width / found.h.nearest).max() < 1e-15


def test_a_problem_at_a_point():
    problem = problems.quadratic(3, 4, rng=0)
    x, y = np.ones(3), np.full(4, 0.5)
    found = oracle.enclose(problem, x, y)
    point = problem.linearize(x, y)
    assert holds(found.h, exactly(problem.A, -problem.B.T, point.b, point.c)[1]) and found.kind == "entries"
    h = point.hypergradient(rtol=1e-15)
    assert np.linalg.norm(h.value - found.h.nearest) <= h.error_bound


def test_structure_carries_the_rounding_of_its_products():
    """XᵀDX + Λ and diag + low rank: the intervals hold the exact matrix that the operator stands for."""
    rng = np.random.default_rng(2)
    X, d, ridge = rng.standard_normal((7, 4)), rng.uniform(0.1, 1, 7), rng.uniform(1, 2, 4)
    U, t = rng.standard_normal((4, 2)), rng.uniform(1, 2, 4)
    b, c, J = rng.standard_normal(4), rng.standard_normal(2), rng.standard_normal((2, 4))
    diagonal = lambda values: rational(np.diag(values))  # noqa: E731
    cases = [
        (GeneralizedLinear(X, d, ridge), rational(X).transpose() * diagonal(d) * rational(X) + diagonal(ridge)),
        (
            DiagonalLowRank(t, U=U, s=[1.0, 0.5]),
            diagonal(t) + rational(U) * diagonal([1.0, 0.5]) * rational(U).transpose(),
        ),
    ]
    for operator, matrix in cases:
        found = oracle.enclose(Linearization(operator, J, b, c))
        v = matrix.solve(rational(b))
        assert holds(found.v, v) and holds(found.h, rational(c) - rational(J) * v)
        assert found.kind == "structure" and found.symmetric and found.definite
        assert (found.v.width <= 1e-10 * np.abs(found.v.nearest).max()).all()


def test_a_black_box_is_taken_by_its_columns():
    A, J = np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([[1.0, -1.0]])
    found = oracle.enclose(Linearization(aslinearoperator(A), aslinearoperator(J), [1.0, 2.0], [0.5]))
    assert found.kind == "columns" and not found.definite and found.symmetric
    assert holds(found.h, exactly(A, J, np.array([1.0, 2.0]), np.array([0.5]))[1])


def test_sparse_and_float32_are_taken_as_they_are():
    A, J = np.array([[2.1, 1.0], [1.0, 3.3]], np.float32), np.array([[0.1, -1.0]], np.float32)
    b, c = np.array([1.0, 2.7], np.float32), np.array([0.5], np.float32)
    for matrix in (A, sp.csr_array(A)):
        found = oracle.enclose(Linearization(matrix, J, b, c))
        v, h = exactly(A, J, b, c)
        assert holds(found.v, v) and holds(found.h, h) and found.definite


def test_definiteness_is_proven_or_not_claimed():
    indefinite = oracle.enclose(Linearization([[1.0, 2.0], [2.0, 1.0]], [[1.0, 0.0]], [1.0, 1.0], [0.0]))
    assert indefinite.symmetric and not indefinite.definite
    skew = oracle.enclose(Linearization([[1.0, 2.0], [-2.0, 1.0]], [[1.0, 0.0]], [1.0, 1.0], [0.0]))
    assert not skew.symmetric and not skew.definite


def test_numbers_beyond_float64_have_infinite_ends():
    found = oracle.enclose(Linearization([[1e-300]], [[1.0]], [1e300], [0.0]))
    assert found.v.lower[0] == np.finfo(float).max and found.v.upper[0] == np.inf
    assert found.h.lower[0] == -np.inf


def test_what_cannot_be_enclosed_is_refused():
    point = Linearization([[1.0, 1.0], [1.0, 1.0]], [[1.0, 0.0]], [1.0, 0.0], [0.0])
    with pytest.raises(PrecisionError, match="singular"):
        oracle.enclose(point)
    with pytest.raises(ArgumentError) as raised:
        oracle.enclose(problems.quadratic(2, 2, rng=0))
    assert raised.value.argument == "x, y"
    with pytest.raises(ArgumentError):
        oracle.enclose(Linearization([[1.0]], [[1.0]], [1.0], [1.0]), [1.0], [1.0])
    with pytest.raises(ArgumentError) as raised:
        oracle.enclose("problem")
    assert raised.value.argument == "problem"
    with pytest.raises(ArgumentError):
        oracle.enclose(Linearization([[1.0]], [[1.0]], [1.0], [1.0]), bits=8)


def test_missing_flint_is_said(monkeypatch):
    monkeypatch.setattr(balls, "flint", None)
    with pytest.raises(ArgumentError, match="python-flint"):
        oracle.enclose(Linearization([[1.0]], [[1.0]], [1.0], [1.0]))
