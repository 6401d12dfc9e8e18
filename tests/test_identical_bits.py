"""Results do not depend on the number of threads: those of the kernels, and those of the BLAS beside them."""

import hashlib
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from lancbio_ref import Linearization, hypergradient, lanczos, lanczos_solve, minimize, parallel, problems
from lancbio_ref.operators import (
    DenseOperator,
    DiagonalLowRank,
    GeneralizedLinear,
    PrescribedSpectrum,
    SparseOperator,
)
from tests.thorough import THOROUGH
from validation.truths.matrices import random_matrix

ROOT = Path(__file__).parents[1]
THREADS = (1, 2, 3, 4) if THOROUGH else (1, 3)  # alone, and shared unevenly
MODES = ("none", "local", "selective", "partial", "full")


def big():
    """Data with enough entries for four threads."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1500, 700))
    S = random_matrix((3000, 900), 0.3, rng)
    return rng, X, S


def digest(*arrays):
    return hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()


def operators():
    rng, X, S = big()
    wide = rng.standard_normal(300_000)
    low_rank = DiagonalLowRank(wide, U=rng.standard_normal((wide.size, 5)), s=rng.standard_normal(5))
    yield "dense", DenseOperator(X)
    yield "dense, Fortran", DenseOperator(np.asfortranarray(X))
    yield "dense, float32", DenseOperator(X.astype(np.float32))
    yield "sparse", SparseOperator(S)
    yield "generalized linear", GeneralizedLinear(X, rng.random(X.shape[0]), 0.1)
    yield "generalized linear, CSR", GeneralizedLinear(S, rng.random(S.shape[0]), 0.1)
    yield "diagonal and low rank", low_rank


def products():
    rng = np.random.default_rng(1)
    for _, A in operators():
        v, u = rng.standard_normal(A.shape[1]), rng.standard_normal(A.shape[0])
        yield A.matvec(v.astype(A.dtype))
        yield A.rmatvec(u.astype(A.dtype))
        yield A.abs_product(np.abs(v).astype(A.dtype))


def lanczos_runs():
    A, b = PrescribedSpectrum(np.linspace(1, 1e4, 300_000), rng=0), np.ones(300_000)
    for mode in MODES:
        run = lanczos(A, b, 4, reorthogonalization=mode)
        yield from (run.alpha, run.beta, run.Q)
        yield lanczos_solve(A, b, maxiter=3, reorthogonalization=mode)[0]


def hypergradients():
    rng, X, S = big()
    for matrix in (X, S):
        labels = rng.integers(0, 2, matrix.shape[0])
        problem = problems.logistic(matrix, labels, matrix[:200], labels[:200])
        found = hypergradient(problem, np.zeros(matrix.shape[1]), 0.1 * rng.standard_normal(matrix.shape[1]), rtol=1e-6)
        yield from (found.value, np.array([found.error_bound, found.residual_norm]))
    G = np.outer(X[0], X[0]) + np.diag(1 + rng.random(700))
    found = Linearization(G, X[:10], b=X[0], c=np.zeros(10)).hypergradient(mu="certify")
    yield from (found.value, np.array([found.error_bound]))


def trajectories():
    problem = problems.synthetic(300_000, 100.0, matrix_free=True, rng=0)
    start = problem.initial_point(rng=1)
    for method, options in (
        ("lancbio", dict(step_x=0.1, step_y=0.01, subspace=4)),
        ("subbio", dict(step_x=0.1, step_y=0.01, step_v=0.01)),
        ("amigo-cg", dict(step_x=0.1, step_y=0.01, inverse_steps=2)),
    ):
        result = minimize(problem, *start[:2], v0=start[2], method=method, maxiter=3, **options)
        yield from (result.x, result.y, result.trace["h_norm"])


def by_the_blas():
    """Promised for the threads of this package alone."""
    rng = np.random.default_rng(0)
    B, b = rng.standard_normal((300, 300)), rng.standard_normal(300)
    found = Linearization((B + B.T) / 60 + 2 * np.eye(300), B[:5], b, np.ones(5)).hypergradient(inverse="exact")
    yield from (found.value, found.v)
    X, labels = rng.standard_normal((3000, 200)), rng.integers(0, 10, 3000)
    problem = problems.data_cleaning(X, labels, X, labels)
    yield problem.lower_grad_y(rng.standard_normal(3000), rng.standard_normal(problem.n_y))


PARTS = dict(products=products, lanczos=lanczos_runs, hypergradients=hypergradients, trajectories=trajectories)


@cache
def of_one_thread(part):
    """What all others are compared with; made once a process."""
    before = parallel.threads()
    parallel.set_threads(1)
    try:
        return digest(*PARTS.get(part, by_the_blas)())
    finally:
        parallel.set_threads(before)


@pytest.fixture
def any_threads():
    before = parallel.threads()
    yield parallel.set_threads
    parallel.set_threads(before)


@pytest.mark.parametrize("part", [*PARTS, "by the BLAS"])
def test_the_same_bits_on_any_number_of_threads(part, any_threads):
    for count in THREADS[1:]:
        any_threads(count)
        assert digest(*PARTS.get(part, by_the_blas)()) == of_one_thread(part)


def test_threads_are_used(any_threads, monkeypatch):
    """Or the test before would compare one thread with itself."""
    shares = []
    any_threads(4)
    pool = parallel._team.workers()
    monkeypatch.setattr(pool, "submit", lambda f, *a, submit=pool.submit: shares.append(a[:2]) or submit(f, *a))
    _, X, _ = big()
    DenseOperator(X).matvec(np.ones(X.shape[1]))
    assert len(shares) == 3 and shares[0][1] == shares[1][0]


SCRIPT = "from tests.test_identical_bits import PARTS, digest\nfor name in {}: print(digest(*PARTS[name]()))"


def test_the_same_bits_whatever_the_blas_does():
    """A second process, in which OpenBLAS and the kernels have three threads (or one, where here are more)."""
    parts, here = list(PARTS) if THOROUGH else ["hypergradients"], os.environ.get("OPENBLAS_NUM_THREADS")
    count = "3" if here == "1" else "1"
    environment = os.environ | dict(OPENBLAS_NUM_THREADS=count, LANCBIO_NUM_THREADS="3", PYTHONPATH=str(ROOT))
    command = [sys.executable, "-c", SCRIPT.format(parts)]
    output = subprocess.check_output(command, env=environment, text=True, timeout=250)
    assert output.split() == [of_one_thread(part) for part in parts]


def test_a_forked_child_has_threads_of_its_own(any_threads):
    if not hasattr(os, "fork"):
        pytest.skip("no fork here")
    code = (
        "import os, warnings, numpy as np\nfrom lancbio_ref import parallel\nparallel.set_threads(2)\n"
        "x = np.ones(2**20); first = parallel.dot(x, x)\nwarnings.simplefilter('ignore')\npid = os.fork()\n"
        "if not pid: os._exit(0 if parallel.dot(x, x) == first else 1)\n"
        "raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"
    )
    subprocess.run([sys.executable, "-c", code], env=os.environ | dict(PYTHONPATH=str(ROOT)), check=True, timeout=120)
