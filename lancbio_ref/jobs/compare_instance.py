"""The problem and the start of one seed: the same for every method that is compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..datasets import fetch, load_newsgroups
from ..problems import data_cleaning, logistic, quadratic, random_ridge, synthetic
from .cleaning import load_samples
from .compare_settings import CLEANING, Comparison
from .settings import CleaningSettings, make_settings


@dataclass(frozen=True)
class Instance:
    """A problem with ``accuracy(y, X, labels)`` where there is a test set, and where a run starts.

    Parameters
    ----------
    problem : BilevelProblem
    x0, y0, v0 : ndarray
    test : (features, labels) or None
    """

    problem: Any
    x0: np.ndarray
    y0: np.ndarray
    v0: np.ndarray
    test: tuple[Any, np.ndarray] | None = None


def make_instance(comparison: Comparison, seed: int) -> Instance:
    """The instance of a seed, of which data, noise, split and start are drawn."""
    name, given, rng = comparison.problem, comparison.given, np.random.default_rng(seed)
    if name in CLEANING:
        settings = make_settings(name, given | dict(seed=seed))
        assert isinstance(settings, CleaningSettings)
        s = load_samples(settings)
        cleaning = data_cleaning(s.X_train, s.noisy, s.X_val, s.labels_val, regularization=settings.regularization)
        return Instance(cleaning, *cleaning.initial_point(seed), (s.X_test, s.labels_test))
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
