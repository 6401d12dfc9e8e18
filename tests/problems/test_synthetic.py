"""The paper's synthetic problem: formulas against automatic ones in 60 digits, proven bounds, refusals."""

import sys
import tracemalloc

import mpmath
import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import aslinearoperator

from lancbio_ref import ArgumentError, CallableError, Proven, minimize, problems
from lancbio_ref.operators import PrescribedSpectrum, structure_of
from lancbio_ref.problems.synthetic import softmax
from validation.truths.exact import smallest_eigenvalue_exceeds


def exact_levels(problem):
    """f and g as mpmath functions of lists, written from the definition alone."""
    a, d, e = problem.coef.tolist(), problem.scale_x.tolist(), problem.ridge.tolist()
    G, gamma = mpmath.matrix(problem.G.toarray().tolist()), mpmath.mpf(problem.gamma)

    def f(x, y):
        inner = mpmath.fsum(ai * xi * yi for ai, xi, yi in zip(a, x, y, strict=True))
        return mpmath.cos(inner) / 10 + mpmath.fsum((di * xi - yi) ** 2 for di, xi, yi in zip(d, x, y, strict=True)) / 2

    def g(x, y):
        waves = gamma * mpmath.fsum(mpmath.sin(xi + yi) for xi, yi in zip(x, y, strict=True))
        log_sum = mpmath.log(mpmath.fsum(mpmath.exp(xi * yi) for xi, yi in zip(x, y, strict=True)))
        column = mpmath.matrix(y)
        weights = mpmath.fsum(ei * yi**2 for ei, yi in zip(e, y, strict=True))
        return waves + log_sum + (weights + (column.T * G * column)[0]) / 2

    return f, g


def partials(function, x, y):
    """Central differences at 60 digits: right to about 1e-30."""
    h, n = mpmath.mpf(10) ** -20, len(x)
    z = [mpmath.mpf(float(entry)) for entry in (*x, *y)]

    def at(shifts):
        moved = list(z)
        for index, sign in shifts:
            moved[index] += sign * h
        return function(moved[:n], moved[n:])

    first = [(at([(i, 1)]) - at([(i, -1)])) / (2 * h) for i in range(2 * n)]
    second = np.zeros((2 * n, n))
    for i in range(2 * n):
        for j in range(n, 2 * n):
            corners = [s * t * at([(i, s), (j, t)]) for s in (1, -1) for t in (1, -1)]
            second[i, j - n] = float(mpmath.fsum(corners) / (4 * h * h))
    gradient = np.array([float(value) for value in first])
    return gradient[:n], gradient[n:], second[n:], second[:n]


@pytest.mark.parametrize("seed", range(2))
def test_every_formula_against_the_definition(seed):
    problem = problems.synthetic(4, 50.0, rng=seed)
    x, y, _ = problem.initial_point(rng=seed + 10)
    with mpmath.workdps(80):
        f, g = exact_levels(problem)
        arguments = [[mpmath.mpf(float(entry)) for entry in vector] for vector in (x, y)]
        assert abs(problem.value(x, y) - f(*arguments)) < 1e-13 * (1 + abs(f(*arguments)))
        assert abs(problem.lower_value(x, y) - g(*arguments)) < 1e-13 * (1 + abs(g(*arguments)))
        f_x, f_y, _, _ = partials(f, x, y)
        g_x, g_y, A, J = partials(g, x, y)
    for computed, exact in (
        (problem.upper_grad_x(x, y), f_x),
        (problem.upper_grad_y(x, y), f_y),
        (problem.lower_grad_x(x, y), g_x),
        (problem.lower_grad_y(x, y), g_y),
        (problem.hessian(x, y).inner.toarray(), A),
        (problem.cross(x, y).inner.toarray(), J),
    ):
        np.testing.assert_allclose(computed, exact, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("stretch", [1.0, 30.0])
def test_bounds_hold_and_are_proven(seed, stretch):
    problem = problems.synthetic(7, 1e3, rng=seed)
    x, y, _ = problem.initial_point(rng=seed)
    x, y = stretch * x, stretch * y
    point = problem.linearize(x, y)
    A, J = structure_of(point.A).toarray(), structure_of(point.J).toarray()
    assert all(isinstance(bound, Proven) for bound in (point.mu, point.smoothness, point.cross_norm))
    eigenvalues = np.linalg.eigvalsh((A + A.T) / 2)
    assert point.mu <= eigenvalues[0] * (1 + 1e-10) and eigenvalues[-1] <= point.smoothness
    assert np.linalg.norm(J, 2) <= point.cross_norm <= 4 * np.linalg.norm(J, 2)
    assert abs(point.mu - (1 + problem.ridge.min() - problem.gamma)) < 1e-8
    assert smallest_eigenvalue_exceeds(problem.G.A, point.mu - problem.ridge.min() + problem.gamma)


def test_the_modulus_allows_for_the_rounding_of_the_operator_in_hand():
    """G = 0, e = γ·(1 + tiny), y far on one side: nothing but rounding separates A from the bound."""
    n = 40
    for seed in range(50):
        rng = np.random.default_rng(seed)
        x, y = 1e3 * rng.standard_normal((2, n))
        problem = problems.synthetic_from_arrays(np.ones(n), np.ones(n), np.full(n, 1e-3), np.zeros((n, n)), 0.0)
        A = structure_of(problem.hessian(x, y))
        mu = problem.linearize(x, y).mu
        assert mu is not None and mu < 1e-3
        exact = np.diag(A.d) - A.U @ A.U.T
        if seed < 3:
            assert smallest_eigenvalue_exceeds(exact, mu * (1 - 1e-9))
        assert np.linalg.eigvalsh(exact)[0] > mu - 1e-9


def test_a_modulus_that_rounding_eats_is_none():
    problem = problems.synthetic(5, 10.0, rng=0)
    point = problem.linearize(np.full(5, 1e9), np.ones(5))
    assert point.mu is None and point.smoothness > 1e17


def test_one_softmax_a_linearization_and_the_same_numbers(monkeypatch):
    module = sys.modules[problems.Synthetic.__module__]
    problem = problems.synthetic(6, 10.0, rng=0)
    x, y, v = problem.initial_point(rng=1)
    A, J = problem.hessian(x, y), problem.cross(x, y)
    expected = A.matvec(v), J.matvec(v), problem.upper_grad_y(x, y), problem.upper_grad_x(x, y)
    gradient, mu, smoothness = problem.lower_grad_y(x, y), problem.lower.mu(x, y), problem.lower.smoothness(x, y)
    calls = []
    monkeypatch.setattr(module, "softmax", lambda z: calls.append(1) or softmax(z))
    problem.calls.clear()
    point = problem.linearize(x, y)
    for found, wanted in zip((point.A.matvec(v), point.J.matvec(v), point.b, point.c), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(point.grad_y, gradient)
    assert (point.mu, point.smoothness) == (mu, smoothness)
    assert len(calls) == 1
    assert problem.calls["lower.hessian"] == problem.calls["lower.cross"] == problem.calls["lower.grad_y"] == 1


def test_nothing_overflows():
    problem = problems.synthetic(5, 10.0, rng=0)
    x, y = np.full(5, 1e5), np.array([1e3, -1e3, 0.0, 1.0, 2.0])
    assert np.isfinite(problem.lower_value(x, y)) and np.isfinite(problem.lower_grad_y(x, y)).all()
    assert np.isfinite(structure_of(problem.hessian(x, y)).toarray()).all()


@pytest.mark.parametrize("kind", ["sparse", "operator", "black box"])
def test_a_g_that_is_no_array(kind):
    n = 30
    G = sp.diags_array(np.linspace(1, 5, n)) if kind == "sparse" else PrescribedSpectrum(np.linspace(1, 5, n), rng=0)
    if kind == "black box":
        G = aslinearoperator(np.diag(np.linspace(1, 5, n)))
    arrays = np.ones(n), np.ones(n), np.full(n, 0.25), G, 0.5
    x, y = np.random.default_rng(0).standard_normal((2, n))
    point = problems.synthetic_from_arrays(*arrays).linearize(x, y)
    assert point.mu is None and isinstance(point.cross_norm, Proven)
    assert (point.smoothness is not None) == (kind == "sparse")
    assert (structure_of(point.A) is not None) == (kind == "sparse")
    given = problems.synthetic_from_arrays(*arrays, mu=0.75)
    assert given.linearize(x, y).mu == 0.75 and not isinstance(given.linearize(x, y).mu, Proven)
    report = given.check(x, y, rng=1)
    assert report.ok, str(report)


def test_published_distributions():
    problem = problems.synthetic(200, 1e5, rng=4)
    assert np.abs(problem.coef).max() < 5 and problem.scale_x.min() > 0.1 and problem.scale_x.max() < 1.1
    assert problem.ridge.min() >= 0 and problem.ridge.max() < 0.5
    np.testing.assert_allclose(np.linalg.eigvalsh(problem.G.A), np.linspace(1, 1e5, 200), atol=1e-8)
    assert (problem.G.A == problem.G.A.T).all()
    same = problems.synthetic(200, 1e5, rng=4)
    np.testing.assert_array_equal(same.G.A, problem.G.A)


def test_one_unknown():
    problem = problems.synthetic(1, 100.0, rng=0)
    point = problem.linearize(np.array([2.0]), np.array([-1.0]))
    assert abs(point.mu - (0.5 + problem.ridge[0])) < 1e-13


@pytest.mark.parametrize("G", [-np.eye(2), np.array([[0.0, 3.0], [3.0, 0.0]]), 0.25 * np.eye(2)])
def test_a_g_that_need_not_be_convex_is_refused(G):
    with pytest.raises(ArgumentError, match="positive number"):
        problems.synthetic_from_arrays(np.ones(2), np.ones(2), [0.1, 0.2], G, 0.5)


def test_ridge_may_make_up_for_an_indefinite_g():
    problem = problems.synthetic_from_arrays(np.ones(2), np.ones(2), [4.0, 5.0], [[0.0, 3.0], [3.0, 0.0]], 0.5)
    assert abs(problem.linearize(np.ones(2), np.ones(2)).mu - 0.5) < 1e-12


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (dict(coef=[np.nan, 1.0]), "coef"),
        (dict(scale_x=[1.0]), "scale_x"),
        (dict(ridge=[1.0, np.inf]), "ridge"),
        (dict(G=[[1.0, 2.0], [0.0, 1.0]]), "G"),
        (dict(G=np.eye(3)), "G"),
        (dict(G=[[1j, 0], [0, 1]]), "G"),
        (dict(G="G"), "G"),
        (dict(gamma=-1.0), "gamma"),
        (dict(mu=0.0), "mu"),
    ],
)
def test_bad_arguments_are_named(change, name):
    good = dict(coef=np.ones(2), scale_x=np.ones(2), ridge=np.ones(2), G=np.eye(2), gamma=0.5)
    with pytest.raises(ArgumentError) as raised:
        problems.synthetic_from_arrays(**{**good, **change})
    assert raised.value.argument == name


def test_bad_sizes():
    for arguments, name in (((0, 10.0), "n"), ((3, 0.5), "condition"), ((3, np.nan), "condition")):
        with pytest.raises(ArgumentError) as raised:
            problems.synthetic(*arguments)
        assert raised.value.argument == name


def test_matrix_free_is_the_same_problem_with_another_rotation():
    dense, free = (problems.synthetic(60, 200.0, rng=3, matrix_free=flag) for flag in (False, True))
    for name in ("coef", "scale_x", "ridge"):
        np.testing.assert_array_equal(getattr(dense, name), getattr(free, name))
    G = free.G @ np.eye(60)
    np.testing.assert_allclose(np.linalg.eigvalsh((G + G.T) / 2), np.linspace(1, 200, 60), rtol=1e-12)
    x, y, _ = free.initial_point(rng=1)
    assert free.check(x, y, rng=2).ok
    point = free.linearize(x, y)
    A = np.stack([point.A.matvec(e) for e in np.eye(60)])
    eigenvalues = np.linalg.eigvalsh((A + A.T) / 2)
    assert point.mu <= eigenvalues[0] and eigenvalues[-1] <= point.smoothness
    assert point.mu == pytest.approx(dense.linearize(x, y).mu, rel=1e-9)
    kinds = [isinstance(bound, Proven) for bound in (point.mu, point.smoothness, point.cross_norm)]
    assert kinds == [False, False, True]  # nothing is proven of four floating-point transforms
    assert str(point.hypergradient().certificate.error) == "estimated"
    with pytest.raises(ArgumentError, match="matrix_free"):
        problems.synthetic(3, 2.0, matrix_free=1)


def test_a_million_variables_fit():
    """Every vector is 8 MB; a dense G would be 8 TB."""
    tracemalloc.start()
    problem = problems.synthetic(10**6, 1e5, matrix_free=True, rng=0)
    x, y, _ = problem.initial_point(rng=1)
    result = minimize(problem, x, y, maxiter=1, step_x=1.0, step_y=1e-5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60 * 8e6
    assert np.isfinite(result.hypergradient).all() and result.n_hvp == 2


def test_an_angle_that_overflows_is_named():
    """Σ a_i x_i y_i = ∞ has no sine: a value that is not finite, not math's ValueError."""
    problem = problems.synthetic_from_arrays([1e300, 1e300], [1.0, 1.0], [0.5, 0.5], np.eye(2), 0.0)
    x, y = np.full(2, 1e10), np.ones(2)
    for call in (problem.value, problem.upper_grad_x, problem.upper_grad_y):
        with pytest.raises(CallableError, match="nan"):
            call(x, y)
