"""What a JAX problem costs: compiled once a shape, many steps in one call, no copy of the data."""

import numpy as np
import pytest

from lancbio_ref import CertificateStatus, SolveStatus, hypergradient
from lancbio_ref.adapters.cross_norm import bound_of, steps_of
from lancbio_ref.evidence import norm_J_of
from lancbio_ref.krylov import solve

jax = pytest.importorskip("jax", reason="JAX is not installed")
jnp = pytest.importorskip("jax.numpy")
adapter = pytest.importorskip("lancbio_ref.adapters.jax")
examples = pytest.importorskip("tests.adapters.jax_examples")
logistic = examples.logistic
pytestmark = pytest.mark.usefixtures("double")


def test_a_problem_is_compiled_once_a_shape():
    traced = []

    def counted(x, y):
        traced.append(1)
        return jnp.sum(jnp.cosh(y)) - jnp.sum(x * y)

    problem = adapter.problem(lambda x, y: jnp.sum(y**2), counted, jnp.ones(3), jnp.ones(3))
    hypergradient(problem, problem.x0, mu="estimate")
    after = len(traced)
    for k in range(3):
        hypergradient(problem, problem.x0 + k, mu="estimate")
    assert len(traced) == after


def counted_calls(problem, monkeypatch):
    """What is called of the compiled functions of a problem's second derivatives, in order."""
    derivatives, called = problem.derivatives, []

    def watch(of, name, word):
        compiled = getattr(of, name)
        monkeypatch.setattr(of, name, lambda *given: (called.append(word), compiled(*given))[1])

    for letters, maps in (("A", derivatives._A), ("J", derivatives._J), ("Jt", derivatives._Jt)):
        for name in ("first", "apply", "made", "advance", "solve"):
            watch(maps, name, f"{letters} {name}")
    watch(derivatives, "_with_norm", "J with norm")
    watch(derivatives, "_norm_alone", "norm")
    return called


@pytest.mark.parametrize("norm", [None, 50.0], ids=["norm of J", "norm given"])
def test_a_hypergradient_is_two_calls_of_second_derivatives(norm, monkeypatch):
    problem = logistic(mu=float(np.exp(-3)), cross_norm=norm)
    x, y = problem.x0 + 0.1, problem.y0 + 0.2
    apart = problem.derivatives.cross(x, y, None)
    norm_apart = norm or problem.derivatives.cross_norm(apart, x, y, None)
    called = counted_calls(problem, monkeypatch)
    found = hypergradient(problem, x, y, rtol=1e-10)
    assert called == ["A solve", "J first" if norm else "J with norm"]
    np.testing.assert_allclose(found.value, problem.upper_grad_x(x, y) - apart(found.v), rtol=1e-12)
    np.testing.assert_allclose(found.certificate.cross_norm.value, norm_apart, rtol=1e-9)


def test_a_product_alone_brings_no_norm(monkeypatch):
    problem = logistic()
    point = problem.linearize(problem.x0 + 0.1, problem.y0 + 0.2)
    called = counted_calls(problem, monkeypatch)
    first = point.J.matvec(np.ones(point.n_y))
    assert called == ["J first"]
    np.testing.assert_allclose(point.J.matvec(2 * np.ones(point.n_y)), 2 * first, rtol=1e-12)
    point.J.matvec(first[: point.n_y])
    assert called == ["J first", "J made", "J apply", "J apply"]


def test_the_norm_of_J_is_bounded_in_one_call():
    problem = logistic(mu=float(np.exp(-3)))
    x, y = problem.x0 + 0.1, problem.y0 + 0.2
    point = problem.linearize(x, y)
    found = norm_J_of(point)
    assert point.J.products == 0
    del point.J.inner.norm_bound
    wanted = norm_J_of(point)  # twice the norm
    assert point.J.products > 0
    assert 0.5 * wanted.value <= found.value <= 1.5 * wanted.value
    assert found.status == wanted.status == CertificateStatus.ESTIMATED


@pytest.mark.parametrize("decay", [0.0, 0.5, 1.0, 3.0])
def test_few_steps_bound_the_norm_of_J(decay):
    """In compiled code as in plain steps, which PyTorch has: J = Q diag(j^−decay) R, n_x = 300."""
    rng = np.random.default_rng(1)
    Q, R = (np.linalg.qr(rng.standard_normal((300, 300)))[0] for _ in range(2))
    J = (Q * np.arange(1.0, 301.0) ** -decay) @ R

    def g(x, y, J):
        return jnp.sum(y**2) + x @ (J @ y)

    zero = jnp.zeros(300)
    problem = adapter.problem(lambda x, y, J: jnp.sum(y), g, zero, zero, args=(J,))
    at = problem.x0, problem.y0, None
    product = problem.derivatives.cross(*at)
    found = problem.derivatives.cross_norm(product, *at)
    assert 1 <= found <= 2.5
    np.testing.assert_array_equal(product(np.eye(300)[0]), J[:, 0])
    np.testing.assert_allclose(
        problem.derivatives.cross_norm(product, *at), found, rtol=1e-9
    )  # of the map that is there
    plain = steps_of(J.dot, J.T.dot, 300, J.dtype)
    np.testing.assert_allclose(found, bound_of(*plain, 300), rtol=1e-6)


@pytest.mark.parametrize(
    "steps", [([1.0, 1.0], [0.1, 0.0], [0.0, 0.5]), ([np.nan, 1.0], [0.0, 0.0], [0.0, 0.0])], ids=["uneven", "nan"]
)
def test_a_gram_matrix_that_is_not_symmetric_has_no_norm_of_its_own(steps):
    """Rules of somebody's own may give a J and a Jᵀ that are not adjoint; the products then say so."""
    problem = logistic()
    problem.derivatives._norm_alone = lambda *arguments: tuple(map(np.array, steps))
    at = problem.x0, problem.y0, None
    assert np.isnan(problem.derivatives.cross_norm(problem.derivatives.cross(*at), *at))
    point = problem.linearize(problem.x0 + 0.1, problem.y0 + 0.2)
    assert np.isfinite(norm_J_of(point).value) and point.J.products > 0


def test_a_point_has_no_copy_of_the_data():
    X = jnp.asarray(np.random.default_rng(0).standard_normal((50, 20)))

    def g(x, y, X):
        return jnp.sum(jnp.logaddexp(0, X @ y)) + jnp.sum(jnp.exp(x) * y**2)

    problem = adapter.problem(lambda x, y, X: jnp.sum(y**2), g, jnp.zeros(20), jnp.zeros(20), args=(X,))
    A = problem.derivatives.hessian(np.zeros(20), np.ones(20), None)
    product = A(np.ones(20))
    assert max(array.size for array in A.kept().arrays) <= 50 < X.size
    assert any(place is not None for place in A.linear.places)
    np.testing.assert_allclose(A(np.ones(20)), product, rtol=1e-12)  # of what is kept
    z = np.asarray(X) @ np.ones(20)
    s = 1 / (1 + np.exp(-z))
    np.testing.assert_allclose(product, np.asarray(X).T @ (s * (1 - s) * z) + 2, rtol=1e-12)


def hilly(matrix, **options):
    """A lower level whose Hessian is `matrix`, and an upper one whose gradient is all ones."""
    n = len(matrix)

    def g(x, y, A):
        return 0.5 * y @ (A @ y) - jnp.sum(x * y)

    zero = jnp.zeros(n, matrix.dtype)
    return adapter.problem(lambda x, y, A: jnp.sum(y) + 0 * jnp.sum(x), g, zero, zero, args=(matrix,), **options)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "low, options, status",
    [
        (1.0, dict(rtol=1e-5), SolveStatus.CONVERGED),
        (1.0, dict(rtol=0.0), SolveStatus.FLOOR),
        (1.0, dict(maxiter=4), SolveStatus.NOT_CONVERGED),
        (-1.0, {}, SolveStatus.INDEFINITE),
        (1.0, dict(mu=3.0), SolveStatus.MU_REFUTED),
    ],
)
def test_many_steps_in_one_call_end_with_the_status_of_single_steps(low, options, status, dtype):
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.standard_normal((30, 30)))[0]
    A = (Q * np.r_[low, np.linspace(5, 200, 29)] @ Q.T).astype(dtype)
    problem = hilly((A + A.T) / 2)
    report = hypergradient(problem, problem.x0, problem.y0, **options)
    assert report.status == status
    if status.success:
        exact = np.linalg.solve(A.astype(float), np.ones(30))
        np.testing.assert_allclose(report.v, exact, rtol=0, atol=1e-4 * np.linalg.norm(exact))
        np.testing.assert_allclose(report.solve.residual, 1 - A.astype(float) @ report.v, rtol=0, atol=5e-5)


def test_more_steps_than_one_call_makes_go_on_where_they_were():
    n = 300
    problem = hilly(np.diag(np.geomspace(1.0, 1e4, n)))
    A = problem.hessian(problem.x0, problem.y0)
    report = solve(A, np.ones(n), rtol=1e-8, maxiter=10 * n)
    assert report.status == SolveStatus.CONVERGED and report.iterations > 100
    assert report.n_products == A.products  # every step was A's own, and is counted once
    np.testing.assert_allclose(report.x, 1 / np.geomspace(1.0, 1e4, n), rtol=0, atol=1e-7)
    ours = hypergradient(problem, problem.x0, problem.y0, rtol=1e-8)
    np.testing.assert_allclose(ours.value, ours.v, rtol=1e-12)
    np.testing.assert_allclose(ours.certificate.cross_norm.value, 1.0, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("start", [0.0, 1e3])
def test_what_rounding_x_leaves_is_seen_without_a_reading_of_x(start, dtype):
    """‖x_k − x_0‖ comes of the coefficients: the steps end at the floor, and not at n."""
    eigenvalues = np.geomspace(1.0, 100.0, 400).astype(dtype)
    problem = hilly(np.diag(eigenvalues))
    A, b = problem.derivatives.hessian(problem.x0, problem.y0, None), np.ones(400, dtype)
    x0 = np.full(400, start, dtype)
    steps = A.conjugate_gradients(x0, b - eigenvalues * x0, 0.0, 0.0, 400)
    assert steps.sound and 20 <= len(steps.gamma) <= 200
    floor = np.finfo(dtype).eps * 100 * np.linalg.norm(np.abs(steps.x) + np.abs(x0))
    assert np.linalg.norm(b - eigenvalues.astype(float) * steps.x) <= 20 * floor


def no_forward(function):
    """`function` with a rule for reverse mode alone, and one more below it for its slope."""
    slope = jax.custom_vjp(jax.grad(function))
    slope.defvjp(lambda z: (slope(z), z), lambda z, t: (t * jax.grad(jax.grad(function))(z),))
    own = jax.custom_vjp(function)
    own.defvjp(lambda z: (function(z), z), lambda z, t: (t * slope(z),))
    return own


def no_reverse(function):
    """`function` with a rule whose slope is a loop of unknown length, which has a derivative in forward mode alone."""

    def slope(z):
        start = jnp.zeros(()), jnp.zeros((), int)
        return jax.lax.while_loop(lambda s: s[1] < 3, lambda s: (s[0] + jax.grad(function)(z) / 3, s[1] + 1), start)[0]

    own = jax.custom_vjp(function)
    own.defvjp(lambda z: (function(z), z), lambda z, t: (t * slope(z),))
    return own


@pytest.mark.parametrize("rule", [no_forward, no_reverse])
def test_A_is_had_in_the_mode_in_which_g_has_a_second_derivative(rule):
    own = rule(jnp.cosh)
    problem = adapter.problem(
        lambda x, y: jnp.sum((y - 1) ** 2), lambda x, y: own(y[0]) + jnp.sum(y**2) - x @ y, jnp.ones(2), jnp.zeros(2)
    )
    A = problem.derivatives.hessian(problem.x0, np.array([0.3, 1.0]), None)
    np.testing.assert_allclose(A(np.ones(2)), [np.cosh(0.3) + 2, 2.0], rtol=1e-14)
