"""JAX functions with rules of their own, which may lose the second derivative."""

import numpy as np
import pytest

from lancbio_ref import hypergradient
from lancbio_ref.errors import ArgumentError

jax = pytest.importorskip("jax", reason="JAX is not installed")
jnp = pytest.importorskip("jax.numpy")
adapter = pytest.importorskip("lancbio_ref.adapters.jax")


pytestmark = pytest.mark.usefixtures("double")


def ruled(stop):
    """Σ y³ twice, by a rule for tangents and by one for cotangents, whose slope goes through `stop`."""

    @jax.custom_jvp
    def cubes(y):
        return jnp.sum(y**3)

    @cubes.defjvp
    def _(at, along):
        return cubes(at[0]), jnp.sum(3 * stop(at[0]) ** 2 * along[0])

    @jax.custom_vjp
    def third_powers(y):
        return jnp.sum(y**3)

    third_powers.defvjp(lambda y: (third_powers(y), stop(y)), lambda kept, up: (3 * kept**2 * up,))
    return dict(cubes=cubes, third_powers=third_powers)


def made(own, **options):
    def g(x, y):
        return jnp.sum(y**2) + own(y) - jnp.sum(x * y)

    return adapter.problem(lambda x, y: jnp.sum((y - 1) ** 2), g, jnp.ones(6), jnp.ones(6), **options)


@pytest.mark.parametrize("name", ["cubes", "third_powers"])
def test_what_a_rule_loses_is_an_error_with_its_name(name):
    problem = made(ruled(jax.lax.stop_gradient)[name])
    with pytest.raises(ArgumentError, match=rf"^g: found a product A v that is 7.*{name} at .*verify=False"):
        hypergradient(problem, problem.x0, problem.y0, mu="estimate")
    meant = made(ruled(jax.lax.stop_gradient)[name], verify=False)
    hypergradient(meant, meant.x0, meant.y0, mu="estimate")
    right = made(ruled(lambda y: y)[name])
    found = hypergradient(right, right.x0, right.y0, mu="estimate").value
    np.testing.assert_allclose(found, 0.0, atol=1e-12)


def test_the_implicit_function_looks_too():
    def y_star(stop):
        cubes = ruled(stop)["cubes"]
        return adapter.implicit(lambda x, y: jnp.sum(y**2) + cubes(y) - jnp.sum(x * y), lambda x: x)

    def upper(y_star):
        return jax.grad(lambda x: jnp.sum(y_star(x) ** 2))(jnp.ones(3))

    with pytest.raises(ArgumentError, match=r"^g: .*cubes at"):
        upper(y_star(jax.lax.stop_gradient))
    np.testing.assert_allclose(upper(y_star(lambda y: y)), 2 / 8, rtol=1e-8)


def test_rules_of_jax_itself_are_no_findings():
    problem = made(lambda y: jax.nn.relu(y).sum() + jnp.logaddexp(y, 0).sum() + jax.nn.silu(y).sum())
    assert not problem.findings
