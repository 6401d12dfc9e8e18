"""The compiled steps of a cycle: for every operator and mode the bits of the Python path, its counts and exceptions."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp
from numba import njit

from lancbio_ref import CallableError, LancBiO, LanczosProcess, parallel, problems
from lancbio_ref.errors import LancbioError
from lancbio_ref.kernels import JIT, compiled
from lancbio_ref.krylov import basis, compiled_cycle, compiled_step, recurrences, steps
from lancbio_ref.krylov.compiled_cycle import compiled_form
from lancbio_ref.krylov.reorthogonalization import Selective, SelectiveWhileCheap
from lancbio_ref.krylov.solve import solve
from lancbio_ref.krylov.system import System
from lancbio_ref.operators import (
    BlockDiagonal,
    CheckedOperator,
    DenseOperator,
    DiagonalLowRank,
    GeneralizedLinear,
    MultinomialHessian,
    SparseOperator,
    ready_products,
)
from lancbio_ref.operators.multinomial import softmax
from lancbio_ref.operators.ready import ready
from tests.thorough import THOROUGH, sampled

pytestmark = [pytest.mark.compiled, pytest.mark.skipif(not JIT, reason="nothing is compiled")]
SOLVE = sys.modules["lancbio_ref.krylov.solve"]
OPTIONS = (dict(rtol=1e-5), dict(rtol=0.0), dict(rtol=1e-9, restart=7), dict(rtol=1e-9, maxiter=5))


def spd(n, condition, rng):
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    A = (Q * np.geomspace(1 / condition, 1, n)) @ Q.T
    return (A + A.T) / 2


def thinned(rng, shape, density):
    """A CSR array with that part of its entries uniform in [0, 1)."""
    return sp.csr_array(np.where(rng.random(shape) < density, rng.random(shape), 0.0))


def operators():
    """Label → (operator, whether it has a compiled product)."""
    rng = np.random.default_rng(11)
    X, S = rng.standard_normal((90, 37)), thinned(rng, (300, 37), 0.2)
    R = thinned(rng, (50, 50), 0.1)
    d, ridge, A = rng.random(90), np.geomspace(1e-3, 1, 37), spd(40, 1e4, rng)
    ridge.flags.writeable = False  # as np.broadcast_to makes it
    P, single = softmax(rng.standard_normal((50, 3))), softmax(rng.standard_normal((301, 7)).astype(np.float32))
    multinomial = MultinomialHessian(rng.standard_normal((50, 7)), P, np.full(50, 0.02), 1e-3)
    several = MultinomialHessian(rng.standard_normal((301, 500)).astype(np.float32), single, np.ones(301, "f") / 301, 1)
    by_columns = MultinomialHessian(np.asfortranarray(rng.standard_normal((50, 7))), P, np.full(50, 0.02), 1e-3)
    folds = [GeneralizedLinear(Z, rng.random(30), ridge) for Z in np.split(X, 3)]
    low_rank = DiagonalLowRank(np.geomspace(1e-4, 1, 60), U=rng.standard_normal((60, 5)), s=np.arange(1.0, 6))
    return {
        "dense": (DenseOperator(A), True),
        "dense, Fortran": (DenseOperator(np.asfortranarray(A)[:, ::1]), True),
        "dense, one": (DenseOperator([[2.5]]), True),
        "dense, float32": (DenseOperator(A.astype(np.float32)), True),
        "dense, indefinite": (DenseOperator(A - 0.01 * np.eye(40)), True),
        "dense, huge": (DenseOperator(A * 1e200), True),
        "generalized linear": (GeneralizedLinear(X, d, ridge), True),
        "generalized linear, float32": (GeneralizedLinear(*(a.astype(np.float32) for a in (X, d, ridge))), True),
        "generalized linear, Fortran": (GeneralizedLinear(np.asfortranarray(X), d, ridge), True),
        "generalized linear, CSR": (GeneralizedLinear(S, rng.random(300), ridge), True),
        "CSR": (SparseOperator(R @ R.T + 0.05 * sp.eye_array(50)), True),
        "diagonal": (DiagonalLowRank(np.geomspace(1e-4, 1, 70)), True),
        "diagonal, two blocks": (DiagonalLowRank(np.geomspace(1e-2, 1, 9000)), True),
        "diagonal and low rank": (low_rank, True),
        "diagonal on dense": (DiagonalLowRank(np.full(40, 0.1), base=DenseOperator(A)), True),
        "multinomial": (multinomial, True),
        "multinomial, float32, two blocks of rows": (several, True),
        "multinomial, Fortran": (by_columns, False),
        "diagonal on multinomial": (DiagonalLowRank(np.geomspace(1e-3, 1, 21), base=multinomial), True),
        "folds": (BlockDiagonal(folds), True),
        "dense beside multinomial": (BlockDiagonal([A, multinomial]), True),
        "blocks of several kinds": (BlockDiagonal([A, sp.csr_array(A), multinomial]), True),
        "too many blocks": (BlockDiagonal([[[2.0 + k]] for k in range(11)]), False),
    }


OPERATORS = operators()
SELDOM = ("dense, Fortran", "generalized linear, float32", "generalized linear, Fortran")
SELDOM += ("multinomial", "multinomial, float32, two blocks of rows", "diagonal on multinomial")
SELDOM += ("folds", "blocks of several kinds", "dense beside multinomial")
SELDOM += ("diagonal on dense", "diagonal and low rank", "dense, float32")  # each takes a compilation of its own
MET = ("multinomial", "diagonal on multinomial")  # whole, in tests/test_compiled_hypergradient.py
MET += ("generalized linear, float32",)  # in tests/krylov/test_straight.py
MET += ("blocks of several kinds", "dense beside multinomial")  # their parts, and "folds"


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    """All sizes go through the compiled steps, and short vectors through the mode that is asked for."""
    before = parallel.threads()
    parallel.set_threads(1)
    monkeypatch.setattr(SOLVE, "FULL_UP_TO", 0)
    monkeypatch.setattr(SelectiveWhileCheap, "look", 0)
    yield
    parallel.set_threads(before)


def both(monkeypatch, A, b, x0=None, **options):
    """The report of `solve` by the compiled steps and by Python, or its exception, with the counts of products."""
    found = []
    for form in (compiled_form, lambda *arguments: None):
        monkeypatch.setattr(SOLVE, "compiled_form", form)
        checked = CheckedOperator(A, "A")
        try:
            report = vars(solve(checked, b, x0, **dict(maxiter=min(10 * b.size, 400)) | options))
        except LancbioError as error:
            report = dict(error=str(error), at=getattr(error, "at", ()))
        found.append(report | dict(products=checked.products, calls=checked.calls))
    return found


def assert_same(found):
    assert found[0].keys() == found[1].keys()
    for name, value in found[0].items():
        np.testing.assert_array_equal(value, found[1][name], err_msg=name)


def right(A, seed=3):
    return np.random.default_rng(seed).standard_normal(A.shape[0]).astype(A.dtype)


@pytest.mark.parametrize("mode", steps.MODES)
@pytest.mark.parametrize("name", OPERATORS)
def test_the_same_bits(monkeypatch, name, mode):
    """In make test without some operators that need a compilation of their own, and with one option in two."""
    A, has_product = OPERATORS[name]
    if not THOROUGH and name in SELDOM:
        pytest.skip("make test-thorough")
    form = compiled_form(System(CheckedOperator(A, "A"), None, None, None), mode, A.dtype)
    assert (form is not None) == has_product
    b, x0 = right(A), right(A, 4)
    for options in sampled(OPTIONS, 2) if has_product else OPTIONS[:1]:
        assert_same(both(monkeypatch, A, b, None, reorthogonalization=mode, norm_A=A.norm_bound(), **options))
        assert_same(both(monkeypatch, A, b, x0, reorthogonalization=mode, mu=0.9, **options))


@pytest.mark.parametrize("name", ["dense", "diagonal", "generalized linear"])
def test_the_same_bits_where_selective_becomes_full(monkeypatch, name):
    """In compiled code, at a step that is made again by Python, and in a second cycle; n_reorthogonalized tells it."""
    A = OPERATORS[name][0]
    changed = []
    change = SelectiveWhileCheap.change
    monkeypatch.setattr(SelectiveWhileCheap, "change", lambda rule: changed.append(rule.changed) or change(rule))
    for look in (2, 3, 5):
        monkeypatch.setattr(SelectiveWhileCheap, "look", look)
        for options in OPTIONS:
            assert_same(both(monkeypatch, A, right(A), reorthogonalization="selective", **options))
    assert False in changed and True in changed


@njit
def multiplied(A, v, out):
    ready_products.product(A, v, out)


@pytest.mark.parametrize("name", SELDOM if THOROUGH else [name for name in SELDOM if name not in MET])
def test_a_compiled_product_has_the_bits_of_the_operators_own(name):
    """Of those whose whole cycle is compiled in make test-thorough alone; the rest of it is the same for all."""
    A = OPERATORS[name][0]
    v, (form, _) = right(A), ready(A, A.dtype)
    out = np.empty_like(v)
    multiplied(form, v, out)
    np.testing.assert_array_equal(out, A.matvec(v))


def test_where_the_steps_are_pythons():
    """Another type, a preconditioner, a mode that needs Python, products that somebody watches, or many threads."""
    A = DenseOperator(np.eye(600))
    system = System(CheckedOperator(A, "A"), None, None, None)
    assert compiled_form(system, "selective", np.dtype(float)) is not None
    assert compiled_form(system, "partial", np.dtype(float)) is None
    assert compiled_form(system, "selective", np.dtype(np.float32)) is None
    assert compiled_form(System(system.A, system.A, None, None), "selective", np.dtype(float)) is None
    parallel.set_threads(2)
    assert compiled_form(system, "selective", np.dtype(float)) is None
    parallel.set_threads(1)
    A._matvec = A._matvec
    assert compiled_form(system, "selective", np.dtype(float)) is None


def test_what_python_does_on_the_way_changes_nothing(monkeypatch):
    """A pause every 16 steps, no address of LAPACK's solver, and a basis that has to grow."""
    A, calls, take_steps, make = OPERATORS["dense"][0], [], steps.take_steps, basis.Basis.__init__
    monkeypatch.setattr(steps, "take_steps", lambda *arguments: calls.append(1) or take_steps(*arguments))

    def run(patch):
        calls.clear()
        found = both(patch, A, right(A), reorthogonalization="selective", rtol=0.0, norm_A=1.0)
        assert_same(found)
        return found[0], len(calls)

    expected, least = run(monkeypatch)
    changes = [
        (compiled_cycle, "PAUSE", 0),  # every 16 steps
        (compiled_cycle, "address_of", lambda name: 0),
        (
            basis.Basis,
            "__init__",
            lambda self, *arguments, capacity, **more: make(self, *arguments, capacity=3, **more),
        ),
    ]
    for change in changes:
        with monkeypatch.context() as patch:
            patch.setattr(*change)
            found, count = run(patch)
        assert count > least or change[1] == "PAUSE"  # of which Ritz vectors to be formed leave nothing
        assert_same([found, expected])


@pytest.mark.parametrize("mode", steps.MODES)
def test_a_product_that_overflows_is_named_as_ever(monkeypatch, mode):
    A = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 1.5e308], [0.0, 1.5e308, 1.5e308]])
    cases = (
        (A, "None"),
        (A + np.diag([0, 1.7e308, 0]), "call 5: returned -inf"),
        (np.full((3, 3), 1.7e308), "overflows"),
    )
    for B, message in cases:
        found = both(monkeypatch, DenseOperator(B), np.array([1.0, 0.0, 0.0]), reorthogonalization=mode, norm_A=1.0)
        assert_same(found)
        assert message in str(found[0].get("error"))


@pytest.mark.parametrize("start", [False, True])
def test_what_bounds_the_last_product_comes_with_it(start):
    """|A||x| of the x that leaves, with the bits of `abs_product`, where A can; nobody else's is believed."""
    for name in ("generalized linear", "dense", "generalized linear, CSR"):
        A = OPERATORS[name][0]
        b, x0 = right(A), right(A, 4) if start else None
        report = solve(CheckedOperator(A, "A"), b, x0, rtol=1e-8, maxiter=400, bounds=True)
        assert (report.absolute is not None) == (name == "generalized linear"), name
        if report.absolute is not None:
            np.testing.assert_array_equal(report.absolute, A.abs_product(np.abs(report.x)))
            np.testing.assert_array_equal(report.residual, b - A.matvec(report.x))
        assert solve(CheckedOperator(A, "A"), b, x0, rtol=1e-8, maxiter=400).absolute is None


def test_no_pair_is_good_where_none_is_looked_for():
    """`least_last_component` is below the last component of every eigenvector of T."""
    rng = np.random.default_rng(4)
    for k in (1, 2, 5, 9):
        for spread in (1.0, 1e4):
            alpha = rng.standard_normal(k) * spread ** rng.random(k)
            beta = np.abs(rng.standard_normal(k + 1)) * spread ** -rng.random(k + 1)
            T = np.diag(alpha) + np.diag(beta[1:k], 1) + np.diag(beta[1:k], -1)
            least = np.abs(np.linalg.eigh(T)[1][-1]).min()
            assert 0 < recurrences.least_last_component(alpha, beta) <= least * (1 + 1e-9) + 1e-15


def test_hypot_is_pythons():
    rng = np.random.default_rng(0)
    sizes = rng.standard_normal((20_000, 3)) * 2.0 ** rng.integers(-60, 60, (20_000, 3))
    extreme = [(0.0, 0.0, 0.0), (5e-324, 0.0, 5e-324), (1e308, 1e308, 1e308), (3.0, 4.0, 0.0), (1e-310, 1e-308, 2e-309)]
    for triple in [*map(tuple, sizes.tolist()), *extreme]:
        assert recurrences.hypot(*triple) == math.hypot(*triple), triple


@pytest.mark.parametrize("dtype", [np.float64, *sampled([None, np.float32], 2)[1:]])
def test_a_step_of_lancbio_has_the_same_bits(monkeypatch, dtype):
    """Projection, solve and combination in one call, or one by one; indefinite and growing T too."""
    runs = []
    for plain in (True, False):
        if not plain:
            monkeypatch.setattr(compiled_step, "is_plain", lambda process, r: False)
        rng = np.random.default_rng(2)
        process, trail = LanczosProcess(rng.standard_normal(30).astype(dtype), capacity=2), []
        for k in range(12):
            A = spd(30, 50, rng) - (0.3 if k > 7 else 0.0) * np.eye(30)
            projected, solution, dv = process.step_and_solve(A.astype(dtype), rng.standard_normal(30).astype(dtype))
            trail += [projected, solution.y, solution.status, dv, process.q_next, process.scale, process.beta.copy()]
        runs.append([*trail, process.k, process.norm_A, process.H, process.T])
    for one, other in zip(*runs, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_lancbio_run_makes_compiled_steps(monkeypatch):
    problem, made = problems.quadratic(4, 9, rng=0), []
    step = steps.step_and_solve
    monkeypatch.setattr(steps, "step_and_solve", lambda *arguments: made.append(1) or step(*arguments))
    method = LancBiO(step_x=0.01, step_y=0.01, subspace=3)
    state = method.init(problem, np.ones(4), np.ones(9), np.zeros(9), np.random.default_rng(0))
    for _ in range(6):
        state = method.step(problem, state)
    assert len(made) == 6 and state.T.shape == (3, 3)


def test_a_product_that_is_not_finite_is_counted_once():
    process = LanczosProcess([1.0, 2.0])
    with pytest.raises(CallableError) as caught:
        process.step_and_solve(np.full((2, 2), 1.7e308), np.ones(2))
    assert "call 1" in str(caught.value)


def test_what_was_kept_is_compiled_again_where_a_source_has_changed(tmp_path):
    source = tmp_path / "source.py"
    stamps = []
    for text in ("a = 1\n", "a = 12\n"):
        source.write_text(text)
        function = compiled(sources=[str(source)])(lambda x: x + 1)
        stamps.append(function._cache._cache_file._source_stamp)
    assert stamps[0] != stamps[1]


def test_compiled_steps_are_kept_for_the_next_process():
    """Their cache is that of this test's own process, which has compiled the steps for a dense A."""
    code = (
        "import numpy as np, lancbio_ref\nfrom lancbio_ref.krylov import steps\n"
        "lancbio_ref.lanczos_solve(np.diag([1.0, 2.0, 3.0]), np.ones(3))\n"
        "print(sum(steps.take_steps.stats.cache_misses.values()), sum(steps.take_steps.stats.cache_hits.values()))"
    )
    run = [sys.executable, "-c", code]
    subprocess.run(run, check=True, env=os.environ | dict(LANCBIO_NUM_THREADS="1"))
    out = subprocess.check_output(run, text=True, env=os.environ | dict(LANCBIO_NUM_THREADS="1"))
    assert out.split() == ["0", "1"]


def test_without_a_compiler_everything_is_done_by_python():
    code = (
        "import numpy as np, lancbio_ref\nfrom lancbio_ref import lanczos_solve\n"
        "print(lanczos_solve(np.diag([1.0, 2.0]), np.ones(2), rtol=1e-12))"
    )
    out = subprocess.check_output([sys.executable, "-c", code], text=True, env=os.environ | dict(NUMBA_DISABLE_JIT="1"))
    assert out.strip() == "(array([1. , 0.5]), 0)"


@pytest.mark.parametrize("dtype", sampled([np.float64, np.float32], 2))
def test_a_ritz_vector_is_formed_again_where_python_forms_it_again(monkeypatch, dtype):
    """Where values are close, what is formed first is off by its residual over that gap."""
    spectrum = np.sort(np.exp(2 * np.random.default_rng(3).standard_normal(800)))
    formed, form = list[int](), Selective._form
    monkeypatch.setattr(Selective, "_form", lambda *arguments: formed.append(1) or form(*arguments))
    counts = []
    for locked in (recurrences.LOCKED, math.inf):
        monkeypatch.setattr(Selective, "locked", locked)
        formed.clear()
        b = np.random.default_rng(0).standard_normal(800).astype(dtype)
        A = DenseOperator(np.diag(spectrum).astype(dtype))
        found = both(monkeypatch, A, b, reorthogonalization="selective", rtol=1e-15, maxiter=200)
        if locked < math.inf:
            assert_same(found)
        counts.append(len(formed))
    assert counts[0] > counts[1]


@pytest.mark.parametrize("dtype", sampled([np.float64, np.float32], 2))
def test_a_basis_of_close_values_is_the_same(monkeypatch, dtype):
    """Where the steps meet all of Q while a value moves beside good ones: the bits, and a basis that is orthogonal."""
    seen, take_steps = [], steps.take_steps
    monkeypatch.setattr(steps, "take_steps", lambda *arguments: seen.append(arguments) or take_steps(*arguments))
    for gap in sampled((1e-8, 1e-4, 1e-7, 1e-11), 2):
        spectrum = (np.geomspace(1e-3, 1, 60)[:, None] + gap * np.arange(4)).ravel()
        A = DenseOperator(np.diag(spectrum).astype(dtype))
        seen.clear()
        found = both(monkeypatch, A, right(A), reorthogonalization="selective", rtol=0.0, maxiter=140)
        assert_same(found)
        Q, steps_made = max(((called[1], int(called[-1]["k"][0])) for called in seen), key=lambda found: found[1])
        Q = Q[:steps_made].astype(float)
        assert len(Q) > 40 and np.abs(Q @ Q.T - np.eye(len(Q))).max() < 2 * np.sqrt(np.finfo(dtype).eps)
