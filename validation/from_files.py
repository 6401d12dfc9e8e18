"""What a product costs beside reading the file that its samples are in, and how much memory a run takes.

A v of a logistic regression whose X is in files, over one reading of these files by ``readinto`` a buffer: *cold*, with
the files dropped from the system's cache before each (``posix_fadvise``), by the clock; and *warm*, from the cache,
where reading is a copy of memory, by the processor and by the clock. Reading and product take turns, and the smallest
of several is given. Of the sparse matrix SciPy's two products Xᵀ(d ∘ (X v)), of a block in memory, stand beside it.

Memory is the resident size, looked at every 10 ms, over what it was before X was touched, of a hyper-gradient and
iterations of SOBA, in a process of its own. Rows are those of one tile, written again and again; the files are deleted
at the end.
"""

from __future__ import annotations

import os
import resource
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from common import CAVEAT, FAILS, HOLDS, Verdict, table

from lancbio_ref import hypergradient, minimize, problems
from lancbio_ref.blocks import open_csr

NAME, TITLE = "from_files", "Larger than memory"
SIZES = {False: 1.0e9, True: 3.0e9}  # bytes of X
ROUNDS, ITERATIONS, EACH, TILE = 5, 10, 20, 20_000
TARGET, ROOM = 1.3, 300  # times a reading; MB
KINDS = {
    "CSR, float64, p = 10⁵, 20 a row": ("csr", np.float64, 100_000),
    "dense, float64, p = 50": ("dense", np.float64, 50),
    "dense, float32, p = 50": ("dense", np.float32, 50),
    "dense, float64, p = 1000": ("dense", np.float64, 1000),
}


def measure(full: bool) -> dict[str, Any]:
    """Files of 1 GB each, 3 GB with ``--full``, in the folder for temporary files."""
    found = []
    for name, (kind, dtype, p) in KINDS.items():
        with tempfile.TemporaryDirectory() as folder:
            X, n = written(Path(folder), kind, np.dtype(dtype), p, SIZES[full])
            found.append(dict(what=name, rows=n) | products(Path(folder), X, p))
            print(f"{name}: {found[-1]}", flush=True)
            if kind == "csr":
                with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                    memory = dict(rows=n) | pool.submit(peaks, folder, p).result()
                print(memory, flush=True)
    return dict(bytes=SIZES[full], products=found, memory=memory, load=os.getloadavg()[1])


def written(folder: Path, kind: str, dtype: np.dtype, p: int, size: float) -> tuple[Any, int]:
    """X in files of about so many bytes, and its rows."""
    X = tile(kind, dtype, p)
    tiles = max(int(size / (X.data.nbytes + (X.indices.nbytes if kind == "csr" else 0))), 1)
    n = tiles * X.shape[0]
    if kind == "dense":
        with (folder / "X.bin").open("wb") as file:
            for _ in range(tiles):
                file.write(X)
        return np.memmap(folder / "X.bin", dtype, "r", shape=(n, p)), n
    for part, values in (("data", X.data), ("indices", X.indices)):
        with (folder / f"{part}.npy").open("wb") as file:
            header = dict(descr=values.dtype.str, fortran_order=False, shape=(tiles * values.size,))
            np.lib.format.write_array_header_1_0(file, header)
            for _ in range(tiles):
                file.write(values)
    np.save(folder / "indptr.npy", np.arange(n + 1, dtype=np.int64) * EACH)
    return open_csr(folder, n_features=p), n


def tile(kind: str, dtype: np.dtype, p: int) -> Any:
    """Rows that are written again and again: normal entries, of a sparse one in columns that increase."""
    rng = np.random.default_rng(0)
    if kind == "dense":
        return rng.standard_normal((max(2_000_000 // p, 1), p)).astype(dtype)
    columns = np.sort(rng.integers(0, p // EACH, (TILE, EACH)) + np.arange(EACH) * (p // EACH), axis=1)
    pointers = np.arange(TILE + 1, dtype=np.int32) * EACH
    entries = rng.standard_normal(TILE * EACH).astype(dtype)
    return sp.csr_array((entries, columns.astype(np.int32).ravel(), pointers), shape=(TILE, p))


def problem_of(X: Any) -> Any:
    n, p = X.shape
    some = X[:2000] if isinstance(X, np.ndarray) else tile("csr", X.dtype, p)[:2000]
    given = dict(loss="logistic", penalty="all", validation=(some, np.arange(some.shape[0]) % 2))
    return problems.generalized_linear(X, np.arange(n) % 2, **given)


# -- a product beside a reading --------------------------------------------------------------------


def products(folder: Path, X: Any, p: int) -> dict[str, Any]:
    """Seconds of both, cold and warm: (clock, processor), each the smallest of all rounds."""
    problem, v = problem_of(X), np.linspace(-1, 1, p)
    A = problem.hessian(np.array([-1.0]), np.zeros(p))
    once, twice = A @ v, A @ v  # the second keeps all curvatures that there is room for
    assert np.array_equal(once, twice)
    calls: dict[str, Callable[[], Any]] = {"reading": lambda: read(folder), "product": lambda: A @ v}
    best: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for what, call in calls.items():
            for state in ("cold", "warm"):
                if state == "cold":
                    drop(folder)
                took = timed(call)
                old = best.get(f"{what} {state}", took)
                best[f"{what} {state}"] = [min(pair) for pair in zip(old, took, strict=True)]
    if not isinstance(X, np.ndarray):
        rows = problem.train.blocks.rows[0]
        end = int(X.indptr[rows])
        arrays = (np.array(X.data[:end]), np.array(X.indices[:end]), X.indptr[: rows + 1].astype(np.int32))
        block, d = sp.csr_array(arrays, shape=(rows, p)), np.ones(rows)
        took = min(timed(lambda: block.T @ (d * (block @ v)))[1] for _ in range(2 * ROUNDS))
        best["SciPy"] = [took * X.shape[0] / rows] * 2
    return best


def timed(call: Callable[[], Any]) -> list[float]:
    start = time.perf_counter(), time.process_time()
    call()
    return [time.perf_counter() - start[0], time.process_time() - start[1]]


def read(folder: Path) -> None:
    buffer = bytearray(2**24)
    for path in sorted(folder.iterdir()):
        with path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass


def drop(folder: Path) -> None:
    """No page of these files stays in the system's cache."""
    os.sync()
    for path in folder.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


# -- memory ----------------------------------------------------------------------------------------


def peaks(folder: str, p: int) -> dict[str, Any]:
    """MB above what was resident before, of a hyper-gradient and of so many iterations of SOBA."""
    X = open_csr(folder, n_features=p)
    steps = dict(method="soba", step_x=0.1, step_y=0.1, step_v=0.1)
    some = tile("csr", np.dtype(np.float64), X.shape[1])[:2000]
    small = problems.generalized_linear(
        some,
        np.arange(2000) % 2,
        validation=(some, np.arange(2000) % 2),
        loss="logistic",
        penalty="all",
        block_rows=500,
    )
    hypergradient(small, [-1.0], rtol=0.1)
    minimize(small, [-1.0], maxiter=3, **steps)  # compiled
    before, sizes, done = resident(), [0.0], threading.Event()
    watch = threading.Thread(target=lambda: [sizes.append(resident()) for _ in iter(lambda: done.wait(0.01), True)])
    watch.start()
    try:
        problem = problem_of(X)
        hypergradient(problem, [-1.0], rtol=0.1)
        found = dict(hypergradient=max(sizes) - before, hypergradient_passes=problem.n_passes)
        minimize(problem, [-1.0], maxiter=ITERATIONS, **steps)
    finally:
        done.set()
        watch.join()
    return found | dict(all=max(sizes) - before, passes=problem.n_passes, samples=len(sizes))


def resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


# -- the report ------------------------------------------------------------------------------------


def ratio(one: dict[str, Any], state: str, clock: int) -> float:
    return one[f"product {state}"][clock] / one[f"reading {state}"][clock]


def verdicts(found: dict[str, Any]) -> list[Verdict]:
    cold = {one["what"]: ratio(one, "cold", 0) for one in found["products"]}
    worst, memory = max(cold.values()), found["memory"]
    words = "; ".join(f"{what} {value:.2f}" for what, value in cold.items())
    sparse = next(one for one in found["products"] if "SciPy" in one)
    beside = sparse["product warm"][1] / sparse["SciPy"][1]
    return [
        Verdict(
            f"a product takes at most {TARGET} times a reading of its file from the disk",
            HOLDS if worst <= TARGET else CAVEAT if worst <= 2 * TARGET else FAILS,
            f"by the clock: {words}; load average {found['load']:.0f} on two cores",
        ),
        Verdict(
            "from the system's cache a product with a sparse file takes at most twice SciPy's two products in memory",
            HOLDS if beside <= 2 else FAILS,
            f"{beside:.2f} times their processor time, reading included",
        ),
        Verdict(
            f"a hyper-gradient and {ITERATIONS} iterations of SOBA take at most {ROOM} MB",
            HOLDS if memory["all"] <= ROOM else FAILS,
            f"{memory['all']:.0f} MB above what was resident, {memory['rows']:.1e} rows, n_y = 10⁵,"
            f" {memory['passes']} passes, {memory['samples']} looks",
        ),
    ]


def section(found: dict[str, Any]) -> str:
    rows = []
    for one in found["products"]:
        clocks = [f"{clock:.2f} s ({cpu:.2f})" for clock, cpu in (one["reading cold"], one["product cold"])]
        cpu = [f"{one[f'{what} warm'][1]:.2f} s" for what in ("reading", "product")]
        warm = f"{ratio(one, 'warm', 1):.2f}; {ratio(one, 'warm', 0):.2f}"
        scipy = f"{one['SciPy'][1]:.2f} s" if "SciPy" in one else ""
        rows.append([one["what"], f"{one['rows']:.1e}", *clocks, f"{ratio(one, 'cold', 0):.2f}", *cpu, warm, scipy])
    head = ["X", "rows", "reading, cold", "A v, cold", "ratio", "reading, warm", "A v, warm"]
    memory = found["memory"]
    return "\n\n".join(
        [
            f"Files of {found['bytes'] / 1e9:.0f} GB. Cold by the clock, in brackets the processor's seconds of all"
            " threads; warm by the processor, and the ratios warm are those of the processor and of the clock."
            f" Each number is the smallest of {ROUNDS}. The load average was {found['load']:.0f} on two cores: what the"
            " processor works in a cold product takes so much longer by the clock beside other programs, while reading"
            " waits for the disk.",
            table([*head, "ratios, warm", "SciPy's two products"], rows),
            f"Memory with the sparse file: {memory['hypergradient']:.0f} MB for a hyper-gradient"
            f" ({memory['hypergradient_passes']} passes), {memory['all']:.0f} MB with {ITERATIONS} iterations of SOBA.",
        ]
    )
