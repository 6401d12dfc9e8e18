"""NaN in what the caller hands over: refused at once, with the argument and the place of the NaN."""

import numpy as np
import pytest
import scipy.sparse as sp

from lancbio_ref import ArgumentError
from tests.pathologies.faulty import MATRIX_ARGUMENTS, N_X, NUMBER_ARGUMENTS, VECTOR_ARGUMENTS, N, ids


@pytest.mark.parametrize("entry, argument, length, call", VECTOR_ARGUMENTS, ids=ids(VECTOR_ARGUMENTS))
def test_vector(entry, argument, length, call):
    v = np.ones(length or (N if argument in ("q1", "b") else N_X))
    v[2] = np.nan
    with pytest.raises(ArgumentError) as caught:
        call(v)
    assert caught.value.argument == argument
    assert caught.value.found == "nan at index 2"


@pytest.mark.parametrize("entry, argument, shape, call", MATRIX_ARGUMENTS, ids=ids(MATRIX_ARGUMENTS))
def test_matrix(entry, argument, shape, call):
    m = np.ones(shape)
    m[1, 2] = np.nan
    with pytest.raises(ArgumentError) as caught:
        call(m)
    assert caught.value.argument == argument
    assert caught.value.found == "nan at [1, 2]"


@pytest.mark.parametrize("entry, argument, shape, call", MATRIX_ARGUMENTS, ids=ids(MATRIX_ARGUMENTS))
def test_sparse_matrix(entry, argument, shape, call):
    m = np.eye(*shape)
    m[1, 2] = np.nan
    with pytest.raises(ArgumentError) as caught:
        call(sp.csc_array(m))
    assert caught.value.argument == argument
    assert "NaN" in caught.value.found


@pytest.mark.parametrize("entry, argument, call", NUMBER_ARGUMENTS, ids=ids(NUMBER_ARGUMENTS))
def test_number(entry, argument, call):
    with pytest.raises(ArgumentError) as caught:
        call(float("nan"))
    assert caught.value.argument == argument
    assert "nan" in caught.value.found
