"""The family over blocks: bounds against Arb, members in memory, bits, passes, mini-batches, memory, refusals."""

import logging
import math
import os
import subprocess
import sys
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import scipy.sparse as sp
from flint import ctx

from lancbio_ref import (
    ArgumentError,
    BilevelProblem,
    CertificateStatus,
    hypergradient,
    lower_solution,
    minimize,
    problems,
)
from lancbio_ref.blocks import Block, keeping, open_csr
from lancbio_ref.operators import structure_of
from lancbio_ref.problems.blocked import BlockedClassifier, BlockedProblem, passes
from tests.problems.glm_cases import LOSSES, draw, mean_truth
from tests.problems.glm_truth import BITS, column, distance
from tests.thorough import THOROUGH, sampled

CASES = 300 if THOROUGH else 2
CERTIFIED = CertificateStatus.CERTIFIED
STEPS = dict(step_x=0.1, step_y=0.1)


@pytest.mark.parametrize("loss", LOSSES)
def test_hypergradients_over_blocks_are_within_their_bounds_of_arb(loss):
    finite = 0
    for seed in range(100, 100 + CASES):
        problem, x, models, kind = draw(seed, loss, folds=0, block_rows=2)
        assert isinstance(problem, BlockedProblem)
        found = hypergradient(problem, x)
        bound = found.error_bound + found.lower_level_bound
        with ctx.workprec(BITS):
            truth = mean_truth(models, x, [found.lower.y])
        if truth is None:
            assert bound == math.inf, kind
            continue
        assert distance(found.value, truth[2]) <= bound, kind
        assert distance(found.lower.y, truth[0][0]) <= found.lower.error_bound, kind
        if bound < math.inf:
            finite += 1
            assert found.certificate.error == found.certificate.lower_level == CERTIFIED, kind
    assert finite >= 0.6 * CASES


@pytest.mark.parametrize("loss", LOSSES)
def test_what_rounds_over_blocks_is_within_its_bounds(loss):
    rng = np.random.default_rng(7)
    for seed in range(200, 200 + CASES):
        problem, x, (model, *_), kind = draw(seed, loss, folds=0, block_rows=2)
        y = (10 ** rng.uniform(-2, 1) * rng.standard_normal(problem.n_y)).astype(x.dtype)
        x, y = problem.promoted(x, y)
        point, v = problem.linearize(x, y), rng.standard_normal(y.size).astype(y.dtype)
        u = rng.standard_normal(x.size).astype(y.dtype)
        known = point.formation
        with ctx.workprec(BITS):
            f, gradient, A, J, b = model.derivatives(x, y)
            Av, Jv, JTu = (A * column(v)).entries(), (J * column(v)).entries(), (J.transpose() * column(u)).entries()
        assert distance([problem.value(x, y)], [f]) <= known["value"], kind
        assert distance(point.grad_y, gradient.entries()) <= known["grad_y"], kind
        assert distance(point.b, b.entries()) <= known["b"], kind
        size = float(np.linalg.norm(v.astype(float)))
        for name, operator, truth in (("A", structure_of(point.A), Av), ("J", structure_of(point.J), Jv)):
            own = operator.product_factor(v.dtype) * operator.abs_product(np.abs(v))
            own = float(np.linalg.norm(own)) * (1 + 1e-6) + 1e-30
            assert distance(operator.matvec(v), truth) <= known[name] * size * (1 + 1e-6) + own, kind
        operator = structure_of(point.J)
        own = operator.adjoint_factor(u.dtype) * operator.abs_adjoint_product(np.abs(u))
        size, own = float(np.linalg.norm(u.astype(float))), float(np.linalg.norm(own)) * (1 + 1e-6) + 1e-30
        assert distance(operator.rmatvec(u), JTu) <= known["J"] * size * (1 + 1e-6) + own, kind


@pytest.mark.parametrize("loss", LOSSES)
def test_constants_over_blocks_hold_between_y_and_the_minimizer(loss):
    rng = np.random.default_rng(3)
    for seed in range(300, 300 + CASES):
        problem, x, _, kind = draw(seed, loss, folds=0, dtype=np.float64, block_rows=2)
        solved = lower_solution(problem, x, tol=1e-10).y
        y = solved + 10 ** rng.uniform(-9, -4) * rng.standard_normal(solved.size)
        here, there = problem.linearize(x, y), problem.linearize(x, solved)
        A, B, J, K = (structure_of(op).toarray() for op in (here.A, there.A, here.J, there.J))
        far, noise = float(np.linalg.norm(y - solved)), 1e-13 * (1 + np.linalg.norm(A) + np.linalg.norm(J))
        assert here.mu is None or np.linalg.eigvalsh((A + A.T) / 2)[0] >= here.mu - noise, kind
        assert np.linalg.eigvalsh((A + A.T) / 2)[-1] <= here.smoothness + noise, kind
        assert np.linalg.norm(J, 2) <= here.cross_norm + noise, kind
        assert np.allclose(structure_of(here.A).diagonal(), np.diag(A), rtol=1e-12), kind
        if (known := here.lipschitz) is not None:
            assert np.linalg.norm(B - A, 2) <= known.gyy * far + noise, kind
            assert np.linalg.norm(K - J, 2) <= known.gxy * far + noise, kind
            assert np.linalg.norm(there.b - here.b) <= known.fy * far + noise, kind


@pytest.mark.parametrize(
    "loss, weights", sampled([(a, b) for a in LOSSES for b in ("fixed", "sigmoid", "softplus", "simplex")], 3)
)
def test_derivatives_over_blocks_agree_with_finite_differences(loss, weights):
    problem, x, _, _ = draw(11, loss, weights=weights, folds=0, penalty="feature", dtype=np.float64, block_rows=3)
    report = problem.check(x, 0.3 * np.ones(problem.n_y), rng=0)
    assert report and {row.verdict for row in report} == {"ok"}, str(report)


# -- beside the problems in memory -----------------------------------------------------------


def data(seed=0, n=90, m=40, p=5):
    rng = np.random.default_rng(seed)
    X, X_val = rng.standard_normal((n, p)), rng.standard_normal((m, p))
    w = rng.standard_normal(p)
    return X, (X @ w > 0).astype(int), X_val, (X_val @ w > 0.3).astype(int), w


def members(dtype):
    X, labels, X_val, labels_val, w = data()
    X, X_val, w = X.astype(dtype), X_val.astype(dtype), w.astype(dtype)
    three, three_val = np.arange(len(X)) % 3, np.arange(len(X_val)) % 3
    words = np.array(["no", "yes"])
    return {
        "ridge": (problems.ridge, (X, X @ w, X_val, X_val @ w + 1), {}),
        "logistic": (problems.logistic, (X, labels, X_val, labels_val), {}),
        "texts": (problems.logistic, (X, words[labels], X_val, words[labels_val]), {}),
        "softmax": (problems.logistic, (X, three, X_val, three_val), dict(weights="class")),
        "cleaning": (problems.data_cleaning, (X, three, X_val, three_val), dict(regularization=0.05)),
    }  # fmt: skip


@pytest.mark.parametrize("name, dtype", sampled(product(members(np.float64), [np.float64, np.float32]), 3))
def test_each_member_is_the_one_in_memory(name, dtype):
    make, arguments, options = members(dtype)[name]
    whole, parts = make(*arguments, **options), make(*arguments, **options, block_rows=20)
    assert isinstance(parts, BlockedProblem) and parts.dtype == dtype and parts.n_x == whole.n_x
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal(whole.n_x).astype(dtype), rng.standard_normal(whole.n_y).astype(dtype)
    close = dict(rtol=1e-12, atol=1e-12) if dtype == np.float64 else dict(rtol=1e-4, atol=1e-5)
    assert np.allclose(whole.value(x, y), parts.value(x, y), **close)
    assert np.allclose(whole.lower_value(x, y), parts.lower_value(x, y), **close)
    assert np.allclose(whole.lower_grad_x(x, y), parts.lower_grad_x(x, y), **close)
    y = hypergradient(whole, x).lower.y
    one, other = hypergradient(whole, x, y), hypergradient(parts, x, y)
    assert other.certificate.lower_level == other.certificate.error == CERTIFIED
    bounds = [found.error_bound + found.lower_level_bound for found in (one, other)]
    assert np.linalg.norm(one.value - other.value) <= sum(bounds)
    # what the sums over blocks cost; of two classes the family knows a curvature's rounding less sharply
    assert bounds[1] <= (10 if name in ("logistic", "texts") else 1.5) * bounds[0]
    if isinstance(parts, BlockedClassifier):
        X, labels = arguments[0], arguments[1]
        assert (parts.predict(y, X) == whole.predict(y, X)).all()
        assert parts.accuracy(y, X, labels) == whole.accuracy(y, X, labels)


def centred(X, t, X_val, t_val, **options):
    options = dict(validation=(X_val, t_val), penalty="feature", intercept="centre") | options
    return problems.generalized_linear(X, t, loss="squared", **options)


@pytest.mark.parametrize("dtype, weight", [(np.float64, None), (np.float64, "some"), (np.float32, None)])
def test_centring_over_blocks_is_that_in_memory(dtype, weight):
    """Means of 3 and 30 standard deviations; no row is copied, and the bounds know what that costs."""
    X, _, X_val, _, w = data(p=4)
    far = np.array([3.0, -3.0, 30.0, 0.0])
    X, X_val = (Z[:, :4] + far for Z in (X, X_val))
    t, t_val = (Z @ w[:4] + 5 for Z in (X, X_val))
    arrays = [Z.astype(dtype) for Z in (X, t, X_val, t_val)]
    options = {} if weight is None else dict(sample_weight=np.arange(90) % 4)
    whole, parts = centred(*arrays, **options), centred(*arrays, **options, block_rows=20)
    close = dict(rtol=1e-11, atol=1e-11) if dtype == np.float64 else dict(rtol=3e-4, atol=3e-4)
    x, y = np.full(4, -2.0, dtype), np.linspace(-1, 1, 4).astype(dtype)
    assert np.allclose(whole.lower_grad_y(x, y), parts.lower_grad_y(x, y), **close)
    assert np.allclose(whole.hessian(x, y).matvec(y), parts.hessian(x, y).matvec(y), **close)
    one, other = hypergradient(whole, x), hypergradient(parts, x)
    assert other.certificate.error == other.certificate.lower_level == CERTIFIED and other.error_bound < math.inf
    assert np.linalg.norm(one.value - other.value) <= 1.1 * sum(
        found.error_bound + found.lower_level_bound for found in (one, other)
    ) + (1e-13 if dtype == np.float64 else 1e-4)  # the floats of X − m are rounded in memory
    (coefficients, b), (expected, a) = parts.coefficients(other.lower.y), whole.coefficients(one.lower.y)
    assert np.allclose(coefficients, expected, **close) and np.allclose(b, a, rtol=1e-3)
    if weight is None:
        assert np.allclose(parts.train.column_norms, np.linalg.norm(X - X.mean(axis=0), axis=0), rtol=1e-5)
    batch = parts.minibatch(lower=[3, 50, 81])
    assert np.allclose(batch.lower_grad_y(x, y), whole.minibatch(lower=[3, 50, 81]).lower_grad_y(x, y), **close)


@pytest.mark.parametrize("name", ["ridge", "logistic", "cleaning"])
def test_minibatches_are_those_in_memory(name):
    make, arguments, options = members(np.float64)[name]
    runs = []
    for more in ({}, dict(block_rows=20)):
        problem = make(*arguments, **options, **more)
        drawn = dict(method="soba", maxiter=10, batch_size=8, rng=0, step_v=0.1) | STEPS
        runs.append(minimize(problem, np.zeros(problem.n_x), **drawn))
    assert np.abs(runs[0].x).max() > 0 and np.allclose(runs[0].x, runs[1].x, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("weights", ["sigmoid", "simplex"])
def test_weighted_minibatches_have_the_whole_as_their_mean(weights):
    X, labels, X_val, labels_val, _ = data(n=6, m=4, p=2)
    s, x, y = np.array([1.0, 2, 3, 4, 5, 6]), np.linspace(-2, 2, 8), np.array([0.3, -0.2])
    problem = problems.generalized_linear(
        X, labels, loss="logistic", validation=(X_val, labels_val), weights=weights, sample_weight=s, block_rows=2
    )
    batches = [problem.minibatch(lower=[i, j]) for i in range(6) for j in range(i + 1, 6)]
    for ask in (
        lambda part: part.lower_grad_y(x, y),
        lambda part: part.hessian(x, y).matvec(y),
        lambda part: part.cross(x, y).matvec(y),
    ):
        assert np.allclose(np.mean([ask(batch) for batch in batches], axis=0), ask(problem), rtol=1e-12, atol=1e-15)


# -- bits, passes, memory ----------------------------------------------------------------------


def logistic(X, t, X_val, t_val, **options):
    return problems.generalized_linear(X, t, loss="logistic", validation=(X_val, t_val), **options)


def numbers(problem):
    found = hypergradient(problem, np.zeros(problem.n_x))
    return (*found.value.tolist(), found.error_bound, found.lower_level_bound)


def test_the_bits_are_those_of_the_blocks(tmp_path, monkeypatch):
    X, t, X_val, t_val, _ = data()
    np.save(tmp_path / "X.npy", X)
    X_file = np.load(tmp_path / "X.npy", mmap_mode="r")
    in_blocks = [X[a : a + 20] for a in range(0, len(X), 20)]
    found = {numbers(logistic(A, t, [X_val], t_val, intercept=True, block_rows=20)) for A in (X, X_file, in_blocks)}
    monkeypatch.setattr(keeping, "KEPT_BYTES", 0)
    found.add(numbers(logistic(X_file, t, [X_val], t_val, intercept=True, block_rows=20)))
    assert len(found) == 1
    assert numbers(logistic(X, t, [X_val], t_val, intercept=True, block_rows=21)) not in found


def test_sparse_blocks_from_a_file_are_those_in_memory(tmp_path):
    _, t, _, t_val, _ = data()
    S, S_val = (sp.csr_array(sp.random(n, 30, 0.2, "csr", random_state=n)) for n in (90, 40))
    sp.save_npz(tmp_path / "S.npz", S, compressed=False)
    X = open_csr(tmp_path / "S.npz")
    for intercept in (False, True):
        parts = logistic(X, t, S_val, t_val, block_rows=20, intercept=intercept)
        assert numbers(parts) == numbers(logistic(S, t, S_val, t_val, block_rows=20, intercept=intercept))
    squares = S.power(2).sum(axis=0)
    assert np.allclose(parts.train.column_norms, np.sqrt(np.append(squares, 90)), rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sparse", [False, True])
def test_norms_of_rows_are_bounds_at_both_ends_of_the_range(sparse, dtype):
    """Those whose squares sum without loss, and those whose squares leave the range, or are 0."""
    tiny, huge = np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max
    rows = [[3, 4, 0], [1, 1e-30, 1e30], [0, 0, 0], [tiny, 0, tiny], [huge, huge, 0], [1e-25, 2e-25, 0], [1, 1, 1]]
    X = np.array(rows, dtype)
    s = np.ones(len(X))
    s[-1] = 0
    found = passes.rows_of(Block(sp.csr_array(X) if sparse else X, s, s, 0, 0))
    for row, norm in zip(X[:-1], found, strict=False):
        exact = sum(Fraction(float(entry)) ** 2 for entry in row)
        if np.isfinite(norm):
            assert exact <= Fraction(norm) ** 2 <= max(exact * Fraction(1 + 2.0**-18), Fraction(4 * 5e-324) ** 2)
        else:
            assert exact > Fraction(float(np.finfo(float).max)) ** 2
    assert found[-1] == 0  # of weight 0


def test_one_reading_serves_the_curvatures_a_product_and_the_gradient():
    problem = logistic(*data()[:4], block_rows=20)
    x, y = np.zeros(5), np.full(5, 0.1)
    assert (problem.n_passes, problem.n_passes_upper) == (1, 1)  # looked at
    point = problem.linearize(x, y)
    assert (problem.n_passes, problem.n_passes_upper) == (1, 2)  # b
    product = point.A.matvec(y)
    gradient = problem.lower_grad_y(x + 1, y)
    assert problem.n_passes == 2
    several = point.A @ np.eye(5)
    assert problem.calls["lower.hessian(x, y) @ v"] == 6  # products, from two readings
    assert problem.n_passes == 3 and np.allclose(several @ y, product, rtol=1e-13)
    other = logistic(*data()[:4], block_rows=20)
    assert (other.lower_grad_y(x + 1, y) == gradient).all()  # the same bits beside a product or alone
    assert point.mu is not None and point.lipschitz is not None and point.smoothness is not None
    assert problem.n_passes == 5  # the bounds of all blocks; the constants, once and for all
    assert problem.linearize(x, y + 1).lipschitz is not None and problem.n_passes == 5


def test_the_trace_counts_passes():
    problem = logistic(*data()[:4], block_rows=20)
    run = minimize(problem, np.zeros(5), method="lancbio", maxiter=6, **STEPS)
    passes = run.trace["n_passes"]
    assert passes[-1] == problem.n_passes - 1 and (np.diff(passes) > 0).all()
    assert passes[-1] < run.n_hvp + run.n_grad  # the gradients came with products
    assert "n_passes" not in minimize(logistic(*data()[:4]), np.zeros(5), maxiter=1, **STEPS).trace.columns


@pytest.mark.parametrize("method, most", [("soba", 1), ("hjfbio", 1), ("f2sa", 2), ("subbio", 4)])
@pytest.mark.parametrize("weights", ["fixed", "sigmoid"])
def test_what_a_method_asks_at_once_comes_from_one_reading(method, most, weights, monkeypatch):
    """∇_y g, A v, J v of SOBA; gradients of HJFBiO; of F²SA ∇_y g at y and z, ∇_x g at both; of SubBiO A v and A b."""
    steps = dict(step_x=0.05, step_y=0.1) | (dict(step_v=0.1) if method != "f2sa" else {})

    def run(iterations):
        problem = logistic(*data()[:4], block_rows=20, weights=weights, fixed=0.1)
        x0 = np.linspace(-1, 1, problem.n_x)
        return problem, minimize(problem, x0, method=method, maxiter=iterations, tol=0.0, **steps)

    problem, found = run(6)
    assert (np.diff(found.trace["n_passes"]) <= most).all()
    assert problem.products_per_pass >= (2 if most == 1 else 1)
    monkeypatch.setattr(BlockedProblem, "together", BilevelProblem.together)
    other, alone = run(6)
    assert other.n_passes > problem.n_passes
    assert found.x.tobytes() == alone.x.tobytes() and found.y.tobytes() == alone.y.tobytes()  # and the same bits


MEMORY = """
import resource, sys, threading, numpy as np
from lancbio_ref import hypergradient, problems
from lancbio_ref.blocks import source
source.BLOCK_BYTES = 2**21
n, p = 10000, 1000
with open(sys.argv[1], "wb") as file:
    file.truncate(8 * n * p)
X = np.memmap(sys.argv[1], np.float64, "r", shape=(n, p))
rng = np.random.default_rng(0)
t, X_val, t_val = np.arange(n) % 2, rng.standard_normal((50, p)), np.arange(50) % 2
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() / 2**20
options = dict(loss="logistic", validation=(X_val, t_val), intercept=True)
small = problems.generalized_linear(X_val, t_val, block_rows=9, **options)
hypergradient(small, np.zeros(p), np.zeros(p + 1))
before, peak, done = resident(), [0.0], threading.Event()
def watch():
    while not done.wait(0.01):
        peak[0] = max(peak[0], resident())
thread = threading.Thread(target=watch); thread.start()
problem = problems.generalized_linear(X, t, **options)
hypergradient(problem, np.zeros(p), np.zeros(p + 1), rtol=0.1)
done.set(); thread.join()
print(len(problem.train.blocks.rows), peak[0] - before)
"""


def test_several_classes_have_the_same_bits_on_any_threads_of_the_blas():
    pools = pytest.importorskip("threadpoolctl")
    rng = np.random.default_rng(0)
    X, x, y = rng.standard_normal((700, 400)), np.zeros(700), rng.standard_normal(3 * 401)
    problem = problems.data_cleaning(X, np.arange(700) % 3, X[:90], np.arange(90) % 3, block_rows=600)
    found = set()
    for threads in (1, 2):
        with pools.threadpool_limits(threads):
            point = problem.linearize(x, y + 0.0)
            problem._fits.clear()
            parts = point.b, point.A.matvec(y), point.J.matvec(y), point.J.rmatvec(x + 1), problem.lower_grad_y(x, y)
            found.add((*(part.tobytes() for part in parts), problem.value(x, y), point.formation["b"]))
    assert len(found) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc how much is resident")
def test_a_file_larger_than_the_memory_that_is_used(tmp_path):
    path = tmp_path / "X.bin"
    ran = subprocess.run(
        [sys.executable, "-c", MEMORY, str(path)], capture_output=True, text=True, env=os.environ, check=False
    )
    assert ran.returncode == 0, ran.stderr
    blocks, grown = ran.stdout.split()
    assert int(blocks) > 30 and float(grown) < 40  # of 76 MB; 2 MB a block, two of them, and copies of one


# -- the door ----------------------------------------------------------------------------------


def test_what_is_large_and_in_a_file_comes_in_blocks_unasked(tmp_path):
    path = tmp_path / "X.bin"
    path.write_bytes(b"")
    os.truncate(path, 8 * 2**23)
    X, t = np.memmap(path, np.float64, "r", shape=(2**23 // 2**17, 2**17)), np.arange(64) % 2
    assert isinstance(problems.logistic(X, t, X[:2], t[:2], weights="all"), BlockedProblem)
    assert not isinstance(problems.logistic(X[:2], t[:2], X[:2], t[:2], weights="all"), BlockedProblem)


def test_what_has_no_blocks_is_refused_with_the_remedy():
    X, t, X_val, t_val, _ = data()
    with pytest.raises(ArgumentError, match=r"'centre' with loss 'logistic'"):
        logistic(X, t, X_val, t_val, intercept="centre", block_rows=20)
    with pytest.raises(ArgumentError, match=r"'centre' with sparse X"):
        centred(sp.csr_array(X), 1.0 * t, sp.csr_array(X_val), 1.0 * t_val, block_rows=20)
    with pytest.raises(ArgumentError, match="weights with the sum 0"):
        centred(X, 1.0 * t, X_val, 1.0 * t_val, sample_weight=np.zeros(90), block_rows=20)
    with pytest.raises(ArgumentError, match="intercept: found 'mean'"):
        logistic(X, t, X_val, t_val, intercept="mean", block_rows=20)
    with pytest.raises(ArgumentError, match="X_val: found 4 features, expected 5"):
        logistic(X, t, X_val[:, :4], t_val, block_rows=20)
    with pytest.raises(ArgumentError, match="t, block 1: "):
        logistic(X, np.where(np.arange(90) == 25, 7, t), X_val, t_val, block_rows=20)
    with pytest.raises(ArgumentError, match="sample_weight, block 2: found the weight"):
        logistic(X, t, X_val, t_val, sample_weight=np.where(np.arange(90) == 45, -1.0, 1.0), block_rows=20)
    with pytest.raises(ArgumentError, match="weights that are all 0"):
        logistic(X, t, X_val, t_val, sample_weight=np.zeros(90), block_rows=20)
    with pytest.raises(ArgumentError, match="block_rows"):
        logistic(X, t, X_val, t_val, block_rows=0)
    with pytest.raises(ArgumentError, match="X, block 1: found nan in row 2 of it, row 22 of all"):
        logistic(np.where(np.arange(90)[:, None] == 22, np.nan, X), t, X_val, t_val, block_rows=20)
    with pytest.raises(ArgumentError, match="something to learn"):
        logistic(X, t, X_val, t_val, penalty="none", block_rows=20)


def test_the_first_reading_is_shown_on_request(caplog):
    with caplog.at_level(logging.INFO, "lancbio_ref"):
        logistic(*data()[:4], block_rows=30, progress=True)
    assert "block 3 of 3 read and looked at" in caplog.text
