"""Clusters, data and questions that the tests of blocks on a cluster share."""

from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import pytest

from lancbio_ref.blocks import added
from lancbio_ref.blocks.base import ones_column, pieces_of
from tests.blocks import on_workers

distributed = pytest.importorskip("distributed", reason="Dask is not installed: make test-guests installs it")

N, P, CUTS = 2300, 6, (0, 700, 1400, 2100, 2300)
QUIET = dict(dashboard_address=":0", silence_logs=50)  # a port that is free; and no words about workers that are killed


@contextmanager
def running(workers, *, processes=False, default=False, **options):
    """A scheduler and workers of one thread each; in threads of this process they start in a moment."""
    options = dict(n_workers=workers, threads_per_worker=1, processes=processes, **QUIET) | options
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster, set_as_default=default) as client:
        yield cluster, client


@pytest.fixture(name="client", scope="module")
def two_workers():
    with running(2) as (_, client):
        yield client


@pytest.fixture(name="data")
def samples():
    rng = np.random.default_rng(0)
    return rng.standard_normal((N, P)), rng.standard_normal(N), rng.random(N)


def cut(array):
    return [array[a:b] for a, b in pairwise(CUTS)]


def asked(blocks, product=on_workers.product):
    """Sums of all kinds: with what is kept, with pieces of vectors, with ones, of some rows."""
    rng = np.random.default_rng(1)
    v, u = rng.standard_normal(P).astype(blocks.dtype), rng.standard_normal(N)
    kept = blocks.keep(on_workers.curvatures, v)
    first, second = blocks.map(product, v, kept), blocks.map(product, 2 * v, kept)  # both on their way
    found = added(first) + added(second) + added(blocks.map(on_workers.weighted, pieces_of(blocks.rows, u)))
    some = blocks.take(np.arange(300, 1300, 7))
    found += added(some.with_offset(ones_column(P, blocks.dtype)).map(on_workers.weighted, 1.0))
    return [np.asarray(part) for part in found]


def same(a, b):
    return len(a) == len(b) and all(
        x.dtype == y.dtype and x.tobytes() == y.tobytes() for x, y in zip(a, b, strict=True)
    )
