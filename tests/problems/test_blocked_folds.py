"""Folds over blocks: the problem in memory, from as many readings as one fold takes, and what one of them raises."""

import math
import threading

import numpy as np
import pytest
import scipy.sparse as sp

from lancbio_ref import ArgumentError, CertificateStatus, HyperObjective, hypergradient, minimize, problems
from lancbio_ref.blocks import LocalBlocks, keeping
from lancbio_ref.blocks.rows import RowsOfBlocks
from lancbio_ref.blocks.together import Readings
from lancbio_ref.problems.blocked.folds import BlockedFolds
from tests.thorough import covering, sampled

N, P, ROWS = 90, 4, 20
OF_ROW = np.arange(N) * 7 % 3
IN_BLOCKS = np.repeat(np.arange(5) % 2, [20, 20, 20, 20, 10])
SPLITS = {
    "consecutive": [(np.r_[:a, b:N], np.arange(a, b)) for a, b in ((0, 30), (30, 60), (60, 90))],
    "scattered": [(np.flatnonzero(k != OF_ROW), np.flatnonzero(k == OF_ROW)) for k in range(3)],
    "few": [(np.arange(0, N, 4), np.arange(1, N, 4)), (np.arange(2, N, 2), np.array([1, 3]))],
    "whole blocks": [(np.flatnonzero(k != IN_BLOCKS), np.flatnonzero(k == IN_BLOCKS)) for k in range(2)],
}  # fmt: skip
MODELS = {
    "logistic": dict(loss="logistic"),
    "intercept": dict(loss="logistic", intercept=True, penalty="all"),
    "centre": dict(loss="squared", intercept="centre"),
    "poisson": dict(loss="poisson", penalty="all"),
    "multinomial": dict(loss="multinomial", penalty="class", intercept=True),
    "weights": dict(loss="huber", sample_weight=np.arange(N) % 5, fold_weights=[1.0, 3.0]),
}


def data(loss="logistic"):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, P)) + np.array([0, 2, 0, 0])
    scores = X @ np.array([1.0, -0.5, 0, 0]) + rng.standard_normal(N)
    if loss == "multinomial":
        return X, np.digitize(scores, [-1.5, -0.5])
    return X, scores if loss in ("squared", "huber") else (scores > -1).astype(int)


EQUAL = [name for name in MODELS if name != "weights"]  # which are of two folds
CASES = [*covering(SPLITS, EQUAL, strength=1), *sampled([("few", "weights"), ("whole blocks", "weights")], 2)]


@pytest.mark.parametrize("split, model", CASES)
def test_the_problem_is_that_in_memory(split, model):
    X, t = data(MODELS[model]["loss"])
    whole = problems.generalized_linear(X, t, folds=SPLITS[split], **MODELS[model])
    folds = 2 if split == "whole blocks" else SPLITS[split]
    parts = problems.generalized_linear(X, t, folds=folds, block_rows=ROWS, **MODELS[model])
    assert isinstance(parts, BlockedFolds) and (parts.n_x, parts.n_y) == (whole.n_x, whole.n_y)
    rng = np.random.default_rng(1)
    x, y, v = np.full(whole.n_x, -2.0), 0.3 * rng.standard_normal(whole.n_y), rng.standard_normal(whole.n_y)
    close = dict(rtol=1e-11, atol=1e-11)
    here, there = whole.linearize(x, y), parts.linearize(x, y)
    for ask in (
        lambda at: at.A.matvec(v), lambda at: at.J.matvec(v), lambda at: at.b, lambda at: at.grad_y,
    ):  # fmt: skip
        assert np.allclose(ask(here), ask(there), **close)
    assert np.allclose(here.A @ np.stack([v, y]).T, there.A @ np.stack([v, y]).T, **close)
    for name in ("value", "lower_value", "lower_grad_x"):
        assert np.allclose(getattr(whole, name)(x, y), getattr(parts, name)(x, y), **close)
    assert there.mu is not None and there.mu <= here.mu * (1 + 1e-9)
    one, other = hypergradient(whole, x), hypergradient(parts, x)
    bounds = [found.error_bound + found.lower_level_bound for found in (one, other)]
    assert max(bounds) < math.inf and other.certificate.lower_level == CertificateStatus.CERTIFIED
    assert np.linalg.norm(one.value - other.value) <= sum(bounds) + 1e-13


def test_the_readings_are_those_of_one_fold():
    X, t = data()
    given = dict(loss="logistic", intercept=True, penalty="all", block_rows=ROWS)
    parts = problems.generalized_linear(X, t, folds=SPLITS["consecutive"], **given)
    alone = []
    for rows, held_out in SPLITS["consecutive"]:
        one = problems.generalized_linear(X[rows], t[rows], validation=(X[held_out], t[held_out]), **given)
        before = one.n_passes + one.n_passes_upper
        hypergradient(one, [-2.0])
        alone.append(one.n_passes + one.n_passes_upper - before)
    before = parts.n_passes
    hypergradient(parts, [-2.0])
    # the folds take the steps of the one that needs most, and Krylov spaces of all together are larger
    assert parts.n_passes - before <= 2.2 * max(alone) < sum(alone)
    x, y = np.array([-2.0]), np.zeros(parts.n_y)
    A, before = parts.hessian(x, y), parts.n_passes
    A.matvec(y + 1)
    assert parts.n_passes == before + 1
    parts.lower_grad_y(x, y)
    assert parts.n_passes == before + 1  # came with the product
    A @ np.eye(parts.n_y)[:, :7]
    assert parts.n_passes == before + 2


def test_the_bits_are_those_of_the_blocks(tmp_path, monkeypatch):
    X, t = data()
    np.save(tmp_path / "X.npy", X)
    found, given = set(), dict(loss="logistic", folds=SPLITS["scattered"], penalty="all", intercept=True)
    held = (X, np.load(tmp_path / "X.npy", mmap_mode="r"), [X[a : a + ROWS] for a in range(0, N, ROWS)])
    for A, kept in covering(held, (keeping.KEPT_BYTES, 0), strength=1):
        monkeypatch.setattr(keeping, "KEPT_BYTES", kept)
        folds = problems.generalized_linear(A, t, **given, block_rows=None if isinstance(A, list) else ROWS)
        h = hypergradient(folds, [-1.0])
        found.add((h.value.tobytes(), h.error_bound, h.lower_level_bound))
    assert len(found) == 1


def test_optimizers_and_methods_run_on_folds():
    X, t = data()
    given = dict(loss="logistic", penalty="all")
    parts = problems.generalized_linear(sp.csr_array(X), t, folds=3, block_rows=ROWS, **given)
    of_row = np.arange(N) // ROWS % 3
    pairs = [(np.flatnonzero(of_row != k), np.flatnonzero(of_row == k)) for k in range(3)]
    whole = problems.generalized_linear(X, t, folds=pairs, **given)
    F, G = HyperObjective(parts, accuracy=1e-8), HyperObjective(whole, accuracy=1e-8)
    for x in (-3.0, -1.0):
        (f, h), (g, k) = F(np.array([x])), G(np.array([x]))
        assert abs(f - g) <= F.last.value_bound + G.last.value_bound and np.allclose(h, k, atol=2e-8)
    runs = [minimize(problem, [0.0], maxiter=4, method="lancbio", step_x=0.1, step_y=0.1) for problem in (parts, whole)]
    assert np.allclose(runs[0].x, runs[1].x, rtol=1e-9)
    assert (np.diff(runs[0].trace["n_passes"]) > 0).all()


def test_rows_of_other_folds_cannot_overflow():
    """e^s of a row that is not the fold's own would be infinite, and 0 · ∞ is no number."""
    X, t = data("poisson")
    X[50:52] *= 1e4
    folds = [(np.r_[:50, 52:N], np.arange(10)), (np.r_[:40, 60:N], np.arange(40, 45))]
    problem = problems.generalized_linear(X, t, loss="poisson", folds=folds, penalty="all", block_rows=45)
    y = np.full(problem.n_y, 0.3)
    point = problem.linearize(np.zeros(1), y)
    assert np.isfinite(point.A.matvec(y)).all() and np.isfinite(point.grad_y).all() and np.isfinite(point.b).all()
    assert point.formation["grad_y"] < math.inf and point.mu >= 0.9 and point.lipschitz is not None
    assert point.lipschitz.gyy < math.inf


BAD = {
    "a class is missing": (dict(folds=[(np.arange(4), np.arange(9))]), r"folds\[0\]\[0\].*without class 0"),
    "not there": (dict(folds=[(np.arange(9), np.arange(80, 100))]), r"folds\[0\]\[1\].*0\.\.89"),
    "one": (dict(folds=1), "folds: found 1, expected 2 … 5 folds"),
    "more than blocks": (dict(folds=6), "folds: found 6"),
    "no pairs": (dict(folds=[np.arange(3)]), "pairs"),
    "nothing": (dict(folds=2.5), "folds: found 2.5"),
    "weights": (dict(folds=2, fold_weights=[1.0, -1.0]), "weights >= 0"),
    "no weight": (dict(folds=2, sample_weight=np.where(IN_BLOCKS == 1, 0.0, 1.0)), "without class 0"),
}  # fmt: skip


@pytest.mark.parametrize("bad", BAD)
def test_bad_folds_are_refused(bad):
    X, t = data()
    t[:4] = 1
    given, message = BAD[bad]
    with pytest.raises(ArgumentError, match=message):
        problems.generalized_linear(X, t, loss="logistic", block_rows=ROWS, **given)
    with pytest.raises(ArgumentError, match="whole blocks"):
        problems.generalized_linear(X, t, loss="logistic", folds=3)


# -- readings together ---------------------------------------------------------------------------


def test_one_that_fails_ends_all_and_leaves_no_thread():
    readings = Readings(LocalBlocks(np.ones((4, 1)), np.zeros(4), block_rows=1))
    before, ended = threading.active_count(), []

    def ask(times):
        try:
            for k in range(times):
                assert len(list(readings.map(lambda block: block.index))) == 4
                if times == 3 and k == 2:
                    raise ZeroDivisionError
            return times
        finally:
            ended.append(times)

    assert readings.together(ask, [2, 1, 0, 2]) == [2, 1, 0, 2] and readings.blocks.n_passes == 2
    with pytest.raises(ZeroDivisionError):
        readings.together(ask, [9, 3, 7])
    assert ended[-3:] == [3, 9, 7] and readings.blocks.n_passes == 5
    with pytest.raises(KeyError):
        readings.together(lambda k: list(readings.map(lambda block: {}[k])), [1, 2])
    assert threading.active_count() == before


def test_results_that_nobody_takes_any_more_hold_nobody_up():
    readings = Readings(LocalBlocks(np.ones((4, 1)), np.zeros(4), block_rows=1))

    def first(count):
        taken = [index for index, _ in zip(readings.map(lambda block: block.index), range(count), strict=False)]
        return taken + list(readings.map(lambda block: -block.index))

    assert readings.together(first, [1, 4]) == [[0, 0, -1, -2, -3], [0, 1, 2, 3, 0, -1, -2, -3]]
    assert readings.blocks.n_passes == 2


def test_rows_are_taken_with_the_least_to_do():
    X = np.arange(40.0).reshape(20, 2)
    readings = Readings(LocalBlocks(X, np.arange(20), block_rows=5))
    rows = np.array([0, 1, 2, 3, 4, 6, 8, 15, 16, 17, 19])
    part = RowsOfBlocks(readings, rows)
    assert part.rows == (5, 2, 5) and part.shape == (11, 2)
    found = list(part.map(lambda block: (block.t[block.s > 0].tolist(), np.shares_memory(block.X, X))))
    assert found == [([0, 1, 2, 3, 4], True), ([6, 8], False), ([15, 16, 17, 19], True)]
    some = part.take(np.array([0, 5, 10]))
    assert np.concatenate(list(some.map(lambda block: block.t))).tolist() == [0, 6, 19]
    assert part.with_offset(np.array([0.0, 0, 1])).shape == (11, 3)


def test_what_needs_nothing_of_each_other_shares_readings_across_folds():
    X, t = data()
    given = dict(loss="logistic", folds=SPLITS["scattered"], weights="sigmoid", penalty="all", block_rows=ROWS)
    parts = problems.generalized_linear(X, t, **given)
    x, y = np.linspace(-1, 1, parts.n_x), np.linspace(-1, 1, parts.n_y)
    point, before = parts.linearize(x, y), parts.n_passes
    asked = [lambda: parts.lower_grad_y(x, y), lambda: point.A.matvec(y), lambda: point.J.matvec(y)]
    found = parts.together(*asked)
    assert parts.n_passes == before + 1
    other = problems.generalized_linear(X, t, **given)
    point = other.linearize(x, y)
    alone = other.lower_grad_y(x, y), point.A.matvec(y), point.J.matvec(y)
    assert [a.tobytes() for a in found] == [b.tobytes() for b in alone]


LEARNED = [("sigmoid", "all"), ("softplus", "none"), ("simplex", "feature")]


@pytest.mark.parametrize("learned, split", covering(LEARNED, ("scattered", "whole blocks"), strength=1))
def test_weights_are_learned_over_folds_as_in_memory(learned, split):
    """x weighs all samples, each fold's own those that it trains on."""
    X, t = data()
    weights, penalty = learned
    given = dict(loss="logistic", weights=weights, penalty=penalty, intercept=True, fixed=0.1)
    whole, parts = (problems.generalized_linear(X, t, folds=SPLITS[split], **given, block_rows=r) for r in (None, ROWS))
    assert isinstance(parts, BlockedFolds) and parts.n_x == whole.n_x
    x0 = np.random.default_rng(1).standard_normal(whole.n_x)
    x0[-N] = 800.0  # on the simplex an e^x that must be nobody's but its own folds'
    one, other = hypergradient(whole, x0), hypergradient(parts, x0)
    assert other.certificate.error == CertificateStatus.CERTIFIED
    assert np.linalg.norm(one.value - other.value) <= sum(h.error_bound + h.lower_level_bound for h in (one, other))
