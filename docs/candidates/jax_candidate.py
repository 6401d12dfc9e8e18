"""A candidate in JAX: the hyper-gradient by automatic differentiation of f and g, which a case carries as `problem`.

    pip install jax
    lancbio-ref check --candidate docs.candidates.jax_candidate:hypergradient

A case without a problem (arrays A, J, b, c alone) is solved as it is.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)


def hypergradient(case):
    """∇_x f − ∇²_xy g [∇²_yy g]⁻¹ ∇_y f at (x, y), nothing but f and g being given."""
    if case["problem"] is None:
        return case["c"] - case["J"] @ solve(case["A"], case["b"])
    f, g = PROBLEMS[case["problem"]["name"]]
    f, g = (partial(level, **case["problem"]["data"]) for level in (f, g))
    x, y = jnp.asarray(case["problem"]["x"]), jnp.asarray(case["problem"]["y"])
    c, b = jax.grad(f, (0, 1))(x, y)
    v = solve(jax.hessian(g, 1)(x, y), b)
    _, Jv = jax.jvp(lambda y: jax.grad(g, 0)(x, y), (y,), (v,))  # d/dt ∇_x g(x, y + t v)
    return np.asarray(c - Jv)


def solve(A, b):
    """A⁻¹b by Cholesky's factorization; powers of two keep all numbers near 1."""
    A, b = np.asarray(A), np.asarray(b)
    s, t = (int(np.frexp(np.max(np.abs(a)))[1]) for a in (A, b))
    A = np.ldexp(A, -s)
    if np.max(np.abs(A - A.T)) > 1e-10:  # derivatives are symmetric up to rounding
        raise ValueError("A is not symmetric")
    L = jnp.linalg.cholesky((A + A.T) / 2)
    if not jnp.min(jnp.diag(L)) ** 2 > b.size * 2.0**-53:  # where A is not positive definite, JAX gives NaN
        raise ValueError("A is not positive definite to working precision")
    v = jax.scipy.linalg.cho_solve((L, True), jnp.asarray(np.ldexp(b, -t)))
    v = np.ldexp(np.asarray(v), t - s)
    if not np.isfinite(v).all():
        raise OverflowError("v is not representable")
    return v


# -- f and g of the problems, as their formulas say ----------------------------------------------


def quadratic_f(x, y, A, B, d, t, rho):
    return 0.5 * (y - t) @ (y - t) + 0.5 * rho * x @ x


def quadratic_g(x, y, A, B, d, t, rho):
    return 0.5 * y @ (A @ y) - y @ (B @ x + d)


def ridge_f(x, y, X_train, t_train, X_val, t_val):
    return 0.5 * jnp.mean((X_val @ y - t_val) ** 2)


def ridge_g(x, y, X_train, t_train, X_val, t_val):
    return 0.5 * jnp.mean((X_train @ y - t_train) ** 2) + 0.5 * jnp.exp(x) @ y**2


def cross_entropies(Y, X, labels):
    """log Σ_c exp(y_c·x_i) − y_{l_i}·x_i for every sample i."""
    scores = X @ Y.T
    return jax.nn.logsumexp(scores, axis=1) - scores[jnp.arange(len(X)), jnp.asarray(labels)]


def logistic_f(x, y, classes, X_train, labels_train, X_val, labels_val):
    return cross_entropies(y.reshape(classes, -1), X_val, labels_val).mean()


def logistic_g(x, y, classes, X_train, labels_train, X_val, labels_val):
    Y = y.reshape(classes, -1)
    return cross_entropies(Y, X_train, labels_train).mean() + (jnp.exp(x) * Y**2).sum() / (2 * Y.size)


def with_ones(X):
    return jnp.column_stack([X, jnp.ones(len(X))])


def cleaning_f(x, y, classes, X_train, labels_train, X_val, labels_val, regularization):
    return cross_entropies(y.reshape(classes, -1), with_ones(X_val), labels_val).mean()


def cleaning_g(x, y, classes, X_train, labels_train, X_val, labels_val, regularization):
    losses = cross_entropies(y.reshape(classes, -1), with_ones(X_train), labels_train)
    return jnp.mean(jax.nn.sigmoid(x) * losses) + regularization * y @ y


def synthetic_f(x, y, coef, scale_x, ridge, G, gamma):
    return 0.1 * jnp.cos(coef @ (x * y)) + 0.5 * jnp.sum((scale_x * x - y) ** 2)


def synthetic_g(x, y, coef, scale_x, ridge, G, gamma):
    return gamma * jnp.sin(x + y).sum() + jax.nn.logsumexp(x * y) + 0.5 * y @ (ridge * y + G @ y)


PROBLEMS = {
    "quadratic": (quadratic_f, quadratic_g),
    "ridge": (ridge_f, ridge_g),
    "logistic": (logistic_f, logistic_g),
    "data_cleaning": (cleaning_f, cleaning_g),
    "synthetic": (synthetic_f, synthetic_g),
}
