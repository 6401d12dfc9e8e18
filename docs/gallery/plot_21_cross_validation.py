r"""
21 · Cross-validation as an upper level
=======================================

Five fits share :math:`x`, the log-penalty; the upper level is the mean of their validation losses, and the Hessian of
the lower level is block-diagonal. So the derivative of a cross-validation curve is one hyper-gradient, with a proof of
how wrong it may be, for a Poisson regression as well, whose curvature no constant bounds: the constants are those of a
ball that provably holds the minimizer. What to look at: the tangents fit the curve, and every bound stays far below
the slope that it is a bound for.
"""

import matplotlib.pyplot as plt
import numpy as np

from lancbio_ref import HyperObjective, problems

rng = np.random.default_rng(1)
X = rng.standard_normal((100, 12))
counts = rng.poisson(np.exp(0.3 + 0.6 * X[:, 0] - 0.4 * X[:, 1]))
rows = np.arange(100)
folds = [(rows[rows % 5 != k], rows[rows % 5 == k]) for k in range(5)]
problem = problems.generalized_linear(X, counts, loss="poisson", folds=folds, penalty="all", intercept=True)
F = HyperObjective(problem, accuracy=1e-8, relative=1e-4)
print(f"n_x = {problem.n_x}, n_y = {problem.n_y}: {len(problem.problems)} fits of 13 coefficients")

# %%
# The curve and its derivative on a grid.

grid = np.linspace(-6, 1, 15)
found = [F.evaluate([x]) for x in grid]
values, slopes = np.array([at.value for at in found]), np.array([at.gradient[0] for at in found])
bounds = np.array([at.gradient_bound for at in found])
for x, at in list(zip(grid, found, strict=True))[::5]:
    print(f"x = {x:5.2f}: φ = {at.value:.6f}, φ′ = {at.gradient[0]:9.2e} ± {at.gradient_bound:.1e} ({at.certificate})")

# %%
# Tangents, and the bounds.

fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
left.plot(grid, values, "C0o-", ms=4)
for x, value, slope in zip(grid[::2], values[::2], slopes[::2], strict=True):
    left.plot([x - 0.35, x + 0.35], [value - 0.35 * slope, value + 0.35 * slope], "C1", lw=2)
left.set(xlabel="$x$, the log-penalty", ylabel="mean validation loss", title="cross-validation and its tangents")
right.semilogy(grid, np.abs(slopes), "C0o-", ms=4, label=r"$|\varphi'|$")
right.semilogy(grid, bounds, "C1^:", ms=4, label="proven bound of its error")
right.set(xlabel="$x$, the log-penalty")
right.legend()
plt.show()
