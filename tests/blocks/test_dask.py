"""Blocks on a Dask cluster: the bits of one machine on any number of workers, and what comes in."""

import os
import signal
import time

import numpy as np
import pytest
import scipy.sparse as sp

from lancbio_ref.blocks import LocalBlocks, added
from lancbio_ref.errors import ArgumentError
from tests.blocks import on_workers

distributed = pytest.importorskip("distributed", reason="Dask is not installed: make test-guests installs it")
da = pytest.importorskip("dask.array", reason="Dask's arrays are not installed")

from dask import delayed  # noqa: E402

from lancbio_ref.blocks.from_dask import dask_blocks, is_dask  # noqa: E402
from tests.blocks.on_cluster import CUTS, N, P, asked, cut, running, same, samples, two_workers  # noqa: E402, F401

FORMS = {
    "float64": lambda X: X,
    "float32": lambda X: X.astype(np.float32),
    "sparse": lambda X: sp.csr_array(np.where(np.abs(X) > 1, X, 0)),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_bits_are_those_of_the_same_blocks_here(client, data, form):
    X, t, s = data
    X = FORMS[form](X)
    parts = cut(X)
    there = dask_blocks([delayed(part) for part in parts], t, s, client=client)
    here = LocalBlocks(parts, t, s)
    assert (there.rows, there.shape, there.dtype) == (here.rows, here.shape, here.dtype)
    assert same(asked(there), asked(here))


def test_1_2_and_3_workers_and_one_that_is_killed_at_a_random_product(data):
    """Processes; what the dead one held, blocks and what was kept of them, is made again, with the same bits."""
    X, t, s = data
    expected = asked(LocalBlocks(cut(X), t, s))
    lazy = da.from_array(X, chunks=(CUTS[1], P)), da.from_array(t, chunks=400), da.from_array(s, chunks=CUTS[1])
    rng = np.random.default_rng()
    with running(1, processes=True, default=True) as (cluster, client):
        for workers in (1, 2, 3):
            cluster.scale(workers)
            client.wait_for_workers(workers, timeout=60)
            blocks = dask_blocks(*lazy, client=client)
            assert same(asked(blocks), expected), workers
        pids = {pid for pid, threads in blocks.map(on_workers.process) if threads == 1}
        assert len(pids) > 1 and os.getpid() not in pids
        v = rng.standard_normal(P)
        kept = blocks.keep(on_workers.curvatures, v)
        before = added(blocks.map(on_workers.product, v, kept))
        results = [blocks.map(on_workers.slow_product, v, kept) for _ in range(6)]
        time.sleep(rng.uniform(0.0, 0.3))
        os.kill(int(rng.choice(sorted(pids))), signal.SIGKILL)
        assert all(same(added(result), before) for result in results)
        assert same(asked(blocks, on_workers.slow_product), expected)


def test_what_is_kept_and_taken_stays_on_the_worker_of_its_block(client, data):
    X, t, _ = data
    blocks = dask_blocks([delayed(part) for part in cut(X)], t, client=client)
    kept = blocks.keep(on_workers.curvatures, np.ones(P))
    some = blocks.take(np.array([5, 800, 801, 2299]))
    assert some.rows == (1, 2, 1)
    with client.as_current():
        distributed.wait(kept.futures + some.futures)
    holders = {key: set(where) for key, where in client.who_has(blocks.futures + kept.futures + some.futures).items()}
    places = [holders[future.key] for future in blocks.futures]
    assert len(set.union(*places)) == 2
    assert all(holders[future.key] <= place for future, place in zip(kept.futures, places, strict=True))
    assert all(holders[f.key] <= places[k] for f, k in zip(some.futures, (0, 1, 3), strict=True))


def test_large_vectors_travel_once(client, data, monkeypatch):
    from lancbio_ref.blocks import dask as module

    blocks = dask_blocks([delayed(part) for part in cut(data[0])], data[1], client=client)
    small = asked(blocks)
    monkeypatch.setattr(module, "LARGE", 0)
    submitted = []
    submit = client.submit
    monkeypatch.setattr(client, "submit", lambda *args, **options: submitted.append(args) or submit(*args, **options))
    assert same(asked(blocks), small) and len(submitted) == 6  # a map or a keep each


def test_a_task_that_fails_raises_here_what_it_raised_there(client, data):
    blocks = dask_blocks([delayed(part) for part in cut(data[0])], data[1], client=client)
    with pytest.raises(ZeroDivisionError, match="block 1"):
        list(blocks.map(on_workers.fails))
    assert same(asked(blocks), asked(LocalBlocks(cut(data[0]), data[1])))  # and nothing is broken


# -- what comes in -----------------------------------------------------------------------------


def filtered(X, t):
    """Dask does not know how many rows a mask leaves: none of the second block."""
    X, t = da.from_array(X, chunks=(CUTS[1], P)), da.from_array(t, chunks=CUTS[1])
    mask = da.from_array(np.r_[np.ones(700, bool), np.zeros(700, bool), np.ones(900, bool)], chunks=CUTS[1])
    return X[mask], t[mask]


def frames(X, t):
    pandas, dd = pytest.importorskip("pandas"), pytest.importorskip("dask.dataframe")
    frame = dd.from_pandas(pandas.DataFrame(X, columns=list("abcdef")).assign(t=t), npartitions=3)
    return frame[list("abcdef")], frame["t"]


DOORS = {
    "known chunks, t in others": lambda X, t: (da.from_array(X, chunks=(700, P)), da.from_array(t, chunks=90)),
    "columns cut": lambda X, t: (da.from_array(X, chunks=(700, 4)), da.from_array(t, chunks=700)),
    "t of NumPy": lambda X, t: (da.from_array(X, chunks=(700, P)), t),
    "integers": lambda X, t: (da.from_array((10 * X).astype(int), chunks=(700, P)), t > 0),
    "delayed": lambda X, t: ([delayed(part) for part in cut(X)], [delayed(part) for part in cut(t)]),
    "pairs": lambda X, t: ([delayed((a, b)) for a, b in zip(cut(X), cut(t), strict=True)],),
    "unknown rows, an empty block": filtered,
    "frames": frames,
}


@pytest.mark.parametrize("door", DOORS)
def test_every_door_leads_to_the_same_sums(client, data, door):
    given = DOORS[door](*data[:2])
    assert is_dask(given[0])
    blocks = dask_blocks(*given, client=client)
    parts, targets = zip(*blocks.map(on_workers.whole), strict=True)
    assert tuple(map(len, parts)) == blocks.rows and min(blocks.rows) > 0
    X, t = np.concatenate(parts), np.concatenate(targets)
    assert X.shape == blocks.shape and X.dtype == blocks.dtype == np.float64
    keep = np.r_[:700, 1400:N] if "unknown" in door else slice(None)
    expected = (10 * data[0]).astype(int) if door == "integers" else data[0]
    targets = data[1] > 0 if door == "integers" else data[1]
    assert np.array_equal(X, expected[keep]) and np.array_equal(t, targets[keep])


def test_futures_of_tasks_are_blocks_too(client, data):
    futures = [client.submit(np.asarray, part, pure=False) for part in cut(data[0])]
    assert is_dask(futures) and not is_dask(data[0]) and not is_dask([data[0]]) and not is_dask([])
    assert same(asked(dask_blocks(futures, *data[1:])), asked(LocalBlocks(cut(data[0]), *data[1:])))


def with_entry(value, row=1500, column=2):
    def change(X):
        X = X.copy()
        X[row, column] = value
        return X

    return change


def blocks_of(*changes):
    """The four blocks of X, one of them changed."""

    def make(X):
        parts = cut(X)
        for number, change in changes:
            parts[number] = change(parts[number])
        return [delayed(part) for part in parts]

    return make


BAD = {
    "NaN": (lambda X: da.from_array(with_entry(np.nan)(X), chunks=(700, P)), "X, block 2", "row 100 of it, row 1500"),
    "infinity": (lambda X: da.from_array(with_entry(-np.inf)(X), chunks=(700, P)), "X, block 2", "row 1500 of all"),
    "NaN, sparse": (
        blocks_of((2, lambda part: sp.csr_array(with_entry(np.nan, 100)(part)))),
        "X, block 2",
        "row 100 of it, row 1500",
    ),
    "ragged": (blocks_of((1, lambda part: part[:, :4])), "X, block 1", "4 columns"),
    "another type": (blocks_of((3, lambda part: part.astype(np.float32))), "X, block 3", "float32"),
    "half": (blocks_of((0, lambda part: part.astype(np.float16))), "X, block 0", "float16"),
    "texts": (blocks_of((1, lambda part: part.astype(str))), "X, block 1", "<U"),
    "a vector": (blocks_of((1, lambda part: part[:, 0])), "X, block 1", "shape (700,)"),
    "no rows": (lambda X: [delayed(X[:0]), delayed(X[:0])], "X", "2 blocks without rows"),
    "three axes": (lambda X: da.from_array(X[None], chunks=700), "X", "(1, 2300, 6)"),
    "a series of numbers": (lambda X: da.from_array(X[:, 0], chunks=700), "X", "(2300,)"),
}  # fmt: skip


@pytest.mark.parametrize("bad", BAD)
def test_bad_blocks_are_named(client, data, bad):
    make, argument, found = BAD[bad]
    with pytest.raises(ArgumentError) as caught:
        dask_blocks(make(data[0]), data[1], client=client)
    assert caught.value.argument == argument and found in caught.value.found, str(caught.value)


def test_bad_targets_are_refused(client, data):
    X, t, s = data
    lazy, short = da.from_array(X, chunks=(700, P)), da.from_array(t[:-1], chunks=700)
    unknown, _ = filtered(X, t)
    cases = [
        ((lazy, t[:-1]), "the targets of X", "(2299,)"),
        ((lazy, short), "the targets of X", "(2299,)"),
        ((lazy, t, s[:5]), "the sample weights of X", "(5,)"),
        ((lazy, None), "the targets of X", "None"),
        ((lazy, [delayed(t)]), "the targets of X", "1 blocks"),
        ((unknown, da.from_array(t, chunks=700)), "the targets of X", "(2300,)"),
        (
            (unknown, da.from_array(t, chunks=900)[da.from_array(t > 0, chunks=900)]),
            "the targets of X",
            "3 blocks of unknown sizes",
        ),
        (([delayed(X)],), "X, block 0", "a ndarray and no t"),
        (([delayed((X, t[:3]))],), "X, block 0", "targets of shape (3,)"),
        ((lazy[da.from_array(t > 0, chunks=700)][:, da.from_array(s[:P] > 0.5, chunks=3)], t), "X", "unknown sizes"),
    ]
    for given, argument, found in cases:
        with pytest.raises(ArgumentError) as caught:
            dask_blocks(*given, client=client)
        assert caught.value.argument == argument and found in caught.value.found, str(caught.value)
    assert "compute_chunk_sizes" in str(caught.value)


def test_columns_that_are_no_numbers_are_named(client, data):
    pandas, dd = pytest.importorskip("pandas"), pytest.importorskip("dask.dataframe")
    frame = pandas.DataFrame(data[0][:, :2], columns=["a", "b"]).assign(word="w")
    with pytest.raises(ArgumentError, match="no numbers: word"):
        dask_blocks(dd.from_pandas(frame, npartitions=2), data[1], client=client)
