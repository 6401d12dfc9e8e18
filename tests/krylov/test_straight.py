"""The short way of a solve that ends as nearly all do: the report of `solve`, to the bit, or none."""

import dataclasses
import threading

import numpy as np
import pytest
import scipy.sparse as sp

from lancbio_ref import SolveStatus, kernels, parallel
from lancbio_ref.kernels.compiled import NotCompiledError
from lancbio_ref.krylov import compiled_cycle, steps, straight
from lancbio_ref.krylov.solve import FULL_UP_TO, solve
from lancbio_ref.krylov.straight import straight_solve
from lancbio_ref.operators import CheckedOperator, DenseOperator, DiagonalLowRank, GeneralizedLinear

pytestmark = [pytest.mark.compiled, pytest.mark.skipif(not kernels.JIT, reason="nothing is compiled")]


@pytest.fixture(autouse=True)
def one_thread():
    before = parallel.threads()
    parallel.set_threads(1)
    yield
    parallel.set_threads(before)


def gram(dtype=np.float64, *, n=40, p=12, ridge=0.1, sparse=False):
    rng = np.random.default_rng(2)
    X = rng.standard_normal((n, p)) * (rng.random((n, p)) < (0.4 if sparse else 1))
    X = sp.csr_array(X.astype(dtype)) if sparse else X.astype(dtype)
    return GeneralizedLinear(X, rng.random(n).astype(dtype), np.full(p, ridge, dtype))


def right(A, scale=1.0):
    return (scale * np.random.default_rng(3).standard_normal(A.shape[0])).astype(A.dtype)


def both(A, b, *, rtol=1e-8, maxiter=500, norm_A=None, mu=1e-3, bounds=True, mode="selective"):
    """The report of `solve`, and that of the short way after it: then the kind of A is compiled."""
    told = dict(rtol=rtol, maxiter=maxiter, norm_A=A.norm_bound() if norm_A is None else norm_A, mu=mu, bounds=bounds)
    long = solve(CheckedOperator(A, "A"), b, reorthogonalization=mode, **told)
    return long, straight_solve(A, b, mode=mode, **told)


def assert_same(long, short):
    for field in dataclasses.fields(long):
        found, expected = getattr(short, field.name), getattr(long, field.name)
        assert type(found) is type(expected), field.name
        np.testing.assert_array_equal(found, expected, err_msg=field.name, strict=isinstance(found, np.ndarray))


@pytest.mark.parametrize("bounds", [True, False])
@pytest.mark.parametrize("mode", ["selective", "full"])
@pytest.mark.parametrize("A", [gram(), gram(sparse=True), gram(p=1), gram(n=2, p=30), gram(np.float32)], ids=repr)
def test_the_bits_of_a_solve(A, mode, bounds):
    long, short = both(A, right(A), rtol=1e-8 if A.dtype == np.float64 else 1e-3, mode=mode, bounds=bounds)
    assert long.status == SolveStatus.CONVERGED and short is not None
    assert_same(long, short)


@pytest.mark.parametrize(
    "unusual",
    [
        dict(rtol=0.0),  # the floor
        dict(rtol=2.0),  # no step at all
        dict(maxiter=2),
        dict(mu=1e3),  # a Ritz value is below it
        dict(mode="none"),
        dict(mode="local"),
        dict(norm_A=1e200),
    ],
    ids=str,
)
def test_what_is_not_as_usual_is_left_to_solve(unusual):
    A = gram()
    assert both(A, right(A), **unusual)[1] is None


def test_other_systems_are_left_to_solve():
    A = gram()
    assert both(A, np.zeros(12))[1] is None
    assert both(A, right(A, 1e-200))[1] is None and both(A, right(A, 1e200))[1] is None
    long, short = both(gram(ridge=-5.0), right(A), norm_A=100.0)
    assert long.status == SolveStatus.INDEFINITE and short is None
    tiny, large = DenseOperator(1e-150 * np.eye(3)), DiagonalLowRank(np.linspace(1, 2, FULL_UP_TO + 1))
    assert both(tiny, np.ones(3), norm_A=1.0, mu=1e-160)[1] is None
    assert both(large, np.ones(FULL_UP_TO + 1), mode="full")[1] is None


def test_nothing_is_asked_for_twice_that_is_not_compiled_yet(monkeypatch):
    """`solve` counts the calls that wait for a compilation; this must not use them up."""
    A, asked = gram(), []
    told = dict(rtol=1e-8, maxiter=500, norm_A=A.norm_bound(), mu=1e-3, bounds=True, mode="selective")

    def not_yet(*arguments):
        asked.append(arguments)
        raise NotCompiledError

    assert both(A, right(A))[1] is not None
    monkeypatch.setattr(steps, "take_steps", not_yet)
    assert straight_solve(A, right(A), **told) is None and len(asked) == 1
    monkeypatch.setattr(compiled_cycle, "THERE", compiled_cycle.THERE.copy())
    monkeypatch.setattr(straight, "THERE", set())
    assert straight_solve(A, right(A), **told) is None and len(asked) == 1


def test_solves_beside_each_other_share_no_record():
    A, b, wrong = gram(), right(gram()), []
    told = dict(rtol=1e-8, maxiter=500, norm_A=A.norm_bound(), mu=1e-3, bounds=False, mode="full")
    expected = both(A, b)[0].x.tobytes()

    def many():
        for _ in range(200):
            x = straight_solve(A, b, **told).x
            if x.tobytes() != expected:
                wrong.append(x)

    threads = [threading.Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert 1 <= len(straight._spare) <= 4
