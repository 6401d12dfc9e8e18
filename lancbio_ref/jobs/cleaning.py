"""What a run of data cleaning is asked at its end: four test accuracies, and how well the weights tell labels apart."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit

from ..lower_level import lower_solution
from ..problems import data_cleaning
from .instance import Instance, Samples

LOWER_TOL = 1e-8


def describe_samples(samples: Samples, x: np.ndarray) -> dict[str, Any]:
    """Where the data come from, how many there are, and the AUC of the learned weights."""
    return dict(origin=samples.origin, sizes=samples.sizes(), auc=auc(expit(x), ~samples.corrupted))


def fit_all(instance: Instance, samples: Samples, regularization: float, x: np.ndarray) -> dict[str, dict[str, Any]]:
    """The four test accuracies, each of a lower-level solution; `x` are the learned weights.

    Equal weights are x = 0, hence σ = ½ on every sample: where the run starts.
    """
    s, c, problem = samples, regularization, instance.problem
    constants: dict[str, Any] = dict(regularization=c, n_classes=problem.n_classes)
    on_validation = data_cleaning(s.X_val, s.labels_val, s.X_val, s.labels_val, **constants)
    on_truth = data_cleaning(s.X_train, s.true, s.X_val, s.labels_val, **constants)
    fits = {}
    for name, level, weights in (
        ("before", problem, np.zeros(problem.n_x)),
        ("validation_only", on_validation, np.zeros(on_validation.n_x)),
        ("true_labels", on_truth, np.zeros(on_truth.n_x)),
        ("after_cleaning", problem, x),
    ):
        solution = lower_solution(level, weights, tol=LOWER_TOL)
        fits[name] = dict(
            test_accuracy=level.accuracy(solution.y, s.X_test, s.labels_test),
            lower_grad_norm=solution.grad_norm,
            lower_status=solution.status.name,
        )
    return fits


def auc(scores: np.ndarray, positive: np.ndarray) -> float:
    """The probability that a positive sample has a higher score than a negative one, ties counting half.

    (Σ of the ranks of the positive − n₊(n₊ + 1)/2)/(n₊ n₋), tied scores sharing their mean rank; 0.5 where one of the
    groups is empty and there is nothing to tell apart.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref.jobs.cleaning import auc
    >>> auc(np.array([0.1, 0.5, 0.5, 0.9]), np.array([False, False, True, True]))
    0.875
    """
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if n_positive * n_negative == 0:
        return 0.5
    _, place, ties = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = float((np.cumsum(ties) - (ties - 1) / 2)[place][positive].sum())
    return (ranks - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative)
