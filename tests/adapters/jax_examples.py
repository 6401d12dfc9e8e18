"""Functions of JAX that several files of tests make problems of."""

import numpy as np
import pytest

from tests.adapters.closed_form import P, data

jax = pytest.importorskip("jax", reason="JAX is not installed")
jnp = pytest.importorskip("jax.numpy")
adapter = pytest.importorskip("lancbio_ref.adapters.jax")


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


def squares(x, y):
    return jnp.sum((y - x) ** 2)


def made(value, g, at):
    return adapter.problem(value, g, *at)
