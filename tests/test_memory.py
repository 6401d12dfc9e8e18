"""Vectors written again: only where nobody holds them, with the bits of vectors made anew, and without making any."""

import copy
import gc
import itertools
import math
import pickle
import weakref

import numpy as np
import pytest
from scipy.sparse.linalg import LinearOperator

from lancbio_ref import (
    BilevelProblem,
    HyperObjective,
    LowerLevel,
    UpperLevel,
    lanczos_solve,
    memory,
    methods,
    minimize,
    parallel,
    problems,
)
from lancbio_ref.kernels import BLOCK, short_difference
from lancbio_ref.rounding import largest
from lancbio_ref.status import SolveStatus
from tests.peaks import least_peak

N = 5 * BLOCK + 3  # several blocks, and too long for `memory.empty` to ask NumPy
OPTIONS = {
    "lancbio": dict(subspace=3, inner_steps=2),
    "subbio": dict(step_v=0.1),
    "amigo-cg": dict(inverse_steps=2),
    "amigo-gd": dict(step_v=0.1, inverse_steps=2),
    "soba": dict(step_v=0.1),
    "stocbio": dict(step_v=0.1, inverse_steps=2),
    "bsa": dict(step_v=0.1, inverse_steps=3),
    "ttsa": dict(step_v=0.1, inverse_steps=3),
    "f2sa": dict(inner_steps=2),
    "hjfbio": dict(step_v=0.1, difference=1e-3),
}
# stable holds dense matrices; the others solve to an accuracy, in as many steps as it takes
OTHERS = {"stable", "hoag", "maid", "recycled-newton"}


def prepared(dtype=float, n=N):
    """f = ½‖y − t‖² + 0.05‖x‖², g = ½yᵀdiag(d)y − xᵀy; every callable writes into one array of its own."""
    rng = np.random.default_rng(0)
    d, t = rng.uniform(1.0, 2.0, n).astype(dtype), rng.standard_normal(n).astype(dtype)
    rooms = {name: np.empty(n, dtype) for name in ("f_x", "f_y", "g_x", "g_y", "A", "J", "Jt")}

    def grad_y(x, y):
        np.multiply(d, y, rooms["g_y"])
        return np.subtract(rooms["g_y"], x, rooms["g_y"])

    def operator(product, adjoint):
        return LinearOperator((n, n), matvec=product, rmatvec=adjoint, dtype=dtype)

    def minus(name):
        return lambda v: np.negative(v, rooms[name])

    A = operator(lambda v: np.multiply(d, v, rooms["A"]), lambda v: np.multiply(d, v, rooms["A"]))
    J = operator(minus("J"), minus("Jt"))
    upper = UpperLevel(
        value=lambda x, y: 0.0,
        grad_x=lambda x, y: np.multiply(0.1, x, rooms["f_x"]),
        grad_y=lambda x, y: np.subtract(y, t, rooms["f_y"]),
    )
    lower = LowerLevel(
        grad_y=grad_y,
        hessian=lambda x, y: A,
        cross=lambda x, y: J,
        grad_x=lambda x, y: np.negative(y, rooms["g_x"]),
    )
    return BilevelProblem(upper, lower)


def start(dtype=float, n=N):
    rng = np.random.default_rng(1)
    return [rng.standard_normal(n).astype(dtype) for _ in range(3)]


def run(name, dtype=float, **more):
    x, y, v = start(dtype)
    options = dict(step_x=0.1, step_y=0.1) | OPTIONS[name] | more
    return minimize(prepared(dtype), x, y, v0=v, method=name, maxiter=6, rng=0, **options)


def test_every_method_is_here():
    assert OPTIONS.keys() | OTHERS == set(methods.names())


@pytest.mark.parametrize("name", OPTIONS)
def test_an_iteration_makes_no_vector(name):
    problem, (x, y, v) = prepared(), start()
    method = methods.build(name, dict(step_x=0.1, step_y=0.1) | OPTIONS[name])
    state = method.init(problem, x, y, v, np.random.default_rng(0))
    for _ in range(8):
        state = method.step(problem, state)

    def six_steps():
        nonlocal state
        for _ in range(6):
            state = method.step(problem, state)

    enough = 0.1 * x.nbytes
    assert least_peak(six_steps, enough) < enough


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", OPTIONS)
def test_vectors_written_again_have_the_bits_of_vectors_made_anew(name, dtype, monkeypatch):
    again = run(name, dtype)
    monkeypatch.setattr(memory, "empty", np.empty)
    anew = run(name, dtype)
    for key in ("x", "y", "v", "hypergradient"):
        a, b = getattr(again, key), getattr(anew, key)
        assert a.dtype == b.dtype and np.array_equal(a, b), key
    assert vars(again.state).keys() - {"_memory"} == vars(anew.state).keys() - {"_memory"}


@pytest.mark.parametrize("name", OPTIONS)
def test_what_somebody_holds_is_never_written_again(name):
    """States, views of them, and arguments of callables, all of them kept without a copy."""
    kept = []

    def keep(value):
        kept.append((value, value.copy()))

    problem = prepared()
    grad_y = problem.lower.grad_y

    def remembering(x, y):
        keep(x), keep(y)
        return grad_y(x, y)

    problem.lower = LowerLevel(grad_y=remembering, hessian=problem.lower.hessian, cross=problem.lower.cross,
                               grad_x=problem.lower.grad_x)  # fmt: skip

    def callback(state):
        for value in vars(state).values():
            if isinstance(value, np.ndarray):
                keep(value[1:])

    x, y, v = start()
    options = dict(step_x=0.1, step_y=0.1) | OPTIONS[name]
    minimize(problem, x, y, v0=v, method=name, maxiter=5, rng=0, callback=callback, **options)
    assert len(kept) > 40 and all(np.array_equal(value, before) for value, before in kept)


def test_a_memory_hands_out_what_nobody_holds_and_forgets_the_oldest():
    room, kind = memory.Memory(), np.dtype(float)
    held = [room.empty(N, kind) for _ in range(memory.MOST + 5)]
    assert len({id(a) for a in held}) == len(held) and len(room._made) == memory.MOST
    last = held.pop()
    place = id(last)
    assert id(room.empty(N, kind)) != place
    del last
    assert id(room.empty(N, np.dtype(np.float32))) != place and id(room.empty(N - 1, kind)) != place
    assert id(room.empty(N, kind)) == place


def test_outside_of_a_run_and_for_short_vectors_memory_is_new():
    kind = np.dtype(float)
    with memory.Memory() as room, memory.Memory() as inner:
        memory.empty(N, kind)
        memory.empty(BLOCK, kind)
    assert not room._made and len(inner._made) == 1 and memory._current.memory is None
    memory.empty(N, kind)
    assert not room._made and len(inner._made) == 1


def bases(monkeypatch):
    """Where the bases of solves lie, in turn, each with a reference to its memory that keeps nothing alive."""
    seen, rows = [], memory.Pages.rows

    def noted(pages, *arguments):
        made = rows(pages, *arguments)
        seen.append((made.ctypes.data, weakref.ref(made.base)))
        return made

    monkeypatch.setattr(memory.Pages, "rows", noted)
    return seen


def solvable(n=N, bad=math.inf):
    """g = ½yᵀdiag(d)y − xᵀy with n_x = n_y = n; its `bad`-th product raises what Ctrl-C raises."""
    d, products = np.linspace(1.0, 2.0, n), itertools.count()

    def product(v):
        if next(products) >= bad:
            raise KeyboardInterrupt
        return d * v

    A, J = LinearOperator((n, n), product, dtype=float), LinearOperator((n, n), np.negative, np.negative, dtype=float)
    upper = UpperLevel(lambda x, y: 0.5 * float(y @ y) + float(x @ x), lambda x, y: 2 * x, lambda x, y: y)
    lower = LowerLevel(grad_y=lambda x, y: d * y - x, hessian=lambda x, y: A, cross=lambda x, y: J, mu=1.0)
    return BilevelProblem(upper, lower)


def test_solves_of_one_call_have_their_bases_in_one_place_which_ends_with_it(monkeypatch):
    seen, x = bases(monkeypatch), np.linspace(-1, 1, N)
    HyperObjective(solvable(), np.zeros(N), accuracy=1e-7).evaluate(x)
    assert len(seen) > 1 and len({place for place, _ in seen}) == 1 and memory._current.pages is None
    gc.collect()
    assert all(buffer() is None for _, buffer in seen)
    seen.clear()
    minimize(solvable(), x, np.zeros(N), method="hoag", maxiter=3)
    assert len(seen) > 3 and len({place for place, _ in seen}) == 1 and memory._current.pages is None
    gc.collect()
    assert all(buffer() is None for _, buffer in seen)


def test_pages_end_with_an_exception_and_with_ctrl_c(monkeypatch):
    seen, x = bases(monkeypatch), np.linspace(-1, 1, N)
    with pytest.raises(KeyboardInterrupt):
        HyperObjective(solvable(bad=9), np.zeros(N), accuracy=1e-7).evaluate(x)
    assert minimize(solvable(bad=30), x, np.zeros(N), method="hoag", maxiter=50).status == SolveStatus.INTERRUPTED
    with pytest.raises(ZeroDivisionError):
        minimize(solvable(), x, np.zeros(N), method="hoag", maxiter=3, callback=lambda state: 1 / 0)
    gc.collect()
    assert memory._current.pages is None and len(seen) > 3 and all(buffer() is None for _, buffer in seen)


def test_pages_are_lent_where_nobody_holds_them_and_grow():
    kind = np.dtype(float)
    with memory.Pages() as pages, memory.Pages() as inner:
        first = memory.rows((4, N), kind)
        second, third = memory.rows((4, N), kind), memory.rows((4, N), kind)
        assert inner is pages and len({a.ctypes.data for a in (first, second, third)}) == 3
        assert pages.nbytes == 8 * 8 * N and third.base is None
        row, place = first[2], first.ctypes.data
        del first
        assert memory.rows((4, N), kind).ctypes.data != place  # somebody holds a row of it
        del row
        assert memory.rows((3, N), np.dtype(np.float32)).ctypes.data == place
        del second
        assert memory.rows((9, N), kind).shape == (9, N) and pages.nbytes == (4 + 9) * 8 * N
        assert memory.rows((4, BLOCK), kind).base is None
    assert pages.nbytes == 0 and memory.rows((4, N), kind).base is None


@pytest.mark.parametrize("mode", ["selective", "full"])
def test_a_basis_on_old_pages_has_the_bits_of_a_new_one(mode):
    d, b = np.linspace(1e-2, 1.0, N), np.ones(N)
    A = LinearOperator((N, N), lambda v: d * v, dtype=float)
    anew = lanczos_solve(A, b, rtol=1e-8, reorthogonalization=mode)[0]
    with memory.Pages():
        again = [lanczos_solve(A, b, rtol=1e-8, reorthogonalization=mode)[0] for _ in range(2)]
    assert all(np.array_equal(anew, x) for x in again)


def test_a_state_that_is_copied_or_pickled_leaves_the_memory_behind():
    state = run("soba").state
    assert len(state._memory._made) > 3
    for other in (copy.copy(state), copy.deepcopy(state), pickle.loads(pickle.dumps(state))):
        assert not hasattr(other, "_memory") and np.array_equal(other.x_next, state.x_next)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_compiled_updates_round_as_numpy_does(dtype):
    rng = np.random.default_rng(3)
    z, g, w = (np.ldexp(rng.standard_normal(N), rng.integers(-100, 100, N)).astype(dtype) for _ in range(3))
    for t in (dtype(0.3), dtype(-1e20), dtype(1e-30)):
        with np.errstate(all="ignore"):
            assert np.array_equal(parallel.step_along(z, t, g), z - t * g)
            h, x_next = methods.base.difference_and_step(z, g, w, float(t))
            assert np.array_equal(h, z - g) and np.array_equal(x_next, w - t * h)
    out = z.copy()
    assert parallel.step_along(out, dtype(0.3), g, out=out) is out and np.array_equal(out, z - dtype(0.3) * g)
    other = g.astype(np.float64 if dtype == np.float32 else np.float32)
    mixed = parallel.step_along(z, dtype(0.3), other)
    assert mixed.dtype == (z - dtype(0.3) * other).dtype and np.array_equal(mixed, z - dtype(0.3) * other)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_size_of_a_vector_is_infinite_where_an_entry_is_not_finite(dtype):
    rng = np.random.default_rng(4)
    for n in (1, 7, BLOCK, BLOCK + 1):
        x, y = rng.standard_normal((2, n)).astype(dtype)
        assert largest(x) == np.abs(x).max() and isinstance(largest(x), float) and largest(0 * x) == 0
        out = np.empty(n, dtype)
        assert short_difference(x, y, out) == np.abs(x - y).max() and np.array_equal(out, x - y)
        for bad in (np.nan, np.inf, -np.inf):
            worse = x.copy()
            worse[n // 2] = bad
            assert largest(worse) == short_difference(worse, y, out) == np.inf


def test_a_run_starts_from_vectors_of_the_other_byte_order():
    start, options = [1.0, 2.0], dict(method="soba", maxiter=2, step_x=0.1, step_y=0.1, step_v=0.1)
    problem = problems.quadratic(2, 2, rng=0)
    other = np.array(start).astype(np.dtype(float).newbyteorder())
    assert np.array_equal(minimize(problem, other, other, **options).x, minimize(problem, start, start, **options).x)


def test_a_run_forgets_what_the_next_iteration_makes_anew():
    """b, c, the direction of y and dv of the state before: four vectors fewer while the next ones are made."""
    forgotten, let_go = [], methods.State.let_go

    def letting_go(state):
        forgotten.append(state.k)
        let_go(state)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(methods.State, "let_go", letting_go)
        alone = run("lancbio")
        assert forgotten == [1, 2, 3, 4, 5]  # the first has no basis yet, the last is the result's
        forgotten.clear()
        states = []
        kept = run("lancbio", callback=states.append)
        assert not forgotten and all(state.b is not None and state.dv is not None for state in states)
        run("amigo-gd")
        assert not forgotten
    assert alone.state.b is not None and alone.x.tobytes() == kept.x.tobytes()


def test_what_a_run_of_lancbio_holds_at_most(monkeypatch):
    """Beside the m + 1 vectors of its basis, with three copies of the start: 20 at most; more if it forgot none."""
    problem, (x, y, v), m = prepared(), start(), 8
    options = dict(v0=v, method="lancbio", step_x=0.1, step_y=0.1, subspace=m, maxiter=2 * m + 2, rng=0)

    def beside(enough):
        peak = least_peak(lambda: minimize(problem, x, y, **options), (enough + m + 1) * x.nbytes)
        return peak / x.nbytes - m - 1

    held = beside(20.1)
    assert held < 20.1
    monkeypatch.setattr(methods.State, "let_go", lambda state: None)
    assert beside(held + 2) > held + 2


def test_what_is_made_once_is_no_peak_and_what_every_call_makes_is():
    made = []
    assert least_peak(lambda: made or made.append(bytes(10**6)), 10**5) < 10**5 and len(made) == 1
    assert least_peak(lambda: bytes(10**6), 10**5) > 10**6
