r"""
03 · Which subspace dimension m for LancBiO
===========================================

LancBiO restarts its Krylov subspace every :math:`m` outer iterations; a restart costs one Hessian product. A larger
:math:`m` is cheaper, and its subspace holds more, but the columns of :math:`T` then belong to Hessians of older
iterates. What to look at: the products in an outer iteration are :math:`1 + 1/m` exactly; the residual
:math:`\|A_k v_k - b_k\|` falls as :math:`m` grows, up to a point, and with the largest :math:`m` here it is the worst
of all: it grows between two restarts.
"""

import matplotlib.pyplot as plt
import numpy as np

from lancbio_ref import minimize, problems

K, dimensions = 400, [1, 2, 5, 10, 20, 40, 80]
problem = problems.synthetic(200, 1e3, rng=0)
x0, y0, v0 = problem.initial_point(rng=1)

# %%
# The same start and the same steps for every :math:`m`. The residuals are evaluated on the side and cost the run
# nothing.

residuals, products = [], []
for m in dimensions:
    run = minimize(
        problem, x0, y0, v0=v0, maxiter=K, step_x=1.0, step_y=1e-3, inner_steps=5, subspace=m, diagnostics_every=1
    )
    residuals.append(run.trace.diagnostics["residual"])
    products.append(run.n_hvp / K)
    later = residuals[-1][K // 2 :]
    print(
        f"m = {m:2d}: {products[-1]:.4f} products an iteration, residual {np.median(later):.2e} (median, second half)"
    )

# %%
# Left, four of the runs; right, the median and the quartiles of the second half for all.

fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
for m, style in ((1, "-"), (5, "--"), (20, "-."), (80, ":")):
    left.semilogy(np.arange(1, K + 1), residuals[dimensions.index(m)], style, label=f"$m = {m}$")
left.set(xlabel="outer iteration $k$", ylabel=r"$\|A_k v_k - b_k\|$")
left.legend()
low, middle, high = np.quantile([r[K // 2 :] for r in residuals], [0.25, 0.5, 0.75], axis=1)
right.fill_between(dimensions, low, high, alpha=0.2)
right.loglog(dimensions, middle, "o-")
right.set(xlabel="subspace dimension $m$", ylabel="residual in the second half")
right.set_xticks(dimensions, dimensions)
right.minorticks_off()
cost = right.twinx()
cost.plot(dimensions, products, "s--", color="C1")
cost.set_ylabel("Hessian products an iteration (squares)", color="C1")
cost.set_ylim(0.95, 2.05)
cost.grid(False)
plt.show()
