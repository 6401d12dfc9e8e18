"""Import, compilation and the cache: new processes, each timed from outside."""

import os
import statistics
import subprocess
import sys
import tempfile

from common import HERE, clock, part

FIRST = (
    "import numpy as np; from lancbio_ref import Linearization; A = np.random.default_rng(0).random((50, 50));"
    "print(Linearization(A @ A.T + np.eye(50), A[:5], b=A[0], c=A[:5, 0]).hypergradient().value)"
)
EVERYTHING = """
import time, numpy as np
start = time.perf_counter()
from lancbio_ref import kernels, lanczos, lanczos_solve, minimize, problems, hypergradient
import scipy.sparse as sp
A = np.diag(np.linspace(1.0, 50.0, 60))
for mode in ("none", "local", "selective", "partial", "full"):
    lanczos(A, np.ones(60), 40, reorthogonalization=mode)
    lanczos_solve(A, np.ones(60), reorthogonalization=mode)
rng = np.random.default_rng(0)
X, t = rng.standard_normal((40, 5)), rng.integers(0, 2, 40)
for M in (X, sp.csr_array(X)):
    problem = problems.logistic(M, t, M, t)
    hypergradient(problem, np.zeros(5), np.zeros(5))
problem = problems.synthetic(30, 10.0, rng=0)
x, y, v = problem.initial_point(rng=1)
minimize(problem, x, y, v0=v, method="lancbio", step_x=0.1, step_y=0.01, maxiter=4)
print("seconds", time.perf_counter() - start)
"""


def measure(threads: int) -> dict:
    found = {}
    imports = {"lancbio_ref": "import lancbio_ref", "its hypergradient": "from lancbio_ref import hypergradient",
               "numba and scipy": "import numba, scipy.sparse.linalg"}  # fmt: skip
    with tempfile.TemporaryDirectory() as cache:
        environment = dict(os.environ, PYTHONPATH=str(HERE.parents[1]), NUMBA_CACHE_DIR=cache)

        def process(code):
            return clock(lambda: subprocess.run([sys.executable, "-c", code], env=environment, check=True,
                                                stdout=subprocess.DEVNULL))  # fmt: skip

        found["compile"] = process(EVERYTHING)
        process(FIRST)
        for _ in range(2):
            for code in imports.values():
                process(code)  # the disk's cache
        times = {name: [] for name in (*imports, "first hyper-gradient", "empty")}
        for _ in range(7):
            for name, code in (*imports.items(), ("first hyper-gradient", FIRST), ("empty", "pass")):
                times[name].append(process(code))
    found |= {name: statistics.median(values) for name, values in times.items()}
    found["import ratio"] = (found["lancbio_ref"] - found["empty"]) / (found["numba and scipy"] - found["empty"])
    return found


if __name__ == "__main__":
    part(measure)
