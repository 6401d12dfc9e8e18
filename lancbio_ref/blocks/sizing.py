"""How many rows a block on a cluster should have, from what scheduling costs there.

    T = L + c m + s n p/W,      n rows of p features in m blocks of r rows on W workers: a product of all of them

Scheduling takes c for every block, one after another, and computing s r p for a block, W blocks at a time. Scheduling
is at most the share 1/k of computing where c m ≤ s n p/(k W):

    r ≥ k c W/(s p),        k = `SHARE`;      r ≤ n/W, or workers are idle;      r so small that a worker holds a block

c and s are measured when they are asked for, on the cluster at hand. (See validation/scale.py for both elsewhere.)
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..arguments import as_integer
from ..errors import ArgumentError
from ..operators import GeneralizedLinear
from .cluster import ROOM, client_of, gathered, sent

if TYPE_CHECKING:
    from distributed import Client

SHARE = 10  # scheduling takes no more than a tenth of computing
FEW, MANY, TIMES = 4, 36, 5  # tasks, whose difference in time is c; the smallest of so many
SAMPLE = 2**20  # entries of a product whose processor time says s


def rows_per_block(
    n_features: int, n_samples: int | None = None, *, dtype: npt.DTypeLike = np.float64, client: Client | None = None
) -> int:
    """Rows of a block with which a product spends a tenth of its time on scheduling, or less.

    Parameters
    ----------
    n_features : int
    n_samples : int, optional
        Then no worker is left without a block.
    dtype : float32 or float64
        Of X.
    client : distributed.Client, optional
        The one that Dask would take, by default.

    Returns
    -------
    int
        For ``X.rechunk({0: rows})``. It depends on what else the machines do, and bits depend on it: keep the number.

    Raises
    ------
    ArgumentError
        No client, a closed one, numbers that cannot be used.
    ClusterError
        The cluster ceased.

    Examples
    --------
    >>> from distributed import Client  # doctest: +SKIP
    >>> from lancbio_ref.blocks.sizing import rows_per_block  # doctest: +SKIP
    >>> X = X.rechunk({0: rows_per_block(X.shape[1], X.shape[0], client=Client())})  # doctest: +SKIP
    """
    p = as_integer("n_features", n_features, least=1)
    size = np.dtype(dtype)
    if size.char not in "fd":
        raise ArgumentError("dtype", size, "float32 or float64")
    n = None if n_samples is None else as_integer("n_samples", n_samples, least=1)
    client = client_of(client)
    workers = list(client.scheduler_info(n_workers=-1)["workers"].values())
    threads = sum(worker["nthreads"] for worker in workers)
    c = max((_round_trip(client, MANY) - _round_trip(client, FEW)) / (MANY - FEW), 1e-6)
    (seconds,) = gathered(client, sent(client, "sized", _product_time, [p], [size.name]))
    limits = [worker["memory_limit"] for worker in workers if worker["memory_limit"]]
    return rows_by_rule(c, seconds, threads, p, n, size.itemsize, min(limits, default=0))


def rechunked(name: str, X: Any) -> Any:
    """A Dask array or DataFrame in blocks of :func:`rows_per_block` rows, on the cluster that Dask would take.

    Raises
    ------
    ArgumentError
        A list, which has its blocks; rows or columns that are not known.
    """
    if isinstance(X, (list, tuple)):
        raise ArgumentError("block_rows", "'auto' with a list of blocks", "None: a list has its blocks")
    if hasattr(X, "to_dask_array"):
        X = X.to_dask_array(lengths=True)
    if len(X.shape) != 2 or not np.isfinite(X.shape).all():
        raise ArgumentError(name, f"shape {X.shape}", "sizes that are known: X.compute_chunk_sizes()")
    return X.rechunk({0: rows_per_block(X.shape[1], X.shape[0], dtype="f" if X.dtype == np.float32 else "d")})


def rows_by_rule(c: float, s: float, workers: int, p: int, n: int | None, itemsize: int, memory: int) -> int:
    """k c W/(s p), at most n/W and what a worker's memory holds twice; see the module.

    Examples
    --------
    >>> from lancbio_ref.blocks.sizing import rows_by_rule
    >>> rows_by_rule(1e-3, 1e-9, 4, 10, None, 8, 0)  # 1 ms a block, 1 ns an entry, four workers, ten features
    4000000
    >>> rows_by_rule(1e-3, 1e-9, 4, 10, 10**6, 8, 0)  # a quarter for each of them
    250000
    """
    rows = SHARE * c * workers / (s * p)
    if n is not None:
        rows = min(rows, -(-n // workers))
    if memory:
        rows = min(rows, ROOM * memory / (2 * itemsize * p))
    return max(int(rows), 1)


def _round_trip(client: Client, tasks: int) -> float:
    """The shortest of some, of tasks that compute nothing."""

    def ask() -> float:
        start = time.perf_counter()
        for _ in gathered(client, sent(client, "nothing", _nothing, range(tasks))):
            pass
        return time.perf_counter() - start

    return _smallest(ask)


def _smallest(measure: Callable[[], float]) -> float:
    return min(measure() for _ in range(TIMES))


def _nothing(number: int) -> int:
    return number


def _product_time(p: int, dtype: str) -> float:
    """Processor seconds an entry of X in Xᵀ(d ∘ (X v)), on a worker."""
    n = max(SAMPLE // p, 1)
    X: Any = np.ones((n, p), dtype)
    A, v = GeneralizedLinear(X, np.ones(n, dtype)), np.ones(p, dtype)
    A.matvec(v)  # compiled

    def ask() -> float:
        start = time.thread_time()
        A.matvec(v)
        return time.thread_time() - start

    return _smallest(ask) / X.size
