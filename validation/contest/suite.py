"""The problems of the contest, by name, smallest first within each family; all of a problem is made from its seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from common import DATA

from lancbio_ref import problems
from lancbio_ref.datasets import (
    corrupt_labels,
    load_digits,
    load_libsvm,
    load_mnist_like,
    load_newsgroups,
    stratified_split,
)
from lancbio_ref.datasets.pixels import standardized_pixels

SMALL, MEDIUM, LARGE = range(3)
LIBSVM = {  # training samples; as many for validation
    "heart": ("heart_scale", 135),
    "australian": ("australian_scale", 345),
    "diabetes": ("diabetes_scale", 384),
    "german": ("german.numer_scale", 500),
    "splice": ("splice_scale", 500),
    "mushrooms": ("mushrooms", 2000),
    "a9a": ("a9a", 2000),
    "w8a": ("w8a", 2000),
}


@dataclass(frozen=True)
class Start:
    """A problem and where every contestant begins."""

    problem: Any
    x0: np.ndarray
    y0: np.ndarray
    v0: np.ndarray


@dataclass(frozen=True)
class Entry:
    """One problem of the suite.

    Parameters
    ----------
    family : str
    size : int
        SMALL, MEDIUM or LARGE: which runs take it.
    make : callable (seed) → Start
    data : str
        The folder of `DATA` that it needs; empty where it needs none.
    """

    family: str
    size: int
    make: Callable[[int], Start]
    data: str = ""

    @property
    def available(self) -> bool:
        return not self.data or (DATA / self.data).is_dir()


def synthetic(n: int, condition: float, matrix_free: bool = False) -> Callable[[int], Start]:
    """The paper's problem."""

    def make(seed: int) -> Start:
        rng = np.random.default_rng(seed)
        problem = problems.synthetic(n, condition, matrix_free=matrix_free, rng=rng)
        return Start(problem, *problem.initial_point(rng))

    return make


def ridge(samples: int, features: int) -> Callable[[int], Start]:
    """Ridge regression, one penalty exp(x_j) a feature; `samples` for training, as many for validation."""

    def make(seed: int) -> Start:
        rng = np.random.default_rng(seed)
        problem = problems.random_ridge(samples, samples, features, rng=rng)
        return Start(problem, rng.standard_normal(features), rng.standard_normal(features), np.zeros(features))

    return make


def cleaning_digits(corruption: float) -> Callable[[int], Start]:
    """Hyper-data cleaning of 600 of the digits that come with the package."""

    def make(seed: int) -> Start:
        images, labels = load_digits()
        rng = np.random.default_rng(seed)
        train, validation = stratified_split(labels, (600, 600), rng)
        noisy, _ = corrupt_labels(labels[train], corruption, rng)
        problem = problems.data_cleaning(images[train] / 16.0, noisy, images[validation] / 16.0, labels[validation])
        return Start(problem, *problem.initial_point(seed))

    return make


@lru_cache(maxsize=2)
def _images(name: str) -> tuple[np.ndarray, np.ndarray]:
    found = load_mnist_like(DATA, name)
    return found.train_images, found.train_labels


def cleaning_images(name: str, samples: int, corruption: float) -> Callable[[int], Start]:
    """Hyper-data cleaning of 28 × 28 images, with the mean and deviation of the paper's experiments."""

    def make(seed: int) -> Start:
        images, labels = _images(name)
        rng = np.random.default_rng(seed)
        chosen = rng.choice(len(labels), 2 * samples, replace=False)
        X = standardized_pixels(images[chosen], name)
        noisy, _ = corrupt_labels(labels[chosen][:samples], corruption, rng)
        problem = problems.data_cleaning(X[:samples], noisy, X[samples:], labels[chosen][samples:])
        return Start(problem, *problem.initial_point(seed))

    return make


def logistic_digits(seed: int) -> Start:
    """Softmax regression of the digits, one penalty a feature."""
    images, labels = load_digits()
    train, validation = stratified_split(labels, (600, 600), np.random.default_rng(seed))
    X = np.hstack([images / 16.0, np.ones((len(images), 1))])
    return at_zero(problems.logistic(X[train], labels[train], X[validation], labels[validation], weights="feature"))


def logistic_libsvm(name: str) -> Callable[[int], Start]:
    """Logistic regression of a LIBSVM set, one penalty for each feature that the training samples have."""
    file, samples = LIBSVM[name]

    def make(seed: int) -> Start:
        X, labels = load_libsvm(DATA / "libsvm" / f"{file}.bz2")
        labels = (labels == labels.max()).astype(np.int64)
        chosen = np.random.default_rng(seed).permutation(X.shape[0])[: 2 * samples]
        X, labels = X[chosen], labels[chosen]
        X = X[:, np.asarray(abs(X[:samples]).sum(axis=0)).ravel() > 0]
        if X.nnz > 0.3 * X.shape[0] * X.shape[1]:
            X = X.toarray()
        parts = X[:samples], labels[:samples], X[samples:], labels[samples:]
        return at_zero(problems.logistic(*parts, weights="feature"))

    return make


def folds_of(n: int, seed: int, k: int = 5) -> list[tuple[np.ndarray, np.ndarray]]:
    """`k` folds of n samples, in an order of the seed."""
    parts = np.array_split(np.random.default_rng(seed).permutation(n), k)
    return [(np.concatenate(parts[:i] + parts[i + 1 :]), parts[i]) for i in range(k)]


def ridge_folds(samples: int, features: int) -> Callable[[int], Start]:
    """Linear regression, a penalty a feature, five folds; a third of the features matter."""

    def make(seed: int) -> Start:
        rng = np.random.default_rng(seed)
        X, beta = rng.standard_normal((samples, features)), rng.standard_normal(features)
        t = X @ np.where(np.arange(features) % 3 == 0, beta, 0) + rng.standard_normal(samples)
        return at_zero(problems.generalized_linear(X, t, folds=folds_of(samples, seed)))

    return make


def poisson_folds(samples: int, features: int) -> Callable[[int], Start]:
    """Poisson regression with an intercept, a penalty a feature, five folds."""

    def make(seed: int) -> Start:
        rng = np.random.default_rng(seed)
        X, beta = rng.standard_normal((samples, features)), rng.standard_normal(features)
        t = rng.poisson(np.exp(np.clip(0.5 + 0.3 * X @ beta, -4, 4)))
        made = problems.generalized_linear(X, t, loss="poisson", intercept=True, folds=folds_of(samples, seed))
        return at_zero(made)

    return make


def multinomial_digits(seed: int) -> Start:
    """Softmax regression of the digits, one penalty a class."""
    images, labels = load_digits()
    train, validation = stratified_split(labels, (600, 600), np.random.default_rng(seed))
    X = images / 16.0
    made = problems.generalized_linear(
        X[train], labels[train], loss="multinomial", validation=(X[validation], labels[validation]), penalty="class",
        intercept=True,
    )  # fmt: skip
    return at_zero(made)


def newsgroups(seed: int) -> Start:
    """20 Newsgroups, one penalty a word: n_x = 130107, n_y twenty times that."""
    posts = load_newsgroups(DATA, np.random.default_rng(seed))
    return at_zero(problems.logistic(posts.X_train, posts.labels_train, posts.X_val, posts.labels_val))


def at_zero(problem: Any) -> Start:
    """From x = 0, y = 0."""
    return Start(problem, np.zeros(problem.n_x), np.zeros(problem.n_y), np.zeros(problem.n_y))


SUITE: dict[str, Entry] = {
    "synthetic-200-1e2": Entry("synthetic", SMALL, synthetic(200, 1e2)),
    "synthetic-200-1e3": Entry("synthetic", SMALL, synthetic(200, 1e3)),
    "ridge-20": Entry("ridge", SMALL, ridge(40, 20)),
    "logistic-heart": Entry("logistic", SMALL, logistic_libsvm("heart"), "libsvm"),
    "logistic-german": Entry("logistic", SMALL, logistic_libsvm("german"), "libsvm"),
    "cleaning-digits-0.5": Entry("cleaning", SMALL, cleaning_digits(0.5)),
    "logistic-diabetes": Entry("logistic", SMALL, logistic_libsvm("diabetes"), "libsvm"),
    "logistic-australian": Entry("logistic", SMALL, logistic_libsvm("australian"), "libsvm"),
    "logistic-splice": Entry("logistic", SMALL, logistic_libsvm("splice"), "libsvm"),
    "synthetic-200-1e4": Entry("synthetic", MEDIUM, synthetic(200, 1e4)),
    "synthetic-200-1e5": Entry("synthetic", MEDIUM, synthetic(200, 1e5)),
    "ridge-200": Entry("ridge", MEDIUM, ridge(300, 200)),
    "cleaning-digits-0.8": Entry("cleaning", MEDIUM, cleaning_digits(0.8)),
    "logistic-mushrooms": Entry("logistic", MEDIUM, logistic_libsvm("mushrooms"), "libsvm"),
    "logistic-a9a": Entry("logistic", MEDIUM, logistic_libsvm("a9a"), "libsvm"),
    "logistic-w8a": Entry("logistic", MEDIUM, logistic_libsvm("w8a"), "libsvm"),
    "logistic-digits": Entry("logistic", MEDIUM, logistic_digits),
    "synthetic-1000-1e3": Entry("synthetic", MEDIUM, synthetic(1000, 1e3)),
    "folds-ridge-30": Entry("folds", SMALL, ridge_folds(120, 30)),
    "folds-poisson-20": Entry("folds", SMALL, poisson_folds(200, 20)),
    "multinomial-digits": Entry("logistic", MEDIUM, multinomial_digits),
    "synthetic-1000-1e4": Entry("synthetic", LARGE, synthetic(1000, 1e4)),
    "synthetic-10000-1e3": Entry("synthetic", LARGE, synthetic(10_000, 1e3, matrix_free=True)),
    "synthetic-100000-1e3": Entry("synthetic", LARGE, synthetic(100_000, 1e3, matrix_free=True)),
    "ridge-1000": Entry("ridge", LARGE, ridge(1500, 1000)),
    "cleaning-mnist-0.5": Entry("cleaning", LARGE, cleaning_images("mnist", 1000, 0.5), "mnist"),
    "cleaning-fashion-0.5": Entry("cleaning", LARGE, cleaning_images("fashion-mnist", 1000, 0.5), "fashion-mnist"),
    "cleaning-mnist-5000": Entry("cleaning", LARGE, cleaning_images("mnist", 5000, 0.5), "mnist"),
    "newsgroups": Entry("logistic", LARGE, newsgroups, "20newsgroups"),
}
UNSEEN = (  # first run when the constants of the own method were what they are: the only ones that it is a judge of
    "synthetic-1000-1e3", "synthetic-1000-1e4", "synthetic-10000-1e3", "synthetic-100000-1e3", "ridge-1000",
    "logistic-a9a", "logistic-w8a", "logistic-digits", "multinomial-digits", "cleaning-mnist-0.5",
    "cleaning-fashion-0.5", "cleaning-mnist-5000", "newsgroups",
)  # fmt: skip
