"""What is compiled of a hyper-gradient has the bits of the formulas in Python, in every field of it."""

import ctypes
import dataclasses
import sys

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.special

from lancbio_ref import (
    BilevelProblem,
    CertificateStatus,
    SolveStatus,
    compiled_certificate,
    hypergradient,
    kernels,
    minimize,
    parallel,
    problems,
)
from lancbio_ref.inverse.strategies import LanczosInverse
from lancbio_ref.kernels import JIT
from lancbio_ref.kernels.compiled import NotCompiledError
from lancbio_ref.krylov import steps
from lancbio_ref.operators import GeneralizedLinear, generalized_linear
from lancbio_ref.problems import compiled_binary, compiled_sigmoid
from tests.thorough import THOROUGH, sampled

pytestmark = [pytest.mark.compiled, pytest.mark.skipif(not JIT, reason="nothing is compiled")]
HYPERGRADIENT = sys.modules["lancbio_ref.hypergradient"]


@pytest.fixture(autouse=True)
def one_thread():
    before = parallel.threads()
    parallel.set_threads(1)
    for dtype in (np.float64, np.float32):  # a ready point is asked for where its certificate is compiled
        X, t, Xv, tv = data(dtype)
        hypergradient(problems.ridge(X, t, Xv, tv), np.zeros(6, dtype), np.ones(6, dtype))
    yield
    parallel.set_threads(before)


def data(dtype=np.float64, n=40, m=20, p=6):
    rng = np.random.default_rng(5)
    X, Xv = rng.standard_normal((n, p)).astype(dtype), rng.standard_normal((m, p)).astype(dtype)
    t, tv = (X @ np.arange(p) + rng.standard_normal(n)).astype(dtype), rng.standard_normal(m).astype(dtype)
    return X, t, Xv, tv


def thinned(X):
    return sp.csr_array(np.where(np.random.default_rng(1).random(X.shape) < 0.4, X, 0))


def made(dtype):
    """Label → problem."""
    X, t, Xv, tv = data(dtype)
    labels, labels_val = (t > 0).astype(int), (tv > 0).astype(int)
    several, several_val = np.digitize(t, (-3, 3)), np.digitize(tv, (-0.5, 0.5))
    S, Sv = thinned(X), thinned(Xv)

    def glm(loss, *, X=X, Xv=Xv, t=labels, tv=labels_val, **options):
        return problems.generalized_linear(X, t, loss=loss, validation=(Xv, tv), **options)

    return {
        "logistic": problems.logistic(X, labels, Xv, labels_val),
        "logistic, one weight": problems.logistic(X, labels, Xv, labels_val, weights="all"),
        "logistic, CSR": problems.logistic(S, labels, Sv, labels_val),
        "logistic, CSR and dense": problems.logistic(S, labels, Xv, labels_val),
        "logistic, three classes": problems.logistic(X, several, Xv, several_val),
        "logistic, a batch": problems.logistic(X, labels, Xv, labels_val).minibatch(lower=np.arange(0, 40, 2)),
        "ridge": problems.ridge(X, t, Xv, tv),
        "ridge, CSR": problems.ridge(S, t, Sv, tv),
        "cleaning": problems.data_cleaning(X, several, Xv, several_val, n_classes=3),
        "squared": glm("squared", t=t, tv=tv, penalty="all"),
        "Poisson": glm("poisson", penalty="feature", intercept=True),
        "weights": glm("logistic", penalty="all", weights="sigmoid"),
        "Huber": glm("huber", t=t, tv=tv, X=S, Xv=Sv),
    }


def fields(found):
    """Every number and array of a result, by name."""
    out = {}

    def add(name, value):
        if dataclasses.is_dataclass(value):
            for field in dataclasses.fields(value):
                add(f"{name}.{field.name}", getattr(value, field.name))
        elif isinstance(value, (tuple, list)):
            for i, part in enumerate(value):
                add(f"{name}[{i}]", part)
        else:
            out[name] = value

    add("h", found)
    return out


WAYS = {
    "straight": (),
    "ready": ("straight_solve",),
    "compiled": ("_ready_hypergradient",),
    "Python": ("_ready_hypergradient", "compiled_bounds"),
}


def every_way(monkeypatch, problem, x, y, **options):
    """A hyper-gradient from a ready point, with a compiled certificate, and by Python alone, with the calls made."""
    found = []
    for without in WAYS.values():
        with monkeypatch.context() as patch:
            for name in without:
                patch.setattr(HYPERGRADIENT, name, lambda *arguments, **more: None)
            problem.calls.clear()
            h = hypergradient(problem, x, y, **options)
            found.append(fields(h) | {f"calls {name}": count for name, count in problem.calls.items()})
    return h, found


def assert_same(found):
    *others, plain = found
    for other in others:
        assert plain.keys() == other.keys()
        for name, value in plain.items():
            assert type(value) is type(other[name]), name
            np.testing.assert_array_equal(value, other[name], err_msg=name)


OPTIONS = (dict(rtol=1e-6), dict(rtol=0.0), dict(rtol=1e-9, reorthogonalization="none"), dict(rtol=1e-8, mu=1e-3))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("label", made(np.float64))
def test_the_same_bits(monkeypatch, label, dtype):
    """In make test with one option in two, and in float32 of two problems."""
    if dtype == np.float32 and not THOROUGH and label not in ("logistic", "ridge"):
        pytest.skip("make test-thorough")
    problem = made(dtype)[label]
    rng = np.random.default_rng(3)
    x, y = rng.normal(-2.0, 0.3, problem.n_x).astype(dtype), (0.1 * rng.standard_normal(problem.n_y)).astype(dtype)
    for options in sampled(OPTIONS, 2):
        if dtype == np.float32 and "rtol" in options:
            options = options | dict(rtol=max(options["rtol"], 1e-4 * (options["rtol"] > 0)))
        assert_same(every_way(monkeypatch, problem, x, y, **options)[1])


@pytest.mark.parametrize("label", ["logistic", "logistic, CSR"])
def test_rounding_that_a_norm_bounds_has_the_same_bits(monkeypatch, label):
    """Beside a residual that was asked for no |A||v| is formed; at the floor it is."""
    problem, rng = made(np.float64)[label], np.random.default_rng(3)
    x, y = rng.normal(-2.0, 0.3, problem.n_x), 0.1 * rng.standard_normal(problem.n_y)
    products, absolute = list[int](), GeneralizedLinear.abs_product
    for rtol, formed in ((1e-2, False), (0.0, True)):
        read = hypergradient(problem, x, y, rtol=rtol)
        with monkeypatch.context() as patch:
            patch.setattr(generalized_linear, "READ_QUICKLY", 0)
            assert_same(every_way(patch, problem, x, y, rtol=rtol)[1])
            patch.setattr(GeneralizedLinear, "abs_product", lambda A, v: products.append(1) or absolute(A, v))
            products.clear()
            h = hypergradient(problem, x, y, rtol=rtol)
        assert bool(products or h.solve.absolute is not None) == formed
        assert h.value.tobytes() == read.value.tobytes()
        assert read.error_bound <= h.error_bound <= read.error_bound * (1 if formed else 1.001)


def test_several_blocks_and_rows_left_over(monkeypatch):
    """A block is read for its margins and, from the cache, for its sum: the bits are those of two whole products."""
    X, t, Xv, tv = data(n=203, m=70, p=600)
    problem = problems.logistic(X, (t > 0).astype(int), Xv, (tv > 0).astype(int))
    x, y = np.full(600, -2.0), 0.01 * np.random.default_rng(3).standard_normal(600)
    assert compiled_binary.binary_point(problem.train, problem.validation, problem.penalty(x).ravel(), y) is not None
    assert_same(every_way(monkeypatch, problem, x, y, rtol=1e-6)[1])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_sigma_is_scipys_or_python_asks_it(monkeypatch, dtype):
    """σ of compiled loops is the function of ``expit``; where a bit differs, or it is not there, none is called."""
    char, numbers = np.dtype(dtype).char, np.random.default_rng(0).standard_normal(2000).astype(dtype) * 20
    address = compiled_sigmoid.sigmoid_address(char)
    assert address, "SciPy lends its σ no more: hyper-gradients of two classes are slower"
    real = {"d": ctypes.c_double, "f": ctypes.c_float}[char]
    function = ctypes.CFUNCTYPE(real, real, ctypes.c_int)(address)
    assert [function(float(s), 0) for s in numbers] == scipy.special.expit(numbers).tolist()
    problem = made(dtype)["logistic"]
    x, y = np.full(problem.n_x, -2.0, dtype), np.full(problem.n_y, 0.1, dtype)
    monkeypatch.setattr(compiled_binary, "sigmoid_address", lambda char: 0)
    assert_same(every_way(monkeypatch, problem, x, y, rtol=1e-4)[1])
    fresh = compiled_sigmoid.sigmoid_address.__wrapped__
    monkeypatch.setattr(compiled_sigmoid, "expit", lambda s: np.nextafter(scipy.special.expit(s), dtype(1)))
    assert fresh(char) == 0
    monkeypatch.setattr(compiled_sigmoid, "NAMES", {char: ("expit", real, "double")})
    assert fresh(char) == 0


def test_it_is_used(monkeypatch):
    """Two classes and ridge regression have a ready point; of other problems the certificate is compiled."""
    calls = {}
    for name in ("_ready_hypergradient", "compiled_bounds", "straight_solve"):
        made_of = getattr(HYPERGRADIENT, name)

        def kept(*arguments, name=name, made_of=made_of, **more):
            calls[name] = made_of(*arguments, **more)
            return calls[name]

        monkeypatch.setattr(HYPERGRADIENT, name, kept)
    for label in ("logistic", "logistic, one weight", "logistic, CSR", "ridge", "cleaning", "Poisson"):
        problem = made(np.float64)[label]
        hypergradient(problem, np.full(problem.n_x, -2.0), np.full(problem.n_y, 0.1), rtol=1e-8)  # its kind of A
        calls.clear()
        h = hypergradient(problem, np.full(problem.n_x, -2.0), np.full(problem.n_y, 0.1), rtol=1e-8)
        assert h.certificate.lower_level == CertificateStatus.CERTIFIED
        ready = label.startswith(("logistic", "ridge"))
        assert (calls["_ready_hypergradient"] is not None) == ready, label
        assert not ready or calls["straight_solve"] is not None, label
        assert ready or calls["compiled_bounds"] is not None


def test_a_long_point_is_not_formed_twice(monkeypatch):
    """Its certificate is Python's, and a ready point would be thrown away."""
    X, t = sp.eye_array(10, kernels.BLOCK + 1, format="csr"), np.arange(10) % 2
    problem, fits = problems.logistic(X, t, X, t), []
    made_of = type(problem).fit
    monkeypatch.setattr(type(problem), "fit", lambda self, *given: fits.append(given) or made_of(self, *given))
    hypergradient(problem, np.zeros(problem.n_x), np.zeros(problem.n_y))
    assert len(fits) == 2  # training and validation


def not_yet(*arguments):
    raise NotCompiledError


not_yet.signatures = []


@pytest.mark.parametrize("label", ["logistic", "ridge, CSR", "cleaning"])
def test_before_anything_large_is_compiled_python_gives_the_same_bits(monkeypatch, label):
    problem = made(np.float64)[label]
    x, y = np.full(problem.n_x, -2.0), np.full(problem.n_y, 0.1)

    def results():
        problem.calls.clear()
        found = fields(hypergradient(problem, x, y, rtol=1e-8)) | dict(problem.calls)
        del found["h.solve.absolute"]  # |A||v|: Python forms it for the certificate alone
        run = minimize(problem, x, y, method="lancbio", maxiter=5)
        calls = {f"run {name}": count for name, count in problem.calls.items()}
        return found | dict(x=run.x, y=run.y, h_norm=run.trace["h_norm"]) | calls

    compiled = results()
    for module, name in (
        (steps, "take_steps"),
        (steps, "step_and_solve"),
        (compiled_certificate, "bounds"),
        (compiled_binary, "at_point"),
    ):
        monkeypatch.setattr(module, name, not_yet)
    assert_same([compiled, results()])


def test_no_system_is_solved_twice(monkeypatch):
    """Where the certificate of a ready point is not compiled yet, no ready point is solved."""
    solves = []
    for owner, name in ((LanczosInverse, "of"), (HYPERGRADIENT, "straight_solve")):
        made_of = getattr(owner, name)

        def counted(*given, made_of=made_of, **more):
            found = made_of(*given, **more)
            solves.extend([given] * (found is not None))
            return found

        monkeypatch.setattr(owner, name, counted)
    problem = made(np.float64)["logistic"]
    for bounds in (compiled_certificate.bounds, not_yet):
        solves.clear()
        monkeypatch.setattr(compiled_certificate, "bounds", bounds)
        hypergradient(problem, np.full(problem.n_x, -2.0), np.full(problem.n_y, 0.1), rtol=1e-8)
        assert len(solves) == 1


def test_nobody_is_passed_over():
    """A method of somebody's own, of a subclass or of an instance, and another upper level, are asked as always."""
    plain, data_of = made(np.float64)["logistic"], data()

    class Watched(type(plain)):
        seen = 0

        def linearize(self, x, y):
            self.seen += 1
            return super().linearize(x, y)

    labels, labels_val = (data_of[1] > 0).astype(int), (data_of[3] > 0).astype(int)
    same = problems.logistic(data_of[0], labels, data_of[2], labels_val)
    same.__class__ = Watched
    x, y = np.full(plain.n_x, -2.0), np.full(plain.n_y, 0.1)
    found = hypergradient(same, x, y)
    assert same.seen == 1 and found.error_bound == hypergradient(plain, x, y).error_bound
    own = problems.logistic(data_of[0], labels, data_of[2], labels_val)
    asked, linearize = [], own.linearize
    own.linearize = lambda x, y: asked.append(1) or linearize(x, y)
    assert hypergradient(own, x, y).error_bound == found.error_bound and asked == [1]
    shifted = BilevelProblem(dataclasses.replace(own.upper, grad_x=lambda x, y: np.ones_like(x)), own.lower)
    np.testing.assert_allclose(hypergradient(shifted, x, y).value, found.value + 1, rtol=1e-12)


def test_what_python_has_to_do(monkeypatch):
    """A μ that is refuted, a box that is black, numbers whose squares vanish: the formulas in Python decide."""
    problem = made(np.float64)["logistic"]
    x, y = np.full(problem.n_x, -2.0), np.full(problem.n_y, 0.1)
    h, found = every_way(monkeypatch, problem, x, y, mu=1e3)
    assert_same(found)
    assert h.status == SolveStatus.MU_REFUTED and h.error_bound == np.inf
    h, found = every_way(monkeypatch, problem, x, 1e-200 * y, rtol=1e-8)
    assert_same(found)
    h, found = every_way(monkeypatch, problem, x, y, mu="certify")
    assert_same(found)
    h, found = every_way(monkeypatch, problem, x, y, maxiter=2)
    assert_same(found)
    assert h.status == SolveStatus.NOT_CONVERGED and np.isfinite(h.error_bound)
