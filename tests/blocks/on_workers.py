"""What blocks are asked for in tests of blocks on a cluster: module-level functions, as workers find them."""

import os
import time

import numpy as np

from lancbio_ref import parallel
from lancbio_ref.operators import GeneralizedLinear
from lancbio_ref.problems.blocked.passes import copied


def curvatures(block, y):
    """Something kept: one number a row."""
    return 1 / (1 + np.exp(-(block.X @ y).astype(np.float64))).astype(block.X.dtype)


def product(block, v, d):
    """Xᵀ(d ∘ X v)."""
    return (GeneralizedLinear(block.X, d, 0.0).matvec(v),)


def slow_product(block, v, d):
    time.sleep(0.03)  # that a worker can be killed in the middle of it
    return product(block, v, d)


def weighted(block, u):
    """Xᵀ(u ∘ t), and what every block should know about itself."""
    t = block.t if block.s is None else block.s * block.t
    return copied(block).X.T @ (u * t).astype(block.X.dtype), float(block.start + 1), float(len(block))


def process(block):
    return os.getpid(), parallel.threads()


def fails(block):
    if block.index == 1:
        raise ZeroDivisionError("block 1")
    return block.index


def whole(block):
    return block.X, block.t
