"""Random small members of the family: every loss × penalty × weights × folds × intercept × type × storage."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import scipy.sparse as sp

from lancbio_ref import problems
from tests.problems.glm_truth import Model

LOSSES = ["squared", "logistic", "multinomial", "poisson", "huber", "squared_hinge"]
PENALTIES = ["all", "group", "feature", "class", "each", "none"]
WEIGHTS = ["fixed", "sigmoid", "softplus", "simplex"]


def cells(loss: str) -> list[dict[str, Any]]:
    """Every penalty × weights × folds × type of a loss."""
    options = itertools.product(PENALTIES, WEIGHTS, (0, 2), (np.float32, np.float64))
    return [
        dict(penalty=penalty, weights=weights, folds=folds, dtype=dtype)
        for penalty, weights, folds, dtype in options
        if (penalty != "class" or loss == "multinomial") and (penalty, weights) != ("none", "fixed")
    ]


def draw(seed: int, loss: str | None = None, **given: Any):
    """(problem, x, [Model a fold], description)."""
    rng = np.random.default_rng(seed)
    pick = lambda name, options: given.get(name, options[rng.integers(len(options))])  # noqa: E731
    loss = loss or LOSSES[rng.integers(len(LOSSES))]
    C = int(rng.integers(2, 4)) if loss == "multinomial" else 1
    dtype = pick("dtype", [np.float32, np.float64])
    weights = pick("weights", ["fixed", "fixed", "fixed", *WEIGHTS])
    penalty = pick("penalty", [name for name in PENALTIES if name != "class" or C > 1])
    if penalty == "none" and weights == "fixed":
        penalty = "all"
    intercept = pick("intercept", [False, False, True])
    K = pick("folds", [0, 0, 2])
    p, n, m = (int(rng.integers(1, high)) for high in (4, 7, 6))
    n = max(n, 2 * max(C, 2)) if K else n
    X = (10 ** rng.uniform(-1.5, 1) * rng.standard_normal((n, p))).astype(dtype)
    X_val = (10 ** rng.uniform(-1, 0.5) * rng.standard_normal((m, p))).astype(dtype)

    def targets(size: int) -> np.ndarray:
        if loss == "multinomial":
            return np.arange(size) % C
        if loss in ("logistic", "squared_hinge"):
            return np.arange(size) % 2
        values = rng.poisson(2.0, size).astype(float) if loss == "poisson" else 2 * rng.standard_normal(size)
        return values.astype(dtype)

    t, t_val = targets(n), targets(m)
    s, s_val = (rng.uniform(0.1, 3, size) if rng.random() < 0.5 else np.ones(size) for size in (n, m))
    s[rng.random(n) < 0.1] = 0.0
    s = np.ones(n) if not s.any() or K else s
    fixed = float(rng.choice([0.0, 0.1, 1.0])) if penalty != "none" else float(rng.choice([0.02, 1.0]))
    groups = np.arange(p) % 2 if penalty == "group" and p > 1 else (np.zeros(p, int) if penalty == "group" else None)
    convert = [np.asarray, sp.csr_array, sp.csc_array][rng.integers(3)]
    half = 2 * max(C, 2) // 2
    pairs = [(np.arange(half, n), np.arange(half)), (np.arange(half), np.arange(half, n))] if K else None
    ridge = float(rng.choice([1e-6, 1e-2]))
    problem = problems.generalized_linear(
        convert(X),
        t,
        loss=loss,
        validation=None if K else (convert(X_val), t_val, s_val),
        folds=pairs,
        penalty=penalty,
        groups=groups,
        fixed=fixed,
        weights=weights,
        sample_weight=s,
        intercept=intercept,
        intercept_ridge=ridge,
        n_classes=max(C, 2),
        block_rows=given.get("block_rows"),
    )
    parts = problem.problems if K else [problem]
    signed = loss in ("logistic", "squared_hinge")
    models = []
    for k, part in enumerate(parts):
        rows, held = pairs[k] if K else (np.arange(n), None)
        V, tv, sv = (X[held], t[held], s[held]) if K else (X_val, t_val, s_val)
        sign = (lambda a: 2 * a - 1) if signed else (lambda a: a)
        models.append(
            Model(
                loss, X[rows], sign(t[rows]), s[rows], V, sign(tv), sv, part.penalty.block, part.penalty.n,
                part.penalty.fixed, weights, rows if K else None, C, intercept,
            )
        )  # fmt: skip
    x = rng.uniform(-3, 1.5, problem.n_x).astype(pick("x_dtype", [dtype, dtype, np.float64]))
    kind = f"seed {seed}: {loss}/{penalty}/{weights}/{dtype.__name__}/{convert.__name__}/K={K}/intercept={intercept}"
    return problem, x, models, kind


def mean_truth(models: list[Model], x, starts):
    """(y* of each, φ, ∇φ) of the mean over the models; None where one does not settle."""
    found = [model.solved(x, start) for model, start in zip(models, starts, strict=True)]
    if None in found:
        return None
    K = len(models)
    phi = sum((f for _, f, _ in found[1:]), found[0][1]) / K
    gradient = [sum(parts[1:], parts[0]) / K for parts in zip(*(g for _, _, g in found), strict=True)]
    return [y for y, _, _ in found], phi, gradient
