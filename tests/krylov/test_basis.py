"""The basis of a process: rows in turn, growth, and state that does not depend on which names share an array."""

import copy
import io
import pickle

import numpy as np
import pytest

from lancbio_ref import LanczosProcess, problems
from lancbio_ref.krylov.basis import Basis
from lancbio_ref.methods import LancBiO

RNG = np.random.default_rng(11)
N = 12
X = RNG.standard_normal((N, N))
A, B = X @ X.T + np.diag(np.geomspace(1e-2, 1e2, N)), RNG.standard_normal(N)


def by_array(thing):
    """As joblib does: each mention of an array is written and read by itself, so no two names share one afterwards."""
    arrays, file = [], io.BytesIO()

    class Pickler(pickle.Pickler):
        def persistent_id(self, thing):
            if type(thing) is not np.ndarray:
                return None
            arrays.append(thing)
            return len(arrays) - 1

    class Unpickler(pickle.Unpickler):
        def persistent_load(self, number):
            return arrays[number].copy()

    Pickler(file, protocol=pickle.HIGHEST_PROTOCOL).dump(thing)
    file.seek(0)
    return Unpickler(file).load()


ROUND_TRIPS = {"pickle": lambda o: pickle.loads(pickle.dumps(o)), "deepcopy": copy.deepcopy, "by array": by_array}
STORED = "none", "local", "selective", "partial", "full"
MODES = [*((mode, True) for mode in STORED), ("none", False), ("local", False)]


@pytest.mark.parametrize("preconditioned", [False, True])
@pytest.mark.parametrize("mode, store", MODES)
@pytest.mark.parametrize("way", ROUND_TRIPS)
def test_a_process_that_was_written_and_read_goes_on_with_the_same_bits(way, mode, store, preconditioned):
    M = np.diag(1 / np.diag(A)) if preconditioned else None
    for steps in (0, 1, 2, 7):
        process = LanczosProcess(B, reorthogonalization=mode, store=store, M=M, capacity=3)
        for _ in range(steps):
            process.step(A)
        again = ROUND_TRIPS[way](process)
        for _ in range(3):
            process.step(A)
            again.step(A)
        assert again.k == process.k and again.start_norm == process.start_norm
        for name in ("alpha", "beta", "q", "q_next", *(("Q", "H") if store else ())):
            np.testing.assert_array_equal(getattr(again, name), getattr(process, name))


@pytest.mark.parametrize("mode", ["none", "local", "full"])
@pytest.mark.parametrize("way", ROUND_TRIPS)
def test_a_state_of_lancbio_that_was_written_and_read_goes_on_with_the_same_bits(way, mode):
    problem = problems.synthetic(20, 50.0, rng=0)
    method = LancBiO(0.1, 0.01, subspace=6, reorthogonalization=mode)
    state = method.init(problem, *problem.initial_point(1), np.random.default_rng(0))
    for _ in range(9):  # three iterations into the second subspace
        state = method.step(problem, state)
    again = ROUND_TRIPS[way](state)
    for _ in range(8):  # and two into the fourth
        state, again = method.step(problem, state), method.step(problem, again)
        for name in ("x", "x_next", "y", "v", "h", "T", "Q", "q_next", "omega", "r", "coefficients"):
            np.testing.assert_array_equal(getattr(again, name), getattr(state, name), err_msg=name)


@pytest.mark.parametrize("ring", [2, 3])
def test_rows_take_turns(ring):
    basis = Basis(4, np.dtype("f"), capacity=9, ring=ring, has_duals=False)
    for j in range(1, 8):
        q, p, before, w = basis.step(j)
        if j == 1:
            q[:] = 1
        assert (q == j).all() and (p == j).all() and (before == max(j - 1, 1)).all()
        assert np.shares_memory(w, before) == (before is w) == (ring == 2 and j > 1)
        w[:] = j + 1
    assert basis.capacity == 9 and (basis.q(8) == 8).all()


@pytest.mark.parametrize("has_duals", [False, True])
def test_a_stored_basis_grows_and_keeps_what_it_holds(has_duals):
    basis = Basis(3, np.dtype(float), capacity=1, ring=0, has_duals=has_duals)
    basis.q(1)[:], basis.p(1)[:] = 1, -1
    for j in range(1, 10):
        *_, w = basis.step(j)
        basis.q(j + 1)[:], w[:] = j + 1, -j - 1
    Q, P = basis.rows(2, 9)
    np.testing.assert_array_equal(P[:, 0], -np.arange(2.0, 10))
    np.testing.assert_array_equal(Q[:, 0], np.arange(2.0, 10) if has_duals else P[:, 0])
    assert basis.capacity == 15
    basis.divide(4, 2.0)
    basis.clear(5)
    assert (basis.p(4) == -2).all() and (basis.q(4) == (2 if has_duals else -2)).all()
    assert not basis.p(5).any() and not basis.q(5).any() and basis.holds_numbers(5)
    basis.p(5)[1] = np.nan
    assert not basis.holds_numbers(5)


@pytest.mark.parametrize("fails", [1, 2])
def test_a_basis_that_cannot_grow_stays_what_it_was(monkeypatch, fails):
    """With a preconditioner two arrays are asked for; where the first or the second is refused, nothing is lost."""
    A, M, q1 = np.diag(np.arange(1.0, 61)), np.diag(np.arange(1.0, 61) ** -0.5), np.ones(60)
    whole = LanczosProcess(q1, M=M, reorthogonalization="full")
    process = LanczosProcess(q1, M=M, reorthogonalization="full")
    for _ in range(40):
        whole.step(A)
    asked, empty = [], np.empty

    def refusing(shape, *rest, **options):
        if np.ndim(shape) and len(shape) == 2 and shape[1] == 60:
            asked.append(shape)
            if len(asked) == fails:
                raise MemoryError
        return empty(shape, *rest, **options)

    refused = 0
    while process.k < 40:
        room = process._basis.capacity
        with monkeypatch.context() as patch:
            patch.setattr(np, "empty", refusing)
            try:
                process.step(A)
                continue
            except MemoryError:
                refused += 1
        assert process._basis.capacity == room
        assert np.array_equal(process.Q, whole.Q[:, : process.Q.shape[1]])
    assert refused == 1 and np.array_equal(process.alpha, whole.alpha) and np.array_equal(process.Q, whole.Q)
