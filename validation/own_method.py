"""The work to ‖∇φ‖ ≤ 10⁻³ and 10⁻⁶ of ‖∇φ(x_0)‖: every method of the package, SciPy on φ, problem by problem.

    python validation/own_method.py [--quick | --full] [--problems A,B] [--contestants A;B] [--seeds 1,2] [--minutes M]
                                    [--times 12] [--seconds 15] [--pages]

Each run is one line of results/own_method.jsonl, written when it ends; what is there already is not run again (delete
a line to have it made anew), so that a measurement can be stopped at any time, and goes on where it was. Work and truth
are the referee's (`contest/referee.py`), the problems are in `contest/suite.py`, the search for steps, the same for
every method, in `contest/contestants.py`. ``--pages`` runs nothing, and makes the report, the figure, the note
and README's bars anew from the lines.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
from common import CAVEAT, DATA, FAILS, HERE, HOLDS, Verdict, machine, rounded, save, table
from contest.contestants import DEFAULT, FULL, OWN, QUICK, Budget, Ring, contestants
from contest.pages import parts, write_pages
from contest.referee import TARGETS, WEIGHTS
from contest.suite import LARGE, MEDIUM, SMALL, SUITE, UNSEEN

from lancbio_ref.files import plain

NAME, TITLE = "own_method", "Work to a stationary point"
LINES = HERE / "results" / "own_method.jsonl"
SCIPY = ("L-BFGS-B", "BFGS", "trust-krylov")
WORSE = 1e-3  # of |φ|: a final φ so much above the lowest is that of a worse stationary point, and said


def missing_data() -> str:
    return "" if (DATA / "libsvm").is_dir() else "no libsvm in the data folder"


# -- the runs ------------------------------------------------------------------------------


def lines() -> list[dict[str, Any]]:
    """All runs so far."""
    return [json.loads(line) for line in LINES.read_text().splitlines()] if LINES.exists() else []


def measure(full: bool) -> dict[str, Any]:
    """One seed, small problems; five seeds and all problems with ``--full``. Only what is not in the file is run."""
    sizes, seeds = ((SMALL, MEDIUM, LARGE), (1, 2, 3, 4, 5)) if full else ((SMALL,), (1,))
    names = [name for name, entry in SUITE.items() if entry.size in sizes]
    run(names, list(contestants()), seeds, FULL if full else DEFAULT)
    return summary()


def run(
    names: Sequence[str], who: Sequence[str], seeds: Sequence[int], budget: Budget, minutes: float = math.inf
) -> None:
    """Make the runs that are missing, seed by seed and problem by problem, until `minutes` are over."""
    known, ends = contestants(), time.monotonic() + 60 * minutes
    who = sorted(who, key=lambda one: one != OWN)  # first, for its work is what `Budget.times` multiplies
    done = {(line["problem"], line["seed"], line["contestant"]): line for line in lines()}
    for seed in seeds:
        for name in names:
            todo = [one for one in who if (name, seed, one) not in done]
            if not todo or not SUITE[name].available or time.monotonic() > ends:
                continue
            ring = Ring(SUITE[name], seed)
            for one in todo:
                if time.monotonic() > ends:
                    break
                first = done.get((name, seeds[0], one))
                settings = None if first is None else first.get("options")
                mine = (done.get((name, seed, OWN)) or {}).get("reached", {}).get("1e-6")
                allowed = budget if one.startswith(OWN) else budget.of_rival(mine and mine["W"])
                start = time.perf_counter()
                found = known[one](ring, allowed, settings)
                line = dict(problem=name, seed=seed, contestant=one, seconds=time.perf_counter() - start)
                line |= found | about(ring, allowed)
                done[name, seed, one] = append(line)
                print(describe(line), flush=True)


def about(ring: Ring, budget: Budget) -> dict[str, Any]:
    start = ring.start
    return dict(
        family=ring.entry.family,
        n_x=start.x0.size,
        n_y=start.y0.size,
        start_norm=ring.start_norm,
        start_phi=ring.start_value,
        budget=dict(work=budget.last, seconds=budget.seconds),
    )


def append(line: dict[str, Any]) -> dict[str, Any]:
    """Write one line; numbers that are not finite become null."""
    made = rounded(plain(line))
    LINES.parent.mkdir(parents=True, exist_ok=True)
    with LINES.open("a") as file:
        file.write(json.dumps(made, allow_nan=False, ensure_ascii=False) + "\n")
    return made


def describe(line: dict[str, Any]) -> str:
    if "skipped" in line:
        return f"{line['problem']:22s} {line['contestant']:26s} skipped: {line['skipped']}"
    at = [f"{name}: {'–' if (r := line['reached'][name]) is None else round(r['W'])}" for name in TARGETS]
    spent, norm, phi = line["spent"], line["norm"] or math.inf, line["phi"] or math.nan
    end = f"W {spent['W']:.0f}, {spent['cpu']:.1f} s, norm {norm:.1e}, phi {phi:.5g} ({line['end']})"
    return f"{line['problem']:22s} {line['contestant']:26s} {', '.join(at)}; {end}"


# -- what they say -------------------------------------------------------------------------


def summary() -> dict[str, Any]:
    """The numbers of the report: of each run what it was, what it spent, and where it ended."""
    kept = ("problem", "seed", "contestant", "options", "search", "skipped", "reached", "norm", "phi", "end", "why")
    kept += ("before",)  # the decision that has changed the method since
    made = lines()
    runs = [
        {key: line[key] for key in kept if key in line} | {key: line.get("spent", {}).get(key) for key in ("W", "cpu")}
        for line in made
    ]
    about = {
        line["problem"]: {key: line[key] for key in ("family", "n_x", "n_y", "start_norm", "start_phi")}
        for line in reversed(made)  # of the first seed
    }
    about = dict(reversed(about.items()))
    seconds = sum(line["seconds"] for line in made)  # searches and all
    budgets = sorted({(line["budget"]["work"], line["budget"]["seconds"]) for line in made})
    return dict(machine=machine(), seconds=seconds, problems=about, budgets=budgets, runs=runs)


class Ratio(NamedTuple):
    """What the best rival needed over what the own method needed, and who that is.

    `more`: at least so much; `above`: what its final φ is above the own, where that is another stationary point.
    """

    value: float
    who: str
    more: bool = False
    above: float = 0.0

    def __str__(self) -> str:
        return f"> {self.value:.1f}" if self.more else f"{self.value:.1f}"


def work(found: dict[str, Any], target: str, column: str = "W", *, least: bool = False) -> dict[str, dict[str, float]]:
    """Contestant → problem → geometric mean over seeds of W, or another column, to `target`; inf if one missed.

    With `least`, a run that its budget ended counts with what it had spent: it would have needed more.
    """
    logs: dict[str, dict[str, list[float]]] = {}
    for line in found["runs"]:
        at = line["reached"][target] if "reached" in line else None
        value = math.inf if at is None else max(at[column], 1e-3)
        if at is None and least and line.get("end") in ("work", "seconds") and line.get(column):
            value = line[column]
        logs.setdefault(line["contestant"], {}).setdefault(line["problem"], []).append(math.log(value))
    return {who: {p: math.exp(np.mean(values)) for p, values in each.items()} for who, each in logs.items()}


def rivals(found: dict[str, Any]) -> list[str]:
    """All that are not the own method or a part of it."""
    return list(dict.fromkeys(r["contestant"] for r in found["runs"] if not r["contestant"].startswith(OWN)))


def ratios(found: dict[str, Any], target: str, column: str = "W") -> dict[str, Ratio]:
    """Problem → work of the best rival over that of the own method, with each rival on the seeds of both.

    A rival that gave up counts as inf; where its budget ended it, the ratio is a bound from below. 0 where the own
    method missed and the rival did not; nothing where both did.
    """
    ran: dict[tuple[str, str], set[int]] = {}
    for line in found["runs"]:
        if "reached" in line:
            ran.setdefault((line["problem"], line["contestant"]), set()).add(line["seed"])
    made: dict[str, Ratio] = {}
    for problem in found["problems"]:
        against: list[Ratio] = []
        for who in rivals(found):
            if both := ran.get((problem, OWN), set()) & ran.get((problem, who), set()):
                runs = [r for r in found["runs"] if r["problem"] == problem and r["seed"] in both]
                each, least = work(dict(runs=runs), target, column), work(dict(runs=runs), target, column, least=True)
                mine, theirs, bound = each[OWN][problem], each[who][problem], least[who][problem]
                if mine < math.inf or theirs < math.inf:
                    higher = above(runs, who, found["problems"][problem]["start_phi"])
                    against.append(Ratio(bound / mine, who, more=bound < theirs, above=higher))
        if against:
            made[problem] = min(against, key=lambda ratio: ratio.value)
    return made


def above(runs: list[dict[str, Any]], who: str, start: float) -> float:
    """The most by which `who` ended above the own φ, over its size, where that is another stationary point; else 0."""
    ends = {(r["contestant"], r["seed"]): r["phi"] for r in runs if r.get("phi") is not None}
    both = [(ends[OWN, seed], phi) for (name, seed), phi in ends.items() if name == who and (OWN, seed) in ends]
    most = max(((phi - own) / max(abs(own), 1e-3 * abs(start - own)) for own, phi in both), default=0.0)
    return most if most > WORSE else 0.0


def geometric(values: Iterable[float]) -> float:
    values = [value for value in values if 0 < value < math.inf]
    return math.exp(np.mean(np.log(values))) if values else math.nan


def verdicts(found: dict[str, Any]) -> list[Verdict]:
    """The targets of the own method, where it was run; and how SciPy on φ stands against methods with steps."""
    made, (whole, run_on) = [], extent(found)
    for target in TARGETS:
        if each := ratios(found, target):
            mean, words = against(each)
            good = sum(ratio.value >= 3 for ratio in each.values()) / len(each)
            never = min(ratio.value for ratio in each.values()) >= 1 / 1.2
            words += f"; at least 3 on {good:.0%} of {len(each)}; {run_on}"
            holds = mean >= 10 and good >= 0.9 and never
            outcome = HOLDS if holds and whole else CAVEAT if mean >= 3 else FAILS
            made.append(
                Verdict(f"{OWN} needs a tenth of the work of the best other method, to {target}", outcome, words)
            )
    if each := ratios(found, "1e-6", "cpu"):
        mean, words = against(each)
        outcome = HOLDS if mean >= 5 and whole else CAVEAT if mean >= 1 else FAILS
        claim = f"{OWN} needs a fifth of the processor time of the best other method, to 1e-6"
        made.append(Verdict(claim, outcome, f"{words}; {run_on}"))
    each = work(found, "1e-3")
    stepping = [who for who in rivals(found) if who not in SCIPY]
    both = [p for p in found["problems"] if any(p in each[who] for who in stepping)]
    best = {p: min((who for who in rivals(found) if p in each[who]), key=lambda who, p=p: each[who][p]) for p in both}
    first = sum(who in SCIPY for who in best.values())
    if best:
        outcome = HOLDS if first == len(best) and whole else CAVEAT if first >= len(best) / 2 else FAILS
        words = f"first on {first} of {len(best)} problems, to 1e-3; else "
        words += ", ".join(f"{who} on {p}" for p, who in best.items() if who not in SCIPY) or "nobody"
        made.append(Verdict("an optimizer of SciPy on φ beats every method with steps of its own", outcome, words))
    return made


def extent(found: dict[str, Any]) -> tuple[bool, str]:
    """Whether all problems of the suite were run, each by every rival and with five seeds; and what was, in words."""
    ran = {(line["problem"], line["contestant"]) for line in found["runs"]}
    full = [p for p in found["problems"] if all((p, who) in ran for who in rivals(found))]
    seeds = len({line["seed"] for line in found["runs"]})
    words = f"every rival was run on {len(full)} of {len(SUITE)} problems, with {seeds} seed{'s' * (seeds > 1)}"
    return len(full) == len(SUITE) and seeds >= 5, words


def against(each: dict[str, Ratio]) -> tuple[float, str]:
    """The geometric mean of the ratios that are numbers, and in words which are none, and which are losses."""
    finite = {problem: ratio for problem, ratio in each.items() if 0 < ratio.value < math.inf}
    mean = geometric(ratio.value for ratio in finite.values())
    words = f"geometric mean {mean:.2g} on {len(finite)} problems"
    if bounds := sum(ratio.more for ratio in finite.values()):
        words += f", on {bounds} of them a bound from below, where no rival got there within its budget"
    if new := [ratio.value for problem, ratio in finite.items() if problem in UNSEEN]:
        words += f"; {geometric(new):.2g} on the {len(new)} that no constant was chosen on"
    alone = [problem for problem, ratio in each.items() if ratio.value == math.inf]
    words += f"; finished by no other: {', '.join(alone)}" if alone else ""
    lost = sorted((ratio, problem) for problem, ratio in each.items() if ratio.value < 1)
    return mean, words + "".join(
        f"; {problem} lost to {ratio.who}, {f'{ratio.value:.2g}' if ratio.value else 'not finished'}"
        + (f", at a φ higher by {ratio.above:.1%}" if ratio.above else "")
        for ratio, problem in lost
    )


def section(found: dict[str, Any]) -> str:
    weights = ", ".join(f"{weight:g} {name}" for name, weight in WEIGHTS.items())
    seeds = sorted({line["seed"] for line in found["runs"]})
    most, seconds = (max(budget[i] for budget in found["budgets"]) for i in (0, 1))
    budgets = f"W ≤ {most:g} and {seconds:g} s of processor time at most, less where the own method had been quick"
    absent = [name for name in SUITE if name not in found["problems"]]
    text = [
        f"Work W = {weights} (a product A v is 1); until the true ‖∇φ(x)‖, by a hyper-objective at 10⁻¹⁰, is first"
        f" below 10⁻³ and 10⁻⁶ of ‖∇φ(x_0)‖. – is *not within the budget* ({budgets}), > a ratio that is larger, since"
        " the rivals were stopped. Seeds"
        f" {', '.join(map(str, seeds))}. Methods with steps: the best of one common 7 × 7 search (first seed)."
        " Known to 3 % (30 % for a method whose own ‖h‖ is far from the true one). Cells are geometric means over the"
        " seeds that a contestant was run with, 1 for most; the last column compares on the seeds of both.",
        f"Not run: {', '.join(absent) or 'none'}; where a cell is empty, this contestant was not run on this problem.",
    ]
    for target in TARGETS:
        text += [f"**W to {target}**", work_table(found, target)]
    text += ["**Where the runs ended**: the lowest φ of each problem, and who ended above it", endings(found)]
    ablated = [r for r in found["runs"] if r["contestant"].startswith(f"{OWN},")]
    if ablated:
        text += [
            "**Ablations**: W to 1e-6 over that of the whole method, first seed",
            parts(sys.modules[__name__], found),
        ]
    return "\n\n".join(text)


def work_table(found: dict[str, Any], target: str) -> str:
    """A row a problem, a column a contestant, the best rival in bold."""
    each = work(found, target)
    who = [name for name in (OWN, *rivals(found)) if name in each and any(v < math.inf for v in each[name].values())]
    shown = ratios(found, target)
    rows = []
    for problem, about in found["problems"].items():
        least = min((each[name].get(problem, math.inf) for name in who if name != OWN), default=math.inf)
        cells = []
        for name in who:
            value = each[name].get(problem)
            word = "" if value is None else "–" if value == math.inf else f"{value:.0f}"
            cells.append(f"**{word}**" if name != OWN and value is not None and value == least < math.inf else word)
        ratio = str(shown[problem]) if problem in shown else ""
        rows.append([f"{problem} ({about['n_x']}, {about['n_y']})", *cells, ratio])
    return table(["problem (n_x, n_y)", *who, "best rival / own"], rows)


def endings(found: dict[str, Any]) -> str:
    rows = []
    for problem, about in found["problems"].items():
        first = min(r["seed"] for r in found["runs"] if r["problem"] == problem)  # each seed has another φ
        runs = [r for r in found["runs"] if r["problem"] == problem and r["seed"] == first]
        ends = [r for r in runs if r.get("phi") is not None and r.get("reached")]
        reached = [r for r in ends if r["reached"]["1e-3"] is not None]
        if not reached:
            continue
        lowest = min(r["phi"] for r in ends)
        scale = max(abs(lowest), 1e-3 * abs(about["start_phi"] - lowest))
        above = {r["contestant"]: r["phi"] for r in reached if r["phi"] > lowest + WORSE * scale}
        words = ", ".join(f"{who} {phi:.5g}" for who, phi in above.items()) or "nobody"
        rows.append([problem, f"{about['start_phi']:.5g}", f"{lowest:.6g}", words])
    return table(["problem", "φ(x_0)", "lowest φ", "ended above it, ‖∇φ‖ ≤ 1e-3 ‖∇φ(x_0)‖ reached"], rows)


def figure(found: dict[str, Any]) -> Any:
    """Performance profiles (E. D. Dolan and J. J. Moré, Math. Program. 91, 2002).

    Of each contestant the share of the problems that it was run on, their number in brackets, at which it needed at
    most τ times the work of the best.
    """
    from matplotlib.figure import Figure

    sheet = Figure(figsize=(12, 4.5), layout="constrained")
    for ax, target in zip(sheet.subplots(1, len(TARGETS)), TARGETS, strict=True):
        each = {who: w for who, w in work(found, target).items() if not who.startswith(f"{OWN},")}
        solved = [p for p in found["problems"] if min(w.get(p, math.inf) for w in each.values()) < math.inf]
        best = {p: min(w.get(p, math.inf) for w in each.values()) for p in solved}
        taus = np.geomspace(1, 1e4, 400)
        for number, (who, w) in enumerate(each.items()):
            quotients = np.array([w[p] / best[p] for p in solved if p in w])
            if np.isfinite(quotients).any():
                share = [(quotients <= tau).mean() for tau in taus]
                style = dict(lw=2.5, color="black") if who == OWN else dict(lw=1.2, color=f"C{number % 10}")
                label = f"{who} ({quotients.size})"
                ax.semilogx(taus, share, label=label, ls=("-", "--", ":")[number // 10 % 3], **style)
        ax.set(
            title=f"to {target} of ‖∇φ(x_0)‖, {len(solved)} problems", xlabel="τ", ylabel="share within τ of the best"
        )
        ax.set_ylim(-0.02, 1.02)
        ax.grid(color="#E4E4E4")
        ax.legend(fontsize=7, frameon=False, ncols=2)
    return sheet


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="three small problems with small budgets, in minutes")
    size.add_argument("--full", action="store_true", help="every problem, large budgets, days")
    parser.add_argument("--problems", help=", ".join(SUITE))
    parser.add_argument("--contestants", help="; ".join(contestants()) + " (divided by semicolons)")
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--times", type=float, default=math.inf, help="the own method's W to 1e-6: where rivals stop")
    parser.add_argument("--seconds", type=float, help="of processor time, of a run")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no run after these")
    parser.add_argument("--pages", action="store_true", help="run nothing; write the pages from what has been run")
    options = parser.parse_args()
    if options.pages:
        write_pages(sys.modules[__name__])
        return 0
    budget = replace(QUICK if options.quick else FULL if options.full else DEFAULT, times=options.times)
    budget = budget if options.seconds is None else replace(budget, seconds=options.seconds)
    small = ["synthetic-200-1e2", "ridge-20", "logistic-heart"]
    names = options.problems.split(",") if options.problems else small if options.quick else list(SUITE)
    who = options.contestants.split(";") if options.contestants else list(contestants())
    for given, known in ((names, SUITE), (who, contestants())):
        if unknown := [name for name in given if name not in known]:
            parser.error(f"unknown {', '.join(unknown)}; known: {', '.join(known)}")
    run(names, who, [int(seed) for seed in options.seeds.split(",")], budget, options.minutes)
    save(NAME, summary(), options.full)
    return 0


if __name__ == "__main__":
    sys.exit(main())
