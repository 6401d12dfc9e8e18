"""The compiled steps of a cycle: the bits of the Python path for every operator and mode, and its exceptions."""

import sys

import numpy as np
import pytest
import scipy.sparse as sp

from lancbio_ref import CallableError, RepresentationError, lanczos_solve, parallel
from lancbio_ref.kernels import JIT
from lancbio_ref.krylov import recurrences, steps
from lancbio_ref.krylov.compiled_cycle import compiled_form
from lancbio_ref.krylov.solve import System, solve
from lancbio_ref.operators import (
    CheckedOperator,
    DenseOperator,
    DiagonalLowRank,
    GeneralizedLinear,
    MultinomialHessian,
    SparseOperator,
)
from lancbio_ref.operators.multinomial import softmax

pytestmark = pytest.mark.skipif(not JIT, reason="nothing is compiled")
rng = np.random.default_rng(11)


def spd(n, condition):
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    A = (Q * np.geomspace(1 / condition, 1, n)) @ Q.T
    return (A + A.T) / 2


def sparse_spd(n):
    S = sp.random_array((n, n), density=0.1, rng=rng, format="csr")
    return sp.csr_array(S @ S.T + 0.05 * sp.eye_array(n))


def operators(dtype):
    X, S = rng.standard_normal((90, 37)), sp.random_array((300, 37), density=0.2, rng=rng, format="csr")
    d, ridge = rng.random(90), np.geomspace(1e-3, 1, 37)
    low = rng.standard_normal((60, 5))
    P = softmax(rng.standard_normal((50, 3)))
    multinomial = MultinomialHessian(
        rng.standard_normal((50, 7)).astype(dtype), P.astype(dtype), np.full(50, 0.02, dtype), 1e-3
    )
    yield "dense", DenseOperator(spd(40, 1e4).astype(dtype))
    yield "dense, Fortran", DenseOperator(np.asfortranarray(spd(40, 1e4).astype(dtype)))
    yield "dense, one", DenseOperator(np.array([[2.5]], dtype))
    yield "generalized linear", GeneralizedLinear(X.astype(dtype), d.astype(dtype), ridge.astype(dtype))
    yield (
        "generalized linear, Fortran",
        GeneralizedLinear(np.asfortranarray(X.astype(dtype)), d.astype(dtype), ridge.astype(dtype)),
    )
    yield (
        "generalized linear, CSR",
        GeneralizedLinear(S.astype(dtype), rng.random(300).astype(dtype), ridge.astype(dtype)),
    )
    yield "CSR", SparseOperator(sparse_spd(50).astype(dtype))
    yield "diagonal", DiagonalLowRank(np.geomspace(1e-4, 1, 70).astype(dtype))
    yield (
        "diagonal and low rank",
        DiagonalLowRank(
            np.geomspace(1e-4, 1, 60).astype(dtype), U=low.astype(dtype), s=np.arange(1.0, 6).astype(dtype)
        ),
    )
    yield "multinomial", multinomial
    yield "diagonal on multinomial", DiagonalLowRank(np.geomspace(1e-3, 1, 21).astype(dtype), base=multinomial)
    yield "diagonal on dense", DiagonalLowRank(np.full(40, 0.1, dtype), base=DenseOperator(spd(40, 1e4).astype(dtype)))


@pytest.fixture(scope="module")
def forced():
    """All sizes go through the compiled steps."""
    before = parallel.threads()
    parallel.set_threads(1)
    yield
    parallel.set_threads(before)


def both(monkeypatch, A, b, x0=None, **options):
    """The report of `solve` by the compiled steps and by Python, with the products counted."""
    found, module = [], sys.modules["lancbio_ref.krylov.solve"]
    for form in (compiled_form, lambda *arguments: None):
        monkeypatch.setattr(module, "compiled_form", form)
        checked = CheckedOperator(A, "A")
        report = solve(checked, b, x0, **dict(maxiter=10 * b.size) | options)
        found.append((report, checked))
    return found


def assert_same(found):
    (one, counted), (other, counted_too) = found
    for name, value in vars(one).items():
        np.testing.assert_array_equal(value, getattr(other, name), err_msg=name)
    assert counted.products == counted_too.products and counted.calls == counted_too.calls


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("mode", steps.MODES)
def test_the_same_bits_for_every_operator(monkeypatch, forced, mode, dtype):
    seen = 0
    for name, A in operators(dtype):
        b = rng.standard_normal(A.shape[0]).astype(dtype)
        taken = compiled_form(System(CheckedOperator(A, "A"), None, None, None), mode, np.dtype(dtype))
        seen += taken is not None
        for options in (dict(rtol=1e-5), dict(rtol=0.0), dict(rtol=1e-9, restart=7), dict(rtol=1e-9, maxiter=5)):
            for x0 in (None, rng.standard_normal(b.size).astype(dtype)):
                assert_same(
                    both(monkeypatch, A, b, x0, reorthogonalization=mode, norm_A=A.norm_bound(), mu=1.0, **options)
                )
    assert seen
