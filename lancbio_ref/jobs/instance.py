"""The problem and the start of one seed: the same for every method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..datasets import corrupt_labels, fetch, load_digits, load_mnist_like, load_newsgroups, stratified_split
from ..datasets.pixels import pixels_formula, standardized_pixels
from ..problems import data_cleaning, logistic, quadratic, random_ridge, synthetic
from .settings import CLEANING, Settings

VALIDATION = 5000  # images, as published
CLASSES = 10  # of images: digits, and pieces of clothing


@dataclass(frozen=True)
class Samples:
    """Features and labels of the three sets; `noisy` are the training labels that the method sees."""

    X_train: np.ndarray
    true: np.ndarray
    noisy: np.ndarray
    corrupted: np.ndarray
    X_val: np.ndarray
    labels_val: np.ndarray
    X_test: np.ndarray
    labels_test: np.ndarray
    origin: str

    def sizes(self) -> dict[str, int]:
        """How many samples of each kind, and features."""
        return dict(
            train=len(self.true),
            corrupted=int(self.corrupted.sum()),
            validation=len(self.labels_val),
            test=len(self.labels_test),
            features=self.X_train.shape[1],
        )


@dataclass(frozen=True)
class Instance:
    """A problem with ``accuracy(y, X, labels)`` where there is a test set, and where a run starts.

    Parameters
    ----------
    problem : BilevelProblem
    x0, y0, v0 : ndarray
    test : (features, labels) or None
    samples : Samples or None
        Of hyper-data cleaning.
    """

    problem: Any
    x0: np.ndarray
    y0: np.ndarray
    v0: np.ndarray
    test: tuple[Any, np.ndarray] | None = None
    samples: Samples | None = None


def load_samples(problem: str, given: Mapping[str, Any], seed: int) -> Samples:
    """The data of a cleaning problem; the same for the same seed (the digits' split is the same for every seed)."""
    rng = np.random.default_rng(seed)
    if problem == "digits":
        images, labels = load_digits()
        train, val, test = stratified_split(labels, (600, 600, 597))
        X = images / 16.0
        X_test, labels_test = X[test], labels[test]
        origin = "UCI optical digits, stratified split, pixels / 16"
    else:
        data = load_mnist_like(given["data_dir"] or fetch(problem), problem)
        X, X_test = (standardized_pixels(images, problem) for images in (data.train_images, data.test_images))
        labels, labels_test = data.train_labels, data.test_labels
        train = np.arange(min(given["train"], len(X)))
        val = rng.choice(len(X), size=min(VALIDATION, len(X)), replace=False)  # as published: from all training images
        shared = np.isin(val, train).sum()
        origin = f"{problem}, {pixels_formula(problem)}, {shared} images in both training and validation"
    noisy, corrupted = corrupt_labels(labels[train], given["corruption"], rng)
    return Samples(X[train], labels[train], noisy, corrupted, X[val], labels[val], X_test, labels_test, origin)


def make_instance(settings: Settings, seed: int) -> Instance:
    """The instance of a seed, of which data, noise, split and start are drawn."""
    name, given, rng = settings.problem, settings.given, np.random.default_rng(seed)
    if name in CLEANING:
        s = load_samples(name, given, seed)
        constants: dict[str, Any] = dict(regularization=given["regularization"], n_classes=CLASSES)
        cleaning = data_cleaning(s.X_train, s.noisy, s.X_val, s.labels_val, **constants)
        return Instance(cleaning, *cleaning.initial_point(seed), (s.X_test, s.labels_test), s)
    if name == "20newsgroups":
        posts = load_newsgroups(given["data_dir"] or fetch(name), rng)
        tuning: Any = logistic(posts.X_train, posts.labels_train, posts.X_val, posts.labels_val)
        y0 = np.zeros(tuning.n_y)  # x_0 = 0 is one weight 1/(Cp) on all features
        return Instance(tuning, np.zeros(tuning.n_x), y0, np.zeros_like(y0), (posts.X_test, posts.labels_test))
    if name == "synthetic":
        problem = synthetic(given["n"], given["condition"], matrix_free=given["matrix_free"], rng=rng)
        return Instance(problem, *problem.initial_point(rng))
    n = given.get("n", 20)
    small: Any = (
        quadratic(n, n, given["condition"], rng=rng) if name == "quadratic" else random_ridge(40, 40, n, rng=rng)
    )
    return Instance(small, rng.standard_normal(n), rng.standard_normal(n), np.zeros(n))
