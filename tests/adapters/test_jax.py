"""JAX functions as problems: derivatives of the closed form, structures, types, what is wrong with a function."""

import pickle

import numpy as np
import pytest

from lancbio_ref import CertificateStatus, LancbioError, SolveStatus, hypergradient, lower_solution, minimize
from lancbio_ref.errors import ArgumentError, CallableError, EvaluationError
from lancbio_ref.evidence import norm_J_of
from lancbio_ref.krylov import solve
from tests.adapters.closed_form import P, data, derivatives

jax = pytest.importorskip("jax", reason="JAX is not installed")
jnp = pytest.importorskip("jax.numpy")
adapter = pytest.importorskip("lancbio_ref.adapters.jax")


@pytest.fixture(autouse=True)
def double():
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def f(x, y, X, t, more, other):
    return jnp.mean(jnp.logaddexp(0, -other * (more @ y["w"] + y["b"])))


def g(x, y, X, t, more, other):
    loss = jnp.mean(jnp.logaddexp(0, -t * (X @ y["w"] + y["b"])))
    return loss + 0.5 * jnp.sum(jnp.exp(x[0]) * y["w"] ** 2) + 0.5 * jnp.exp(x[1]["s"]) * y["b"] ** 2


def start(dtype=np.float64):
    x0 = (jnp.full(P, -2.0, dtype), {"s": jnp.asarray(-3.0, dtype)})
    return x0, {"w": jnp.zeros(P, dtype), "b": jnp.asarray(0.0, dtype)}


def logistic(dtype=np.float64, **options):
    return adapter.problem(f, g, *start(dtype), args=data(dtype), **options)


def vectors(problem, seed=0):
    rng = np.random.default_rng(seed)
    x, u = rng.standard_normal((2, P + 1)) - 1
    w, v = rng.standard_normal((2, P + 1))
    # the leaves of a dict in the order of their names: b, w
    return x, w, v, u, np.append(w[1:], w[0]), np.append(v[1:], v[0])


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


def test_what_cuts_or_rounds_is_named_with_its_line():
    def cut(x, y):
        return jnp.sum(y**2) - jnp.sum(jax.lax.stop_gradient(y) * x)

    def narrow(x, y):
        return jnp.sum(y.astype(jnp.float32) ** 2).astype(float) - jnp.sum(x * y)

    value, at = (lambda x, y: jnp.sum(y**2)), (jnp.ones(2), jnp.ones(2))
    (row,) = [row for row in _problem(value, cut, at).check(*at, rng=0) if row.name == "grad_y g"]
    assert row.verdict == "failed" and "stop_gradient at" in row.note and "test_jax.py" in row.note
    problem = _problem(value, narrow, at)
    (row,) = [row for row in problem.check(*at, rng=0) if row.name == "g in float64"]
    assert row.verdict == "failed" and "rounded to float32 at" in row.note
    assert problem.lower_grad_y(*map(np.asarray, at)).dtype == np.float32  # and so counts with 7 digits
    assert _problem(value, lambda x, y: jax.nn.logsumexp(y) + jnp.sum(y**2 * x), at).check(*at, rng=0).ok


def _problem(value, g, at):
    return adapter.problem(value, g, *at)


@pytest.mark.parametrize(
    "x0, y0, argument",
    [
        ([1, 2], [0.0], r"x0\[0\]"),
        ({"a": np.array([np.nan])}, [0.0], r"x0\['a'\]"),
        ([np.float32(1), 2.0], [0.0], r"x0\[1\]"),
        ([0.0], [], "y0"),
        (0.0, np.float32(0), "y0"),
        ("text", [0.0], "x0"),
        (1j, [0.0], "x0"),
    ],
)
def test_leaves_that_cannot_be_used(x0, y0, argument):
    with pytest.raises(ArgumentError, match=argument):
        adapter.problem(lambda x, y: 0.0, lambda x, y: 0.0, x0, y0)


@pytest.mark.parametrize(
    "bad, what",
    [
        (lambda x, y: y, r"float64\[2\]"),
        (lambda x, y: np.asarray(y).sum(), "TracerArrayConversionError"),
        (lambda x, y: (y.sum(), x), "returns"),
        (lambda x: x.sum(), "TypeError"),
        (lambda x, y: 1, "int"),
        (3.0, "float"),
    ],
)
def test_functions_that_cannot_be_used(bad, what):
    good, at = (lambda x, y: jnp.sum(y**2)), (jnp.ones(2), jnp.ones(2))
    with pytest.raises(ArgumentError, match=rf"^f: .*{what}"):
        adapter.problem(bad, good, *at)
    with pytest.raises(ArgumentError, match=rf"^g: .*{what}"):
        adapter.problem(good, bad, *at)


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


def test_a_problem_of_named_functions_is_pickled():
    problem = pickle.loads(pickle.dumps(adapter.problem(*MODULE_LEVEL, jnp.ones(2), jnp.ones(2), mu=2.0)))
    np.testing.assert_allclose(hypergradient(problem, problem.x0).value, -0.25 * np.ones(2), rtol=1e-12)


def upper(x, y):
    return 0.5 * jnp.sum((y - 1) ** 2)


def lower(x, y):
    return jnp.sum(y**2) - jnp.sum(x * y)


MODULE_LEVEL = (upper, lower)


def test_the_norm_of_J_is_estimated_in_one_call_as_a_black_boxs_is():
    problem = logistic(mu=float(np.exp(-3)))
    x, y = problem.x0 + 0.1, problem.y0 + 0.2
    point = problem.linearize(x, y)
    found = norm_J_of(point)
    assert point.J.products == 0
    del point.J.inner.estimated_norm
    wanted = norm_J_of(point)
    assert point.J.products > 0
    np.testing.assert_allclose(found.value, wanted.value, rtol=1e-12)
    assert found.status == wanted.status == CertificateStatus.ESTIMATED


@pytest.mark.parametrize("H", [[[1.0, 0.0], [0.5, 1.0]], [[np.nan, 0.0], [0.0, 1.0]]])
def test_a_gram_matrix_that_is_not_symmetric_has_no_norm_of_its_own(H):
    """Rules of somebody's own may give a J and a Jᵀ that are not adjoint; the products then say so."""
    problem = logistic()
    problem.derivatives._JJt = lambda *arguments: (np.array(H), np.array([0.1, 0.0]))
    assert np.isnan(problem.derivatives.cross_norm(problem.x0, problem.y0, None))
    point = problem.linearize(problem.x0 + 0.1, problem.y0 + 0.2)
    assert np.isfinite(norm_J_of(point).value) and point.J.products > 0


def test_a_point_has_no_copy_of_the_data():
    X = jnp.asarray(np.random.default_rng(0).standard_normal((50, 20)))

    def g(x, y, X):
        return jnp.sum(jnp.logaddexp(0, X @ y)) + jnp.sum(jnp.exp(x) * y**2)

    problem = adapter.problem(lambda x, y, X: jnp.sum(y**2), g, jnp.zeros(20), jnp.zeros(20), args=(X,))
    A = problem.derivatives.hessian(np.zeros(20), np.ones(20), None)
    product = A(np.ones(20))
    assert max(array.size for array in A.linear.arrays) <= 50 < X.size
    assert any(place is not None for place in A.linear.places)
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


def test_a_product_that_is_not_finite_is_named():
    nan = adapter.problem(
        lambda x, y: jnp.sum(y),
        lambda x, y: jnp.sum(y**2 * x) + jnp.sum(jnp.sqrt(y - 1) ** 4),
        jnp.ones(2),
        jnp.ones(2),
    )
    with pytest.raises(LancbioError, match="@ v"):
        hypergradient(nan, nan.x0, nan.y0)


def squares(x, y):
    return jnp.sum((y - x) ** 2)


def looping(x, y):
    return jax.lax.while_loop(lambda s: s[1] < 3, lambda s: (s[0] + squares(x, y), s[1] + 1), (0.0, 0))[0]


def called_back(x, y):
    return jax.pure_callback(lambda z: np.sum(z**2), jax.ShapeDtypeStruct((), jnp.float64), y - x)


@pytest.mark.parametrize(
    "bad, what", [(looping, "while_loop"), (called_back, "callbacks"), (lambda x, y: (squares(x, y), {}), "scalar")]
)
def test_what_has_a_value_and_no_derivative_is_refused_when_the_problem_is_made(bad, what):
    at = jnp.ones(2), jnp.ones(2)
    with pytest.raises(ArgumentError, match=f"^g: .*{what}.*differentiate twice"):
        adapter.problem(squares, bad, *at)
    with pytest.raises(ArgumentError, match=f"^f: .*{what}.*differentiate"):
        adapter.problem(bad, squares, *at)


def test_data_that_are_no_arrays_are_refused_and_shapes_are_captured():
    with pytest.raises(ArgumentError, match="args: found str 'relu'"):
        adapter.problem(squares, squares, jnp.ones(2), jnp.ones(2), args=("relu",))
    with pytest.raises(ArgumentError, match="shapes depend on is captured"):
        adapter.problem(*[lambda x, y, n: squares(x, y) + jnp.zeros(n).sum()] * 2, jnp.ones(2), jnp.ones(2), args=(3,))


def test_a_gradient_where_the_function_has_no_value_is_no_gradient():
    """log(y − 5) at y = 1 is NaN, and 1/(y − 5) a number: of nothing."""
    problem = _problem(lambda x, y: jnp.sum(jnp.log(y - 5)), squares, (jnp.ones(2), jnp.ones(2)))
    with pytest.raises(CallableError, match=r"upper.grad_y.*nan"):
        hypergradient(problem, problem.x0, mu="estimate")
    problem = _problem(squares, lambda x, y: jnp.sum(jnp.log(y - 5)), (jnp.ones(2), jnp.ones(2)))
    with pytest.raises(CallableError, match=r"lower.grad_y.*nan"):
        hypergradient(problem, problem.x0, mu="estimate")


def test_what_rounds_float32_is_named_too():
    jax.config.update("jax_enable_x64", False)
    half = _problem(squares, lambda x, y: squares(x, y).astype(jnp.bfloat16).astype(jnp.float32), (jnp.ones(2),) * 2)
    (row,) = [row for row in half.check(half.x0, half.y0 + np.float32(1), rng=0) if row.name == "g in float32"]
    assert row.verdict == "failed" and "float32 is rounded to bfloat16 at" in row.note


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
