"""Exceptions and results cross the border of a process, with all that they carry."""

import copy
import multiprocessing
import pickle

import numpy as np
import pytest

from lancbio_ref import (
    ArgumentError,
    CallableError,
    CertificateStatus,
    DivergenceError,
    LancbioError,
    Proven,
    RepresentationError,
    SolveStatus,
    StepStatus,
    lanczos,
)
from tests.pathologies.faulty import CALLABLES, A, B, point, problem, run, spoiled, with_entry

ERRORS = [
    ArgumentError("b", "shape (3,)", "shape (4,)"),
    CallableError("lower.grad_y", 7, "nan at index 2", "finite real numbers of shape (4,)"),
    RepresentationError("too large"),
    DivergenceError("x is not finite"),
    LancbioError("invariant"),
]
ROUND_TRIPS = {"pickle": lambda o: pickle.loads(pickle.dumps(o)), "deepcopy": copy.deepcopy, "copy": copy.copy}


@pytest.mark.parametrize("trip", ROUND_TRIPS)
@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
def test_exception(error, trip):
    error.result = {"nit": 3}
    again = ROUND_TRIPS[trip](error)
    assert type(again) is type(error) and str(again) == str(error)
    assert again.__dict__ == error.__dict__ and again.result == {"nit": 3}


def test_exception_of_minimize_keeps_its_result():
    with pytest.raises(CallableError) as caught:
        run(problem({"lower.grad_y": spoiled(CALLABLES["lower.grad_y"], 3, with_entry(np.nan))}), trace=("x", "T"))
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.callable_name, again.call) == ("lower.grad_y", 3)
    assert again.result.nit == 2 and np.array_equal(again.result.x, caught.value.result.x)
    assert np.array_equal(again.result.trace["x"], caught.value.result.trace["x"])


def _worker(_):
    raise ArgumentError("b", 1, "2")


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_out_of_another_process():
    with multiprocessing.get_context("fork").Pool(1) as pool, pytest.raises(ArgumentError) as caught:
        pool.map(_worker, [0])
    assert (caught.value.argument, caught.value.found, caught.value.expected) == ("b", "1", "2")


@pytest.mark.parametrize("status", [*SolveStatus, *StepStatus, *CertificateStatus], ids=str)
def test_status(status):
    for trip in ROUND_TRIPS.values():
        again = trip(status)
        assert again is status and again.remedy == status.remedy


def test_proven_number():
    for trip in ROUND_TRIPS.values():
        assert isinstance(trip(Proven(0.5)), Proven) and trip(Proven(0.5)) == 0.5


def test_results():
    result, found, run_ = run(trace=("x", "T"), diagnostics_every=2), point(mu=0.9).hypergradient(), lanczos(A, B, 3)
    again = pickle.loads(pickle.dumps((result, found, run_)))
    assert np.array_equal(again[0].x, result.x) and str(again[0]) == str(result)
    assert np.array_equal(again[0].trace.diagnostics["fun"], result.trace.diagnostics["fun"])
    assert str(again[1]) == str(found) and again[1].certificate == found.certificate
    assert np.array_equal(again[2].Q, run_.Q)


def test_every_exception_is_both_the_projects_and_a_known_one():
    for error, known in zip(ERRORS, (ValueError, ValueError, OverflowError, ArithmeticError, Exception), strict=True):
        assert isinstance(error, LancbioError) and isinstance(error, known)
