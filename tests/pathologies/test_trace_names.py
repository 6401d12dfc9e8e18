"""What may be asked for in the trace, and what comes back."""

import numpy as np
import pytest

from lancbio_ref import ArgumentError
from tests.pathologies.faulty import METHODS, N, run


@pytest.mark.parametrize("wrong", ["x", "", None, 5, object()], ids=["text", "empty", "none", "number", "object"])
def test_not_a_sequence_of_names(wrong):
    with pytest.raises(ArgumentError) as caught:
        run(trace=wrong)
    assert caught.value.argument == "trace" and "a sequence of names" in caught.value.expected


@pytest.mark.parametrize("wrong", ["gradient", "X", "", "_x", "__class__", 3, None, ["x"]], ids=str)
@pytest.mark.parametrize("method", METHODS)
def test_no_quantity_of_the_state(method, wrong):
    with pytest.raises(ArgumentError) as caught:
        run(None, method, trace=("x", wrong))
    assert (caught.value.argument, caught.value.found) == ("trace", repr(wrong))
    assert all(name in caught.value.expected for name in ("x_next", "status", "n_hvp"))


def test_quantities_of_one_method_are_not_those_of_the_other():
    with pytest.raises(ArgumentError, match="trace: found 'v_bar'"):
        run(None, "subbio", trace=("v_bar",))


def test_columns_that_grow_are_arrays_of_objects():
    result = run(trace=("T", "Q", "projected"))
    T = result.trace["T"]
    assert T.dtype == object and [t.shape[0] for t in T] == [1, 2, 3, 4, 1]
    assert [q.shape for q in result.trace["Q"]] == [(N, t.shape[0]) for t in T]


def test_what_is_traced_is_copied():
    result = run(trace=("x", "process", "w", "h"))
    assert [process.k for process in result.trace["process"]] == [1, 2, 3, 4, 1]
    assert len({x.tobytes() for x in result.trace["x"]}) == 5
    result.trace["x"][:] = np.nan
    assert np.isfinite(result.trace["x"]).all() and np.isfinite(result.x).all()


def test_names_twice_and_standard_names():
    result = run(trace=("x", "x", "k"))
    assert result.trace.columns.count("x") == result.trace.columns.count("k") == 1
    assert result.trace["k"].tolist() == [1, 2, 3, 4, 5]


def test_unknown_column_afterwards():
    with pytest.raises(KeyError, match="nothing"):
        run().trace["nothing"]


@pytest.mark.parametrize("wrong", [-1, 2.5, "1", None], ids=str)
def test_diagnostics_every(wrong):
    with pytest.raises(ArgumentError, match="diagnostics_every"):
        run(diagnostics_every=wrong)


@pytest.mark.parametrize("method", METHODS)
def test_diagnostics_change_no_iterate(method):
    plain, watched = run(None, method, trace=("x", "v")), run(None, method, trace=("x", "v"), diagnostics_every=2)
    for name in ("x", "v", "h_norm", "n_hvp", "n_grad", "n_cross", "n_grad_upper"):
        assert np.array_equal(plain.trace[name], watched.trace[name])
    assert watched.trace.diagnostics["k"].tolist() == [2, 4] and plain.trace.diagnostics is None
