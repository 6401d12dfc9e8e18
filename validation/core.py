"""What the core promises, measured: accuracy, bounds, orthogonality and trajectories. Writes core.json and CORE.md.

    python validation/core.py [--systems 1000] [--seeds 20] [--data DIR]

Truth is exact rational arithmetic (python-flint). DIR holds spd-matrices/*.mtx.gz; without it that table is left
out, and the report says so. About two minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from pathlib import Path

import numpy as np
import scipy
import scipy.io
from scipy.sparse import csr_array

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from lancbio_ref import Linearization, lanczos, minimize  # noqa: E402
from tests.exact import norm, rational, relative_energy_error  # noqa: E402
from tests.methods import reference  # noqa: E402
from tests.methods.test_trajectories import instance  # noqa: E402
from tests.strategies import SPECTRA, symmetric  # noqa: E402

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


def orthogonality(data: Path, seeds: int) -> dict:
    """‖I − QᵀQ‖₂ and reorthogonalized vectors over seeded Gaussian starts."""
    rows = {}
    for name, k in STEPS.items():
        A = csr_array(scipy.io.mmread(data / "spd-matrices" / f"{name}.mtx.gz"))
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


def machine() -> dict:
    import numba

    versions = {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__}
    return versions | {"numba": numba.__version__, "machine": platform.machine(), "cores": os.cpu_count()}


def report(found: dict) -> str:
    lines = ["# The core, measured", "", "Made by `validation/core.py`; the numbers are in `core.json`.", ""]
    lines += ["Machine: " + ", ".join(f"{k} {v}" for k, v in found["machine"].items()) + ".", ""]
    lines += ["## Accuracy at the floor (target: 50 uκ, no violated bound)", ""]
    lines += ["| reorthogonalization | systems | worst, uκ | median, uκ | bound below the error | median bound/error |"]
    lines += ["|---|---|---|---|---|---|"]
    for mode, r in found["accuracy"].items():
        lines.append(
            f"| {mode} | {r['systems']} | {r['worst_units']:.2f} | {r['median_units']:.2g} "
            f"| {r['violations']} | {r['median_overestimate']:.0f} |"
        )
    lines += [
        "",
        "## Orthogonality on real matrices (targets: 1e-13, 1e-7, 1e-7; at most 40 vectors on nos5/partial)",
        "",
    ]
    if found["orthogonality"]:
        lines += [f"Over {found['seeds']} seeded Gaussian starts.", ""]
        lines += [
            "| matrix/mode | steps | worst norm of I − QᵀQ | most vectors reorthogonalized |",
            "|---|---|---|---|",
        ]
        lines += [
            f"| {name} | {r['steps']} | {r['worst']:.1e} | {r['most_vectors']} |"
            for name, r in found["orthogonality"].items()
        ]
    else:
        lines += ["Left out: no data directory."]
    lines += ["", "## Trajectories (target: 1e-10 after 80 outer iterations)", ""]
    lines += ["| run | largest relative difference |", "|---|---|"]
    lines += [f"| {name} | {worst:.1e} |" for name, worst in found["trajectories"].items()]
    verdicts = verdict(found)
    lines += ["", "## Verdict", ""] + [
        f"* {claim}: {'holds' if holds else 'DOES NOT HOLD'}" for claim, holds in verdicts.items()
    ]
    return "\n".join(lines) + "\n"


def verdict(found: dict) -> dict[str, bool]:
    rows = found["accuracy"].values()
    claims = {
        "A-norm error within 50 uκ": all(r["worst_units"] <= 50 for r in rows),
        "every certified bound holds": all(r["violations"] == 0 for r in rows),
        "trajectories within 1e-10": all(worst <= 1e-10 for worst in found["trajectories"].values()),
    }
    if found["orthogonality"]:
        levels = {"full": 1e-13, "selective": 1e-7, "partial": 1e-7}
        claims["orthogonality levels"] = all(
            r["worst"] <= levels[name.split("/")[1]] for name, r in found["orthogonality"].items()
        )
        claims["at most 40 vectors on nos5/partial"] = found["orthogonality"]["nos5/partial"]["most_vectors"] <= 40
    return claims


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=20)
    default = os.environ.get("LANCBIO_DATA", HERE.parent.parent / "shared" / "data")
    parser.add_argument("--data", type=Path, default=Path(default))
    options = parser.parse_args()
    there = (options.data / "spd-matrices").is_dir()
    found = {
        "machine": machine(),
        "seeds": options.seeds,
        "accuracy": accuracy(options.systems),
        "orthogonality": orthogonality(options.data, options.seeds) if there else {},
        "trajectories": trajectories(),
    }
    for name, text in (("core.json", json.dumps(found, indent=1)), ("CORE.md", report(found))):
        (HERE / (name + ".new")).write_text(text)
        os.replace(HERE / (name + ".new"), HERE / name)
    print(report(found))
    return 0 if all(verdict(found).values()) else 1


if __name__ == "__main__":
    sys.exit(main())
