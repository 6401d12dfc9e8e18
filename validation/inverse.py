"""v_j = Q_j T_j⁻¹ Q_jᵀb against the Neumann series and gradient steps at equal products, and the Chebyshev bound.

A = Q diag(λ) Qᵀ is applied without being formed, so that A⁻¹b is known from its spectrum. j products give the Lanczos
estimate from a j-dimensional Krylov space, and both rivals a polynomial of degree j − 1 in A, applied to b:

    Neumann series, η = 1/L: v_j = η Σ_{q<j} (I − ηA)^q b, the same as j gradient steps from 0;
    gradient steps with the best constant step, η = 2/(μ + L): contraction (κ − 1)/(κ + 1) a step.

The bound for Lanczos is ‖e_j‖_A ≤ 2((√κ − 1)/(√κ + 1))^j ‖e_0‖_A, and (1 − 1/κ)^j for η = 1/L.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from common import FAILS, HOLDS, Verdict, in_parallel, table

from lancbio_ref import LanczosProcess
from lancbio_ref.krylov.tridiagonal import solve_tridiagonal
from lancbio_ref.operators import PrescribedSpectrum

NAME, TITLE = "inverse", "Lanczos against Neumann series and gradient steps"
CONDITIONS = (1e1, 1e2, 1e3, 1e4, 1e5, 1e6)
SPECTRA = {"even": np.linspace, "logarithmic": np.geomspace}
U = 2.0**-53


def measure(full: bool) -> dict[str, Any]:
    """n = 2000, 200 products, 5 right-hand sides, two spectra and six condition numbers; the same with ``--full``."""
    n, steps, seeds = 2000, 200, 5
    tasks = [(kind, condition, seed, n, steps) for kind in SPECTRA for condition in CONDITIONS for seed in range(seeds)]
    rows = in_parallel(one_system, tasks, "systems")
    cases = {}
    for kind in SPECTRA:
        for condition in CONDITIONS:
            mine = [row for row in rows if (row["kind"], row["condition"]) == (kind, condition)]
            cases[f"{kind}/{condition:.0e}"] = summarize(mine, steps)
    return dict(n=n, steps=steps, seeds=seeds, cases=cases)


def one_system(task: tuple) -> dict[str, Any]:
    """Relative A-norm errors after 1 … `steps` products."""
    kind, condition, seed, n, steps = task
    rng = np.random.default_rng(seed)
    spectrum = SPECTRA[kind](1.0, condition, n)
    A = PrescribedSpectrum(spectrum, rng)
    b = rng.standard_normal(n)
    truth = A.rotate(A.rotate_back(b) / spectrum)

    def error(v: np.ndarray) -> float:
        e = A.rotate_back(v - truth)
        return float(np.sqrt(e @ (spectrum * e)))

    start = error(np.zeros(n))
    process, errors = LanczosProcess(b, reorthogonalization="full"), {"lanczos": [], "neumann": [], "gradient": []}
    rivals = {"neumann": (1 / condition, np.zeros(n)), "gradient": (2 / (1 + condition), np.zeros(n))}
    for _ in range(steps):
        process.step(A)
        y = solve_tridiagonal(process.alpha, process.beta[:-1], process.Q.T @ b).y
        errors["lanczos"].append(error(process.Q @ y) / start)
        for name, (eta, v) in rivals.items():
            rivals[name] = (eta, v - eta * (A.matvec(v) - b))
            errors[name].append(error(rivals[name][1]) / start)
    return dict(kind=kind, condition=condition, errors=errors)


def summarize(rows: list[dict[str, Any]], steps: int) -> dict[str, Any]:
    """Over the right-hand sides: medians of the curves, wins, violated bounds."""
    condition = rows[0]["condition"]
    curves = {name: np.array([row["errors"][name] for row in rows]) for name in rows[0]["errors"]}
    j = np.arange(1, steps + 1)
    root = np.sqrt(condition)
    floor = 100 * U * condition  # rounding; the bound is of exact arithmetic
    chebyshev = np.minimum(2 * ((root - 1) / (root + 1)) ** j, 1.0)
    first = (1 - 1 / condition) ** j
    return dict(
        condition=condition,
        curves={name: np.median(values, axis=0).tolist() for name, values in curves.items()},
        chebyshev=chebyshev.tolist(),
        behind={  # at how many of all (right-hand side, j) a rival is ahead of Lanczos
            name: int((curves["lanczos"] > curves[name] * (1 + 1e-8) + floor).sum()) for name in ("neumann", "gradient")
        },
        above_chebyshev=int((curves["lanczos"] > chebyshev * (1 + 1e-8) + floor).sum()),
        above_neumann_bound=int((curves["neumann"] > first * (1 + 1e-8) + floor).sum()),
        closest=float((curves["lanczos"] / (chebyshev + floor)).max()),
        reach={name: reached(np.median(values, axis=0), 1e-3) for name, values in curves.items()},
    )


def reached(curve: np.ndarray, level: float) -> int | None:
    """Products until the error is at most `level`."""
    places = np.flatnonzero(curve <= level)
    return int(places[0]) + 1 if places.size else None


def verdicts(found: dict[str, Any]) -> list[Verdict]:
    cases, pairs = found["cases"].values(), found["seeds"] * found["steps"] * len(found["cases"])
    behind = {name: sum(case["behind"][name] for case in cases) for name in ("neumann", "gradient")}
    above = sum(case["above_chebyshev"] for case in cases)
    slower = sum(case["above_neumann_bound"] for case in cases)
    return [
        Verdict(
            "At equal products the Lanczos estimate of A⁻¹b has a smaller A-norm error than the Neumann series and than"
            " gradient steps",
            HOLDS if not any(behind.values()) else FAILS,
            f"of {pairs} pairs (right-hand side, j), the Neumann series is ahead in {behind['neumann']}, the best"
            f" constant step in {behind['gradient']} (κ = 10 … 1e6, j = 1 … {found['steps']})",
        ),
        Verdict(
            "The Chebyshev bound 2((√κ − 1)/(√κ + 1))^j holds",
            HOLDS if above == 0 else FAILS,
            f"{above} of {pairs} errors lie above it (100uκ being allowed for rounding); the largest ratio of error to"
            f" bound is {max(case['closest'] for case in cases):.2g}; the Neumann bound (1 − 1/κ)^j is exceeded"
            f" {slower} times",
        ),
    ]


def section(found: dict[str, Any]) -> str:
    marks = [m for m in (10, 50, 100, 200) if m <= found["steps"]]
    rows = []
    for name, case in found["cases"].items():
        kind, _ = name.split("/")
        for method, curve in case["curves"].items():
            rows.append(
                [
                    kind,
                    f"{case['condition']:.0e}",
                    method,
                    *(f"{curve[m - 1]:.1e}" for m in marks),
                    case["reach"][method] or f"> {found['steps']}",
                ]
            )
    header = ["spectrum", "κ", "method", *(f"error at j = {m}" for m in marks), "products to 1e-3"]
    return f"n = {found['n']}; median relative A-norm error over {found['seeds']} right-hand sides.\n\n" + table(
        header, rows
    )


def figure(found: dict[str, Any]) -> Any:
    from matplotlib.figure import Figure

    sheet = Figure(figsize=(13, 7), layout="constrained")
    axes = sheet.subplots(2, len(CONDITIONS), sharex=True, sharey="row")
    colors = dict(lanczos="#0072B2", neumann="#D55E00", gradient="#009E73")
    for place, (name, case) in enumerate(found["cases"].items()):
        ax = axes[divmod(place, len(CONDITIONS))]
        for method, curve in case["curves"].items():
            ax.semilogy(range(1, len(curve) + 1), curve, color=colors[method], label=method)
        ax.semilogy(range(1, len(curve) + 1), case["chebyshev"], color="#5F5F5F", ls="--", label="Chebyshev bound")
        ax.set_title(name.replace("/", ", κ = "), fontsize=10)
        ax.set_ylim(1e-16, 2)
        ax.grid(color="#E4E4E4")
    for ax in axes[:, 0]:
        ax.set_ylabel("relative A-norm error")
    for ax in axes[-1]:
        ax.set_xlabel("products j")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    sheet.legend(handles, labels, loc="outside lower center", ncols=4)
    return sheet
