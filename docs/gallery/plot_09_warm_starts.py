r"""
09 · Warm starts along a sequence of outer steps
================================================

An outer loop solves nearly the same lower level and nearly the same system again and again. Here gradient descent takes
25 steps on a quadratic problem, every hyper-gradient to the same accuracy: once all solves start from zero, once from
the last :math:`y` and :math:`v`. What to look at: both runs end at the same :math:`x`, and what a warm start saves
grows as the steps become short.
"""

import matplotlib.pyplot as plt
import numpy as np

from lancbio_ref import hypergradient, lower_solution, problems

problem = problems.quadratic(3, 150, condition=300.0, rng=0)


def descend(warm, steps=25, step_x=5.0):
    """Rows: products in the lower level, products in A v = b, length of the step. And the last x."""
    x, y, v, rows = 5 * np.ones(3), np.zeros(150), None, []
    for _ in range(steps):
        lower = lower_solution(problem, x, y if warm else np.zeros(150), tol=1e-8)
        found = hypergradient(problem, x, lower.y, v0=v if warm else None, rtol=1e-8)
        rows.append((lower.n_hvp, found.n_hvp, step_x * np.linalg.norm(found.value)))
        x, y, v = x - step_x * found.value, lower.y, found.v
    return np.array(rows), x


(cold, x_cold), (warm, x_warm) = descend(False), descend(True)
for name, x in (("cold", x_cold), ("warm", x_warm)):
    print(f"{name}: ends {np.linalg.norm(x - problem.stationary_point()):.1e} from the stationary point")
print(f"lengths of the steps: {warm[0, 2]:.1e} (first), {warm[-1, 2]:.1e} (last)")
for name, rows in (("cold", cold), ("warm", warm)):
    print(f"{name}: {rows[:, 0].sum():.0f} products in the lower level, {rows[:, 1].sum():.0f} in A v = b")

# %%
# A warm start does not change what the tolerance means: rtol is relative to :math:`\|b\|`, not to the first residual.
# What it saves is the way from zero to the point where it starts.

fig, axes = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained", sharey=True)
for ax, column, title in zip(axes, (0, 1), ("lower level, $y^*(x_k)$", "linear system, $A v = b$"), strict=True):
    ax.plot(np.arange(1, 26), cold[:, column], "o-", ms=4, label="from zero")
    ax.plot(np.arange(1, 26), warm[:, column], "s--", ms=4, label="from the last step")
    ax.set(xlabel="outer step $k$", title=title)
axes[0].set(ylabel="Hessian products", ylim=(0, None))
axes[1].legend()
plt.show()
