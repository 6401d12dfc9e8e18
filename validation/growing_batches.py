"""Recycled Krylov–Newton on mini-batches: does it pay?

A difference of two batches is noise, so the method runs on the problem of *one* batch of both levels. H and M are
kept, and the batch doubles where its sampling error is all that is left to see,

    ‖h‖ ≤ ‖h_B′ − h_B‖/√2

with the jump of h at the x where the last batch B gave way to B′, twice as large (the norm test of R. H. Byrd, G. M.
Chin, J. Nocedal and Y. Wu, Math. Program. 134, 2012). The last batch is all samples. Work is that of the contest, and
a batch of b among n samples counts b/n. Against it: the method on all samples from the start, and SOBA and StocBiO on
batches of an eighth at the best of one grid of steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
from common import DATA, FAILS, HOLDS, Verdict, table
from contest.contestants import OWN, Ring
from contest.referee import counts, weighted
from contest.suite import SUITE

from lancbio_ref import LancbioError, minimize
from lancbio_ref.methods import RecycledNewton
from lancbio_ref.rounding import norm2

NAME, TITLE = "growing_batches", "The own method on growing batches"
PROBLEMS = ("cleaning-digits-0.5", "logistic-a9a")
TARGETS = (0.3, 0.1, 0.03, 0.01)
FIRST = 1 / 8
MOST = 200.0  # of W
STEPS_X, STEPS_Y = (1.0, 5.0, 25.0), (0.2, 0.5)
GROWING, WHOLE = "growing batches", "all samples"
RIVALS = ("soba", "stocbio")


def missing_data() -> str:
    return "" if (DATA / "libsvm").is_dir() else "no libsvm in the data folder"


def measure(full: bool) -> dict[str, Any]:
    """One seed; three with ``--full``."""
    runs = []
    for seed in range(1, 4 if full else 2):
        for name in PROBLEMS:
            ring = Ring(SUITE[name], seed)
            runs.append(line(ring, name, GROWING, iterates(ring, FIRST)))
            runs.append(line(ring, name, WHOLE, iterates(ring, 1.0)))
            runs += [best(ring, name, method) for method in RIVALS]
    return dict(runs=runs)


def line(ring: Ring, name: str, who: str, found: Iterator[tuple[float, np.ndarray]], **more: Any) -> dict[str, Any]:
    """W at which the true ‖∇φ‖ was first below each target."""
    at: dict[str, float | None] = dict.fromkeys(map(str, TARGETS))
    looked, norm = 0.0, math.inf
    for work, x in found:
        if work >= 1.25 * looked:
            looked, norm = work, ring.rough.norm(x)
            for target in TARGETS:
                if norm <= target * ring.start_norm and at[str(target)] is None:
                    at[str(target)] = work
        if work > MOST or at[str(TARGETS[-1])] is not None:
            break
    return dict(problem=name, seed=ring.seed, who=who, at=at, W=looked, norm=norm / ring.start_norm) | more


def iterates(ring: Ring, fraction: float) -> Iterator[tuple[float, np.ndarray]]:
    """(W, x) of the method, from a batch of this part of the samples to all of them."""
    start, method, rng = ring.start, RecycledNewton(), np.random.default_rng(ring.seed)
    x, y, v, H, M, work, wanted = start.x0, start.y0, start.v0, None, None, 0.0, 0.0
    before: np.ndarray | None = None
    while True:
        problem = start.problem if fraction >= 1 else batch(start.problem, fraction, rng)
        problem.calls.clear()
        state = method.init(problem, x, y, v, rng)
        state.H, state.M = H or state.H, M or state.M
        while True:
            try:
                state = method.step(problem, state)
            except LancbioError:
                return
            assert state.h is not None
            if state.k == 1:
                wanted = 0.3 * norm2(state.h) if before is None else norm2(state.h - before) / math.sqrt(2)
            yield work + fraction * weighted(counts(problem)), state.x
            if fraction >= 1 and state.ended is not None:
                return
            if fraction < 1 and (norm2(state.h) <= wanted or state.ended is not None):
                break
        work += fraction * weighted(counts(problem))
        x, y, v, H, M, before, fraction = state.x, state.y, state.v, state.H, state.M, state.h, 2 * fraction


def batch(problem: Any, fraction: float, rng: np.random.Generator) -> Any:
    """The problem of one draw of both levels."""
    upper, lower = (np.sort(rng.choice(n, round(fraction * n), replace=False)) for n in problem.n_samples)
    return problem.minibatch(upper=upper, lower=lower)


def best(ring: Ring, name: str, method: str) -> dict[str, Any]:
    """A method on fresh batches of `FIRST`, at the steps with which it came nearest."""
    tries = []
    for a in STEPS_X:
        for b in STEPS_Y:
            options = dict(step_x=a * ring.unit_x, step_y=b / ring.curvature)
            options |= dict(step_v=options["step_y"]) if method == "soba" else {}
            seen = list(stochastic(ring, method, options))
            tries.append((ring.rough.norm(seen[-1][1]) if seen else math.inf, len(tries), options, seen))
    _, _, options, seen = min(tries, key=lambda tried: tried[:2])
    return line(ring, name, method, iter(seen), options=options)


def stochastic(ring: Ring, method: str, options: dict[str, float]) -> Iterator[tuple[float, np.ndarray]]:
    start, seen = ring.start, []

    def look(state: Any) -> None:
        spent = state.n_hvp + state.n_grad + 0.5 * state.n_cross + state.n_grad_upper
        seen.append((FIRST * spent, state.x.copy()))
        if seen[-1][0] > MOST:
            raise StopIteration

    sizes = tuple(round(FIRST * n) for n in start.problem.n_samples)
    with suppress(LancbioError, ArithmeticError, ValueError):
        minimize(
            start.problem, start.x0, start.y0, v0=start.v0, method=method, maxiter=10**5, rng=ring.seed,
            batch_size=sizes, callback=look, **options,
        )  # fmt: skip
    yield from seen


def verdicts(found: dict[str, Any]) -> list[Verdict]:
    each = {(run["problem"], run["seed"], run["who"]): run["at"] for run in found["runs"]}
    pays, all_words = True, []
    for problem, seed in dict.fromkeys((p, s) for p, s, _ in each):
        grown, whole = (each[problem, seed, who][str(TARGETS[-1])] for who in (GROWING, WHOLE))
        pays &= grown is not None and (whole is None or grown <= 0.9 * whole)
        all_words.append(f"{problem}: {word(grown)} against {word(whole)}")
    claim = f"{OWN} reaches 0.01 of ‖∇φ(x_0)‖ with less work on growing batches than on all samples"
    return [Verdict(claim, HOLDS if pays else FAILS, "; ".join(all_words))]


def word(work: float | None) -> str:
    return "–" if work is None else f"{work:.0f}"


def section(found: dict[str, Any]) -> str:
    rows = [
        [
            run["problem"],
            str(run["seed"]),
            run["who"],
            *map(word, run["at"].values()),
            "lost" if run["norm"] is None else f"{run['norm']:.2g}",
        ]
        for run in found["runs"]
    ]
    head = ["problem", "seed", "who", *(f"W to {target}" for target in TARGETS), "of ‖∇φ(x_0)‖ at the end"]
    note = f"A batch of b among n samples counts b/n; – is not within W = {MOST:g}."
    return f"{note} SOBA and StocBiO: batches of an eighth.\n\n{table(head, rows)}"
