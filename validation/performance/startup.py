"""Import, compilation and the cache: new processes, each timed from outside; and what an import is made of."""

import os
import re
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
        # an installed package has its bytecode; where the environment forbids to write it, sources are compiled anew
        environment["PYTHONPYCACHEPREFIX"] = cache
        environment.pop("PYTHONDONTWRITEBYTECODE", None)

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
        found["modules"] = modules(environment)
    found |= {name: statistics.median(values) for name, values in times.items()}
    found["import ratio"] = (found["its hypergradient"] - found["empty"]) / (found["numba and scipy"] - found["empty"])
    return found


def modules(environment: dict[str, str]) -> list[tuple[str, float]]:
    """Milliseconds of ``from lancbio_ref import hypergradient`` by module, its imports excluded: ``-X importtime``.

    Of this package each module, of the others their sum; the smallest of five processes each.
    """
    least: dict[str, float] = {}
    command = [sys.executable, "-X", "importtime", "-c", "from lancbio_ref import hypergradient"]
    for _ in range(5):
        said = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stderr
        for own, name in re.findall(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)", said):
            least[name] = min(float(own) / 1e3, least.get(name, float("inf")))
    ours = {name: ms for name, ms in least.items() if name.partition(".")[0] == "lancbio_ref"}
    others = sum(least.values()) - sum(ours.values())
    largest = sorted(ours.items(), key=lambda found: -found[1])
    rest = sum(ms for _, ms in largest[8:])
    return [("numba, scipy and theirs", others), *largest[:8], (f"{len(largest) - 8} more of lancbio_ref", rest)]


if __name__ == "__main__":
    part(measure)
