r"""
24 · Keep every product: recycled Krylov–Newton
===============================================

Hyper-data cleaning of handwritten digits, half of the labels wrong, without a step to choose. What to look at: how few
products an outer step costs once the first have been paid for, and how long the pairs that are kept stay good for a
Hessian that moves.
"""

import matplotlib.pyplot as plt
import numpy as np

from lancbio_ref import minimize, problems
from lancbio_ref.datasets import corrupt_labels, load_digits, stratified_split

images, labels = load_digits()
train, val = stratified_split(labels, (200, 200), np.random.default_rng(0))
noisy, corrupted = corrupt_labels(labels[train], 0.5, np.random.default_rng(1))
problem = problems.data_cleaning(images[train] / 16.0, noisy, images[val] / 16.0, labels[val])
x0, y0, _ = problem.initial_point(1)

runs = {
    memory: minimize(problem, x0, y0, method="recycled-newton", memory=memory, tol=1e-5, maxiter=60)
    for memory in (0, 10, 100)
}
for memory, run in runs.items():
    print(f"memory {memory}: {run.n_hvp} products, {run.n_grad} gradients, {run.message[:60]}")

# %%
# With memory 0 each system is solved from nothing but the last v.

fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
for (memory, run), style in zip(runs.items(), ("--", "-.", "-"), strict=True):
    left.semilogy(run.trace["n_hvp"], run.trace["h_norm"], style, label=f"memory {memory}")
left.set(xlabel="products $A v$", ylabel=r"$\|h\|$", title="one run each, no step tuned")
left.legend()
weights = 1 / (1 + np.exp(-np.clip(runs[100].x, -30, 30)))
right.hist([weights[corrupted], weights[~corrupted]], bins=20, label=["wrong label", "right label"])
right.set(xlabel=r"$\sigma(x_i)$", ylabel="samples", title="what was learned")
right.legend()
plt.show()
