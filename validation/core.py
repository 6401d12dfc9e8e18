"""What the core promises: accuracy at the floor, bounds, orthogonality, trajectories.

Truth is exact rational arithmetic (python-flint), and for the trajectories a dense transcription of the formulas.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from common import DATA, FAILS, HOLDS, Verdict, table

from lancbio_ref import Linearization, lanczos, minimize
from validation.truths import transcription as reference
from validation.truths.exact import norm, rational, relative_energy_error
from validation.truths.matrices import read_matrix
from validation.truths.spectra import SPECTRA, symmetric
from validation.truths.transcription import instance

NAME, TITLE = "core", "The core"
U = 2.0**-53
STEPS = {"bcsstk01": 47, "nos5": 250, "494_bus": 250, "lund_a": 146}


def accuracy(count: int) -> dict:
    """A-norm errors in units of uκ at rtol = 0, and how far the certified bounds lie above the true errors."""
    rows: dict = {
        mode: {"units": [], "overestimate": [], "violations": 0, "status": {}} for mode in ("full", "selective")
    }
    rng = np.random.default_rng(2404)
    for _ in range(count):
        n, n_x = int(rng.integers(1, 20)), int(rng.integers(1, 4))
        kind = list(SPECTRA)[rng.integers(len(SPECTRA))]
        A = symmetric(SPECTRA[kind](n, rng.uniform(0, 12), rng), rng)
        values = np.linalg.eigvalsh(A)
        if values[0] < 1e-13 * values[-1]:
            continue
        A = np.ldexp(A, int(rng.choice([0, 0, rng.integers(-490, 490)])))
        b, J, c = rng.standard_normal(n), rng.standard_normal((n_x, n)), rng.standard_normal(n_x)
        truth = rational(c) - rational(J) * rational(A).solve(rational(b))
        for mode, row in rows.items():
            found = Linearization(A, J, b, c).hypergradient(rtol=0, mu="certify", reorthogonalization=mode)
            error = norm(rational(found.value) - truth)
            row["units"].append(relative_energy_error(A, found.v, b) / (U * values[-1] / values[0]))
            row["violations"] += bool(error > found.error_bound)
            row["status"][found.status.name] = row["status"].get(found.status.name, 0) + 1
            if error:
                row["overestimate"].append(found.error_bound / error)
    for row in rows.values():
        units, over = row.pop("units"), row.pop("overestimate")
        row |= {"systems": len(units), "worst_units": max(units), "median_units": float(np.median(units))}
        row["median_overestimate"] = float(np.median(over))
    return rows


def orthogonality(seeds: int) -> dict:
    """‖I − QᵀQ‖₂ and reorthogonalized vectors over seeded Gaussian starts."""
    rows = {}
    for name, k in STEPS.items():
        A = read_matrix(DATA / "spd-matrices" / f"{name}.mtx.gz")
        for mode in ("full", "selective", "partial"):
            losses, counts = [], []
            for seed in range(seeds):
                run = lanczos(A, np.random.default_rng(seed).standard_normal(A.shape[0]), k, reorthogonalization=mode)
                losses.append(float(np.linalg.norm(np.eye(k) - run.Q.T @ run.Q, 2)))
                counts.append(run.n_reorthogonalized)
            rows[f"{name}/{mode}"] = {"steps": k, "worst": max(losses), "most_vectors": max(counts)}
    return rows


def trajectories() -> dict:
    """Largest relative difference of x_k, y_k, v_k, h_k from the dense transcription, over 80 outer iterations."""
    rows = {}
    for n, condition, m in ((20, 10.0, 1), (50, 100.0, 5), (200, 1e3, 10)):
        ours, theirs, (x0, y0, v0) = instance(n, condition, 0)
        options = dict(step_x=0.05, step_y=1 / (2 * condition), inner_steps=5)
        runs = {
            f"lancbio, m = {m}": (
                minimize(ours, x0, y0, v0=v0, maxiter=80, trace=("x", "y", "v", "h"), subspace=m, **options),
                reference.lancbio(theirs, x0, y0, v0, 80, *options.values(), m),
            ),
            "subbio": (
                minimize(
                    ours,
                    x0,
                    y0,
                    v0=v0,
                    method="subbio",
                    maxiter=80,
                    trace=("x", "y", "v", "h"),
                    step_v=0.5 / condition,
                    **options,
                ),
                reference.subbio(theirs, x0, y0, v0, 80, 0.05, 0.5 / condition, 0.5 / condition, 5),
            ),
        }
        for name, (result, expected) in runs.items():
            worst = 0.0
            for quantity, column in zip("xyvh", zip(*expected, strict=True), strict=True):
                truth = np.array(column)
                difference = np.linalg.norm(result.trace[quantity] - truth, axis=1) / np.linalg.norm(truth, axis=1)
                worst = max(worst, float(difference.max()))
            rows[f"{name}; n = {n}, condition {condition:g}"] = worst
    return rows


def measure(full: bool) -> dict[str, Any]:
    """500 systems and 10 starts a matrix; 1000 and 100 with ``--full``."""
    systems, seeds = (1000, 100) if full else (500, 10)
    there = (DATA / "spd-matrices").is_dir()
    return dict(
        seeds=seeds,
        accuracy=accuracy(systems),
        orthogonality=orthogonality(seeds) if there else {},
        trajectories=trajectories(),
    )


def verdicts(found: dict[str, Any]) -> list[Verdict]:
    rows, trajectory = found["accuracy"].values(), max(found["trajectories"].values())
    units, violations = max(r["worst_units"] for r in rows), sum(r["violations"] for r in rows)
    made = [
        Verdict("A-norm error within 50 uκ at the floor", _holds(units <= 50), f"at most {units:.2f} uκ"),
        Verdict(
            "Every certified bound lies above the true error",
            _holds(violations == 0),
            f"{violations} violations in {sum(r['systems'] for r in rows)} hyper-gradients",
        ),
        Verdict(
            "Trajectories agree with a dense transcription to 1e-10 after 80 iterations",
            _holds(trajectory <= 1e-10),
            f"largest relative difference {trajectory:.1e}",
        ),
    ]
    if matrices := found["orthogonality"]:
        levels = {"full": 1e-13, "selective": 1e-7, "partial": 1e-7}
        kept = all(r["worst"] <= levels[name.split("/")[1]] for name, r in matrices.items())
        vectors = matrices["nos5/partial"]["most_vectors"]
        made += [
            Verdict(
                "Orthogonality: full to 1e-13, selective and partial to 1e-7",
                _holds(kept),
                ", ".join(
                    f"{mode} {max(r['worst'] for name, r in matrices.items() if name.endswith(mode)):.1e}"
                    for mode in levels
                ),
            ),
            Verdict("Partial reorthogonalizes at most 40 vectors on nos5", _holds(vectors <= 40), f"at most {vectors}"),
        ]
    return made


def _holds(condition: bool) -> str:
    return HOLDS if condition else FAILS


def section(found: dict[str, Any]) -> str:
    rows = [
        [
            mode,
            r["systems"],
            f"{r['worst_units']:.2f}",
            f"{r['median_units']:.2g}",
            r["violations"],
            f"{r['median_overestimate']:.0f}",
        ]
        for mode, r in found["accuracy"].items()
    ]
    header = [
        "reorthogonalization",
        "systems",
        "worst, uκ",
        "median, uκ",
        "bound below the error",
        "median bound/error",
    ]
    lines = ["Random systems, κ to 1e12, scales from 2^−490 to 2^490, exact rationals as the truth, rtol = 0.", ""]
    lines += [table(header, rows), ""]
    if found["orthogonality"]:
        rows = [
            [name, r["steps"], f"{r['worst']:.1e}", r["most_vectors"]] for name, r in found["orthogonality"].items()
        ]
        lines += [f"Real matrices, {found['seeds']} seeded Gaussian starts.", ""]
        lines += [table(["matrix/mode", "steps", "worst ‖I − QᵀQ‖", "most vectors reorthogonalized"], rows)]
    else:
        lines += ["Real matrices: left out, no spd-matrices in the data folder."]
    rows = [[name, f"{worst:.1e}"] for name, worst in found["trajectories"].items()]
    return "\n".join([*lines, "", table(["80 outer iterations", "largest relative difference"], rows)])
