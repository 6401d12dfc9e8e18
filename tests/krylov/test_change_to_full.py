"""`selective` of a solve becomes `full` where a look at T costs more: the level stays, and so do answers and bits."""

import sys

import numpy as np
import pytest

from lancbio_ref import LanczosProcess
from lancbio_ref.krylov import solve as solve_function
from lancbio_ref.krylov.cycle_process import CycleProcess
from lancbio_ref.krylov.reorthogonalization import Selective, SelectiveWhileCheap
from lancbio_ref.operators import CheckedOperator, DiagonalLowRank
from tests.krylov.test_due_vectors import outliers
from tests.krylov.test_reorthogonalization import clusters
from tests.thorough import THOROUGH


def run_through(spectrum, start, dtype, steps=140):
    """max |QᵀQ − I| of the steps before the change, of all, of what came after it, and the step of the change."""
    process = CycleProcess(start.astype(dtype), reorthogonalization="selective")
    A, at = DiagonalLowRank(spectrum.astype(dtype)), 0
    while process.k < min(steps, spectrum.size - 1) and not process.breakdown:
        process.step(A)
        at = at or process.k * process._rule.changed
    Q = process.Q.astype(float)
    loss = np.abs(Q.T @ Q - np.eye(process.k))
    return loss[:at, :at].max(), loss.max(), loss[:, at + 1 :].max(initial=0.0), at


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("after", [30, 70])
@pytest.mark.parametrize("seed", range(80 if THOROUGH else 3))
def test_the_level_stays_that_of_the_steps_before(monkeypatch, seed, after, dtype):
    """Vectors of before keep their √u, those of afterwards are orthogonal to u to all of them."""
    rng = np.random.default_rng(seed)
    u = np.finfo(dtype).eps / 2
    for spectrum, start in ((clusters(rng), None), outliers(seed)):
        monkeypatch.setattr(SelectiveWhileCheap, "look", spectrum.size / after)
        start = rng.standard_normal(spectrum.size) if start is None else start
        before, loss, later, at = run_through(spectrum, start, dtype)
        assert at == after + 1
        assert loss == before < 2.8 * np.sqrt(u)
        assert later < 100 * u


def test_one_pass_is_not_enough(monkeypatch):
    """E h stays of the first, |E| and h/‖w‖ being √u where a loss was just found; without any it is the whole of h."""
    spectrum, start = np.geomspace(1e-6, 1, 300), np.ones(300)
    monkeypatch.setattr(SelectiveWhileCheap, "look", 5)
    assert run_through(spectrum, start, float)[2] < 1e-14
    monkeypatch.setattr(LanczosProcess, "orthogonalize_full", lambda process, w: None)
    assert run_through(spectrum, start, float)[2] > 1e-6


def test_it_is_full_from_where_a_look_costs_more():
    """Of 4096 entries from step 257 on; of a process of somebody's own, never; and the vectors are let go."""
    n = 4096
    A, rule = DiagonalLowRank(np.geomspace(1e-3, 1, n)), {}
    for kind in (CycleProcess, LanczosProcess):
        process = kind(np.ones(n), reorthogonalization="selective", capacity=270)
        counts = []
        for _ in range(260):
            process.step(A)
            counts.append(process._rule.known.shape[0])
        rule[kind] = process._rule
        assert counts[255] > 10
    changed, kept = rule[CycleProcess], rule[LanczosProcess]
    assert changed.changed and not changed.clusters and changed.vectors.size == changed._vectors.size == 0
    assert type(kept) is Selective and len(kept.clusters) > 10


def test_a_cycle_begins_selective_again(monkeypatch):
    monkeypatch.setattr(SelectiveWhileCheap, "look", 300)
    process = CycleProcess(np.ones(300), reorthogonalization="selective")
    A = DiagonalLowRank(np.geomspace(1e-8, 1, 300))
    for _ in range(40):
        process.step(A)
    assert process._rule.changed and not process._rule.one_operator
    process.restart(np.ones(300))
    assert not process._rule.changed and process._rule.one_operator


@pytest.mark.parametrize("kappa", [1e3, 1e5])
def test_what_is_solved_through_the_change_is_solved(monkeypatch, kappa):
    """The evaluated residual decides, as ever; as many steps as `full` takes, where T is not ruined."""
    monkeypatch.setattr(sys.modules["lancbio_ref.krylov.solve"], "FULL_UP_TO", 0)
    n, found = 300, {}
    d, b = np.geomspace(1 / kappa, 1, n), np.random.default_rng(1).standard_normal(n)
    for look in (0, 6):  # never; from step 51 on
        monkeypatch.setattr(SelectiveWhileCheap, "look", look)
        A = CheckedOperator(DiagonalLowRank(d), "A")
        found[look] = report = solve_function(A, b, rtol=1e-10, maxiter=4 * n, reorthogonalization="selective")
        assert report.status.success and np.linalg.norm(b - d * report.x) <= 1e-10 * np.linalg.norm(b)
    assert found[0].x.tobytes() != found[6].x.tobytes()
    assert found[6].iterations <= found[0].iterations
