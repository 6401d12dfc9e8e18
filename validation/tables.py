"""The data sets of `estimators.py`: scikit-learn's own, those of the data folder, and what was made worse or made up.

Rows beyond `MOST` are left out, drawn once, so that a grid of 50 with 5 folds and 3 splits takes minutes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import scipy.sparse as sp
from common import DATA

from lancbio_ref.datasets import load_libsvm, load_newsgroups

MOST = 600  # rows
LIBSVM = {
    "german": "german.numer_scale",
    "splice": "splice_scale",
    "heart": "heart_scale",
    "a9a": "a9a",
    "w8a": "w8a",
}
NOISY = "breast cancer, 20 % wrong"
REGRESSIONS = ("diabetes", "diabetes + 50 noise", "unlike relevance", "unlike groups")
SETS = (
    "breast cancer", NOISY, "wine", "digits 0-4", "digits 3/8", *LIBSVM, "covtype", "20 newsgroups", *REGRESSIONS,
)  # fmt: skip
GROUPS = {  # labels of the features, where there are any to tell
    "diabetes + 50 noise": np.repeat([0, 1], [10, 50]),
    "unlike groups": np.repeat([0, 1, 2], [5, 20, 100]),
}


@lru_cache(maxsize=1)
def data(name: str) -> tuple[Any, np.ndarray, bool]:
    """(X, y, whether y are classes)."""
    X, y, classes = _read(name)
    if X.shape[0] > MOST:
        rows = np.sort(np.random.default_rng(0).choice(X.shape[0], MOST, replace=False))
        X, y = X[rows], y[rows]
    if sp.issparse(X) and X.shape[1] < 500:
        X = X.toarray()
    used = np.flatnonzero(np.asarray((X != 0).sum(axis=0)).ravel())
    return (X if used.size == X.shape[1] else X[:, used]), y, classes


def _read(name: str) -> tuple[Any, np.ndarray, bool]:
    from sklearn import datasets

    rng = np.random.default_rng(0)
    if name in LIBSVM:
        X, y = load_libsvm(DATA / "libsvm" / f"{LIBSVM[name]}.bz2")
        return X, (y > 0).astype(int), True
    if name in ("breast cancer", NOISY, "wine", "digits 0-4", "digits 3/8"):
        make = {"w": datasets.load_wine, "d": datasets.load_digits, "b": datasets.load_breast_cancer}[name[0]]
        X, y = make(return_X_y=True)
        if name == "digits 0-4":  # of ten classes a grid of 50 would take most of the time of this file
            X, y = X[y < 5], y[y < 5]
        if name == "digits 3/8":
            chosen = np.isin(y, (3, 8))
            X, y = X[chosen], (y[chosen] == 8).astype(int)
        return X, y, True
    if name == "covtype":  # the first kind of forest against the others
        table = np.loadtxt(DATA / "covtype-subset" / "covtype_92962_minmax.csv.gz", delimiter=",", skiprows=1)
        return table[:, :-1], (table[:, -1] == 1).astype(int), True
    if name == "20 newsgroups":  # two groups that are hard to tell apart, the 300 words that most posts have
        posts = load_newsgroups(DATA)
        X = sp.csr_array(sp.vstack([posts.X_train, posts.X_val]))
        labels = np.r_[posts.labels_train, posts.labels_val]
        pair = [posts.class_names.index(group) for group in ("alt.atheism", "talk.religion.misc")]
        rows = np.isin(labels, pair)
        X, y = X[rows], (labels[rows] == pair[1]).astype(int)
        common = np.argsort(-np.bincount(X.indices, minlength=X.shape[1]), kind="stable")[:300]
        return sp.csr_array(X[:, np.sort(common)]), y, True
    if name == "unlike relevance":  # made: 5 of 60 features matter
        X = rng.standard_normal((240, 60))
        return X, X[:, :5] @ [3.0, -2.0, 1.0, 1.0, 0.5] + 2 * rng.standard_normal(240), False
    if name == "unlike groups":  # made: 5 features that say much, 20 that say little, 100 that say nothing
        X, coef = rng.standard_normal((300, 125)), np.r_[rng.choice([-2.0, 2.0], 5), 0.3 * rng.standard_normal(20)]
        return X, X[:, :25] @ coef + 2 * rng.standard_normal(300), False
    X, y = datasets.load_diabetes(return_X_y=True)
    if "noise" in name:
        X = np.hstack([X, rng.standard_normal((len(X), 50)) * X.std()])
    return X, y, False


def missing_data() -> str:
    needed = [DATA / "libsvm" / f"{file}.bz2" for file in LIBSVM.values()]
    needed += [DATA / "covtype-subset", DATA / "20newsgroups"]
    absent = [path.name for path in needed if not path.exists()]
    return f"no {', '.join(absent)} in the data folder" if absent else ""
