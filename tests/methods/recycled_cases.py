"""Problems for the tests of recycled Krylov–Newton, a run of it, and ‖∇φ‖ by another road."""

from __future__ import annotations

import numpy as np

from lancbio_ref import (
    HyperObjective,
    minimize,
    problems,
)
from lancbio_ref.datasets import corrupt_labels, load_digits, stratified_split


def run(problem, x0, y0, tol=1e-6, **options):
    return minimize(problem, x0, y0, method="recycled-newton", tol=tol, **options)


def truth(problem, x, y0):
    """‖∇φ(x)‖ by another road: Lanczos solves to 1e-10."""
    return float(np.linalg.norm(HyperObjective(problem, y0, accuracy=1e-10, relative=0.0, strict=False).gradient(x)))


def cleaning(samples=60):
    images, labels = load_digits()
    train, val = stratified_split(labels, (samples, samples), 1)
    noisy, _ = corrupt_labels(labels[train], 0.5, 1)
    return problems.data_cleaning(images[train] / 16.0, noisy, images[val] / 16.0, labels[val])


def logistic(n=80, p=8, classes=2, **options):
    rng = np.random.default_rng(3)
    X, slopes = rng.standard_normal((2 * n, p)), rng.standard_normal((p, classes))
    labels = np.argmax(X @ slopes + 2 * rng.standard_normal((2 * n, classes)), axis=1)
    return problems.logistic(X[:n], labels[:n], X[n:], labels[n:], **options)


def folds(n=60, p=5, k=3):
    rng = np.random.default_rng(4)
    X = rng.standard_normal((n, p))
    parts = np.array_split(rng.permutation(n), k)
    held_out = [(np.concatenate(parts[:i] + parts[i + 1 :]), parts[i]) for i in range(k)]
    return problems.generalized_linear(X, X @ rng.standard_normal(p) + rng.standard_normal(n), folds=held_out)


def ready(name):
    """A problem of the package and a start."""
    rng = np.random.default_rng(0)
    if name == "synthetic":
        problem = problems.synthetic(60, 1e3, rng=rng)
        x, y, _ = problem.initial_point(rng)
        return problem, x, y
    problem = {
        "quadratic": lambda: problems.quadratic(4, 9, rng=0),
        "matrix-free": lambda: problems.synthetic(200, 1e2, matrix_free=True, rng=rng),
        "ridge": lambda: problems.random_ridge(30, 30, 10, rng=rng),
        "cleaning": cleaning,
        "logistic": logistic,
        "logistic, one penalty": lambda: logistic(weights="all"),
        "softmax": lambda: logistic(classes=3, p=5),
        "folds": folds,
    }[name]()
    if name == "matrix-free":
        x, y, _ = problem.initial_point(rng)
        return problem, x, y
    return problem, np.zeros(problem.n_x), np.zeros(problem.n_y)
