"""What is wrong with a JAX function: what cuts, rounds, has no derivative, or is no number."""

import numpy as np
import pytest

from lancbio_ref import LancbioError, hypergradient
from lancbio_ref.errors import ArgumentError, CallableError

jax = pytest.importorskip("jax", reason="JAX is not installed")
jnp = pytest.importorskip("jax.numpy")
adapter = pytest.importorskip("lancbio_ref.adapters.jax")
examples = pytest.importorskip("tests.adapters.jax_examples")
squares = examples.squares
made = examples.made
pytestmark = pytest.mark.usefixtures("double")


def test_what_cuts_or_rounds_is_named_with_its_line():
    def cut(x, y):
        return jnp.sum(y**2) - jnp.sum(jax.lax.stop_gradient(y) * x)

    def narrow(x, y):
        return jnp.sum(y.astype(jnp.float32) ** 2).astype(float) - jnp.sum(x * y)

    value, at = (lambda x, y: jnp.sum(y**2)), (jnp.ones(2), jnp.ones(2))
    (row,) = [row for row in made(value, cut, at).check(*at, rng=0) if row.name == "grad_y g"]
    assert row.verdict == "failed" and "stop_gradient at" in row.note and "test_jax_refusals.py" in row.note
    problem = made(value, narrow, at)
    (row,) = [row for row in problem.check(*at, rng=0) if row.name == "g in float64"]
    assert row.verdict == "failed" and "rounded to float32 at" in row.note
    assert problem.lower_grad_y(*map(np.asarray, at)).dtype == np.float32  # and so counts with 7 digits
    assert made(value, lambda x, y: jax.nn.logsumexp(y) + jnp.sum(y**2 * x), at).check(*at, rng=0).ok


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


def test_a_product_that_is_not_finite_is_named():
    nan = adapter.problem(
        lambda x, y: jnp.sum(y),
        lambda x, y: jnp.sum(y**2 * x) + jnp.sum(jnp.sqrt(y - 1) ** 4),
        jnp.ones(2),
        jnp.ones(2),
    )
    with pytest.raises(LancbioError, match="@ v"):
        hypergradient(nan, nan.x0, nan.y0)


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
    problem = made(lambda x, y: jnp.sum(jnp.log(y - 5)), squares, (jnp.ones(2), jnp.ones(2)))
    with pytest.raises(CallableError, match=r"upper.grad_y.*nan"):
        hypergradient(problem, problem.x0, mu="estimate")
    problem = made(squares, lambda x, y: jnp.sum(jnp.log(y - 5)), (jnp.ones(2), jnp.ones(2)))
    with pytest.raises(CallableError, match=r"lower.grad_y.*nan"):
        hypergradient(problem, problem.x0, mu="estimate")


def test_what_rounds_float32_is_named_too():
    jax.config.update("jax_enable_x64", False)
    half = made(squares, lambda x, y: squares(x, y).astype(jnp.bfloat16).astype(jnp.float32), (jnp.ones(2),) * 2)
    (row,) = [row for row in half.check(half.x0, half.y0 + np.float32(1), rng=0) if row.name == "g in float32"]
    assert row.verdict == "failed" and "float32 is rounded to bfloat16 at" in row.note


def test_a_g_without_y_is_refused():
    """As one of a model's captured parameters is."""
    kept = jnp.ones(3)
    with pytest.raises(ArgumentError, match=r"g: found .*nothing of y"):
        adapter.problem(lambda x, y: jnp.sum(y), lambda x, y: jnp.sum(x * kept**2), jnp.ones(3), jnp.ones(3))


def test_an_integer_leaf_is_told_where_it_belongs():
    with pytest.raises(ArgumentError, match=r"x0\['n'\]: found dtype int.*captured, or one of args"):
        adapter.problem(lambda x, y: y.sum(), lambda x, y: y @ y, {"l": jnp.ones(1), "n": 3}, jnp.ones(3))


def test_a_second_derivative_of_the_implicit_function_is_refused():
    y_star = adapter.implicit(lambda x, y: jnp.sum((y - x) ** 2), lambda x: x)
    total = jax.grad(lambda x: jnp.sum(y_star(x) ** 2) + jnp.sum(x**2))
    with pytest.raises(ArgumentError, match="of a derivative"):
        jax.grad(lambda x: total(x).sum())(jnp.ones(2))
