"""JAX functions as problems: derivatives of the closed form, structures, types, runs, the implicit function."""

import pickle

import numpy as np
import pytest

from lancbio_ref import CertificateStatus, SolveStatus, hypergradient, lower_solution, minimize
from lancbio_ref.errors import ArgumentError, EvaluationError
from tests.adapters.closed_form import P, data, derivatives

jax = pytest.importorskip("jax", reason="JAX is not installed")
jnp = pytest.importorskip("jax.numpy")
adapter = pytest.importorskip("lancbio_ref.adapters.jax")
examples = pytest.importorskip("tests.adapters.jax_examples")
f = examples.f
g = examples.g
start = examples.start
logistic = examples.logistic
vectors = examples.vectors
pytestmark = pytest.mark.usefixtures("double")


def test_every_derivative_is_that_of_the_closed_form():
    problem = logistic()
    x, y, v, u, y_plain, v_plain = vectors(problem)
    wanted = derivatives(x, y_plain, v_plain, u)
    order = np.r_[P, :P]  # of the closed form, in the order of the tree
    J = problem.cross(x, y)
    found = dict(
        f=problem.value(x, y),
        grad_y_f=problem.upper_grad_y(x, y),
        grad_y_g=problem.lower_grad_y(x, y),
        grad_x_g=problem.lower_grad_x(x, y),
        Av=problem.hessian(x, y) @ v,
        Jv=J @ v,
        Jtu=J.T @ u,
    )
    assert not problem.upper_grad_x(x, y).any()
    for name, value in found.items():
        expected = wanted[name][order] if name in ("grad_y_f", "grad_y_g", "Av", "Jtu") else wanted[name]
        np.testing.assert_allclose(value, expected, rtol=1e-13, atol=1e-14, err_msg=name)
    assert problem.check(x, y, rng=0).ok


def test_hypergradients_come_with_a_bound_that_holds():
    problem = logistic(mu=lambda x, y: float(jnp.exp(jnp.minimum(x[0].min(), x[1]["s"]))))
    report = hypergradient(problem, problem.x0)
    assert report.status == SolveStatus.CONVERGED and report.certificate.error == CertificateStatus.ESTIMATED
    y = np.append(problem.unravel_y(report.lower.y)["w"], problem.unravel_y(report.lower.y)["b"])
    A = np.stack([derivatives(problem.x0, y, e, e)["Av"] for e in np.eye(P + 1)])
    v = np.linalg.solve(A, derivatives(problem.x0, y, y, y)["grad_y_f"])
    h = -derivatives(problem.x0, y, v, y)["Jv"]
    assert np.linalg.norm(report.value - h) <= report.error_bound
    tree = problem.unravel_x(report.value)
    assert tree[0].shape == (P,) and tree[1]["s"].shape == ()
    np.testing.assert_array_equal(problem.ravel_x(tree), report.value)


def test_a_run_ends_in_the_users_structure_and_batches_are_drawn():
    X, t, more, other = data()

    def f_of_rows(x, y, rows, X, t, more, other):
        return f(x, y, None, None, more[rows], other[rows])

    def g_of_rows(x, y, rows, X, t, more, other):
        return g(x, y, X[rows], t[rows], None, None)

    whole = logistic()
    sums = adapter.problem(f_of_rows, g_of_rows, *start(), args=data(), n_samples=len(t))
    run = dict(step_x=0.5, step_y=0.5, maxiter=5)
    same = [minimize(problem, problem.x0, problem.y0, **run).x for problem in (whole, sums)]
    np.testing.assert_allclose(*same, rtol=1e-12)
    result = minimize(sums, sums.x0, sums.y0, batch_size=16, rng=0, **run)
    x, y = sums.tree(result)
    assert result.batches and x[1]["s"].shape == () and y["w"].shape == (P,)
    tree = pickle.loads(pickle.dumps(result)).tree
    assert tree.x[1]["s"] == x[1]["s"] and (tree.y["w"] == y["w"]).all() and tree.v.keys() == y.keys()
    np.testing.assert_array_equal(sums.ravel_x(tree.hypergradient), result.hypergradient)
    rows = np.arange(3, 40)
    part, x, y = sums.minibatch(lower=rows), sums.x0 + 0.1, sums.y0 + 0.2
    again = adapter.problem(f, g, *start(), args=(X[rows], t[rows], more, other))
    np.testing.assert_allclose(part.lower_grad_y(x, y), again.lower_grad_y(x, y), rtol=1e-13)
    np.testing.assert_array_equal(part.upper_grad_y(x, y), sums.upper_grad_y(x, y))


def test_float32_is_a_bound_of_float32_and_float64_is_not_rounded_in_silence():
    jax.config.update("jax_enable_x64", False)
    problem = logistic(np.float32, mu=float(np.exp(-3)))
    assert problem.dtype == np.float32 and problem.check(problem.x0 + 0.1, problem.y0 + 0.2, rng=0).ok
    report = hypergradient(problem, problem.x0, problem.y0 + np.float32(1))
    assert report.value.dtype == np.float32 and report.error_bound > 1e-8
    with pytest.raises(ArgumentError, match="float64 numbers that float32 has not"):
        hypergradient(problem, problem.x0 + np.float64(0.1), problem.y0)
    with pytest.raises(ArgumentError, match="jax_enable_x64"):
        adapter.problem(f, g, np.zeros(2), np.zeros(2))
    with pytest.raises(ArgumentError, match=r"args.*jax_enable_x64"):
        adapter.problem(f, g, jnp.zeros(2), jnp.zeros(2), args=(np.zeros(2),))


def test_another_structure_is_refused():
    problem = logistic()
    with pytest.raises(ArgumentError, match="x0: found structure"):
        problem.ravel_x(problem.x0)


def test_the_implicit_function_has_the_derivative_of_y_star():
    problem = logistic()
    solves = []

    def solver(x, *args):
        report = hypergradient(problem, problem.ravel_x(x), lower_tol=1e-12)
        solves.append(report)
        return problem.unravel_y(report.lower.y)

    y_star, arrays = adapter.implicit(g, solver, rtol=1e-12), tuple(map(jnp.asarray, data()))
    x = problem.unravel_x(problem.x0)
    gradient = jax.grad(lambda x: f(x, y_star(x, *arrays), *arrays))(x)
    np.testing.assert_allclose(problem.ravel_x(gradient), solves[-1].value, rtol=0, atol=1e-9)
    # and in the data: t of the lower level moves y*, which moves f
    t = arrays[1]
    by_t = jax.grad(lambda t: f(x, y_star(x, arrays[0], t, *arrays[2:]), *arrays))(t)
    assert by_t.shape == t.shape and bool(jnp.abs(by_t).max() > 0)


def test_a_failed_backward_pass_is_an_error_with_its_status():
    saddle = adapter.implicit(lambda x, y: jnp.sum(y[:1] ** 2 - y[1:] ** 2 + x * y), lambda x: x)
    with pytest.raises(EvaluationError) as caught:
        jax.grad(lambda x: jnp.sum(saddle(x) ** 2))(jnp.array([1.0, 2.0]))
    assert caught.value.status == SolveStatus.INDEFINITE
    with pytest.raises(ArgumentError, match="jit"):
        jax.jit(jax.grad(lambda x: jnp.sum(saddle(x) ** 2)))(jnp.array([1.0, 2.0]))


def upper(x, y):
    return 0.5 * jnp.sum((y - 1) ** 2)


def lower(x, y):
    return jnp.sum(y**2) - jnp.sum(x * y)


MODULE_LEVEL = (upper, lower)


def test_a_problem_of_named_functions_is_pickled():
    problem = pickle.loads(pickle.dumps(adapter.problem(*MODULE_LEVEL, jnp.ones(2), jnp.ones(2), mu=2.0)))
    np.testing.assert_allclose(hypergradient(problem, problem.x0).value, -0.25 * np.ones(2), rtol=1e-12)


def network(key, sizes):
    keys = jax.random.split(key, len(sizes) - 1)
    shapes = zip(keys, sizes[:-1], sizes[1:], strict=True)
    return tuple({"w": jax.random.normal(k, (m, n)) / m**0.5, "b": jnp.zeros(n)} for k, m, n in shapes)


def losses(y, X, labels):
    for layer in y[:-1]:
        X = jnp.tanh(X @ layer["w"] + layer["b"])
    scores = jax.nn.log_softmax(X @ y[-1]["w"] + y[-1]["b"])
    return -jnp.take_along_axis(scores, labels[:, None], 1)[:, 0]


def distance(x, y):
    return sum(jnp.sum((a - b) ** 2) for a, b in zip(*map(jax.tree_util.tree_leaves, (x, y)), strict=True))


def test_meta_learning_with_a_proximal_term_in_float32():
    """iMAML's inner problem: x is the start of all tasks, y a task's parameters, in the same tuple of dicts."""
    jax.config.update("jax_enable_x64", False)
    X = jax.random.normal(jax.random.PRNGKey(0), (30, 4))
    labels = (X[:, 0] > 0).astype(jnp.int32)
    x0 = network(jax.random.PRNGKey(1), [4, 3, 2])

    def g(x, y, X, labels):
        return losses(y, X[:10], labels[:10]).mean() + distance(x, y)

    problem = adapter.problem(
        lambda x, y, X, labels: losses(y, X[10:], labels[10:]).mean(), g, x0, x0, args=(X, labels)
    )
    lower = lower_solution(problem, problem.x0, problem.x0, tol=1e-5)
    report = hypergradient(problem, problem.x0, lower.y, mu="estimate", rtol=1e-5)
    assert lower.status.success and report.status.success and report.value.dtype == np.float32
    # φ along a direction, by differences of the solved lower level in float32: two digits
    d, t = np.random.default_rng(0).standard_normal(problem.n_x).astype(np.float32), np.float32(0.05)
    ends = [
        problem.value(x, lower_solution(problem, x, lower.y, tol=1e-5).y)
        for x in (problem.x0 + t * d, problem.x0 - t * d)
    ]
    assert (ends[0] - ends[1]) / (2 * t) == pytest.approx(report.value @ d, rel=0.05)
    assert problem.unravel_x(report.value)[1]["b"].shape == (2,)
