r"""
12 · φ and ∇φ as one callable for scipy.optimize
================================================

``HyperObjective`` makes a bilevel problem a function of :math:`x` with a gradient, so that any optimizer can have it;
here L-BFGS-B of SciPy tunes two ridge penalties. Each evaluation solves the lower level and the system only as far as
it must for the accuracy asked, and says what it guarantees. What to look at: the path on the contours of
:math:`\varphi`, and the bound of the gradient's error, which stays below the tolerance at every evaluation.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize

from lancbio_ref import HyperObjective, problems

problem = problems.random_ridge(12, 40, 2, noise=1.0, rng=2)
F = HyperObjective(problem, accuracy=1e-9, relative=1e-3)
log = []


def logged(x):
    value, gradient = F(x)
    log.append((x.copy(), np.linalg.norm(gradient), F.last.gradient_bound, F.last.tolerance))
    return value, gradient


found = minimize(logged, np.array([-4.0, 4.0]), jac=True, method="L-BFGS-B", options=dict(gtol=1e-8, ftol=0))
print(found.message, found.x)
print(F)

# %%
# How many evaluations kept their tolerance, and one evaluation in full: far from the minimum less is asked for.

print(f"{sum(bound <= tolerance for _, _, bound, tolerance in log)} of {len(log)} evaluations within their tolerance")
print(F.evaluate(np.zeros(2)))

# %%
# The contours are computed from the closed form of :math:`y^*`.

path = np.array([x for x, *_ in log])
low, high = path.min(axis=0) - 1, path.max(axis=0) + 1
axis0, axis1 = np.linspace(low[0], high[0], 60), np.linspace(low[1], high[1], 60)
phi = [[problem.value(x, problem.solution(x)) for x in np.column_stack([axis0, np.full(60, b)])] for b in axis1]
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
left.contour(axis0, axis1, np.sqrt(np.array(phi) - found.fun + 1e-12), 14, cmap="Greys_r", linewidths=0.8)
left.plot(*path.T, "C1o-", ms=4, lw=1)
left.plot(*found.x, "C0*", ms=12, label="minimum")
left.set(xlabel="$x_1$", ylabel="$x_2$", title=r"contours of $\varphi$")
left.grid(False)
left.legend()
_, norms, bounds, tolerances = (np.array(column) for column in zip(*log, strict=True))
count = np.arange(1, len(log) + 1)
right.semilogy(count, norms, "C0o-", ms=4, label=r"$\|\nabla\varphi\|$")
right.semilogy(count, tolerances, "k--", lw=1, label="tolerance")
right.semilogy(count, bounds, "C1^:", ms=4, label="bound of its error")
right.set(xlabel="evaluation", ylabel="2-norm")
right.legend(fontsize="small")
plt.show()
