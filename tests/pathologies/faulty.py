"""A small sound system and problem, ways to break them, and the public entry points to feed the breakage to."""

from __future__ import annotations

import numpy as np
from scipy.sparse.linalg import LinearOperator

from lancbio_ref import (
    BilevelProblem,
    LanczosProcess,
    Linearization,
    LowerLevel,
    UpperLevel,
    certify_mu,
    hypergradient,
    lanczos,
    lanczos_solve,
    lower_solution,
    minimize,
)

N, N_X = 12, 3
INVERSES = ("lanczos", "exact", "cg", "neumann")
MODES = ("full", "selective", "partial", "local", "none")
METHODS = {
    "lancbio": dict(method="lancbio", step_x=0.1, step_y=0.1, subspace=4),
    "subbio": dict(method="subbio", step_x=0.1, step_y=0.1, step_v=0.1),
}


def symmetric(eigenvalues, seed: int = 0) -> np.ndarray:
    """A matrix with about these eigenvalues, symmetric to the bit."""
    n = len(eigenvalues)
    Q = np.linalg.qr(np.random.default_rng(seed).standard_normal((n, n)))[0]
    A = (Q * np.asarray(eigenvalues)) @ Q.T
    return np.tril(A) + np.tril(A, -1).T


_rng = np.random.default_rng(5)
A = symmetric(np.linspace(1.0, 6.0, N))  # twelve different eigenvalues: no Krylov space ends early
J = _rng.standard_normal((N_X, N))
B = _rng.standard_normal(N)
C = _rng.standard_normal(N_X)
TARGET = _rng.standard_normal(N)
X0, Y0 = np.ones(N_X), np.zeros(N)
for _array in (A, J, B, C, TARGET, X0, Y0):
    _array.flags.writeable = False  # whoever writes into an input, fails


def operator(matvec, shape=(N, N), dtype=float, rmatvec=None) -> LinearOperator:
    """A black box."""
    return LinearOperator(shape, matvec=matvec, rmatvec=rmatvec, dtype=dtype)


def spoiled(function, call: int, value):
    """`function` until its `call`-th call, which returns `value`, or what `value` makes of the right answer."""
    count = 0

    def answer(*arguments):
        nonlocal count
        count += 1
        right = function(*arguments)
        if count != call:
            return right
        return value(right) if callable(value) else value

    return answer


def with_entry(value, index: int = 2):
    """The right answer with one entry replaced."""

    def replace(right):
        wrong = np.array(right, dtype=np.result_type(np.asarray(right), type(value)))
        wrong.reshape(-1)[index] = value
        return wrong

    return replace


CALLABLES = {
    "upper.value": lambda x, y: 0.5 * float((y - TARGET) @ (y - TARGET)) + 0.05 * float(x @ x),
    "upper.grad_x": lambda x, y: 0.1 * x,
    "upper.grad_y": lambda x, y: y - TARGET,
    "lower.grad_y": lambda x, y: A @ y - J.T @ x,
    "lower.hessian": lambda x, y: A,
    "lower.cross": lambda x, y: -J,
    "lower.value": lambda x, y: 0.5 * float(y @ A @ y) - float(y @ (J.T @ x)),
    "lower.grad_x": lambda x, y: -J @ y,
}


def problem(changes=None, *, lipschitz=None, n_y: int | None = N) -> BilevelProblem:
    """f = ½‖y − t‖² + ½·0.1‖x‖² over g = ½yᵀAy − yᵀJᵀx, some of its callables (or bounds) replaced."""
    fields: dict = {"upper": {}, "lower": {}}
    for name, value in {**CALLABLES, **(changes or {})}.items():
        level, _, field = name.partition(".")
        fields[level][field] = value
    return BilevelProblem(UpperLevel(**fields["upper"]), LowerLevel(**fields["lower"]), lipschitz=lipschitz, n_y=n_y)


def step_by_step(A) -> LanczosProcess:
    process = LanczosProcess(B)
    while process.k < N and not process.breakdown:
        process.step(A)
    return process


def point(A=A, **changes) -> Linearization:
    arguments = dict(J=J, b=B, c=C) | changes
    return Linearization(A, arguments.pop("J"), arguments.pop("b"), arguments.pop("c"), **arguments)


_of_problem = "lower.hessian(x, y) @ v"

# name: (what it does with a Hessian, what an error calls a product with it); each makes more than seven products
HESSIAN_USERS = {
    "lanczos": (lambda A: lanczos(A, B, N), "A @ v"),
    "LanczosProcess.step": (step_by_step, "A @ v"),
    **{
        f"lanczos_solve-{mode}": (lambda A, m=mode: lanczos_solve(A, B, rtol=1e-12, reorthogonalization=m), "A @ v")
        for mode in MODES
    },
    **{
        f"Linearization.hypergradient-{name}": (lambda A, i=name: point(A).hypergradient(inverse=i), "A @ v")
        for name in INVERSES
    },
    "hypergradient": (lambda A: hypergradient(problem({"lower.hessian": lambda x, y: A}), X0, Y0), _of_problem),
    "hypergradient-without-y": (lambda A: hypergradient(problem({"lower.hessian": lambda x, y: A}), X0), _of_problem),
    "lower_solution": (
        lambda A: lower_solution(problem({"lower.hessian": lambda x, y: A}), X0, tol=1e-12),
        _of_problem,
    ),
    **{
        f"minimize-{name}": (
            lambda A, o=options: minimize(problem({"lower.hessian": lambda x, y: A}), X0, Y0, maxiter=9, **o),
            _of_problem,
        )
        for name, options in METHODS.items()
    },
    "problem.check": (
        lambda A: problem({"lower.hessian": lambda x, y: A, "lower.mu": 1.0}).check(X0, Y0, rng=0),
        _of_problem,
    ),
}


def run(p=None, method: str = "lancbio", **changes):
    """A short run."""
    return minimize(p or problem(), X0, Y0, **{**METHODS[method], "maxiter": 5, **changes})


# (entry, argument, length, call): a vector given to every public entry point that takes one
VECTOR_ARGUMENTS = [
    ("lanczos", "q1", N, lambda v: lanczos(A, v, 3)),
    ("LanczosProcess", "q1", None, lambda v: LanczosProcess(v)),
    ("lanczos_solve", "b", N, lambda v: lanczos_solve(A, v)),
    ("lanczos_solve", "x0", N, lambda v: lanczos_solve(A, B, v)),
    ("lanczos_solve-b=0", "x0", N, lambda v: lanczos_solve(A, 0 * B, v)),
    ("Linearization", "b", None, lambda v: point(b=v)),
    ("Linearization", "c", None, lambda v: point(c=v)),
    ("Linearization", "grad_y", N, lambda v: point(grad_y=v)),
    ("Linearization.hypergradient", "v0", N, lambda v: point().hypergradient(v0=v)),
    ("hypergradient", "x", None, lambda v: hypergradient(problem(), v, Y0)),
    ("hypergradient", "y", N, lambda v: hypergradient(problem(), X0, v)),
    ("hypergradient", "v0", N, lambda v: hypergradient(problem(), X0, Y0, v0=v)),
    ("lower_solution", "x", None, lambda v: lower_solution(problem(), v, tol=1e-8)),
    ("lower_solution", "y0", N, lambda v: lower_solution(problem(), X0, v, tol=1e-8)),
    ("minimize", "x0", None, lambda v: minimize(problem(), v, Y0, **METHODS["lancbio"])),
    ("minimize", "y0", N, lambda v: minimize(problem(), X0, v, **METHODS["lancbio"])),
    ("minimize", "v0", N, lambda v: minimize(problem(), X0, Y0, v0=v, **METHODS["subbio"])),
    ("problem.check", "x", None, lambda v: problem().check(v, Y0)),
    ("problem.check", "y", None, lambda v: problem().check(X0, v)),
]

# (entry, argument, shape, call): a matrix
MATRIX_ARGUMENTS = [
    ("lanczos", "A", (N, N), lambda m: lanczos(m, B, 3)),
    ("LanczosProcess.step", "A", (N, N), lambda m: LanczosProcess(B).step(m)),
    ("LanczosProcess", "M", (N, N), lambda m: LanczosProcess(B, M=m)),
    ("lanczos_solve", "A", (N, N), lambda m: lanczos_solve(m, B)),
    ("lanczos_solve", "M", (N, N), lambda m: lanczos_solve(A, B, M=m)),
    ("Linearization", "A", (N, N), lambda m: point(m)),
    ("Linearization", "J", (N_X, N), lambda m: point(J=m)),
    ("Linearization", "M", (N, N), lambda m: point(M=m)),
    ("certify_mu", "A", (N, N), lambda m: certify_mu(m, 0.5)),
]

# (entry, argument, call): a number
NUMBER_ARGUMENTS = [
    ("lanczos_solve", "rtol", lambda t: lanczos_solve(A, B, rtol=t)),
    ("lanczos_solve", "atol", lambda t: lanczos_solve(A, B, atol=t)),
    ("Linearization", "mu", lambda t: point(mu=t)),
    ("Linearization", "smoothness", lambda t: point(smoothness=t)),
    ("Linearization", "cross_norm", lambda t: point(cross_norm=t)),
    ("Linearization.hypergradient", "rtol", lambda t: point().hypergradient(rtol=t)),
    ("Linearization.hypergradient", "mu", lambda t: point().hypergradient(mu=t)),
    ("hypergradient", "rtol", lambda t: hypergradient(problem(), X0, Y0, rtol=t)),
    ("hypergradient", "lower_tol", lambda t: hypergradient(problem(), X0, lower_tol=t)),
    ("lower_solution", "tol", lambda t: lower_solution(problem(), X0, tol=t)),
    ("LowerLevel", "LowerLevel.mu", lambda t: problem({"lower.mu": t})),
    ("minimize", "tol", lambda t: run(tol=t)),
    ("minimize", "step_x", lambda t: run(step_x=t)),
    ("minimize", "step_y", lambda t: run(step_y=t)),
    ("minimize", "step_v", lambda t: run(method="subbio", step_v=t)),
    ("certify_mu", "mu", lambda t: certify_mu(A, t)),
]


def ids(rows) -> list[str]:
    """Readable names for the rows of a table."""
    return [f"{row[0]}-{row[1]}" for row in rows]
