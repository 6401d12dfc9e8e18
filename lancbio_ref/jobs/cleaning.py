"""Hyper-data cleaning as a job: digits, MNIST, Fashion-MNIST, Kuzushiji-MNIST."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit
from scipy.stats import rankdata

from ..datasets import corrupt_labels, fetch, load_digits, load_mnist_like, stratified_split
from ..datasets.pixels import pixels_formula, standardized_pixels
from ..files import prepare_folder, write_arrays, write_figure, write_json
from ..inverse import lower_solution
from ..minimize import BilevelResult, minimize
from ..plotting import cleaning_figure
from ..problems import DataCleaning, data_cleaning
from ..rounding import norm2
from .progress import make_progress
from .report import cleaning_report, describe_run, was_interrupted
from .settings import CleaningSettings

LOWER_TOL = 1e-8
VALIDATION = 5000  # images, as published


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


def load_samples(settings: CleaningSettings) -> Samples:
    """The data of a job; the same for the same seed (the digits' split is the same for every seed)."""
    rng = np.random.default_rng(settings.seed)
    if settings.job == "digits":
        images, labels = load_digits()
        train, val, test = stratified_split(labels, (600, 600, 597))
        X = images / 16.0
        X_test, labels_test = X[test], labels[test]
        origin = "UCI optical digits, stratified split, pixels / 16"
    else:
        data = load_mnist_like(settings.data_dir or fetch(settings.job), settings.job)
        X, X_test = (standardized_pixels(images, settings.job) for images in (data.train_images, data.test_images))
        labels, labels_test = data.train_labels, data.test_labels
        train = np.arange(min(settings.train or VALIDATION, len(X)))
        val = rng.choice(len(X), size=min(VALIDATION, len(X)), replace=False)  # as published: from all training images
        shared = np.isin(val, train).sum()
        origin = f"{settings.job}, {pixels_formula(settings.job)}, {shared} images in both training and validation"
    noisy, corrupted = corrupt_labels(labels[train], settings.corruption, rng)
    return Samples(X[train], labels[train], noisy, corrupted, X[val], labels[val], X_test, labels_test, origin)


def run_cleaning(settings: CleaningSettings) -> tuple[int, str]:
    """Run the job and write its files.

    Returns
    -------
    exit_code : int
        0, or 130 after Ctrl-C.
    report : str
    """
    samples = load_samples(settings)
    out = prepare_folder(settings.out)
    problem = data_cleaning(
        samples.X_train, samples.noisy, samples.X_val, samples.labels_val, regularization=settings.regularization
    )
    x0, y0, v0 = problem.initial_point(settings.seed)
    record = Record(problem, samples, settings)
    with record.progress:
        result = minimize(
            problem,
            x0,
            y0,
            v0=v0,
            method=settings.method,
            maxiter=settings.maxiter,
            tol=settings.tol,
            callback=record,
            check=settings.certify,
        )
    summary = describe_run(settings, result) | dict(
        origin=samples.origin,
        sizes=samples.sizes(),
        loss=result.fun,
        auc=auc(expit(result.x), ~samples.corrupted),
    )
    interrupted = was_interrupted(result)
    if not interrupted:
        try:
            summary |= dict(fits=fit_all(settings, samples, problem, result))
        except KeyboardInterrupt:
            interrupted = True
            summary |= dict(status="INTERRUPTED", message="INTERRUPTED: the run was finished, its evaluation was not")
    arrays = {name: result.trace[name] for name in result.trace} | record.arrays()
    arrays |= dict(x=result.x, y=result.y, v=result.v, corrupted=samples.corrupted)
    files = [
        write_arrays(out / "trace.npz", arrays),
        write_json(out / "summary.json", summary),
        write_figure(out / "figure.png", lambda: cleaning_figure(arrays, summary)),
    ]
    return (130 if interrupted else 0), cleaning_report(summary, files)


class Record:
    """The callback: loss and test accuracy of the iterates, every few iterations, on the screen and for the files."""

    def __init__(self, problem: DataCleaning, samples: Samples, settings: CleaningSettings) -> None:
        self.problem, self.samples, self.every, self.last = problem, samples, settings.every, settings.maxiter
        self.progress = make_progress(settings.maxiter, quiet=settings.quiet)
        self.rows: list[tuple[float, ...]] = []

    def __call__(self, state: Any) -> None:
        if state.k == 1 or state.k % self.every == 0 or state.k == self.last:
            loss = self.problem.value(state.x, state.y)
            accuracy = self.problem.accuracy(state.y, self.samples.X_test, self.samples.labels_test)
            h_norm = norm2(state.h)
            self.rows.append((state.k, loss, accuracy))
            self.progress.update(state.k, loss=loss, h_norm=h_norm, test_accuracy=accuracy)

    def arrays(self) -> dict[str, np.ndarray]:
        table = np.array(self.rows, dtype=np.float64).reshape(-1, 3).T
        return dict(recorded_k=table[0].astype(np.int64), loss=table[1], test_accuracy=table[2])


def fit_all(
    settings: CleaningSettings, samples: Samples, problem: DataCleaning, result: BilevelResult
) -> dict[str, dict[str, Any]]:
    """The four test accuracies, each of a lower-level solution.

    Equal weights are x = 0, hence σ = ½ on every sample: where the run starts.
    """
    s, c = samples, settings.regularization
    on_validation = data_cleaning(s.X_val, s.labels_val, s.X_val, s.labels_val, regularization=c)
    on_truth = data_cleaning(s.X_train, s.true, s.X_val, s.labels_val, regularization=c)
    fits = {}
    for name, level, x in (
        ("before", problem, np.zeros(problem.n_x)),
        ("validation_only", on_validation, np.zeros(on_validation.n_x)),
        ("true_labels", on_truth, np.zeros(on_truth.n_x)),
        ("after_cleaning", problem, result.x),
    ):
        solution = lower_solution(level, x, tol=LOWER_TOL)
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
    ranks = float(rankdata(scores)[positive].sum())
    return (ranks - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative)
