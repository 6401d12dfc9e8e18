"""Inverse strategies of the caller's own: what they answer is looked at, and what they keep is left as it was."""

import numpy as np
import pytest

from lancbio_ref import CallableError, SolveReport, SolveStatus
from lancbio_ref.inverse import STRATEGIES
from lancbio_ref.inverse.strategies import scaled_inverse
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


def test_its_vector_refutes_a_modulus_as_that_of_any_other_inverse():
    found = point(mu=50.0).hypergradient(inverse=returns((RIGHT, SolveStatus.CONVERGED)))
    z = found.direction
    assert found.status == SolveStatus.MU_REFUTED and z @ A @ z < 50 and found.error_bound == np.inf


def test_its_report_is_taken_but_for_the_residual_and_not_written_to():
    report = SolveReport(RIGHT + 0.1, SolveStatus.CONVERGED, np.zeros(N), condition_estimate=7.0)
    found = point(mu=0.9).hypergradient(inverse=returns(report))
    assert found.residual_norm == pytest.approx(np.linalg.norm(A @ np.full(N, 0.1)), rel=1e-12)
    assert np.linalg.norm(J @ np.full(N, 0.1)) <= found.error_bound and found.condition_estimate == 7
    refuted = point(mu=50.0).hypergradient(inverse=returns(report))
    assert refuted.status == SolveStatus.MU_REFUTED and np.array_equal(refuted.v, report.v)
    assert report.status == SolveStatus.CONVERGED and report.direction is None and not report.residual.any()


@pytest.mark.parametrize("z, negative", [([1.0, 0.0], True), ([0.0, 1.0], False), ([1.0], False)])
def test_its_direction_of_negative_curvature_is_verified(z, negative):
    report = SolveReport(np.zeros(2), SolveStatus.INDEFINITE, np.ones(2), direction=np.array(z))
    found = point(np.diag([-1.0, 1.0]), J=np.eye(2), b=np.ones(2), c=np.ones(2)).hypergradient(inverse=returns(report))
    assert found.status == SolveStatus.INDEFINITE and found.error_bound == np.inf
    assert (found.direction is not None) == negative


def test_a_report_of_no_numbers_is_refused():
    report = SolveReport(np.full(N, np.nan), SolveStatus.CONVERGED, np.zeros(N))
    with pytest.raises(CallableError, match="finite v of shape"):
        point().hypergradient(inverse=returns(report))


@pytest.mark.parametrize("name", STRATEGIES)
def test_one_report_from_the_solver_to_the_hypergradient(name):
    kept = []

    def strategy(linearization, v0, *, rtol, maxiter):
        kept.append(STRATEGIES[name]()(linearization, v0, rtol=rtol, maxiter=maxiter))
        return kept[0]

    found = point(mu=0.9).hypergradient(inverse=strategy)
    v, status = kept[0]
    assert found.solve.alpha is kept[0].alpha and np.array_equal(found.v, v) and found.status == status
    assert found.residual_norm == pytest.approx(np.linalg.norm(B - A @ v), abs=1e-14)
    assert (kept[0].alpha.size > 0) == (name == "lanczos")


@pytest.mark.parametrize("name", STRATEGIES)
def test_without_an_answer_the_residual_is_still_that_of_v(name):
    indefinite = A - 3 * np.eye(N)
    report = STRATEGIES[name]()(point(indefinite), None, rtol=1e-10, maxiter=500)
    assert report.residual == pytest.approx(B - indefinite @ report.v, abs=1e-11)
    if name != "cg":  # SciPy's does not look for negative curvature
        assert report.status == SolveStatus.INDEFINITE and report.direction @ indefinite @ report.direction < 0


@pytest.mark.parametrize("size", [0.0, 1.0, -3.0], ids=["no-right-side", "definite", "indefinite"])
@pytest.mark.parametrize("inverse", [*STRATEGIES, scaled_inverse], ids=[*STRATEGIES, "scaled"])
def test_a_report_holds_nothing_that_the_caller_may_write_to(inverse, size):
    b, v0, H = size * B, RIGHT.copy(), np.diag(10.0 ** np.arange(N)) if inverse is scaled_inverse else A
    found = point(H - 3 * np.eye(N) if size < 0 else H, b=b).hypergradient(inverse=inverse, v0=v0, maxiter=500)
    v, norm = found.v.copy(), found.residual_norm
    b[:] = v0[:] = np.nan
    assert np.array_equal(found.v, v) and found.residual_norm == norm
