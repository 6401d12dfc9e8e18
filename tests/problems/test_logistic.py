"""Logistic regression with exponential weights: definition in 50 digits, derivatives, bounds, sparse and dense."""

import tracemalloc

import mpmath
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from lancbio_ref import ArgumentError, Proven, hypergradient, lower_solution, problems
from lancbio_ref.datasets import load_libsvm, load_newsgroups
from lancbio_ref.operators import structure_of

KINDS = [(2, "all"), (2, "feature"), (4, "all"), (4, "feature"), (4, "class")]


def make(classes, weights, seed=0, n=8, m=6, p=3, convert=np.asarray, dtype=np.float64, scale=1.0):
    rng = np.random.default_rng(seed)
    X, V = ((scale * rng.standard_normal((k, p))).astype(dtype) for k in (n, m))
    labels, labels_val = rng.integers(0, classes, n), rng.integers(0, classes, m)
    problem = problems.logistic(convert(X), labels, convert(V), labels_val, weights=weights, n_classes=classes)
    x, y = rng.standard_normal(problem.n_x).astype(dtype), rng.standard_normal(problem.n_y).astype(dtype)
    return problem, x, y, rng


@pytest.mark.parametrize(("classes", "weights"), KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("convert", [np.asarray, sp.csr_array, sp.coo_array])
def test_every_derivative_agrees_with_finite_differences(classes, weights, dtype, convert):
    problem, x, y, rng = make(classes, weights, dtype=dtype, convert=convert)
    report = problem.check(x, y, rng)
    assert report and {row.verdict for row in report} == {"ok"}, str(report)
    point = problem.linearize(x, y)
    assert point.dtype == dtype and point.A.matvec(y).dtype == dtype and point.J.matvec(y).dtype == dtype


@pytest.mark.parametrize(("classes", "weights"), KINDS)
def test_values_agree_with_the_definition_in_fifty_digits(classes, weights):
    problem, x, y, _ = make(classes, weights, seed=1)
    rows, p = y.size // 3, 3

    def mean_loss(data):
        total = mpmath.mpf(0)
        for sample, label in zip(data.design.X.tolist(), data.labels.tolist(), strict=True):
            s = [mpmath.fdot(y.reshape(rows, p)[c].tolist(), sample) for c in range(rows)]
            s = [mpmath.mpf(0), *s] if classes == 2 else s
            total += mpmath.log(mpmath.fsum(map(mpmath.exp, s))) - s[label]
        return total / len(data)

    with mpmath.workdps(50):
        weight = [[{"all": 0, "feature": j, "class": c}[weights] for j in range(p)] for c in range(rows)]
        squares = mpmath.fsum(
            mpmath.exp(mpmath.mpf(float(x[weight[c][j]]))) * mpmath.mpf(float(y[c * p + j])) ** 2
            for c in range(rows)
            for j in range(p)
        )
        f, g = mean_loss(problem.validation), mean_loss(problem.train) + squares / (2 * rows * p)
    assert problem.value(x, y) == pytest.approx(float(f), rel=1e-14)
    assert problem.lower_value(x, y) == pytest.approx(float(g), rel=1e-14)


@pytest.mark.parametrize(("classes", "weights"), KINDS)
def test_sparse_and_dense_are_the_same_problem(classes, weights):
    (dense, x, y, rng), (sparse, *_) = (make(classes, weights, convert=c) for c in (np.asarray, sp.csr_array))
    v, u = rng.standard_normal(y.size), rng.standard_normal(x.size)
    for quantity in (
        lambda p: p.lower_grad_y(x, y),
        lambda p: p.linearize(x, y).A.matvec(v),
        lambda p: p.linearize(x, y).J.rmatvec(u),
        lambda p: p.upper_grad_y(x, y),
    ):
        np.testing.assert_allclose(quantity(sparse), quantity(dense), rtol=1e-12, atol=1e-14)


@given(
    st.sampled_from(KINDS),
    st.integers(0, 2**32 - 1),
    st.sampled_from([np.float32, np.float64]),
    st.floats(-2, 2),
    st.booleans(),
)
def test_constants_bound_what_they_say(kind, seed, dtype, log_scale, sparse):
    convert = sp.csr_array if sparse else np.asarray
    problem, x, y, rng = make(*kind, seed, dtype=dtype, scale=10**log_scale, convert=convert)
    x = (4 * x).astype(dtype)
    other = y + (10 ** rng.uniform(-3, 1) * rng.standard_normal(y.size)).astype(dtype)
    here, there = problem.linearize(x, y), problem.linearize(x, other)
    known = here.lipschitz
    assert all(
        isinstance(b, Proven) for b in (here.mu, here.smoothness, here.cross_norm, known.gxy, known.gyy, known.fy)
    )
    A, B, J, K = (structure_of(op).toarray().astype(float) for op in (here.A, there.A, here.J, there.J))
    u, distance = float(np.finfo(dtype).eps), float(np.linalg.norm((other - y).astype(float)))
    eigenvalues = np.linalg.eigvalsh((A + A.T) / 2)
    assert here.mu <= np.exp(x.astype(float)).min() / y.size
    operator = structure_of(here.A)  # computed column by column, A is off by at most this in the 2-norm
    rounding = 2 * operator.terms * u * float(operator.abs_product(np.ones(y.size, dtype)).max())
    assert eigenvalues[0] >= here.mu - rounding and eigenvalues[-1] <= here.smoothness + rounding
    assert np.linalg.norm(J, 2) <= here.cross_norm * (1 + 100 * u)
    assert np.linalg.norm(J, 2) >= here.cross_norm * (1 - 1e-5)  # not a bound of a bound
    noise = 1e3 * u * (1 + 10 ** (2 * log_scale))
    assert np.linalg.norm(K - J, 2) <= known.gxy * distance * (1 + 100 * u) + 100 * u * np.linalg.norm(J)
    assert np.linalg.norm(B - A, 2) <= known.gyy * distance + noise + 2 * rounding
    assert np.linalg.norm(there.b - here.b) <= known.fy * distance + noise


def test_the_lower_bound_is_attained_where_the_data_say_nothing():
    X = np.array([[1.0, 0.0], [2.0, 0.0]])  # the second feature is always 0
    for labels in ([0, 1], [0, 2]):
        problem = problems.logistic(X, labels, X, labels)
        x = np.array([3.0, -5.0])
        y = np.ones(problem.n_y)
        eigenvalues = np.linalg.eigvalsh(structure_of(problem.linearize(x, y).A).toarray())
        mu = float(problem.lower.mu(x, y))
        assert mu == pytest.approx(np.exp(-5) / problem.n_y, rel=1e-14)
        assert mu <= eigenvalues[0] * (1 + 1e-12)


@pytest.mark.parametrize(("classes", "weights"), KINDS)
def test_the_hypergradient_is_certified_and_agrees_with_differences_of_the_reduced_function(classes, weights):
    problem, x, _, rng = make(classes, weights, seed=2, n=20, m=20)
    found = hypergradient(problem, x, lower_solution(problem, x, tol=1e-12).y)
    assert str(found.certificate.error) == "certified"
    assert found.error_bound < 1e-9 and found.lower_level_bound < 1e-7
    direction = rng.standard_normal(x.size)

    def phi(t):
        return problem.value(x, lower_solution(problem, x + t * direction, tol=1e-13).y)

    difference = (phi(1e-4) - phi(-1e-4)) / 2e-4
    assert found.value @ direction == pytest.approx(difference, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("classes", [2, 3])
def test_huge_parameters_overflow_nowhere(classes):
    problem, x, y, _ = make(classes, "feature")
    point = problem.linearize(x, 1e150 * y)
    for array in (point.b, point.grad_y, point.A.matvec(y), point.J.matvec(y)):
        assert np.isfinite(array).all()
    assert problem.value(x, 1e150 * y) > 1e140
    with pytest.raises(ArgumentError, match="exp"):
        problem.linearize(np.full(x.size, 800.0), y)


def test_accuracy_counts_what_is_right():
    X = np.array([[1.0], [-1.0], [2.0]])
    assert problems.logistic(X, [1, 0, 1], X, [1, 0, 1]).accuracy(np.array([3.0]), X, np.array([1, 0, 0])) == 2 / 3
    three = problems.logistic(X, [0, 1, 2], X, [0, 1, 2])
    assert three.accuracy(np.array([1.0, -1.0, 0.0]), X, np.array([0, 1, 2])) == 2 / 3


GOOD = dict(X_train=np.ones((3, 2)), labels_train=[0, 1, 2], X_val=np.ones((3, 2)), labels_val=[0, 1, 2])


@pytest.mark.parametrize(
    ("change", "argument"),
    [
        (dict(X_train=np.ones(3)), "X_train"),
        (dict(X_train=sp.csr_array(np.full((3, 2), np.inf))), "X_train"),
        (dict(X_val=np.ones((3, 1))), "X_val"),
        (dict(labels_train=[0, 1]), "labels_train"),
        (dict(labels_train=[0.0, 1.5, 2.0]), "labels_train"),
        (dict(labels_val=[-1, 1, 1]), "labels_val"),
        (dict(labels_val=["a", "b", "c"]), "labels_train, labels_val"),
        (dict(n_classes=2), "labels_train"),
        (dict(n_classes=1), "n_classes"),
        (dict(weights="row"), "weights"),
        (dict(labels_train=[0, 1, 1], labels_val=[0, 1, 1], weights="class"), "weights"),
    ],
)
def test_what_cannot_be_used_is_refused(change, argument):
    problems.logistic(**GOOD)
    with pytest.raises(ArgumentError) as caught:
        problems.logistic(**(GOOD | change))
    assert caught.value.argument == argument


def test_a_real_binary_set_is_fitted_and_certified(data_dir):
    path = data_dir / "libsvm" / "heart_scale.bz2"
    if not path.is_file():
        pytest.skip(f"no {path}")
    X, labels = load_libsvm(path)
    labels = (labels > 0).astype(int)
    problem = problems.logistic(X[:150], labels[:150], X[150:], labels[150:])
    found = hypergradient(problem, np.zeros(13))
    assert str(found.certificate.error) == "certified" and found.error_bound < 1e-8
    y = lower_solution(problem, np.zeros(13), tol=1e-8).y
    assert problem.accuracy(y, X[150:], labels[150:]) > 0.8


def test_newsgroups_are_never_made_dense(data_dir):
    if not (data_dir / "20newsgroups").is_dir():
        pytest.skip(f"no 20newsgroups in {data_dir}")
    data = load_newsgroups(data_dir)
    problem = problems.logistic(data.X_train, data.labels_train, data.X_val, data.labels_val)
    assert (problem.n_x, problem.n_y) == (130107, 20 * 130107)
    tracemalloc.start()
    x, y = np.zeros(problem.n_x), np.zeros(problem.n_y)
    point = problem.linearize(x, y)
    v = point.A.matvec(point.b)
    h = point.c - point.J.matvec(v)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5657 * 130107 * 8 / 10  # a dense X is 5.9 GB
    assert h.shape == (130107,) and point.mu == pytest.approx(1 / 2602140, rel=1e-12)
    batch = problem.minibatch(lower=np.arange(0, 5657, 50))
    assert sp.issparse(batch.train.design.X)


def test_a_label_that_is_no_class_is_refused_before_memory_is_asked_for():
    X = np.eye(3)
    with pytest.raises(ArgumentError, match="a label 9007199254740993"):
        problems.logistic(X, [2**53 + 1, 0, 1], X, [0, 1, 0])
    assert problems.logistic(X, [7, 0, 1], X, [0, 1, 0]).n_classes == 8
