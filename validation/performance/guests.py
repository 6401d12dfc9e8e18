"""A hyper-gradient of functions of JAX and of PyTorch, beside what their users have: processor time at equal error.

    python validation/performance/guests.py               # JAX needs jax and jaxopt, PyTorch needs torch
    python validation/performance/guests.py jax 1000 500  # a framework, n_y and rows (0: three entries a row of A)

JAX: jaxopt's ``root_vjp`` with ``solve_cg``, jitted. There is no jaxopt for PyTorch: conjugate gradients of ten lines
over products of ``torch.func.vjp``, and over those of a double backward pass. All stop at the same ‖b − A v‖/‖b‖. One
thread; runs in turn at two points; minima, and the median of the ratios of pairs.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from lancbio_ref import hypergradient, lower_solution

RTOL = 1e-8
CASES = ((100, 200), (1000, 500), (1000, 1000), (1000, 0), (30_000, 0))
Solve = Callable[[np.ndarray, np.ndarray], np.ndarray]


def data(n: int, rows: int) -> tuple[np.ndarray, ...]:
    """X, t, X_val and t_val of a logistic regression; t alone of a chain."""
    rng = np.random.default_rng(0)
    if not rows:
        return (rng.standard_normal(n),)
    X, X_val = rng.standard_normal((2, rows, n)) / math.sqrt(n)
    truth = rng.standard_normal(n)
    t, t_val = (np.sign(Z @ truth + 0.3 * rng.standard_normal(rows)) for Z in (X, X_val))
    return X, t, X_val, t_val


def levels(softplus: Any, exp: Any) -> tuple[Any, Any, Any, Any]:
    """f and g of the regression with a penalty a feature, and of the chain; of either framework."""

    def f(x: Any, y: Any, X: Any, t: Any, X_val: Any, t_val: Any) -> Any:
        return softplus(-t_val * (X_val @ y)).mean()

    def g(x: Any, y: Any, X: Any, t: Any, X_val: Any, t_val: Any) -> Any:
        return softplus(-t * (X @ y)).mean() + 0.5 * (exp(x) * y**2).sum()

    def f_chain(x: Any, y: Any, t: Any) -> Any:
        return ((y - t) ** 2).sum()

    def g_chain(x: Any, y: Any, t: Any) -> Any:
        return softplus(-t * y).sum() + 0.5 * (exp(x) * y**2).sum() + 5 * ((y[1:] - y[:-1]) ** 2).sum()

    return f, g, f_chain, g_chain


def of_jax(n: int, rows: int) -> tuple[Any, dict[str, Solve]]:
    """The problem, and jaxopt's way."""
    import jax
    import jax.numpy as jnp
    from jaxopt import implicit_diff, linear_solve

    from lancbio_ref.adapters.jax import problem

    jax.config.update("jax_enable_x64", True)
    f, g = levels(jax.nn.softplus, jnp.exp)[0 if rows else 2 :][:2]
    args, x0 = tuple(map(jnp.asarray, data(n, rows))), np.full(n, -6.0 if rows else 0.0)

    @jax.jit
    def theirs(x: Any, y: Any, args: Any) -> Any:
        c, b = jax.grad(f, (0, 1))(x, y, *args)

        def solve(product: Any, b: Any) -> Any:
            return linear_solve.solve_cg(product, b, tol=RTOL, maxiter=10 * n)

        return c + implicit_diff.root_vjp(lambda y, x: jax.grad(g, 1)(x, y, *args), y, (x,), b, solve=solve)[0]

    ours = problem(f, g, x0, np.zeros(n), args=args, mu=1e-4 if rows else 0.01)
    return ours, {"jaxopt": lambda x, y: np.asarray(theirs(x, y, args))}


def of_torch(n: int, rows: int) -> tuple[Any, dict[str, Solve]]:
    """The problem, and conjugate gradients by hand."""
    import torch

    from lancbio_ref.adapters.torch import problem

    torch.set_num_threads(1)
    f, g = levels(torch.nn.functional.softplus, torch.exp)[0 if rows else 2 :][:2]
    args, x0 = tuple(map(torch.from_numpy, data(n, rows))), torch.full((n,), -6.0 if rows else 0.0).double()

    def by_hand(x: np.ndarray, y: np.ndarray, functional: bool) -> np.ndarray:
        at = torch.from_numpy(x).requires_grad_(), torch.from_numpy(y).requires_grad_()
        c, r = torch.autograd.grad(f(*at, *args), at, allow_unused=True, materialize_grads=True)
        if functional:
            pull = torch.func.vjp(lambda x, y: torch.func.grad(g, 1)(x, y, *args), *(z.detach() for z in at))[1]
            A, J = (lambda v: pull(v)[1]), (lambda v: pull(v)[0])
        else:
            (slope,) = torch.autograd.grad(g(*at, *args), at[1], create_graph=True)
            J, A = ((lambda v, z=z: torch.autograd.grad(slope, z, v, retain_graph=True)[0]) for z in at)
        v, p, square = torch.zeros_like(r), r, r @ r
        stop = RTOL * square.sqrt()
        while square.sqrt() > stop:
            Ap = A(p)
            gamma = square / (p @ Ap)
            v, r = v + gamma * p, r - gamma * Ap
            before, square = square, r @ r
            p = r + (square / before) * p
        found: np.ndarray = (c - J(v)).numpy()
        return found

    ours = problem(f, g, x0, torch.zeros(n).double(), args=args, mu=1e-4 if rows else 0.01)
    return ours, {"vjp": lambda x, y: by_hand(x, y, True), "double backward": lambda x, y: by_hand(x, y, False)}


FRAMEWORKS = {"jax": of_jax, "torch": of_torch}


def compared(framework: str, n: int, rows: int, pairs: int = 40) -> str:
    """A line of the table."""
    ours, peers = FRAMEWORKS[framework](n, rows)
    points = []
    for seed in range(2):
        x = ours.x0 + 0.3 * np.random.default_rng(seed).standard_normal(n)
        points.append((x, np.array(lower_solution(ours, x, tol=1e-9).y)))
    ways: dict[str, Solve] = {"ours": lambda x, y: hypergradient(ours, x, y, rtol=RTOL).value, **peers}
    exact = hypergradient(ours, *points[0], rtol=1e-13).value
    errors = {name: np.linalg.norm(way(*points[0]) - exact) / np.linalg.norm(exact) for name, way in ways.items()}
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for k in range(pairs):
        for name, way in ways.items():
            began = time.process_time()
            way(*points[k % 2])
            spent[name].append(time.process_time() - began)
    words = [f"ours {1e3 * min(spent['ours']):.2f} ms, error {errors['ours']:.1e}"]
    for name in peers:
        ratio, middle = min(spent["ours"]) / min(spent[name]), np.median(np.divide(spent["ours"], spent[name]))
        words.append(f"over {name} {ratio:.2f} (median {middle:.2f}; its error {errors[name]:.1e})")
    return f"{framework}, n_y = {n}, {rows or 'no'} rows: " + "; ".join(words)


if __name__ == "__main__":
    chosen = [(sys.argv[1], *map(int, sys.argv[2:4]))] if sys.argv[1:] else [(f, *c) for f in FRAMEWORKS for c in CASES]
    for case in chosen:
        print(compared(*case), flush=True)
