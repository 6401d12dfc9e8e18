"""Results as a dictionary, as lines for the terminal, and as REPORT.md."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numba
import numpy as np
import scipy

from .harness import Check

SAYS = {
    "operators": "`norm_bound()` ≥ ‖A‖₂ and the rounding of one product, entry by entry, of every structured operator",
    "linear": "`Linearization.hypergradient`: residual and error bounds, statuses, directions, moduli",
    "lower": "`lower_solution(...).error_bound` ≥ ‖y − y*‖",
    "gradient": "`hypergradient(problem, x[, y])`: error_bound + lower_level_bound ≥ ‖h − ∇φ(x)‖",
    "value": "`HyperObjective.evaluate`: gradient_bound, value_bound, `guaranteed`",
    "mu": "`certify_mu` and `largest_certified_mu` against the exact λ_min",
    "enclose": "`oracle.enclose`: the intervals, `symmetric`, `definite`",
    "solve": "`lanczos_solve`: info 0 and −1",
    "pointwise": "`lower_level_bound` with a modulus of one point",
}


def results(checks: Sequence[Check], seed: int, seconds: float) -> dict[str, Any]:
    """What a run found, as plain data."""
    return dict(
        machine=dict(
            python=platform.python_version(),
            numpy=np.__version__,
            scipy=scipy.__version__,
            numba=numba.__version__,
            machine=platform.machine(),
            cores=os.cpu_count(),
        ),
        seed=seed,
        seconds=round(seconds),
        cases=sum(check.cases for check in checks),
        violations=sum(check.violations for check in checks),
        checks={check.name: check.plain() for check in checks},
    )


def _quantiles(found: Sequence[float] | None) -> list[str]:
    return ["–"] * 4 if found is None else [_ratio(q) for q in found]


def _ratio(q: float) -> str:
    return f"{q:.3g}" if not 0.9 < q < 1.1 else f"{q:.6f}"


def summary(found: dict[str, Any]) -> str:
    """A line a claim, for the terminal."""
    lines = [f"{found['cases']} cases, {found['violations']} violations, {found['seconds']} s, seed {found['seed']}"]
    for name, check in found["checks"].items():
        refused = ", ".join(f"{n} {error}" for error, n in check["refused"].items())
        lines.append(
            f"\n{name}: {check['cases']} cases, {check['violations']} violations; refused: {refused or 'none'}"
        )
        for label, tally in check["statements"].items():
            numbers = " ".join(_quantiles(tally["quantiles"] or tally["unpromised_quantiles"]))
            counts = [f"{tally['n']} claims"] + [
                f"{tally[k]} {k}" for k in ("violations", "undecided", "silent") if tally[k]
            ]
            if tally["unpromised"]:
                counts.append(f"{tally['below']} of {tally['unpromised']} without promise below the truth")
            lines.append(f"  {label}: {', '.join(counts)}; bound/error min, 1 %, median, 99 %: {numbers}")
    return "\n".join(lines)


def render(found: dict[str, Any]) -> str:
    """REPORT.md."""
    machine = ", ".join(f"{name} {value}" for name, value in found["machine"].items())
    lines = [
        "# The fuzz: every claim against exact arithmetic",
        "",
        "Made by `make fuzz ARGS=--save` (`validation/fuzz/run.py`) from `results.json`. Inputs are random, extreme and"
        " structured: scales from 2⁻¹⁰⁷⁴ to 2¹⁰⁰⁰, subnormal numbers, powers of two, cancellation, ties, duplicates,"
        " zeros, condition numbers up to 10¹², float32 and float64 mixed over all arguments, C and Fortran order and"
        " CSR. The truth is a rational number or a ball of several hundred bits.",
        "",
        f"*{machine}; seed {found['seed']}, {found['seconds']} s.*",
        "",
        f"**{found['cases']} cases, {found['violations']} violations.**",
        *(["", found["note"]] if "note" in found else []),  # of a report put together from several runs
        "",
        "| check | what is claimed | cases | claims | violations | undecided |",
        "|---|---|---|---|---|---|",
    ]
    for name, check in found["checks"].items():
        tallies = check["statements"].values()
        claims, undecided = (sum(tally[key] for tally in tallies) for key in ("n", "undecided"))
        lines.append(f"| {name} | {SAYS[name]} | {check['cases']} | {claims} | {check['violations']} | {undecided} |")
    lines += ["", "## Bound over error", ""]
    lines += [
        "Where both are positive and finite. *Silent* is a bound that is infinite; *exact* is an error of 0;"
        " *undecided* is a truth that no precision here could tell from the bound.",
        "",
        "| check | claim | claims | violations | silent | exact | min | 1 % | median | 99 % |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    unpromised = []
    for name, check in found["checks"].items():
        for label, tally in check["statements"].items():
            counts = [str(tally[key]) for key in ("n", "violations", "silent", "exact")]
            lines.append("| " + " | ".join([name, label, *counts, *_quantiles(tally["quantiles"])]) + " |")
            if tally["unpromised"]:
                unpromised.append((name, label, tally))
    if unpromised:
        lines += [
            "",
            "## Without promise",
            "",
            "Bounds that are `estimated`: they rest on a model of what a black box rounds. How often, and by how much,"
            " they lie below the truth:",
            "",
            "| check | claim | bounds | below the truth | min | 1 % | median | 99 % |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for name, label, tally in unpromised:
            below = f"{tally['below']} ({100 * tally['below'] / tally['unpromised']:.2g} %)"
            row = [name, label, str(tally["unpromised"]), below, *_quantiles(tally["unpromised_quantiles"])]
            lines.append("| " + " | ".join(row) + " |")
    for name, check in found["checks"].items():
        for label, reproducers in check["reproducers"].items():
            lines += ["", f"## Violated: {name}, {label}", "", "```python", reproducers[0], "```"]
    return "\n".join(lines) + "\n"


def write(folder: Path) -> str:
    """Render REPORT.md from results.json; a line about it."""
    (folder / "REPORT.md").write_text(render(json.loads((folder / "results.json").read_text())))
    return "wrote REPORT.md"
