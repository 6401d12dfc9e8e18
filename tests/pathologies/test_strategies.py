"""Inverse strategies of the caller's own that answer with something else than (v, SolveStatus)."""

import numpy as np
import pytest

from lancbio_ref import CallableError, SolveStatus
from tests.pathologies.faulty import A, B, C, J, N, point

RIGHT = np.linalg.solve(A, B)


def returns(value):
    return lambda linearization, v0, *, rtol, maxiter: value


@pytest.mark.parametrize(
    "value",
    [None, 3, RIGHT, (RIGHT,), (RIGHT, 0, 0), (RIGHT, "done"), (RIGHT, 99), (RIGHT, None), "ok"],
    ids=["none", "number", "array", "alone", "three", "word", "unknown-status", "no-status", "text"],
)
def test_no_pair_of_v_and_status(value):
    with pytest.raises(CallableError) as caught:
        point().hypergradient(inverse=returns(value))
    assert caught.value.callable_name == "inverse" and "(v, SolveStatus)" in caught.value.expected


@pytest.mark.parametrize(
    "v",
    [
        np.ones(N + 1),
        np.ones((N, 1)),
        np.full(N, np.nan),
        np.append(np.ones(N - 1), np.inf),
        1j * np.ones(N),
        None,
        "v",
    ],
    ids=["long", "column", "nan", "inf", "complex", "none", "text"],
)
def test_no_vector(v):
    with pytest.raises(CallableError) as caught:
        point().hypergradient(inverse=returns((v, SolveStatus.CONVERGED)))
    assert caught.value.callable_name == "inverse" and f"finite v of shape ({N},)" in caught.value.expected


@pytest.mark.parametrize("status", [SolveStatus.CONVERGED, 0, 1, SolveStatus.NOT_CONVERGED], ids=str)
def test_a_right_answer_is_taken_and_bounded(status):
    found = point(mu=0.9).hypergradient(inverse=returns((RIGHT, status)))
    assert found.status == status and isinstance(found.status, SolveStatus)
    assert np.linalg.norm(found.value - (C - J @ RIGHT)) <= found.error_bound < 1e-10


def test_whatever_it_claims_the_residual_is_evaluated_and_the_bound_holds():
    wrong = RIGHT + 0.1
    found = point(mu=0.9).hypergradient(inverse=returns((wrong, SolveStatus.CONVERGED)))
    assert found.residual_norm == pytest.approx(np.linalg.norm(B - A @ wrong), rel=1e-12)
    assert np.linalg.norm(J @ (RIGHT - wrong)) <= found.error_bound


def test_its_vector_is_not_written_to():
    v = RIGHT.copy()
    v.flags.writeable = False
    point(mu=0.9).hypergradient(inverse=returns((v, SolveStatus.CONVERGED)))
    assert np.array_equal(v, RIGHT)
