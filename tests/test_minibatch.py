"""Mini-batches: unbiased, independent, logged, repeated bit for bit, and nothing but the whole where they are all."""

import itertools
import math

import numpy as np
import pytest
import scipy.sparse as sp

from lancbio_ref import ArgumentError, Minibatched, SolveStatus, fixed_batch, methods, minimize, problems
from lancbio_ref.jobs.settings import OPTIONS
from lancbio_ref.operators import one_batch, structure_of
from tests.peaks import least_peak
from tests.thorough import THOROUGH


def make(name, n=5, m=4):
    rng = np.random.default_rng(3)
    X, V = rng.standard_normal((n, 3)), rng.standard_normal((m, 3))
    labels, labels_val = np.arange(n) % 3, np.arange(m) % 3
    if name == "ridge":
        return problems.ridge(X, rng.standard_normal(n), V, rng.standard_normal(m))
    if name == "sparse ridge":
        return problems.ridge(sp.csr_array(X), rng.standard_normal(n), sp.csr_array(V), rng.standard_normal(m))
    if name == "cleaning":
        return problems.data_cleaning(X, labels, V, labels_val, n_classes=3, regularization=0.05)
    if name in FAMILY:
        given = FAMILY[name] | dict(sample_weight=rng.uniform(0.5, 2, n))
        targets = {"multinomial": labels, "poisson": labels}.get(given["loss"], X[:, 0] + 1)
        if "folds" in given:
            half = np.arange(n) % 2 == 0
            return problems.generalized_linear(X, targets, **given | dict(folds=[(half, ~half), (~half, half)]))
        held = (V, labels_val, rng.uniform(0.5, 2, m))
        return problems.generalized_linear(X, targets, validation=held, **given)
    if name == "binary":
        return problems.logistic(X, labels % 2, V, labels_val % 2)
    return problems.logistic(sp.csr_array(X), labels, sp.csr_array(V), labels_val, weights="class")


FAMILY = {  # sums with unequal weights, fixed and learned, and folds, of which a batch may have no sample of one
    "poisson": dict(loss="poisson", weights="sigmoid", intercept=True),
    "simplex": dict(loss="multinomial", n_classes=3, weights="simplex", penalty="class"),
    "folds": dict(loss="squared", weights="softplus", folds=True, fold_weights=[1.0, 2.0]),
    "simplex folds": dict(loss="huber", weights="simplex", folds=True, penalty="none", fixed=0.1),
    "centred": dict(loss="squared", penalty="all", intercept="centre"),
}
NAMES = ("ridge", "sparse ridge", "cleaning", "binary", "multinomial", *FAMILY)


def point(problem, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal(problem.n_x), rng.standard_normal(problem.n_y), rng


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_mean_over_all_batches_is_the_whole(name, size):
    problem = make(name)
    x, y, rng = point(problem)
    v, u = rng.standard_normal(problem.n_y), rng.standard_normal(problem.n_x)
    quantities = {
        "lower": [
            lambda p: p.lower_grad_y(x, y),
            lambda p: p.lower_grad_x(x, y),
            lambda p: p.lower_value(x, y),
            lambda p: p.hessian(x, y).matvec(v),
            lambda p: p.cross(x, y).matvec(v),
            lambda p: p.cross(x, y).rmatvec(u),
        ],
        "upper": [lambda p: p.upper_grad_y(x, y), lambda p: p.upper_grad_x(x, y), lambda p: p.value(x, y)],
    }
    for level, total in zip(("upper", "lower"), problem.n_samples, strict=True):
        batches = [problem.minibatch(**{level: b}) for b in itertools.combinations(range(total), size)]
        for position, quantity in enumerate(quantities[level]):
            values = np.array([quantity(batch) for batch in batches])
            np.testing.assert_allclose(values.mean(axis=0), quantity(problem), rtol=1e-13, atol=1e-14)
            if size == 1 and position == 0:
                assert np.ptp(values, axis=0).max() > 1e-3  # and they are not all the same


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_is_a_problem_with_right_derivatives_and_bounds(name):
    problem = make(name, n=9, m=8)
    x, y, rng = point(problem)
    batch = problem.minibatch(upper=[1, 2, 6], lower=[0, 3, 4, 8])
    report = batch.check(x, y, rng)
    assert report, str(report)
    part = batch.linearize(x, y)
    eigenvalues = np.linalg.eigvalsh(structure_of(part.A).toarray())
    assert part.mu <= eigenvalues[0] * (1 + 1e-12) and eigenvalues[-1] <= part.smoothness
    assert np.linalg.norm(structure_of(part.J).toarray(), 2) <= part.cross_norm * (1 + 1e-12)
    inner = batch.minibatch(lower=[1, 3])  # rows of rows
    np.testing.assert_array_equal(inner.lower_grad_y(x, y), problem.minibatch(lower=[3, 8]).lower_grad_y(x, y))


def test_every_subset_is_equally_likely():
    """Pearson's χ² with 5 degrees of freedom exceeds 36 with probability 1e-6 if the six pairs are equally likely."""
    draws = 3000 if THOROUGH else 900
    problem = make("ridge", n=4)
    batches = Minibatched(problem, None, 2, rng=12)
    x, y, _ = point(problem)
    for _ in range(draws):
        batches.lower_grad_y(x, y)
    counts = dict.fromkeys(itertools.combinations(range(4), 2), 0)
    for draw in batches.log:
        counts[tuple(draw.indices.tolist())] += 1
    assert sum((count - draws / 6) ** 2 / (draws / 6) for count in counts.values()) < 36


@pytest.mark.parametrize("name", ["ridge", "cleaning", "multinomial"])
def test_means_of_many_draws_are_near_the_whole(name):
    """Hoeffding: a mean of N values in [a, b] misses by more than (b − a)√(log(2/ε)/2N) with probability < ε = 1e-9."""
    problem = make(name)
    x, y, rng = point(problem)
    v, draws = rng.standard_normal(problem.n_y), 1000 if THOROUGH else 250
    batches = Minibatched(problem, 2, 2, rng=5)
    stochastic, whole = batches.linearize(x, y), problem.linearize(x, y)
    singles = [problem.minibatch(lower=[i]) for i in range(5)]
    share = math.sqrt(math.log(2e9) / (2 * draws))
    for drawn, exact, of_one in (
        (lambda: stochastic.A.matvec(v), whole.A.matvec(v), [p.hessian(x, y).matvec(v) for p in singles]),
        (lambda: stochastic.J.matvec(v), whole.J.matvec(v), [p.cross(x, y).matvec(v) for p in singles]),
        (lambda: batches.lower_grad_y(x, y), whole.grad_y, [p.lower_grad_y(x, y) for p in singles]),
    ):
        width = np.ptp(of_one, axis=0)  # a batch's value is a mean of those of single rows
        error = np.abs(np.mean([drawn() for _ in range(draws)], axis=0) - exact)
        assert (error <= width * share + 1e-12).all()


def test_a_linearization_draws_for_everything_apart():
    problem = make("cleaning", n=300, m=200)
    x, y, rng = point(problem)
    batches = Minibatched(problem, 20, 30, rng=0)
    here = batches.linearize(x, y)
    v = rng.standard_normal(y.size)
    assert (here.A.matvec(v) != here.A.matvec(v)).any()
    here.J.matvec(v), here.grad_y
    drawn = [(d.quantity, d.call, d.indices.size) for d in batches.log]
    assert drawn == [
        ("upper.grad_y", 1, 20),
        ("upper.grad_x", 1, 20),
        ("lower.hessian", 1, 30),
        ("lower.hessian", 2, 30),
        ("lower.cross", 1, 30),
        ("lower.grad_y", 1, 30),
    ]
    assert len({tuple(d.indices.tolist()) for d in batches.log}) == 6
    assert all((np.diff(d.indices.astype(int)) > 0).all() for d in batches.log)
    assert (here.mu, here.smoothness, here.cross_norm) == (None, None, None)  # there is no one A to bound
    assert batches.calls["lower.hessian(x, y) @ v"] == 2


def test_one_batch_makes_one_symmetric_matrix():
    problem = make("multinomial", n=40)
    x, y, rng = point(problem)
    batches = Minibatched(problem, None, 6, rng=0)
    A, (u, v) = batches.linearize(x, y).A, rng.standard_normal((2, y.size))
    fixed = one_batch(A)
    assert len(batches.log) == 1
    assert u @ fixed.matvec(v) == pytest.approx(v @ fixed.matvec(u), rel=1e-12)
    assert len(batches.log) == 1
    assert abs(u @ A.matvec(v) - v @ A.matvec(u)) > 1e-6
    part = fixed_batch(batches, "lower.difference")
    np.testing.assert_array_equal(part.lower_grad_y(x, y), part.lower_grad_y(x, y))
    assert [d.quantity for d in batches.log[-2:]] == ["lower.hessian", "lower.difference"]
    assert fixed_batch(problem, "lower.difference") is problem


STEPS = dict(step_x=0.05, step_y=0.1)
RUNS = {
    "lancbio": dict(STEPS, subspace=3, inner_steps=2),
    "subbio": dict(STEPS, step_v=0.1),
    "amigo-cg": dict(STEPS, inverse_steps=2),
    "amigo-gd": dict(STEPS, step_v=0.1, inverse_steps=2),
    "soba": dict(STEPS, step_v=0.1),
    "stocbio": dict(STEPS, step_v=0.1, inverse_steps=3),
    "bsa": dict(STEPS, step_v=0.1, inverse_steps=3),
    "ttsa": dict(STEPS, step_v=0.1, inverse_steps=3),
    "stable": dict(STEPS, momentum=0.5, mu=0.1, cross_norm=5.0),
    "f2sa": dict(STEPS, step_z=0.1, penalty_growth=0.5),
    "hjfbio": dict(STEPS, step_v=0.1, radius=100.0, difference=1e-4),
}
assert set(RUNS) == {name for name in methods.names() if "step_y" in OPTIONS[name]}  # others are deterministic
ALONE = {name: {} for name in methods.names() if name not in RUNS}  # which need no step


def run(problem, method, **options):
    x, y, rng = point(problem, 7)
    settings = dict(v0=rng.random(y.size), maxiter=6, rng=1, trace=("x", "y", "v"))
    return minimize(problem, x, y, method=method, **settings, **RUNS.get(method, RUNS["soba"]), **options)


def assert_same_bits(first, second):
    for name in ("x", "y", "v", "h_norm", "n_hvp", "n_cross", "n_grad"):
        np.testing.assert_array_equal(first.trace[name], second.trace[name], err_msg=name)
    assert first.fun == second.fun


@pytest.mark.parametrize("method", RUNS)
def test_all_samples_are_the_deterministic_run(method):
    for name in ("ridge", "cleaning"):
        problem = make(name, n=8, m=6)
        whole = run(problem, method, batch_size=(6, 8))
        assert_same_bits(whole, run(problem, method))
        assert_same_bits(whole, run(problem, method, batch_size=(None, None)))
        assert whole.batches == []


@pytest.mark.parametrize(("method", "name"), [(method, "cleaning") for method in RUNS] + [("soba", "simplex folds")])
def test_a_replay_is_the_run(method, name):
    problem = make(name, n=30, m=20)
    first = run(problem, method, batch_size=(5, 6))
    assert first.batches and {d.k for d in first.batches} == set(range(1, 7))
    again = run(Minibatched(problem, 5, 6, rng=99, replay=first.batches), method)
    assert_same_bits(first, again)
    assert (first.trace["x"][1:] != run(problem, method).trace["x"][1:]).any()
    for a, b in zip(first.batches, again.batches, strict=True):
        assert a[:3] == b[:3]
        np.testing.assert_array_equal(a.indices, b.indices)
    assert_same_bits(first, run(problem, method, batch_size=(5, 6)))  # the same seed


def test_diagnostics_are_of_the_whole_problem_and_draw_nothing():
    problem = make("ridge", n=30, m=20)
    plain = run(problem, "subbio", batch_size=4)
    watched = run(problem, "subbio", batch_size=4, diagnostics_every=2)
    assert_same_bits(plain, watched)
    assert len(plain.batches) == len(watched.batches)
    x, y = watched.trace["x"][5], watched.trace["y"][5]
    diagnostics = watched.trace.diagnostics
    assert diagnostics["fun"][-1] == problem.value(x, y)
    assert diagnostics["lower_grad_norm"][-1] == pytest.approx(np.linalg.norm(problem.lower_grad_y(x, y)))
    assert watched.fun == problem.value(watched.x, watched.y)


def test_subbio_makes_its_matrix_on_one_batch():
    problem = make("cleaning", n=40, m=30)
    batches = run(problem, "subbio", batch_size=5).batches
    for k in range(1, 7):
        drawn = sorted(d.quantity for d in batches if d.k == k)
        assert drawn == ["lower.cross", "lower.grad_y"] + ["lower.hessian"] * 2 + ["upper.grad_x", "upper.grad_y"]


def test_an_interrupted_run_keeps_the_batches_of_what_is_finished():
    problem = make("ridge", n=30)

    def stop(state):
        if state.k == 3:
            raise KeyboardInterrupt

    result = run(problem, "lancbio", batch_size=(None, 4), callback=stop)
    assert result.nit == 3
    assert {d.k for d in result.batches} == {1, 2, 3}


@pytest.mark.parametrize("name", ["ridge", "cleaning", "multinomial"])
def test_a_batch_copies_its_own_rows_only(name):
    problem = make(name, n=40_000)
    x, y, _ = point(problem)
    y = y.copy()
    batches = Minibatched(problem, None, 16, rng=0)
    A = batches.hessian(x, y)
    A.matvec(y)
    half = 40_000 * 3 * 8 / 2  # of X; the permutation behind a draw is no part of X
    assert least_peak(lambda: A.matvec(y), half) < half


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        (dict(upper=0), "upper batch size"),
        (dict(upper=5), "upper batch size"),
        (dict(lower=6), "lower batch size"),
        (dict(lower=2.0), "lower batch size"),
        (dict(lower=True), "lower batch size"),
        (dict(problem=problems.quadratic(2, 3, rng=0)), "problem"),
        (dict(rng="x"), "rng"),
    ],
)
def test_what_cannot_be_used_is_refused(arguments, argument):
    with pytest.raises(ArgumentError) as caught:
        Minibatched(**(dict(problem=make("ridge"), upper=None, lower=None) | arguments))
    assert caught.value.argument == argument


@pytest.mark.parametrize("rows", [[], [0.0], [1, 1], [2, 1], [-1, 0], [5], [[0]]])
@pytest.mark.parametrize("name", NAMES)
def test_rows_that_are_no_batch_are_refused(name, rows):
    with pytest.raises(ArgumentError) as caught:
        make(name).minibatch(lower=rows)
    assert caught.value.argument == "lower"


def test_a_replay_that_does_not_fit_is_refused():
    problem = make("ridge")
    x, y, _ = point(problem)
    first = Minibatched(problem, 2, 3, rng=0)
    first.lower_grad_y(x, y)
    for replay in (
        [],
        [first.log[0]._replace(quantity="lower.cross")],
        [first.log[0]._replace(indices=np.array([0, 1]))],
    ):
        with pytest.raises(ArgumentError) as caught:
            Minibatched(problem, 2, 3, replay=replay).lower_grad_y(x, y)
        assert caught.value.argument == "replay"
    with pytest.raises(ArgumentError):
        first.batch("middle")
    black_boxes = problems.Folds([problems.quadratic(2, 3, rng=0)])
    for refused in (black_boxes.minibatch, lambda: Minibatched(black_boxes, 1, 1)):
        with pytest.raises(ArgumentError, match="finite sum"):
            refused()


@pytest.mark.parametrize("size", [(1, 2, 3), "ab", 0, 99])
def test_minimize_refuses_impossible_batch_sizes(size):
    problem = make("ridge")
    with pytest.raises(ArgumentError):
        run(problem, "lancbio", batch_size=size)
    with pytest.raises(ArgumentError, match="batch_size"):
        run(Minibatched(problem, 2, 2), "lancbio", batch_size=2)


def test_values_are_those_of_the_whole_and_all_samples_keep_their_bounds():
    problem = make("ridge")
    x, y, _ = point(problem)
    batches = Minibatched(problem, 2, 2, rng=0)
    assert batches.value(x, y) == problem.value(x, y) and batches.lower_value(x, y) == problem.lower_value(x, y)
    assert not batches.log and batches.linearize(x, y).mu is None
    assert Minibatched(problem, None, None).linearize(x, y).mu == problem.linearize(x, y).mu > 0


def test_batches_of_an_iteration_that_was_interrupted_are_left_out(monkeypatch):
    problem = make("ridge")
    x, y, _ = point(problem)
    make_batch, calls = problem.minibatch, itertools.count(1)

    def minibatch(**rows):
        if next(calls) == 9:  # the last of three draws of iteration 3
            raise KeyboardInterrupt
        return make_batch(**rows)

    monkeypatch.setattr(problem, "minibatch", minibatch)
    steps = dict(step_x=0.1, step_y=0.1, step_v=0.1)
    result = minimize(problem, x, y, v0=y, method="soba", maxiter=9, batch_size=(None, 2), rng=0, **steps)
    assert result.status == SolveStatus.INTERRUPTED and result.nit == 2
    assert [draw.k for draw in result.batches] == [1, 1, 1, 2, 2, 2]
