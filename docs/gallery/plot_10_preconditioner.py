r"""
10 · A preconditioner for badly scaled columns
==============================================

Features in metres beside features in millimetres: the columns of :math:`X` differ in size, and so do the rows of the
Hessian :math:`A = X^\top X/n + \mu I`. ``operators.jacobi(A)`` divides by the diagonal. What to look at: without it the
products multiply as soon as the scales spread, with it they stay as they are; and the tolerance keeps its meaning, the
evaluated residual of :math:`A v = b`, in both (which the code asserts).
"""

import matplotlib.pyplot as plt
import numpy as np

from lancbio_ref import Linearization, lanczos_solve
from lancbio_ref.operators import jacobi

rng, n, p = np.random.default_rng(0), 600, 200
X = rng.standard_normal((n, p))
J, c = np.eye(p), np.zeros(p)  # a hyper-gradient h = −v


def hessian(spread):
    scaled = X * np.geomspace(1, spread, p)
    return scaled.T @ scaled / n + 1e-3 * np.eye(p)


spreads, plain, scaled = 10.0 ** np.arange(6), [], []
for spread in spreads:
    A = hessian(spread)
    b = A @ rng.standard_normal(p)
    bounds = dict(mu=1e-3, smoothness=np.abs(A).sum(axis=0).max(), cross_norm=1.0)
    for M, counts in ((None, plain), (jacobi(A), scaled)):
        found = Linearization(A, J, b, c, M=M, **bounds).hypergradient(rtol=1e-8)
        counts.append(found.n_hvp)
        assert found.residual_norm <= 1e-8 * np.linalg.norm(b)
    print(f"spread {spread:6.0e}: {plain[-1]:4d} products without, {scaled[-1]:3d} with jacobi")

# %%
# The residuals of one such system, step by step. In a problem of your own the preconditioner is one line:
# ``LowerLevel(..., preconditioner=lambda x, y: jacobi(hessian(x, y)))``.

A = hessian(1e3)
b = A @ rng.standard_normal(p)
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
for M, style, label in ((None, "C0-", "plain"), (jacobi(A), "C1--", "jacobi")):
    residuals = []
    v, info = lanczos_solve(A, b, rtol=1e-10, M=M, callback=lambda v, seen=residuals: seen.append(b - A @ v))
    residuals = np.linalg.norm(residuals, axis=1) / np.linalg.norm(b)
    left.semilogy(np.arange(1, len(residuals) + 1), residuals, style, label=label)
    print(f"{label}: info {info}, {len(residuals)} steps, relative residual {residuals[-1]:.1e}")
left.set(xlabel="Lanczos step", ylabel=r"$\|b - A v\|/\|b\|$", title="columns spread by $10^3$")
left.legend()
right.loglog(spreads, plain, "C0o-", label="plain")
right.loglog(spreads, scaled, "C1s--", label="jacobi")
right.set(xlabel="largest scale / smallest scale of a column", ylabel="Hessian products to $10^{-8}$")
right.legend()
plt.show()
