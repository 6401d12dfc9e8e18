r"""
09 · Warm starts along a sequence of outer steps
================================================

An outer loop solves nearly the same lower level and nearly the same system again and again. Here gradient descent takes 25
steps on the synthetic problem, every hyper-gradient to the same accuracy: once from zero, once from the last :math:`y` and
:math:`v`. What to look at: the iterates agree, and the warm runs need fewer Hessian products the closer :math:`x_k` and
:math:`x_{k-1}` are.
"""

import matplotlib.pyplot as plt
import numpy as np

from lancbio_ref import hypergradient, lower_solution, problems

problem = problems.synthetic(200, 1e3, rng=0)
x0 = problem.initial_point(rng=1)[0]


def descend(warm, steps=25, step_x=0.5):
    """Gradient descent; Hessian products of the lower level and of the linear system, and the path."""
    x, y, v, rows = x0, np.zeros(200), None, []
    for _ in range(steps):
        lower = lower_solution(problem, x, y if warm else np.zeros(200), tol=1e-6)
        found = hypergradient(problem, x, lower.y, v0=v if warm else None, rtol=1e-6)
        rows.append((lower.n_hvp, found.n_hvp, np.linalg.norm(found.value)))
        x, y, v = x - step_x * found.value, lower.y, found.v
    return np.array(rows), x


(cold, x_cold), (warm, x_warm) = descend(False), descend(True)
print(f"the last iterates differ by {np.linalg.norm(x_cold - x_warm) / np.linalg.norm(x_cold):.1e} (relative)")
for name, rows in (("cold", cold), ("warm", warm)):
    print(f"{name}: {rows[:, 0].sum():.0f} products in the lower level, {rows[:, 1].sum():.0f} in A v = b")

# %%
# A warm start does not change what the tolerance means: rtol is relative to :math:`\|b\|`, not to the first residual.
# So the products that it saves come off the top.

fig, axes = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained", sharey=True)
for ax, column, title in zip(axes, (0, 1), ("lower level, $y^*(x_k)$", "linear system, $A v = b$"), strict=True):
    ax.plot(np.arange(1, 26), cold[:, column], "o-", ms=4, label="from zero")
    ax.plot(np.arange(1, 26), warm[:, column], "s--", ms=4, label="from the last step")
    ax.set(xlabel="outer step $k$", title=title)
axes[0].set(ylabel="Hessian products", ylim=(0, None))
axes[1].legend()
plt.show()
