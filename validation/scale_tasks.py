"""What the workers of `scale` run: rows from a seed and the number of their block; tasks that say what they took."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np

from lancbio_ref.blocks import Block
from lancbio_ref.problems.blocked.passes import hessian_products

P = 10  # features


def rows_of(number: int, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(X, t) of a block: uniform features of mean 0 and variance 1, labels of a logistic model."""
    rng = np.random.Generator(np.random.Philox(key=[seed, number]))
    X = rng.random((rows, P), np.float32)
    X -= np.float32(0.5)
    X *= np.float32(math.sqrt(12))
    scores = X @ np.linspace(-1, 1, P, dtype=np.float32)
    return X, (rng.random(rows, np.float32) < 1 / (1 + np.exp(-scores))).astype(np.float32)


def nothing(block: Block, v: np.ndarray) -> tuple[np.ndarray]:
    """What a task costs that computes nothing: v comes, and goes back."""
    return (v,)


def timed(block: Block, curvatures: Any, V: np.ndarray) -> tuple[np.ndarray, float, float]:
    """A_b v, and how long it took: of the processor, and of the clock."""
    start = time.thread_time(), time.perf_counter()
    (products,) = hessian_products(block, curvatures, V)
    return products, time.thread_time() - start[0], time.perf_counter() - start[1]
