"""LancBiO on mini-batches: what the subspace dimension does, and whether one batch a subspace mends it.

The dynamic process tolerates an A that moves slowly. With a fresh batch a product, consecutive columns of T belong to
matrices that differ by their noise, however short the steps are. *Held* runs draw the batch of A once for the m
iterations of a subspace; all other batches stay fresh. Hyper-data cleaning on MNIST, half of the labels wrong, on
pooled images.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from cleaning import missing_data as missing_sets
from cleaning import pooled_instance
from common import CAVEAT, DATA, FAILS, HOLDS, Verdict, in_parallel, spread, table

from lancbio_ref import LancBiO, LancbioError, Minibatched, minimize
from lancbio_ref.jobs.instance import Instance, make_instance
from lancbio_ref.jobs.options import make_comparison
from lancbio_ref.methods import HalvedSteps

NAME, TITLE = "stochastic", "LancBiO on mini-batches"
DIMENSIONS = (1, 2, 5, 10)
BATCHES = ("fresh", "held")


class Held(Minibatched):
    """One batch of A for every `span` outer iterations."""

    span, epoch, kept = 1, -1, None

    def batch(self, quantity: str) -> Any:
        if quantity != "lower.hessian":
            return super().batch(quantity)
        if self.epoch != (self.k - 1) // self.span:
            self.epoch, self.kept = (self.k - 1) // self.span, super().batch(quantity)
        return self.kept


def missing_data() -> str:
    return missing_sets()


def measure(full: bool) -> dict[str, Any]:
    """K = 480 and 2 seeds on 14 × 14 images; K = 3000 and 5 seeds on 28 × 28 with ``--full``."""
    maxiter, seeds = (3000, 5) if full else (480, 2)
    tasks = [
        (m, batches, seed, maxiter, full)
        for seed in range(1, seeds + 1)
        for m in DIMENSIONS
        for batches in (BATCHES if m > 1 else ("fresh",))
    ]
    return dict(maxiter=maxiter, seeds=seeds, runs=in_parallel(one_run, tasks, "runs"))


@lru_cache(maxsize=1)
def _instance(seed: int, full: bool) -> Instance:
    comparison = make_comparison("mnist", dict(data_dir=str(DATA), corruption=0.5, train=20_000))
    return (make_instance if full else pooled_instance)(comparison, seed)


def one_run(task: tuple) -> dict[str, Any]:
    m, batches, seed, maxiter, full = task
    instance = _instance(seed, full)
    problem = (Minibatched if batches == "fresh" else Held)(instance.problem, 256, 256, rng=seed)
    if isinstance(problem, Held):
        problem.span = m
    method = HalvedSteps(LancBiO(step_x=100.0, step_y=0.1, inner_steps=5, subspace=m), maxiter // 6)
    about: dict[str, Any] = dict(m=m, batches=batches, seed=seed)
    options = dict(v0=instance.v0, method=method, maxiter=maxiter, diagnostics_every=maxiter // 30)
    try:
        result = minimize(problem, instance.x0, instance.y0, **options)
    except LancbioError as error:
        return about | dict(failed=str(error))
    residual = result.trace.diagnostics["residual"]
    return about | dict(
        residual=float(np.median(residual[len(residual) // 2 :])),
        accuracy=instance.problem.accuracy(result.y, *instance.test),
        indefinite=float((result.trace["status"] == 2).mean()),
    )


def _cell(found: dict[str, Any], m: int, batches: str) -> list[dict[str, Any]]:
    return [r for r in found["runs"] if (r["m"], r["batches"]) == (m, batches) and "failed" not in r]


def _median(found: dict[str, Any], m: int, batches: str, quantity: str) -> float:
    values = [r[quantity] for r in _cell(found, m, batches)]
    return float(np.median(values)) if values else float("inf")


def verdicts(found: dict[str, Any]) -> list[Verdict]:
    base = _median(found, 1, "fresh", "residual")
    rows = {m: [_median(found, m, batches, "residual") for batches in BATCHES] for m in DIMENSIONS if m > 1}
    better = [m for m, (fresh, _) in rows.items() if fresh < base]
    mended = [m for m, (fresh, held) in rows.items() if held < 0.5 * fresh]
    tame = [m for m, (_, held) in rows.items() if held < 2 * base]
    indefinite = ", ".join(f"m = {m}: {_median(found, m, 'fresh', 'indefinite'):.0%}" for m in DIMENSIONS)
    return [
        Verdict(
            "With a fresh batch a product, a larger subspace gives stochastic LancBiO a smaller residual",
            HOLDS if len(better) == len(rows) else CAVEAT if better else FAILS,
            f"median residual: m = 1 {base:.1e}; "
            + "; ".join(f"m = {m} {fresh:.1e}" for m, (fresh, _) in rows.items())
            + f". The likely cause: the columns of T belong to different matrices; T is indefinite in {indefinite} of"
            " the iterations, and a nearly singular T makes Δv huge, which v̄ then carries into the next subspace",
        ),
        Verdict(
            "Holding the batch of A for a subspace mends that",
            HOLDS if tame == list(rows) else CAVEAT if mended else FAILS,
            "median residual: " + "; ".join(f"m = {m} {held:.1e}" for m, (_, held) in rows.items()) + ", held",
        ),
    ]


def section(found: dict[str, Any]) -> str:
    rows = []
    for m in DIMENSIONS:
        for batches in BATCHES if m > 1 else ("fresh",):
            mine = _cell(found, m, batches)
            failed = found["seeds"] - len(mine)
            columns = [[r[key] for r in mine] for key in ("residual", "accuracy", "indefinite")]
            rows.append(
                [m, batches, spread(columns[0]), spread(columns[1], "{:.2%}"), spread(columns[2], "{:.0%}"), failed]
            )
    header = ["m", "batch of A", "‖A v − b‖, later half", "accuracy of y_K", "iterations with indefinite T", "failed"]
    return (
        f"MNIST, corruption 0.5, 20000 training samples, batches of 256, λ = 100 and θ = 0.1, halved after K/6,"
        f" N = 5, K = {found['maxiter']}, {found['seeds']} seeds; median [smallest, largest].\n\n" + table(header, rows)
    )
