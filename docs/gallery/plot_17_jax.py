r"""
17 · f and g in JAX, ten lines
==============================

Which penalty does each feature of a logistic regression deserve? Two scalar functions of pytrees are all that is
written; JAX differentiates, and every hyper-gradient comes with a bound. What to look at: the penalties of the features
that mean nothing run up, and the hyper-gradient at the end has a bound beside it.
"""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize

from lancbio_ref import HyperObjective, hypergradient
from lancbio_ref.adapters.jax import problem

jax.config.update("jax_enable_x64", True)  # in float32 it works as well, and the bounds are those of float32
rng, n, p = np.random.default_rng(0), 200, 12
truth = np.r_[rng.standard_normal(4) * 2, np.zeros(p - 4)]  # eight features mean nothing
train, validation = ((X, np.sign(X @ truth + rng.standard_normal(n))) for X in rng.standard_normal((2, n, p)))


def loss(y, X, t):
    return jnp.mean(jnp.logaddexp(0, -t * (X @ y["weights"] + y["offset"])))


def f(x, y, train, validation):
    return loss(y, *validation)


def g(x, y, train, validation):
    return loss(y, *train) + 0.5 * jnp.sum(jnp.exp(x) * y["weights"] ** 2) + 1e-3 * y["offset"] ** 2


start = {"weights": jnp.zeros(p), "offset": jnp.array(0.0)}
ours = problem(
    f, g, jnp.full(p, -3.0), start, args=(train, validation), mu=lambda x, y: jnp.exp(x).min().clip(max=2e-3)
)
print(ours.check(ours.x0, ours.y0 + 0.1, rng=0))

# %%
# φ and ∇φ as one callable for an optimizer of SciPy's, and the end of the run looked at:
found = minimize(HyperObjective(ours), ours.x0, jac=True, method="L-BFGS-B", bounds=[(-7, 3)] * p)
print(hypergradient(ours, found.x))

fig, ax = plt.subplots(figsize=(7, 3.2))
ax.bar(np.arange(p), found.x, color=["C0" if w else "C1" for w in truth])
ax.set(xlabel="feature", ylabel="log-penalty $x_j$", title="the last eight features mean nothing")
plt.show()
