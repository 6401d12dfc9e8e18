"""Penalties learned by the hyper-gradient against scikit-learn's one scalar on a grid, on held-out data.

Random splits of each data set, two thirds of it for training; inside, 5 folds (``RidgeCV``: every sample left out
once). All get standardized features. What counts is the loss on the third that nobody saw: the mean log loss of
classes, the mean squared error over that of the mean for numbers. ``one split`` is the scalar of HOAG (Pedregosa, ICML
2016): one penalty, one validation set. Times are process times of ``fit``, with all that it does.
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
import scipy.sparse as sp
from common import CAVEAT, DATA, FAILS, HOLDS, Verdict, in_parallel, table

from lancbio_ref.datasets import load_libsvm

NAME, TITLE = "estimators", "Learned penalties on real data"
LIBSVM = {
    "german": "german.numer_scale",
    "splice": "splice_scale",
    "heart": "heart_scale",
    "australian": "australian_scale",
    "diabetes (classes)": "diabetes_scale",
    "a9a, 2000 rows": "a9a",
}
SETS = ("breast cancer", "wine", "digits 3/8", *LIBSVM, "diabetes", "diabetes + 50 noise", "unlike relevance")
MODELS = ("grid of 50", "grid of 10", "all", "one split", "feature")
REGRESSIONS = ("diabetes", "diabetes + 50 noise", "unlike relevance")


def measure(full: bool) -> dict[str, Any]:
    """One split (10 with ``--full``)."""
    splits = 10 if full else 1
    tasks = [(name, seed) for name in SETS for seed in range(splits)]
    return dict(splits=splits, runs=[run for runs in in_parallel(one_split, tasks, "splits") for run in runs])


def data(name: str) -> tuple[Any, np.ndarray, bool]:
    """(X, y, whether y are classes)."""
    from sklearn import datasets

    rng = np.random.default_rng(0)
    if name in LIBSVM:
        X, y = load_libsvm(DATA / "libsvm" / f"{LIBSVM[name]}.bz2")
        if name.startswith("a9a"):
            X, y = X[:2000], y[:2000]
        return X.toarray(), (y > 0).astype(int), True
    if name in ("breast cancer", "wine"):
        bunch = datasets.load_breast_cancer() if name == "breast cancer" else datasets.load_wine()
        return bunch.data, bunch.target, True
    if name == "digits 3/8":
        X, y = datasets.load_digits(return_X_y=True)
        chosen = np.isin(y, (3, 8))
        return X[chosen], (y[chosen] == 8).astype(int), True
    if name == "unlike relevance":  # made: 5 of 60 features matter
        X = rng.standard_normal((240, 60))
        return X, X[:, :5] @ [3.0, -2.0, 1.0, 1.0, 0.5] + 2 * rng.standard_normal(240), False
    X, y = datasets.load_diabetes(return_X_y=True)
    if "noise" in name:
        X = np.hstack([X, rng.standard_normal((len(X), 50)) * X.std()])
    return X, y, False


def model(kind: str, classes: bool, n: int, seed: int) -> Any:
    from sklearn.linear_model import LogisticRegressionCV, RidgeCV
    from sklearn.model_selection import KFold, StratifiedKFold

    from lancbio_ref.estimators import BilevelLogisticRegression, BilevelRidge

    cv = (StratifiedKFold if classes else KFold)(5, shuffle=True, random_state=seed)
    if kind == "grid of 50":
        if not classes:
            return RidgeCV(alphas=np.logspace(-4, 5, 50))
        return LogisticRegressionCV(
            Cs=np.logspace(-4, 4, 50),
            cv=cv,
            scoring="neg_log_loss",
            max_iter=2000,
            l1_ratios=(0.0,),
            use_legacy_attributes=False,
        )
    make = BilevelLogisticRegression if classes else BilevelRidge
    order = np.random.default_rng(seed).permutation(n)
    split = (order[: 4 * n // 5], order[4 * n // 5 :])
    return make(penalty="feature" if kind == "feature" else "all", cv=split if kind == "one split" else cv)


def one_split(task: tuple[str, int]) -> list[dict[str, Any]]:
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import StandardScaler

    name, seed = task
    X, y, classes = data(name)
    X = X.toarray() if sp.issparse(X) else X
    parts = train_test_split(X, y, test_size=1 / 3, random_state=seed, stratify=y if classes else None)
    scaler = StandardScaler().fit(parts[0])
    train, test, y_train, y_test = scaler.transform(parts[0]), scaler.transform(parts[1]), parts[2], parts[3]
    runs = []
    for kind in MODELS:
        learner = model(kind, classes, len(y_train), seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            start = time.process_time()
            learner.fit(train, y_train)
            seconds = time.process_time() - start
        if classes:
            P = learner.predict_proba(test)[np.arange(len(y_test)), np.searchsorted(learner.classes_, y_test)]
            loss = float(-np.mean(np.log(np.maximum(P, 1e-15))))
        else:
            loss = float(np.mean((learner.predict(test) - y_test) ** 2) / np.var(y_test))
        run = dict(
            set=name, seed=seed, model=kind, loss=loss, score=float(learner.score(test, y_test)), seconds=seconds
        )
        if kind == "feature":
            weight = np.abs(np.atleast_2d(learner.coef_)).max(axis=0)
            run |= dict(kept=int((weight > 1e-3 * weight.max()).sum()), features=train.shape[1])
        if kind in ("all", "feature"):
            run |= dict(evaluations=len(learner.path_), certified=str(learner.certificate_.lower_level))
        runs.append(run)
    return runs


def of(found: dict[str, Any], name: str, kind: str, column: str = "loss") -> np.ndarray:
    return np.array([run[column] for run in found["runs"] if (run["set"], run["model"]) == (name, kind)])


def compared(found: dict[str, Any], kind: str) -> dict[str, float]:
    """Mean held-out loss over that of the grid, by data set."""
    return {name: float(of(found, name, kind).mean() / of(found, name, "grid of 50").mean()) for name in SETS}


def verdicts(found: dict[str, Any]) -> list[Verdict]:
    scalar, feature = compared(found, "all"), compared(found, "feature")
    worst = max(scalar, key=lambda name: scalar[name])
    better = {name: ratio for name, ratio in feature.items() if ratio < 0.98}
    worse = {name: ratio for name, ratio in feature.items() if ratio > 1.02}
    words = lambda ratios: ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items()) or "none"  # noqa: E731
    certified = [run["certified"] for run in found["runs"] if "certified" in run]
    slower = {
        name: float(of(found, name, "all", "seconds").mean() / of(found, name, "grid of 10", "seconds").mean())
        for name in SETS
        if name not in REGRESSIONS
    }
    return [
        Verdict(
            "One learned penalty is as good as the best of a grid of 50",
            HOLDS if scalar[worst] <= 1.02 else CAVEAT if scalar[worst] <= 1.1 else FAILS,
            f"held-out loss over that of the grid: {words(scalar)}",
        ),
        Verdict(
            "A penalty a feature is never much worse than one in all",
            HOLDS if not worse else CAVEAT if max(worse.values()) <= 1.1 else FAILS,
            f"better than the grid by more than 2 %: {words(better)}; worse, for it overfits the folds: {words(worse)}",
        ),
        Verdict(
            "Every hyper-gradient at the end is certified",
            HOLDS if set(certified) == {"certified"} else FAILS,
            f"{certified.count('certified')} of {len(certified)} fits",
        ),
        Verdict(
            "One learned penalty costs no more than 1.5 times LogisticRegressionCV with 10",
            HOLDS if max(slower.values()) <= 1.5 else CAVEAT if np.median(list(slower.values())) <= 1.5 else FAILS,
            f"process time over that of the grid: {words(slower)}; RidgeCV, which is closed, is far faster",
        ),
    ]


def section(found: dict[str, Any]) -> str:
    rows = []
    for name in SETS:
        kept, features = of(found, name, "feature", "kept"), of(found, name, "feature", "features")
        rows.append(
            [
                name,
                *(f"{of(found, name, kind).mean():.3f}" for kind in MODELS if kind != "grid of 10"),
                *(
                    f"{of(found, name, kind, 'seconds').mean():.2f}"
                    for kind in ("grid of 50", "grid of 10", "all", "feature")
                ),
                f"{of(found, name, 'feature', 'evaluations').mean():.0f}",
                f"{kept.mean():.0f} of {features[0]}",
            ]
        )
    header = ["data", "grid of 50", "one penalty", "one split", "a feature each"]
    header += ["50, s", "10, s", "one, s", "each, s", "evaluations", "kept"]
    text = (
        f"Held-out loss, mean of {found['splits']} splits (log loss; squared error over variance for the last three);"
        " *kept* are coefficients above a thousandth of the largest. A grid over p penalties has no counterpart:"
        " 50 values each would be 50^p fits.\n\n"
    )
    return text + table(header, rows)
