"""Compiled kernels: loaded from the cache by a second process, and runnable as plain Python."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lancbio_ref import kernels, parallel
from lancbio_ref.krylov import recurrences
from tests.thorough import THOROUGH

ROOT = Path(__file__).parents[2]

PROCESS = """
import numpy as np
from lancbio_ref import Linearization, kernels, lanczos, parallel
A = np.diag(np.linspace(1, 50, 40))
for mode in ("full", "local"):
    print(float(lanczos(A, np.ones(40), 30, reorthogonalization=mode).alpha[-1]).hex())
"""
SOLVE = """
for mode in ("selective", "partial"):
    lanczos(A, np.ones(40), 30, reorthogonalization=mode)
for mode in ("selective", "none"):
    print(Linearization(A, np.ones((1, 40)), np.ones(40), [0.0]).hypergradient(reorthogonalization=mode).value[0].hex())
"""
PRODUCT = """
import numpy as np
from lancbio_ref import kernels, operators, parallel
x = np.arange(1.0, 41)
print(parallel.dot(x, x).hex())
print(float((operators.DenseOperator(np.diag(1 / x)) @ x)[-1]).hex())
"""
COUNTS = """
modules = kernels.vectors, kernels.dense, kernels.sparse
compiled = {k for module in modules for k in vars(module).values() if hasattr(k, "stats")}
print("kernels", len(compiled))
print("hits", sum(sum(k.stats.cache_hits.values()) for k in compiled))
print("misses", sum(sum(k.stats.cache_misses.values()) for k in compiled))
"""


def run(script, **environment):
    done = subprocess.run(
        [sys.executable, "-c", script + COUNTS],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")


def test_second_process_loads_from_the_cache(tmp_path):
    """Compiling a solve takes 20 seconds: in ``make test`` a product, compiled in two."""
    script = PROCESS + SOLVE if THOROUGH else PRODUCT
    first, second = (run(script, NUMBA_CACHE_DIR=str(tmp_path)) for _ in range(2))
    assert "hits 0" in first and "misses 0" not in first
    assert "misses 0" in second and "hits 0" not in second
    assert first[:2] == second[:2]


def test_plain_python_gives_the_same_numbers():
    plain, compiled = run(PROCESS + SOLVE, NUMBA_DISABLE_JIT="1"), run(PROCESS + SOLVE)
    assert "kernels 0" in plain and "kernels 0" not in compiled
    for a, b in zip(plain[:4], compiled[:4], strict=True):
        values = [float.fromhex(t) for t in (a, b)]
        assert abs(values[0] - values[1]) <= 1e-9 * abs(values[1])


def test_sums_do_not_overflow_in_float32():
    x = np.full(10, 1e25, dtype=np.float32)
    assert np.isclose(parallel.dot(x, x), 1e51)
    w = np.empty_like(x)
    assert np.isclose(parallel.total(kernels.next_vector, 10, x, 0.0, x, 0.0, x, w), 1e51)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", [1, 7, 33, 1000, 5000])
def test_bits_do_not_depend_on_where_arrays_lie(n, dtype):
    """Side by side the compiler's test for overlap may fail, and a scalar loop run in place of the vector one."""
    base = np.random.default_rng(0).standard_normal((8, n)).astype(dtype)
    found = set()
    for gap in (0, 1, 8, 64):
        for order in (range(8), range(7, -1, -1)):
            memory = np.zeros(8 * (n + gap) + 64, dtype)
            u, p, d, w, q, x, v, out = a = [memory[k * (n + gap) : k * (n + gap) + n] for k in order]
            for array, numbers in zip(a, base, strict=True):
                array[:] = numbers
            partial = np.empty(1)
            kernels.next_vector(0, 1, u, 0.3, p, 0.7, d, out, partial)
            kernels.next_in_place(0, 1, u, 0.3, 0.7, d, w, partial)
            kernels.descend(0, 1, v, 0.3, q, x, 0.9)
            kernels.divide(0, 1, p, 0.3)
            found.add(b"".join(array.tobytes() for array in a))
    assert len(found) == 1


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", [1, 7, 33, 1000])
def test_bits_of_eight_rows_do_not_depend_on_where_the_sums_lie(n, dtype):
    base = np.random.default_rng(0).standard_normal((11, n)).astype(dtype)
    found = set()
    for start, ahead in (
        (0, 0),
        (1, 4096),
        (8, 0),
        (64, 64),
    ):  # what is asked for before it is needed moves none either
        for first in (True, False):
            memory = np.zeros(9 * n + 64, dtype)
            block = memory[start : start + 9 * n].reshape(9, n)
            A, sums = (block[1:], block[0]) if first else (block[:8], block[8])
            A[:], sums[:] = base[:8], base[8]
            kernels.dense._add_rows(0, 8, A, base[9, :1].repeat(8), sums, np.uintp(0), np.uintp(n), ahead)
            kernels.dense._add_gram_of_rows(0, 8, A, base[9, :1].repeat(8), base[10], sums, ahead)
            kernels.dense._add_absolute_gram_of_rows(0, 7, A, base[9, :1].repeat(8), base[10], 0.0, sums)
            found.add(sums.tobytes())
    assert len(found) == 1


def test_last_components_are_those_of_the_eigenvectors():
    rng = np.random.default_rng(0)
    for k in (1, 2, 9, 40):
        d, e = rng.standard_normal(k), rng.standard_normal(k)
        T = np.diag(d) + np.diag(e[: k - 1], 1) + np.diag(e[: k - 1], -1)
        values, vectors = np.linalg.eigh(T)
        z = np.empty(k)
        assert recurrences.last_components(d, e.copy(), z)
        order = np.argsort(d)
        np.testing.assert_allclose(d[order], values, atol=1e-13)
        np.testing.assert_allclose(np.abs(z[order]), np.abs(vectors[-1]), atol=1e-11)
