r"""
23 · Compare methods on your own problem
========================================

Which method suits a problem that nobody has tried them on? The signal of chapter 9, with one weight for each of four
stretches, and four methods from the same start. What to look at: the column ||h - grad phi||. A method may report a
small h that is no gradient of φ; the last h of every run is held against a certified one.
"""

import matplotlib.pyplot as plt
import numpy as np

from lancbio_ref import BilevelProblem, LowerLevel, UpperLevel, compare

n, eps, rng = 80, 0.1, np.random.default_rng(0)
s = np.arange(n) / n
clean = np.where(s < 0.25, 0.0, np.where(s < 0.5, 1.0, np.where(s < 0.75, 0.6 * np.sin(40 * s), 2 * s - 1.5)))
noisy = clean + 0.15 * rng.standard_normal(n)
D = np.diff(np.eye(n), axis=0)  # the jumps
members = (np.arange(n - 1) * 4 // (n - 1) == np.arange(4)[:, None]).astype(float)  # row k: those of stretch k


def root(y):
    return np.sqrt((D @ y) ** 2 + eps**2)


def weights(x):
    return members.T @ np.exp(x)


problem = BilevelProblem(
    UpperLevel(
        value=lambda x, y: 0.5 * np.sum((y - clean) ** 2), grad_x=lambda x, y: 0 * x, grad_y=lambda x, y: y - clean
    ),
    LowerLevel(
        value=lambda x, y: 0.5 * np.sum((y - noisy) ** 2) + weights(x) @ root(y),
        grad_x=lambda x, y: np.exp(x) * (members @ root(y)),
        grad_y=lambda x, y: y - noisy + D.T @ (weights(x) * (D @ y) / root(y)),
        hessian=lambda x, y: np.eye(n) + D.T @ np.diag(weights(x) * eps**2 / root(y) ** 3) @ D,
        cross=lambda x, y: (members * (weights(x) * (D @ y) / root(y))) @ D,
        mu=1.0,
    ),
    n_y=n,
)
x0 = np.full(4, -2.0)
print(problem.check(x0, noisy, rng=0))

# %%
# Names with options of their own; options that several have are given once. f2sa sees no second derivative: its h has
# the bias of its penalty.
methods = {"lancbio": {}, "soba": {}, "f2sa": {"penalty": 5.0}, "recycled-newton": {}}
steps = dict(step_x=0.1, step_y=0.1, step_v=0.1, inner_steps=5)
found = compare(problem, methods, x0, noisy, maxiter=40, name="four weights for a signal", **steps)
print(found)

# %%
# ``found.table("markdown")``, ``"latex"`` and, where pandas is, ``"frame"`` have the same numbers; ``found.plot()`` is
# the figure of the command, ``found.runs`` the arrays. With ``out="folder"`` each run is kept when it is finished, and
# ``resume=True`` goes on from there. One run has ``result.plot()``.
print(found.table("markdown"))

fig, axes = plt.subplots(1, 2, figsize=(8, 3.2), sharey=True)
for (_, name), run in found.runs.items():
    axes[0].plot(run["recorded_k"], run["loss"], label=name)
    axes[1].plot(run["n_grad"][run["recorded_k"] - 1] + run["n_hvp"][run["recorded_k"] - 1], run["loss"])
axes[0].set(xlabel="outer iteration", ylabel="f(x, y)")
axes[1].set(xlabel="gradients and Hessian products", xscale="log")
axes[0].legend()
plt.show()
