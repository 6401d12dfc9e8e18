"""Penalties learned by the hyper-gradient against scikit-learn's one scalar on a grid, on held-out data.

Nested cross-validation: splits of each data set, two thirds of it for training, each with a seed of its own; inside, 5
folds (``RidgeCV``: every sample left out once). All get standardized features (sparse ones as they are). What counts is
the loss on the third that nobody saw: the mean log loss of classes, the mean squared error over that of the mean for
numbers. ``one split`` is the scalar of HOAG (Pedregosa, ICML 2016): one penalty, one validation set. ``random search``
draws one penalty a feature, about the best of the grid of 10, for as long as ``a feature each`` took. ``no prior`` is a
penalty a feature with ``spread=None``. Times are process
times of ``fit``, with all that it does, of one process; a split of a data set is kept as soon as it is made.
"""

from __future__ import annotations

import json
import time
import warnings
from typing import Any

import numpy as np
import scipy.sparse as sp
from common import CAVEAT, FAILS, HOLDS, KEPT, Verdict, rounded, source_digest, table
from tables import GROUPS, NOISY, REGRESSIONS, SETS, data, missing_data

from lancbio_ref.files import write_text

NAME, TITLE = "estimators", "Learned penalties on real data"
MODELS = ("grid of 50", "grid of 10", "GridSearchCV", "all", "one split", "feature", "group", "free", "random search")
ALPHAS, CS = np.logspace(-4, 5, 50), np.logspace(-4, 4, 50)
__all__ = ["NAME", "TITLE", "measure", "missing_data", "section", "verdicts"]


def measure(full: bool) -> dict[str, Any]:
    """Three splits (ten with ``--full``), one process."""
    splits = 10 if full else 3
    runs = [run for seed in range(splits) for name in SETS for run in kept_split(name, seed)]
    return dict(splits=splits, runs=runs)


def kept_split(name: str, seed: int) -> list[dict[str, Any]]:
    """`one_split`, or what it made before by the same code."""
    path = KEPT / NAME / f"{name.replace('/', '-')}-{seed}-{source_digest()[:16]}.json"
    if not path.exists():
        start = time.perf_counter()
        found = rounded(one_split(name, seed))
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(found))
        print(f"  {name}, split {seed}: {time.perf_counter() - start:.0f} s", flush=True)
    return json.loads(path.read_text())


def one_split(name: str, seed: int) -> list[dict[str, Any]]:
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import StandardScaler

    X, y, classes = data(name)
    parts = train_test_split(X, y, test_size=1 / 3, random_state=seed, stratify=y if classes else None)
    scaler = StandardScaler(with_mean=not sp.issparse(X)).fit(parts[0])
    train, test = (parts[0], parts[1]) if sp.issparse(X) else (scaler.transform(parts[0]), scaler.transform(parts[1]))
    y_train, y_test = parts[2], parts[3]
    if name == NOISY:
        wrong = np.random.default_rng(seed).random(len(y_train)) < 0.2
        y_train = np.where(wrong, 1 - y_train, y_train)
    runs: dict[str, dict[str, Any]] = {}
    for kind in MODELS:
        if kind == "group" and name not in GROUPS:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            start = time.process_time()
            if kind == "random search":
                seconds, centre = runs["feature"]["seconds"], runs["grid of 10"]["penalty"]
                learner, fits, bend = random_search(train, y_train, classes, seed, seconds, centre)
            else:
                learner, bend = model(kind, name, classes, len(y_train), seed).fit(train, y_train), None
                fits = count_fits(kind, learner, classes)
            seconds = time.process_time() - start
        shown = test if bend is None else scaled(test, bend)
        run = dict(set=name, seed=seed, model=kind, loss=loss_of(learner, shown, y_test, classes), seconds=seconds)
        run |= dict(score=float(learner.score(shown, y_test)), fits=fits)
        if kind == "feature":
            weight = np.abs(np.atleast_2d(learner.coef_)).max(axis=0)
            run |= dict(kept=int((weight > 1e-3 * weight.max()).sum()), features=train.shape[1])
            run |= dict(one_fit=seconds_of_a_fit(train, y_train, classes, runs["grid of 10"]["penalty"]))
        if kind == "grid of 10":
            run |= dict(
                penalty=float(learner.alpha_ / len(y_train) if not classes else 1 / (len(y_train) * learner.C_))
            )
        if kind in ("all", "feature", "group", "free"):
            run |= dict(certified=str(learner.certificate_.lower_level), inner_loss=learner.validation_loss_)
            run |= dict(bound=min(learner.hypergradient_bound_ / learner.validation_loss_, 1e300))
        runs[kind] = run
    return list(runs.values())


def model(kind: str, name: str, classes: bool, n: int, seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, Ridge, RidgeCV
    from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold

    from lancbio_ref.estimators import BilevelLogisticRegression, BilevelRidge

    cv = (StratifiedKFold if classes else KFold)(5, shuffle=True, random_state=seed)
    if kind.startswith("grid of"):
        every = 1 if kind.endswith("50") else 5
        if not classes:
            return RidgeCV(alphas=ALPHAS[::every])
        given = dict(scoring="neg_log_loss", max_iter=2000, l1_ratios=(0.0,), use_legacy_attributes=False)
        return LogisticRegressionCV(Cs=CS[::every], cv=cv, **given)
    if kind == "GridSearchCV":
        if not classes:
            return GridSearchCV(Ridge(), {"alpha": ALPHAS}, cv=cv, scoring="neg_mean_squared_error")
        return GridSearchCV(LogisticRegression(max_iter=2000), {"C": CS[::5]}, cv=cv, scoring="neg_log_loss")
    make: Any = BilevelLogisticRegression if classes else BilevelRidge
    order = np.random.default_rng(seed).permutation(n)
    split = (order[: 4 * n // 5], order[4 * n // 5 :])
    groups = GROUPS[name] if kind == "group" else None
    if kind == "free":
        return make(penalty="feature", spread=None, cv=cv)
    return make(penalty="all" if kind == "one split" else kind, groups=groups, cv=split if kind == "one split" else cv)


def count_fits(kind: str, learner: Any, classes: bool) -> int:
    """Of a training set, or of all but a fold of it."""
    if kind.startswith("grid of"):
        values = 50 if kind.endswith("50") else 10
        return 5 * values + 1 if classes else 1  # RidgeCV: one factorization
    if kind == "GridSearchCV":
        return 5 * (10 if classes else 50) + 1
    return len(learner.path_) * (1 if kind == "one split" else 5) + 1


def scaled(X: Any, x: np.ndarray) -> Any:
    """Features times e^{−x/2}: one penalty of 1 on these is one of e^x on each."""
    return sp.csr_array(X.multiply(np.exp(-x / 2)[None, :])) if sp.issparse(X) else X * np.exp(-x / 2)


def one_fit(X: Any, y: np.ndarray, classes: bool, penalty: float = 1.0) -> Any:
    """scikit-learn's, of this penalty next to a mean loss."""
    from sklearn.linear_model import LogisticRegression, Ridge

    n = len(y)
    return (LogisticRegression(C=1 / (n * penalty), max_iter=2000) if classes else Ridge(alpha=n * penalty)).fit(X, y)


def seconds_of_a_fit(X: Any, y: np.ndarray, classes: bool, penalty: float) -> float:
    start = time.process_time()
    for _ in range(5):
        one_fit(X, y, classes, penalty)
    return (time.process_time() - start) / 5


def random_search(
    X: Any, y: np.ndarray, classes: bool, seed: int, seconds: float, penalty: float
) -> tuple[Any, int, np.ndarray]:
    """One penalty a feature, log-normal about `penalty`, by 5 folds, for so many seconds of process time; the first
    is `penalty` for all."""
    from sklearn.model_selection import KFold, StratifiedKFold

    folds = (StratifiedKFold if classes else KFold)(5, shuffle=True, random_state=seed).split(X, y)
    folds, rng, start = list(folds), np.random.default_rng(seed), time.process_time()
    centre = np.full(X.shape[1], np.log(penalty))
    best, found, tries = centre, np.inf, 0
    while tries == 0 or time.process_time() - start < seconds:
        x = centre + (2.0 * rng.standard_normal(centre.size) if tries else 0.0)
        Z, tries = scaled(X, x), tries + 1
        inner = np.mean([loss_of(one_fit(Z[a], y[a], classes), Z[b], y[b], classes) for a, b in folds])
        if inner < found:
            best, found = x, inner
    return one_fit(scaled(X, best), y, classes), 5 * tries + 1, best


def loss_of(learner: Any, X: Any, y: np.ndarray, classes: bool) -> float:
    """The mean log loss, or the squared error over the variance."""
    if not classes:
        return float(np.mean((learner.predict(X) - y) ** 2) / np.var(y))
    P = learner.predict_proba(X)[np.arange(len(y)), np.searchsorted(learner.classes_, y)]
    return float(-np.mean(np.log(np.maximum(P, 1e-15))))


# -- what came out ---------------------------------------------------------------------------


def of(found: dict[str, Any], name: str, kind: str, column: str = "loss") -> np.ndarray:
    return np.array([run[column] for run in found["runs"] if (run["set"], run["model"]) == (name, kind)])


def made(found: dict[str, Any]) -> list[str]:
    """The data sets there are numbers of."""
    return [name for name in SETS if of(found, name, "grid of 50").size]


def compared(found: dict[str, Any], kind: str) -> dict[str, float]:
    """Mean held-out loss over that of the grid of 50, by data set."""
    return {
        name: float(of(found, name, kind).mean() / of(found, name, "grid of 50").mean())
        for name in made(found)
        if of(found, name, kind).size
    }


def quotients(found: dict[str, Any], above: str, below: str) -> dict[str, float]:
    """Of process times, medians over splits, by data set of classes."""
    return {
        name: float(np.median(of(found, name, above, "seconds") / of(found, name, below, "seconds")))
        for name in made(found)
        if name not in REGRESSIONS
    }


def in_words(ratios: dict[str, float]) -> str:
    return ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items()) or "none"


def verdicts(found: dict[str, Any]) -> list[Verdict]:
    scalar, feature, group, free = (compared(found, kind) for kind in ("all", "feature", "group", "free"))
    better = {name: ratio for name, ratio in feature.items() if ratio < 0.98}
    worse = {name: ratio for name, ratio in feature.items() if ratio > 1.02}
    harmed = {name: ratio / free[name] for name, ratio in feature.items() if ratio > 1.02 * free[name]}
    geometric = lambda ratios: float(np.exp(np.mean(np.log(list(ratios.values())))))  # noqa: E731
    drawn = compared(found, "random search")
    lost = {name: feature[name] / drawn[name] for name in feature if feature[name] > 1.02 * drawn[name]}
    certified = [run["certified"] for run in found["runs"] if "certified" in run]
    tight = sum(run["bound"] <= 1e-3 for run in found["runs"] if "bound" in run)
    slower = quotients(found, "all", "grid of 10")
    middle = lambda ratios: float(np.median(list(ratios.values())))  # noqa: E731
    of_fits = {
        name: float(np.median(of(found, name, "feature", "seconds") / (2 * p * of(found, name, "feature", "one_fit"))))
        for name in made(found)
        if (p := of(found, name, "feature", "features")[0])
    }
    return [
        Verdict(
            "One learned penalty is as good as the best of a grid of 50",
            HOLDS if max(scalar.values()) <= 1.02 else CAVEAT if max(scalar.values()) <= 1.1 else FAILS,
            f"held-out loss over that of the grid: {in_words(scalar)}. A grid is as good: what is learned here is how",
        ),
        Verdict(
            "A penalty a feature is never much worse than one in all",
            HOLDS if not worse else CAVEAT if max(worse.values()) <= 1.1 else FAILS,
            f"better than the grid by more than 2 %: {in_words(better)}; worse, for it overfits the folds: "
            f"{in_words(worse)}",
        ),
        Verdict(
            "A prior on the penalties pays",
            HOLDS if geometric(feature) < geometric(free) and not harmed else CAVEAT,
            f"held-out loss over that of the grid of 50, geometric mean and largest: {geometric(feature):.2f} and "
            f"{max(feature.values()):.2f} with it, {geometric(free):.2f} and {max(free.values()):.2f} with spread=None;"
            f" over that without it where more than 2 % worse: {in_words(harmed)}",
        ),
        Verdict(
            "A penalty a group is better than one in all where groups are unlike",
            HOLDS if max(group.values(), default=1.0) < 0.98 else CAVEAT if min(group.values()) < 0.98 else FAILS,
            f"held-out loss over that of the grid: {in_words(group)}",
        ),
        Verdict(
            "A random search of the same time finds no better penalties of features",
            HOLDS if not lost else CAVEAT if len(lost) <= len(feature) / 4 else FAILS,
            f"held-out loss over that of the random search, where more than 2 % worse: {in_words(lost)}",
        ),
        Verdict(
            "Every hyper-gradient at the end is certified",
            HOLDS if set(certified) == {"certified"} else FAILS,
            f"{certified.count('certified')} of {len(certified)} fits, {tight} to a thousandth of the loss or better;"
            " the others have penalties that all but vanish",
        ),
        Verdict(
            "One learned penalty costs no more than 1.5 times LogisticRegressionCV with 10",
            HOLDS if max(slower.values()) <= 1.5 else CAVEAT if middle(slower) <= 1.5 else FAILS,
            f"process time over that of the grid: {in_words(slower)}; RidgeCV, which is closed, is far faster",
        ),
        Verdict(
            "p penalties cost less than 2 p fits of scikit-learn's solver",
            HOLDS if max(of_fits.values()) <= 1 else CAVEAT if middle(of_fits) <= 1 else FAILS,
            f"process time over that of 2 p fits: {in_words(of_fits)}; of 2 p fits of each of the 5 folds, which is one"
            f" gradient of the same loss by differences: {in_words({k: r / 5 for k, r in of_fits.items()})}",
        ),
    ]


def section(found: dict[str, Any]) -> str:
    shown = [kind for kind in MODELS if kind != "grid of 10"]
    losses, costs = [], []
    for name in made(found):
        mean = lambda kind, column="loss", form=".3f": (  # noqa: E731
            format(of(found, name, kind, column).mean(), form) if of(found, name, kind, column).size else "–"  # noqa: B023
        )
        losses.append([name, *map(mean, shown)])
        timed = ("grid of 50", "grid of 10", "GridSearchCV", "all", "feature")
        seconds = [f"{mean(kind, 'seconds', '.2f')} ({mean(kind, 'fits', '.0f')})" for kind in timed]
        costs.append([name, *seconds, f"{mean('feature', 'kept', '.0f')} of {mean('feature', 'features', '.0f')}"])
    names = {"all": "one penalty", "feature": "a feature each", "group": "a group each", "free": "no prior"}
    absent = [name for name in SETS if name not in made(found)]
    text = f"Not measured this time: {', '.join(absent)}.\n\n" if absent else ""
    text += (
        f"Held-out loss, mean of {found['splits']} split(s) (log loss; of the last four sets squared error over"
        " variance). *a9a*, *w8a* and *covtype* are 600 rows of theirs, *20 newsgroups* is alt.atheism against"
        " talk.religion.misc on 300 words; *unlike …* are made.\n\n"
    )
    text += table(["data", *(names.get(kind, kind) for kind in shown)], losses)
    text += (
        "\n\nSeconds of process time, and fits in brackets; *kept* are coefficients above a thousandth of the largest."
        " A grid over p penalties has no counterpart: 50 values each would be 50^p fits.\n\n"
    )
    header = ["data", "grid of 50", "grid of 10", "GridSearchCV", "one penalty", "a feature each", "kept"]
    return text + table(header, costs)
