"""Blocks of one machine: what they are read from, in which order, what is refused, and that nothing else is read."""

import gc
import os
import threading

import numpy as np
import pytest
import scipy.sparse as sp

from lancbio_ref import ArgumentError
from lancbio_ref.blocks import Each, LocalBlocks, MappedCSR, added, keeping, open_csr
from lancbio_ref.blocks.base import ones_column
from lancbio_ref.blocks.pages import file_of
from lancbio_ref.problems.blocked.passes import copied

N, P, ROWS = 50, 4, 16


def product(block, v):
    return block.X @ v


def columns(block, u):
    return (block.X.T @ u,)


class Slices:
    """What HDF5 and Zarr have: a shape, a dtype, chunks, and slices."""

    def __init__(self, array, chunks):
        self.array, self.shape, self.dtype, self.chunks, self.largest = array, array.shape, array.dtype, chunks, 0

    def __getitem__(self, rows):
        part = self.array[rows]
        self.largest = max(self.largest, len(part))
        return part


def dense(seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal((N, P)).astype(dtype)


def mapped(folder, array):
    np.save(folder / "X.npy", array)
    os.chmod(folder / "X.npy", 0o444)
    return np.load(folder / "X.npy", mmap_mode="r")


def sources(folder):
    """Every kind of X, of the same numbers."""
    X = dense()
    S = sp.csr_array(np.where(X > 0, X, 0.0))
    sp.save_npz(folder / "S.npz", S, compressed=False)
    for part in ("data", "indices", "indptr"):
        np.save(folder / f"{part}.npy", getattr(S, part))
    cuts = list(range(0, N, ROWS))
    return [
        (X, [X, mapped(folder, X), np.asfortranarray(X), Slices(X, (4, 2)), [X[a : a + ROWS] for a in cuts]]),
        (S.toarray(), [S, open_csr(folder / "S.npz"), open_csr(folder, n_features=P), [S[a : a + ROWS] for a in cuts]]),
    ]


def test_every_source_gives_the_same_bits(tmp_path):
    v, t = np.random.default_rng(1).standard_normal(P), np.arange(float(N))
    for truth, kinds in sources(tmp_path):
        found = []
        for X in kinds:
            blocks = LocalBlocks(X, t, block_rows=None if isinstance(X, list) else ROWS)
            assert blocks.rows == (16, 16, 16, 2) and blocks.shape == (N, P) and blocks.dtype == np.float64
            scores = blocks.keep(product, v)
            (sums,) = added(blocks.map(columns, scores))
            assert blocks.n_passes == 1  # the scores were made in the reading that needed them
            assert np.allclose(sums, truth.T @ (truth @ v), rtol=1e-12)
            assert [block.t.tolist() for block in blocks._blocks()] == [
                t[a : a + ROWS].tolist() for a in range(0, N, ROWS)
            ]
            found.append(sums)
        assert all((sums == found[0]).all() for sums in found)


def test_rows_are_taken_from_their_blocks(tmp_path):
    rows = np.array([0, 3, 15, 16, 49])
    for truth, kinds in sources(tmp_path):
        for X in kinds:
            blocks = LocalBlocks(X, np.arange(N), np.ones(N), block_rows=None if isinstance(X, list) else ROWS)
            part = blocks.with_offset(ones_column(P, np.float64)).take(rows)
            assert part.rows == (3, 1, 1)
            copies = [copied(block).X for block in part._blocks()]
            read = [X.toarray() if sp.issparse(X) else X for X in copies]
            assert (np.vstack(read) == np.column_stack([truth[rows], np.ones(5)])).all()
            assert np.concatenate([block.t for block in part._blocks()]).tolist() == rows.tolist()


def test_what_is_kept_is_made_again_where_there_is_no_room(monkeypatch):
    X, v = dense(), np.ones(P)
    results = []
    for room in (keeping.KEPT_BYTES, 16 * 8, 0):
        gc.collect()  # what other tests kept
        monkeypatch.setattr(keeping, "KEPT_BYTES", room)
        blocks, made = LocalBlocks(X, np.zeros(N), block_rows=ROWS), []

        def counted(block, v, made=made):
            made.append(block.index)
            return block.X @ v

        kept = blocks.keep(counted, v)
        again = blocks.keep(lambda block, u: 2 * u, kept)
        sums = [added(blocks.map(lambda block, u, w: (block.X.T @ (u + w),), kept, again))[0] for _ in range(2)]
        assert (sums[0] == sums[1]).all()
        results.append((sums[0], len(made)))
        del kept, again
        kept = blocks.keep(counted, v)  # what was let go of has made room again
        list(blocks.map(lambda block, u: None, kept))
        assert kept.held == min(room, N * 8)
    assert all((sums == results[0][0]).all() for sums, _ in results)
    assert [count for _, count in results] == [4, 7, 8]  # once a block; all but one again; all again


def test_what_no_reading_asks_for_makes_room(monkeypatch):
    gc.collect()
    monkeypatch.setattr(keeping, "KEPT_BYTES", N * 8)
    X, v, made = dense(), np.ones(P), []

    def named(block, name):
        made.append(name)
        return block.X @ v

    def read(*asked):
        made.clear()
        list(blocks.map(lambda block, *pieces: None, *asked))
        return made.count("first"), made.count("second")

    blocks = LocalBlocks(X, np.zeros(N), block_rows=ROWS)
    first, second = blocks.keep(named, "first"), blocks.keep(named, "second")
    assert read(first) == (4, 0) and read(first) == (0, 0)
    assert read(second) == (0, 4) and read(second) == (0, 0)  # the first made room
    assert read(first, second) == read(first, second) == (4, 0)  # nothing that this reading asks for gives way
    other = LocalBlocks(X, np.zeros(N), block_rows=ROWS)
    third = other.keep(named, "second")
    list(other.map(lambda block, piece: None, third))
    assert (first.held, second.held, third.held) == (0, 0, N * 8)  # other blocks have the same room


def test_a_reading_that_ends_early_leaves_no_thread_and_the_next_one_is_whole(tmp_path):
    X = mapped(tmp_path, dense())
    blocks, before = LocalBlocks(X, np.zeros(N), block_rows=ROWS), threading.active_count()
    read, whole = blocks._source.read, added(blocks.map(columns_of_all))[0]

    def interrupted(block):
        if block.index == 1:
            raise KeyboardInterrupt  # while block 2 is read
        return columns_of_all(block)

    def no_disk(start, stop):
        if start == 2 * ROWS:
            raise OSError("the disk is gone")
        return read(start, stop)

    for number in range(len(blocks.rows)):
        closed = blocks.map(columns_of_all)
        for _ in range(number + 1):
            next(closed)
        closed.close()
        assert threading.active_count() == before
    with pytest.raises(KeyboardInterrupt):
        added(blocks.map(interrupted))
    blocks._source.read = no_disk
    with pytest.raises(OSError, match="the disk is gone"):
        added(blocks.map(columns_of_all))
    blocks._source.read = read
    assert threading.active_count() == before
    assert (added(blocks.map(columns_of_all))[0] == whole).all()


def test_each_block_gets_its_piece():
    blocks = LocalBlocks(dense(), np.zeros(N), block_rows=ROWS)
    found = list(blocks.map(lambda block, piece, whole: (piece, whole), Each(["a", "b", "c", "d"]), "all"))
    assert found == [(letter, "all") for letter in "abcd"]


def test_a_lazy_array_is_read_by_whole_chunks_and_never_more_than_a_block():
    X = Slices(np.zeros((10**4, 500)), (300, 100))
    blocks = LocalBlocks(X, np.zeros(10**4))
    list(blocks.map(product, np.ones(500)))
    assert blocks.rows[0] % 300 == 0 and X.largest == blocks.rows[0] <= 2**24 / 4000


def test_pages_of_a_map_that_keeps_its_writes_are_not_given_back(tmp_path):
    np.save(tmp_path / "X.npy", np.zeros((2048, 64)))
    X = np.load(tmp_path / "X.npy", mmap_mode="c")
    X[1000] = 7.0
    assert not file_of(X)[1]
    for _ in range(2):
        (sums,) = added(LocalBlocks(X, np.zeros(2048), block_rows=512).map(columns_of_all))
    assert (sums == 7.0).all()


def columns_of_all(block):
    return (np.asarray(block.X.sum(axis=0)),)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, bool, ">f4", ">f8", "<f4"])
def test_numbers_of_any_kind_become_floats_a_block_at_a_time(dtype):
    X = (dense() > 0).astype(dtype)
    blocks = LocalBlocks(X, np.zeros(N), block_rows=ROWS)
    assert blocks.dtype == (np.float32 if np.dtype(dtype).itemsize == 4 else np.float64)
    for _ in range(2):
        assert added(blocks.map(columns_of_all))[0].tolist() == X.astype(float).sum(axis=0).tolist()


def test_entries_given_twice_are_added_in_every_reading():
    X = sp.csr_array((np.array([1.0, 2.0, 5.0]), np.array([1, 1, 0]), np.array([0, 2, 3])), shape=(2, 2))
    blocks = LocalBlocks(X, np.zeros(2), block_rows=1)
    for _ in range(2):
        assert [block.X.data.tolist() for block in blocks._blocks()] == [[3.0], [5.0]]


def bad(change):
    X = dense()
    change(X)
    return X


def outside(**changes):
    S = sp.csr_array(dense())
    parts = dict(data=S.data, indices=S.indices, indptr=S.indptr) | changes
    return MappedCSR(parts["data"], parts["indices"], parts["indptr"], (N, P))


LAST = sp.csr_array(dense()).indices
FALLING = np.r_[0, 8, 4, sp.csr_array(dense()).indptr[3:]]
REFUSED = {
    "NaN": (bad(lambda X: X.__setitem__((33, 2), np.nan)), "X, block 2: found nan in row 1 of it, row 33 of all"),
    "infinity": (bad(lambda X: X.__setitem__((5, 0), np.inf)), "X, block 0: found inf in row 5 of it, row 5 of all"),
    "sparse NaN": (sp.csr_array(bad(lambda X: X.__setitem__((33, 2), np.nan))), "row 33 of all"),
    "index": (outside(indices=np.where(np.arange(LAST.size) == 150, P, LAST)), "X, block 2: found indices from 0 to 4"),
    "pointers": (outside(indptr=FALLING), "falling|fall at row 1"),
    "pointer count": (outside(indptr=FALLING[:-1]), "row pointers"),
    "ragged": ([dense(), dense()[:, :3]], "X, block 1: found 3 columns"),
    "empty": ([dense(), dense()[:0]], "block 1.*leave an empty block out"),
    "mixed": ([dense(), dense(dtype=np.float32)], "X, block 1: found dtype float32, expected float64"),
    "dense and sparse": ([dense(), sp.csr_array(dense())], "all dense, or all sparse"),
    "text": (np.full((N, P), "a"), "dtype <U1"),
    "complex": (dense() + 1j, "dtype complex128"),
    "half": (dense(dtype=np.float16), "dtype float16"),
    "masked": (np.ma.masked_array(dense(), dense() > 0), "masked"),
    "unknown": (Slices(np.zeros((N, P)), (4, 2)), "compute_chunk_sizes"),
    "no matrix": (dense()[0], "shape"),
    "format": (sp.coo_array(dense()), "X.tocsr"),
    "nothing": (object(), "an array, a memory map"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_used_is_named_by_its_block_and_row(kind):
    X, message = REFUSED[kind]
    if kind == "unknown":
        X.shape = (float("nan"), P)
    rows = None if isinstance(X, list) else ROWS
    n = sum(part.shape[0] for part in X) if isinstance(X, list) else N
    with pytest.raises(ArgumentError, match=message):
        list(LocalBlocks(X, np.zeros(n), block_rows=rows).map(product, np.ones(P)))


def test_targets_and_weights_are_one_a_row():
    for t, s in ((np.zeros(N - 1), None), (np.zeros(N), np.ones(3)), (np.zeros((N, 1)), None)):
        with pytest.raises(ArgumentError, match=r"one a row of X, shape \(50,\)"):
            LocalBlocks(dense(), t, s)


def test_files_that_are_no_csr_matrix_are_refused(tmp_path):
    sp.save_npz(tmp_path / "packed.npz", sp.csr_array(dense()))
    sp.save_npz(tmp_path / "csc.npz", sp.csc_array(dense()), compressed=False)
    np.savez(tmp_path / "other.npz", a=np.ones(3))
    (tmp_path / "empty").mkdir()
    for path, message in (
        ("packed.npz", "compressed=False"),
        ("csc.npz", "CSR"),
        ("other.npz", "a folder with data.npy"),
        ("empty", "no data.npy"),
        ("nowhere", "a folder with"),
    ):
        with pytest.raises(ArgumentError, match=message):
            open_csr(tmp_path / path, n_features=P)
