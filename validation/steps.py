"""Steps that a method finds by itself, against the best of a 7 × 7 grid of steps given by hand.

For every ready problem and method 49 runs with steps from a grid, in three rounds as in `contest/contestants.py`, and
one without any step. W is the work that the problem was asked for (`contest/referee.py`); φ itself is looked at
whenever W has grown by a fifth. The *target* of a problem and method is 10⁻⁴ of the gap φ(x_0) − min φ, or, where none
comes so far, what the best run of the grid comes to within its budget, plus a thousandth of the gap: four methods are
biased, two of them random, and where min φ lies at infinity nobody is near. The ratio is W of the run without steps to
the target over W of the best run of the grid; the other 48 count for nothing.

*Where that is missed*, the grid is run again under another rule: a run is there only where it *stays* below the target,
at all looks until its W has doubled, and does not end in an exception. For the best of 49 is often a run that passes
through the target on its way to a divergence. Both numbers are shown.

Finished runs are kept as they end: a measurement that was cut off goes on where it was.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from common import CAVEAT, FAILS, HERE, HOLDS, Verdict, table
from contest.contestants import STEPS_X, STEPS_Y
from contest.referee import RoughTruth, counts, weighted
from contest.suite import Start

from lancbio_ref import LancbioError, lanczos, minimize, problems
from lancbio_ref.datasets import load_digits
from lancbio_ref.jobs.settings import OPTIONS, default_options
from lancbio_ref.methods import names

NAME, TITLE = "steps", "Steps that choose themselves"
LINES = HERE / "kept" / "steps.jsonl"
METHODS = tuple(name for name in names() if "step_y" in OPTIONS[name])
BUDGET, GAP, EXCUSED, LOOK, SEED = 1500.0, 1e-4, 1e-3, 1.2, 1
STAY = 2.0  # times the W at which a run is there: how long it has to stay
ROUNDS = ((150.0, 8), (600.0, 2), (BUDGET, 0))  # W of each run, and how many go on
ALLOWED = 3.0
CHOSEN_ON = (
    "quadratic",
    "ridge",
    "synthetic",
)  # all methods there, and lancbio everywhere: what the rules were chosen on


# -- the problems --------------------------------------------------------------------------


def digits(classes: int, samples: int) -> tuple[np.ndarray, ...]:
    """Images and labels of the first classes: `samples` to train, as many to validate."""
    images, labels = load_digits()
    chosen = np.flatnonzero(labels < classes)[: 2 * samples]
    X = images[chosen][:, ::4] / 16.0
    return X[:samples], labels[chosen][:samples], X[samples:], labels[chosen][samples:]


def start_of(problem: Any, rng: np.random.Generator | None = None) -> Start:
    """x_0 = 0 or drawn, y_0 = v_0 = 0."""
    x0 = np.zeros(problem.n_x) if rng is None else rng.standard_normal(problem.n_x)
    return Start(problem, x0, np.zeros(problem.n_y), np.zeros(problem.n_y))


def synthetic() -> Start:
    rng = np.random.default_rng(SEED)
    problem = problems.synthetic(30, 100.0, rng=rng)
    return Start(problem, *problem.initial_point(rng))


def cleaning() -> Start:
    X, labels, X_val, labels_val = digits(3, 100)
    rng = np.random.default_rng(SEED)
    noisy = np.where(rng.random(labels.size) < 0.5, rng.integers(3, size=labels.size), labels)
    return start_of(problems.data_cleaning(X, noisy, X_val, labels_val, n_classes=3))


def huber() -> Start:
    rng = np.random.default_rng(SEED)
    X, w = rng.standard_normal((80, 15)), rng.standard_normal(15)
    y = X @ w + 0.3 * rng.standard_t(2, 80)
    return start_of(problems.generalized_linear(X[:40], y[:40], validation=(X[40:], y[40:]), loss="huber"))


PROBLEMS: dict[str, Callable[[], Start]] = {
    "quadratic": lambda: start_of(problems.quadratic(10, 30, 30.0, rng=SEED), np.random.default_rng(SEED)),
    "ridge": lambda: start_of(problems.random_ridge(40, 40, 20, rng=SEED), np.random.default_rng(SEED)),
    "synthetic": synthetic,
    "logistic": lambda: start_of(problems.logistic(*digits(2, 100))),
    "cleaning": cleaning,
    "huber": huber,
    "folds": lambda: start_of(problems.Folds([problems.random_ridge(20, 20, 10, rng=seed) for seed in (1, 2, 3)])),
}


# -- one run -------------------------------------------------------------------------------


def one_run(
    start: Start,
    truth: RoughTruth,
    goal: float,
    method: str,
    options: dict[str, Any],
    budget: float = BUDGET,
    *,
    stays: bool = False,
) -> dict[str, Any]:
    """(W, φ) at the looks, until φ ≤ `goal`, or has been for as long as it has to be, or the budget is spent."""
    looks: list[tuple[float, float]] = []
    since = math.inf  # W from which on φ ≤ goal
    start.problem.calls.clear()

    def look(state: Any) -> None:
        nonlocal since
        work = weighted(counts(start.problem))
        if work < LOOK * (looks[-1][0] if looks else 10.0):
            return
        looks.append((round(work, 1), value(truth, state)))
        since = min(since, work) if looks[-1][1] <= goal else math.inf
        if work >= (budget if since == math.inf else STAY * since if stays else since):
            raise StopIteration

    began, why = time.process_time(), ""
    try:
        found = minimize(
            start.problem, start.x0, start.y0, v0=start.v0, method=method, maxiter=10**6, rng=SEED, callback=look,
            **options,
        )  # fmt: skip
        why = found.status.name
    except (LancbioError, ArithmeticError, ValueError, np.linalg.LinAlgError) as error:
        why = f"{type(error).__name__}: {error}"[:160]
    return dict(looks=looks, end=why, seconds=round(time.process_time() - began, 2))


def value(truth: RoughTruth, state: Any) -> float:
    """φ(x), from the y at hand; infinite where it cannot be evaluated."""
    truth.y0 = state.y
    found = truth.at(state.x)[1]
    return found if math.isfinite(found) else math.inf


def grid(start: Start, norm: float, method: str) -> Iterator[dict[str, Any]]:
    """49 settings: steps of y and v in units of 1/λ_max(A), of x in moves by one in every coordinate."""
    A = start.problem.hessian(start.x0, start.y0)
    run = lanczos(A, np.random.default_rng(0).standard_normal(start.y0.size), min(20, start.y0.size))
    curvature = float(np.abs(np.linalg.eigvalsh(run.T)).max())
    for y in reversed(STEPS_Y):  # first those that are good most often, so that the others need not run on
        for x in sorted(STEPS_X, key=lambda x: abs(math.log(x))):
            step_y = float(f"{y / curvature:.3g}")
            steps = dict(step_x=float(f"{x * math.sqrt(start.x0.size) / norm:.3g}"), step_y=step_y, step_v=step_y)
            yield default_options("ridge", method) | {k: s for k, s in steps.items() if k in OPTIONS[method]}


def kept() -> dict[tuple[str, str, bool], dict[str, Any]]:
    """What was measured so far, by problem, method, and whether a run has to stay."""
    if not LINES.exists():
        return {}
    entries = [json.loads(line) for line in LINES.read_text().splitlines()]
    return {(entry["problem"], entry["method"], entry.get("stays", False)): entry for entry in entries}


def lowest(start: Start) -> float:
    """φ where the method without steps ends: nearly its minimum."""
    found = minimize(start.problem, start.x0, start.y0, v0=start.v0, method="recycled-newton", maxiter=100, tol=1e-9)
    return found.fun


def measure_grid(problem: str, method: str, stays: bool = False) -> dict[str, Any]:
    """The 49 runs of one problem and method, in a line of the file."""
    start = PROBLEMS[problem]()
    truth = RoughTruth(PROBLEMS[problem]().problem, start.y0)
    norm, first = truth.at(start.x0)
    low = lowest(PROBLEMS[problem]())
    goal = low + GAP * (first - low)
    tried: list[dict[str, Any]] = [dict(options=options) for options in grid(start, norm, method)]
    runs: list[dict[str, Any]] = []
    for budget, kept_next in ROUNDS:
        for entry in tried:
            entry |= one_run(start, truth, goal, method, entry["options"], budget, stays=stays)
        runs += tried
        tried = [
            dict(options=entry["options"]) for entry in sorted(tried, key=lambda e: rank(e, goal, stays))[:kept_next]
        ]
    reached = min((value for run in runs for _, value in there(run, stays)), default=first)
    target = goal if reached <= goal else reached + EXCUSED * (first - reached)
    best = min(runs, key=lambda run: work_to(run, target, stays))
    best |= dict(options={name: value for name, value in best["options"].items() if name.startswith("step_")})
    return dict(
        problem=problem, method=method, stays=stays, first=first, low=low, target=target, best=best,
        work=work_to(best, target, stays), failed=sum(":" in run["end"] for run in runs[:49]),
        seconds=round(sum(run["seconds"] for run in runs), 1),
    )  # fmt: skip


def measure_auto(problem: str, method: str, target: float, budget: float, stays: bool = False) -> dict[str, Any]:
    """The run without steps."""
    start = PROBLEMS[problem]()
    truth = RoughTruth(PROBLEMS[problem]().problem, start.y0)
    return one_run(start, truth, target, method, {}, budget, stays=stays)


def rank(run: dict[str, Any], goal: float, stays: bool = False) -> tuple[float, float]:
    """The better of two runs of the same budget: W to the goal, φ at the end; an exception is a step too long."""
    last = run["looks"][-1][1] if run["looks"] and ":" not in run["end"] else math.inf
    return work_to(run, goal, stays), last


def work_to(run: dict[str, Any], target: float, stays: bool = False) -> float:
    """W at the first look at or below `target`; infinite where there is none."""
    return min((work for work, value in there(run, stays) if value <= target), default=math.inf)


def there(run: dict[str, Any], stays: bool) -> list[tuple[float, float]]:
    """(W, φ) at the looks; where it has to stay, the largest φ until W has doubled, if no exception ends the run."""
    looks = run["looks"]
    if not stays:
        return looks
    if ":" in run["end"]:
        return []
    return [(work, max(value for at, value in looks if work <= at <= STAY * work)) for work, _ in looks]


def measure(full: bool) -> dict[str, Any]:
    """All problems and methods; grids that are there are not made again."""
    measured = kept()
    LINES.parent.mkdir(parents=True, exist_ok=True)

    def grid_of(problem: str, method: str, stays: bool) -> None:
        if (problem, method, stays) not in measured:
            entry = measured[problem, method, stays] = measure_grid(problem, method, stays)
            with LINES.open("a") as file:
                file.write(json.dumps(entry) + "\n")
            print(f"  {problem}, {method}: best W {entry['work']:.0f}, {entry['seconds']} s", flush=True)

    for problem in PROBLEMS:
        for method in METHODS:
            grid_of(problem, method, False)
    pairs = [pair_of(problem, method, measured) for problem in PROBLEMS for method in METHODS]
    for pair in pairs:
        if ratio(pair) > ALLOWED:
            grid_of(pair["problem"], pair["method"], True)
            pair["staying"] = pair_of(pair["problem"], pair["method"], measured, stays=True)
    return dict(pairs=pairs, budget=BUDGET, possible=len(PROBLEMS) * len(METHODS))


def pair_of(
    problem: str, method: str, measured: dict[tuple[str, str, bool], dict[str, Any]], *, stays: bool = False
) -> dict[str, Any]:
    """The run without steps beside the grid of a problem and method."""
    entry = measured[problem, method, stays]
    auto = measure_auto(problem, method, entry["target"], max(4 * entry["work"], 400.0), stays)
    return beside(entry, auto, stays)


def beside(entry: dict[str, Any], auto: dict[str, Any], stays: bool) -> dict[str, Any]:
    """What the report has of a grid and a run without steps."""
    mine, gap = work_to(auto, entry["target"], stays), entry["first"] - entry["low"]
    return dict(
        problem=entry["problem"], method=entry["method"], target=(entry["target"] - entry["low"]) / gap,
        work=entry["work"], best=entry["best"]["options"], failed=entry["failed"],
        auto=mine if math.isfinite(mine) else None, last=(auto["looks"][-1][1] - entry["low"]) / gap, end=auto["end"],
    )  # fmt: skip


# -- the report ----------------------------------------------------------------------------


def ratio(pair: dict[str, Any]) -> float:
    """W without steps over that of the best of the grid."""
    return math.inf if pair["auto"] is None else pair["auto"] / pair["work"]


def verdicts(found: dict[str, Any]) -> list[Verdict]:
    pairs = found["pairs"]
    missed = [pair for pair in pairs if ratio(pair) > ALLOWED]
    worse = ", ".join(f"{p['problem']} {p['method']}" for p in missed)
    everything = len(pairs) == found["possible"]
    finite = [ratio(pair) for pair in pairs if math.isfinite(ratio(pair))]
    words = f"{len(pairs) - len(missed)} of {len(pairs)} pairs (of {found['possible']} that there are), median ratio"
    words += f" {np.median(finite):.2f} where the target is reached" if finite else " of none"
    for about, part in (("the rules were chosen on", True), ("were measured after that", False)):
        there = [pair for pair in pairs if (pair["problem"] in CHOSEN_ON or pair["method"] == "lancbio") == part]
        words += f"; of the {len(there)} that {about}: {sum(ratio(pair) <= ALLOWED for pair in there)}"
    words += f"; not: {worse}" if missed else ""
    again = [pair["staying"] for pair in missed if "staying" in pair]
    fair = [f"{p['problem']} {p['method']}" for p in again if ratio(p) <= ALLOWED]
    if again:
        words += f"; of these, where runs have to stay at the target, {len(fair)} of {len(again)}: {', '.join(fair)}"
    outcome = HOLDS if not missed and everything else CAVEAT if len(missed) <= len(pairs) / 3 else FAILS
    broken = [f"{p['problem']} {p['method']}" for p in pairs if ":" in p["end"]]
    failed = sum(pair["failed"] for pair in pairs)
    return [
        Verdict(f"without a step, at most {ALLOWED:g} × the work of the best of 49 steps", outcome, words),
        Verdict(
            "no run without steps ends in an exception",
            FAILS if broken else HOLDS if everything else CAVEAT,
            f"{len(pairs) - len(broken)} of {len(pairs)} runs; of {49 * len(pairs)} with steps of a grid {failed} do",
        ),
    ]


def section(found: dict[str, Any]) -> str:
    about = (
        "W in products (`contest/referee.py`), to a gap of φ that is a part of the first one. Where the best of the"
        f" grid was there in its second iteration, W = {min(p['work'] for p in found['pairs']):.0f}, a first step that"
        " nobody would dare had luck: a run that knows nothing begins with a tenth of x.\n\n"
    )
    rows = [
        [p["problem"], p["method"], f"{p['target']:.1e}", f"{p['work']:.0f}",
         "–" if p["auto"] is None else f"{p['auto']:.0f}", "–" if p["auto"] is None else f"{ratio(p):.2f}",
         f"{p['last']:.1e}", p["failed"]]
        for p in found["pairs"]
    ]  # fmt: skip
    rows += [
        [p["problem"], p["method"] + ", staying", f"{p['target']:.1e}", f"{p['work']:.0f}",
         "–" if p["auto"] is None else f"{p['auto']:.0f}", "–" if p["auto"] is None else f"{ratio(p):.2f}",
         f"{p['last']:.1e}", p["failed"]]
        for p in (pair["staying"] for pair in found["pairs"] if "staying" in pair)
    ]  # fmt: skip
    header = ["problem", "method", "gap", "W, best of 49", "W, no step", "ratio", "gap at the end", "exceptions of 49"]
    return about + table(header, rows)
