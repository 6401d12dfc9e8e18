"""HDF5 by h5py and Zarr by its own library: chunked, compressed, read-only, and what is wrong in them."""

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from lancbio_ref import ArgumentError, hypergradient, minimize, problems
from lancbio_ref.blocks import LocalBlocks

N, P, ROWS = 300, 6, 70


def data(dtype=np.float64):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, P)).astype(dtype)
    return X, (X @ np.arange(P) + rng.standard_normal(N) > 0).astype(int)


def hdf5(folder, X, **options):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed: make test-guests installs it")
    with h5py.File(folder / "X.h5", "w") as file:
        file.create_dataset("X", data=X, **options)
    return h5py.File(folder / "X.h5", "r")["X"]


def zarr(folder, X, **options):
    library = pytest.importorskip("zarr", reason="zarr is not installed: make test-guests installs it")
    made = library.create_array(store=str(folder / "X.zarr"), shape=X.shape, dtype=X.dtype, **options)
    made[:] = X
    opened = library.open_array(str(folder / "X.zarr"), mode="r")
    assert opened.metadata.zarr_format == 3
    return opened


STORED = {
    "hdf5, contiguous": lambda folder, X: hdf5(folder, X),
    "hdf5, chunked and compressed": lambda folder, X: hdf5(
        folder, X, chunks=(64, 4), compression="gzip", shuffle=True, fletcher32=True
    ),
    "hdf5, big-endian": lambda folder, X: hdf5(folder, X, dtype=X.dtype.newbyteorder(">")),
    "zarr 3": lambda folder, X: zarr(folder, X, chunks=(64, P)),
    "zarr 3, columns cut": lambda folder, X: zarr(folder, X, chunks=(50, 2)),
    "zarr 3, shards": lambda folder, X: zarr(folder, X, chunks=(25, P), shards=(100, P)),
}


def read_only(folder):
    """Neither the files nor their folders can be written to (by root they can: a mount is read-only for all)."""
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)


def writable(folder):
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


def numbers(X, t, **options):
    problem = problems.generalized_linear(
        X, t, loss="logistic", validation=(data()[0][:50], t[:50]), penalty="all", intercept=True, **options
    )
    run = minimize(problem, [0.0], maxiter=3, method="soba", batch_size=20, rng=0, step_x=0.1, step_y=0.1, step_v=0.1)
    found = hypergradient(problem, [-1.0])
    return (*found.value.tolist(), found.error_bound, found.lower_level_bound, *run.x.tolist(), *run.y.tolist())


@pytest.mark.parametrize("kind", STORED)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_bits_are_those_in_memory_from_what_can_only_be_read(tmp_path, kind, dtype):
    X, t = data(dtype)
    stored = STORED[kind](tmp_path, X)
    read_only(tmp_path)
    try:
        assert numbers(stored, t, block_rows=ROWS) == numbers(X, t, block_rows=ROWS)
        blocks = LocalBlocks(stored, t)
        assert blocks.dtype == dtype
    finally:
        writable(tmp_path)


@pytest.mark.parametrize("kind", ["hdf5, chunked and compressed", "zarr 3"])
def test_nan_is_named_by_its_block_and_row(tmp_path, kind):
    X, t = data()
    X[150, 2] = np.nan
    stored = STORED[kind](tmp_path, X)
    with pytest.raises(ArgumentError, match="X, block 2: found nan in row 10 of it, row 150 of all, column 2"):
        numbers(stored, t, block_rows=ROWS)


def test_targets_may_be_stored_too(tmp_path):
    h5py = pytest.importorskip("h5py")
    X, t = data()
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["X"], file["t"] = X, t.astype(float)
    with h5py.File(tmp_path / "data.h5", "r") as file:
        (total,) = (sum(block.t.sum() for block in LocalBlocks(file["X"], file["t"], block_rows=ROWS)._blocks()),)
        with pytest.raises(ArgumentError, match="one a row"):
            LocalBlocks(file["X"], file["t"][:5])
    assert total == t.sum()


def test_blocks_are_whole_chunks(tmp_path):
    X = np.zeros((5000, 500))
    rows = [LocalBlocks(stored, np.zeros(5000)).rows[0] for stored in (
        hdf5(tmp_path, X, chunks=(300, 100)), zarr(tmp_path, X, chunks=(300, 100)),
    )]  # fmt: skip
    assert all(size % 300 == 0 and size <= 2**24 / 4000 for size in rows)


MOUNTED = """
import sys, numpy as np, pathlib
from lancbio_ref import hypergradient, problems
from lancbio_ref.blocks import open_csr
folder = pathlib.Path(sys.argv[1])
try:
    (folder / "new").write_text("")
    sys.exit("the mount can be written to")
except OSError:
    pass
t = np.load(folder / "t.npy", mmap_mode="r")
kinds = [np.load(folder / "X.npy", mmap_mode="r"), open_csr(folder / "S.npz")]
if (folder / "X.h5").exists():
    import h5py
    kinds.append(h5py.File(folder / "X.h5", "r")["X"])
for X in kinds:
    problem = problems.generalized_linear(X, t, loss="logistic", folds=2, penalty="all", block_rows=70, intercept=True)
    print(hypergradient(problem, [-1.0]).value[0].hex())
"""


@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("unshare"), reason="mounts of its own, as Linux has")
def test_a_file_system_that_is_mounted_read_only(tmp_path):
    import scipy.sparse as sp

    X, t = data()
    X = np.where(X > -0.5, X, 0.0)
    np.save(tmp_path / "X.npy", X), np.save(tmp_path / "t.npy", t)
    sp.save_npz(tmp_path / "S.npz", sp.csr_array(X), compressed=False)
    with suppress(pytest.skip.Exception):
        hdf5(tmp_path, X, chunks=(64, P), compression="gzip").file.close()
    mount = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$1" -c "$2" "$0"'
    arguments = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])}
    ran = subprocess.run(
        [*arguments, str(tmp_path), sys.executable, MOUNTED],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    if ran.returncode and ("unshare" in ran.stderr or "mount" in ran.stderr.split("Traceback")[0]) and not ran.stdout:
        pytest.skip(f"no mounts of its own here: {ran.stderr.strip()[:80]}")
    assert ran.returncode == 0, ran.stderr
    dense, sparse, *stored = ran.stdout.split()
    whole = problems.generalized_linear(X, t, loss="logistic", folds=2, penalty="all", block_rows=70, intercept=True)
    assert {dense, *stored} == {hypergradient(whole, [-1.0]).value[0].hex()}
    assert abs(float.fromhex(sparse) - float.fromhex(dense)) < 1e-9
