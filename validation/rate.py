"""min_{k ≤ K} ‖∇φ(x_k)‖² decays at least as 1/K, measured with the true ∇φ.

At 30 iterations, evenly spaced in log k, the lower level is solved to 1e-10 and the linear system with a certificate;
the slope of log min ‖∇φ‖² over log K is fitted to the later half of them. −1 or steeper is what the theorem promises
(Yang, Gao, Yuan, ICLR 2025, for steps short enough).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from common import CAVEAT, FAILS, HOLDS, Verdict, in_parallel, table

from lancbio_ref import hypergradient, lower_solution, minimize, problems
from lancbio_ref.rounding import norm2

NAME, TITLE = "rate", "The rate of LancBiO"
CASES = {
    "synthetic, n = 100, κ = 10": ("synthetic", dict(n=100, condition=10.0), dict(step_x=0.1, step_y=0.05)),
    "synthetic, n = 100, κ = 1000": ("synthetic", dict(n=100, condition=1e3), dict(step_x=0.1, step_y=5e-4)),
    "ridge, 20 features": ("ridge", {}, dict(step_x=0.1, step_y=0.03)),
}
DIMENSIONS = (1, 10)


def measure(full: bool) -> dict[str, Any]:
    """K = 2000 and 3 seeds (10⁴ and 10 with ``--full``), m = 1 and 10, N = 5."""
    maxiter, seeds = (10_000, 10) if full else (2000, 3)
    tasks = [(case, m, seed, maxiter) for case in CASES for m in DIMENSIONS for seed in range(1, seeds + 1)]
    return dict(maxiter=maxiter, seeds=seeds, runs=in_parallel(one_run, tasks, "runs"))


def one_run(task: tuple) -> dict[str, Any]:
    """min_{j ≤ k} ‖∇φ(x_j)‖² over the evaluated iterations, and the fitted slope."""
    case, m, seed, maxiter = task
    kind, sizes, steps = CASES[case]
    rng = np.random.default_rng(seed)
    if kind == "synthetic":
        problem = problems.synthetic(**sizes, rng=rng)
        x0, y0, v0 = problem.initial_point(rng)
    else:
        problem = problems.random_ridge(40, 40, 20, rng=rng)
        x0, y0, v0 = rng.standard_normal(20), rng.standard_normal(20), np.zeros(20)
    wanted = np.unique(np.geomspace(1, maxiter, 30).astype(int))
    norms = []

    def evaluate(state: Any) -> None:
        if state.k in wanted:
            y = lower_solution(problem, state.x, state.y, tol=1e-10).y
            norms.append(norm2(hypergradient(problem, state.x, y, rtol=1e-10, v0=state.v).value))

    minimize(problem, x0, y0, v0=v0, maxiter=maxiter, inner_steps=5, subspace=m, callback=evaluate, **steps)
    smallest = np.minimum.accumulate(np.square(norms))
    later = wanted >= np.sqrt(maxiter)
    slope = float(np.polyfit(np.log(wanted[later]), np.log(np.maximum(smallest[later], 1e-300)), 1)[0])
    return dict(case=case, m=m, seed=seed, k=wanted.tolist(), smallest=smallest.tolist(), slope=slope)


def verdicts(found: dict[str, Any]) -> list[Verdict]:
    slopes = [run["slope"] for run in found["runs"]]
    slow = [run for run in found["runs"] if run["slope"] > -1]
    flat = [f"{run['case']}, m = {run['m']}, seed {run['seed']}: {run['slope']:.2f}" for run in slow]
    outcome = HOLDS if not slow else CAVEAT if len(slow) <= len(slopes) // 4 else FAILS
    words = f"fitted exponents of K between {min(slopes):.2f} and {max(slopes):.2f} in {len(slopes)} runs,"
    words += f" K = {found['maxiter']}"
    if flat:
        words += "; flatter than −1: " + "; ".join(flat)
    return [Verdict("min_k ‖∇φ(x_k)‖² decays at least as 1/K", outcome, words)]


def section(found: dict[str, Any]) -> str:
    rows = []
    for case in CASES:
        for m in DIMENSIONS:
            mine = [run for run in found["runs"] if (run["case"], run["m"]) == (case, m)]
            slopes = [run["slope"] for run in mine]
            ends = [run["smallest"][-1] for run in mine]
            first = [run["smallest"][0] for run in mine]
            rows.append(
                [
                    case,
                    m,
                    f"{np.median(first):.1e}",
                    f"{np.median(ends):.1e}",
                    f"{np.median(slopes):.2f}",
                    f"{max(slopes):.2f}",
                ]
            )
    header = ["problem", "m", "‖∇φ(x_1)‖²", "min_k ‖∇φ(x_k)‖²", "exponent, median", "exponent, flattest"]
    return f"K = {found['maxiter']}, {found['seeds']} seeds; exponent fitted for k ≥ √K.\n\n" + table(header, rows)


def figure(found: dict[str, Any]) -> Any:
    from matplotlib.figure import Figure

    sheet = Figure(figsize=(12, 4), layout="constrained")
    axes = sheet.subplots(1, len(CASES))
    for ax, case in zip(axes, CASES, strict=True):
        for m, color in zip(DIMENSIONS, ("#D55E00", "#0072B2"), strict=True):
            mine = [run for run in found["runs"] if (run["case"], run["m"]) == (case, m)]
            for number, run in enumerate(mine):
                ax.loglog(run["k"], run["smallest"], color=color, lw=1.2, label=f"m = {m}" if number == 0 else None)
        k = np.array(mine[0]["k"], dtype=float)
        ax.loglog(k, max(run["smallest"][0] for run in mine) / k, color="#5F5F5F", ls="--", label="1/K")
        ax.set(title=case, xlabel="K", ylabel=r"$\min_{k\leq K}\|\nabla\varphi(x_k)\|^2$")
        ax.grid(color="#E4E4E4")
        ax.legend(fontsize=8, frameon=False)
    return sheet
