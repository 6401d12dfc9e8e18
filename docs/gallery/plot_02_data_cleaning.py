r"""
02 · Hyper-data cleaning on digits
==================================

Half of the training labels are wrong. LancBiO learns one weight :math:`\sigma(x_i)` for each training image, so that a
classifier trained with these weights does well on clean validation images. What to look at: the weights of right and
wrong labels part, and the images with the lowest weights. The MNIST files are used if the environment variable
``LANCBIO_DATA`` names their folder, otherwise the UCI optical digits that the package carries; the first line printed
below says which.
"""

import os

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import expit

from lancbio_ref import lower_solution, minimize, problems
from lancbio_ref.datasets import corrupt_labels, load_digits, load_mnist_like, stratified_split

if folder := os.environ.get("LANCBIO_DATA"):
    data, name = load_mnist_like(folder, "mnist"), "MNIST, 28 × 28 pixels"
    images, labels = data.train_images.reshape(len(data.train_labels), -1) / 255, data.train_labels
    sizes, theta, c, K = (2000, 2000, 2000), 0.06, 1e-2, 150
else:
    images, labels = load_digits()
    images, name = images / 16, "UCI optical digits, 8 × 8 pixels"
    sizes, theta, c, K = (600, 600, 597), 0.3, 1e-3, 300
train, val, test = stratified_split(labels, sizes)
noisy, corrupted = corrupt_labels(labels[train], 0.5, rng=1)
print(f"{name}; {len(train)} training images, {corrupted.sum()} of them with a wrong label")

# %%
# One call runs the method. The two accuracies are those of classifiers trained to :math:`\|\nabla_y g\| \le 10^{-6}`
# with equal weights and with the weights learned.

problem = problems.data_cleaning(images[train], noisy, images[val], labels[val], regularization=c)
x0, y0, v0 = problem.initial_point(rng=1)
run = minimize(
    problem, x0, y0, v0=v0, method="lancbio", step_x=500.0, step_y=theta, inner_steps=10, subspace=10, maxiter=K
)
for text, x in (("equal weights", x0), ("weights learned", run.x)):
    y = lower_solution(problem, x, tol=1e-6).y
    print(f"{text:16s} test accuracy {problem.accuracy(y, images[test], labels[test]):.3f}")
weights = expit(run.x)
for text, group in (("right labels", ~corrupted), ("wrong labels", corrupted)):
    low, middle, high = np.quantile(weights[group], [0.25, 0.5, 0.75])
    print(f"{text:16s} median weight {middle:.3f}, quartiles {low:.3f} and {high:.3f}")

# %%
# The lowest weights, with the label that the method was given.

fig = plt.figure(figsize=(8, 3.4), layout="constrained")
left, right = fig.subfigures(1, 2, width_ratios=[1.25, 1])
ax = left.subplots()
bins = np.linspace(0, 1, 26)
ax.hist(weights[~corrupted], bins, color="C0", alpha=0.7, label="right label")
ax.hist(weights[corrupted], bins, histtype="step", color="C1", hatch="///", lw=1.5, label="wrong label")
ax.set(xlabel=r"weight $\sigma(x_i)$", ylabel="training images")
ax.legend(loc="upper center")
right.suptitle("lowest weights: given label (true label)", fontsize="medium")
side = int(np.sqrt(images.shape[1]))
for ax, i in zip(right.subplots(3, 5).ravel(), np.argsort(weights), strict=False):
    ax.imshow(images[train[i]].reshape(side, side), cmap="gray_r")
    ax.set_title(f"{noisy[i]} ({labels[train[i]]})", fontsize="small", pad=2, loc="center")
    ax.axis("off")
plt.show()
