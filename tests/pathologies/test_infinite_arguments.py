"""Infinity in what the caller hands over."""

import numpy as np
import pytest

from lancbio_ref import ArgumentError, LipschitzConstants, SubspaceSchedule, lanczos_solve
from tests.pathologies.faulty import (
    MATRIX_ARGUMENTS,
    N_X,
    NUMBER_ARGUMENTS,
    VECTOR_ARGUMENTS,
    A,
    B,
    N,
    ids,
)

FINITE_NUMBERS = [row for row in NUMBER_ARGUMENTS if row[0] != "lanczos_solve"]


@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize("entry, argument, length, call", VECTOR_ARGUMENTS, ids=ids(VECTOR_ARGUMENTS))
def test_vector(entry, argument, length, call, value):
    v = np.ones(length or (N if argument in ("q1", "b") else N_X))
    v[1] = value
    with pytest.raises(ArgumentError) as caught:
        call(v)
    assert caught.value.argument == argument
    assert caught.value.found == f"{value} at index 1"


@pytest.mark.parametrize("entry, argument, shape, call", MATRIX_ARGUMENTS, ids=ids(MATRIX_ARGUMENTS))
def test_matrix(entry, argument, shape, call):
    m = np.ones(shape)
    m[0, 3] = -np.inf
    with pytest.raises(ArgumentError) as caught:
        call(m)
    assert caught.value.argument == argument
    assert caught.value.found == "-inf at [0, 3]"


@pytest.mark.parametrize("value", [np.inf, -np.inf, 10**400], ids=["inf", "-inf", "huge-integer"])
@pytest.mark.parametrize("entry, argument, call", FINITE_NUMBERS, ids=ids(FINITE_NUMBERS))
def test_number(entry, argument, call, value):
    with pytest.raises(ArgumentError) as caught:
        call(value)
    assert caught.value.argument == argument


def test_infinite_tolerance_of_lanczos_solve_asks_for_nothing():
    for tolerance in (dict(rtol=np.inf), dict(atol=np.inf)):
        x, info = lanczos_solve(A, B, **tolerance)
        assert info == 0
        assert not x.any()


@pytest.mark.parametrize("name", ["fx", "fy", "gxy", "gyy"])
def test_lipschitz_constants(name):
    with pytest.raises(ArgumentError) as caught:
        LipschitzConstants(**{**dict(fx=1.0, fy=1.0, gxy=1.0, gyy=1.0), name: np.inf})
    assert caught.value.argument == f"LipschitzConstants.{name}"


def test_schedule_growth():
    with pytest.raises(ArgumentError, match=r"subspace\.growth: found inf"):
        SubspaceSchedule(1, np.inf, 5, 10)
