"""What the subspace dimension m does, and whether reorthogonalization helps when A moves.

In the dynamic process T_j is no QᵀAQ of one A, so that a loss of orthogonality is no error that theory would mend; what
is measured is whether the v_k that come out are better. Every run has the same steps and the same number of outer
iterations; the residual ‖A_k v_k − b_k‖ is taken along the whole run, ∇φ at its end with the lower level solved. A
*bad step* is one whose v_k is worse than no v at all, ‖A_k v_k − b_k‖ > ‖b_k‖.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from common import CAVEAT, FAILS, HOLDS, Verdict, in_parallel, rounded, spread, table, true_gradient

from lancbio_ref import LancbioError, minimize, problems
from lancbio_ref.rounding import norm2

NAME, TITLE = "subspace", "Subspace dimension and reorthogonalization in the dynamic process"
DIMENSIONS = (1, 10, 50, 80, 120)
MODES = ("none", "local", "full")
CONDITIONS = (1e3, 1e5)
EVERY = 5


def measure(full: bool) -> dict[str, Any]:
    """Dense synthetic problem, n = 500 and K = 600, 3 seeds (n = 1000, K = 5000, 10 seeds with ``--full``); λ = 1 as
    published and a tenth of it."""
    n, maxiter, seeds = (1000, 5000, 10) if full else (500, 600, 3)
    tasks = [
        (condition, step_x, seed, m, mode, n, maxiter)
        for condition in CONDITIONS
        for step_x in (1.0, 0.1)
        for seed in range(1, seeds + 1)
        for m in DIMENSIONS
        for mode in (MODES if m > 1 else ("none",))  # one vector has nothing to be orthogonal to
    ]
    return dict(n=n, maxiter=maxiter, seeds=seeds, runs=rounded(in_parallel(one_run, tasks, "runs")))


def one_run(task: tuple) -> dict[str, Any]:
    condition, step_x, seed, m, mode, n, maxiter = task
    rng = np.random.default_rng(seed)
    problem = problems.synthetic(n, condition, rng=rng)
    x0, y0, v0 = problem.initial_point(rng)
    losses, indefinite, bad = [], 0, []
    last_state: list[Any] = []

    def watch(state: Any) -> None:
        nonlocal indefinite
        indefinite += int(state.status) == 2
        last_state[:] = [state.x, state.y, state.v]
        if state.k % EVERY == 0:
            Q = state.Q
            losses.append(float(np.abs(np.eye(Q.shape[1]) - Q.T @ Q).max()) if Q.shape[1] else 0.0)
            bad.append(norm2(state.b))

    steps = dict(step_x=step_x, step_y=1 / condition, inner_steps=5, subspace=m, reorthogonalization=mode)
    about = dict(condition=condition, step_x=step_x, seed=seed, m=m, mode=mode)
    try:
        result = minimize(problem, x0, y0, v0=v0, maxiter=maxiter, callback=watch, diagnostics_every=EVERY, **steps)
    except LancbioError as error:
        return about | dict(failed=str(error))
    residual = result.trace.diagnostics["residual"]
    return about | dict(
        residual=float(np.median(residual[len(residual) // 2 :])),
        residual_last=float(residual[-1]),
        bad=float(np.mean(residual > np.array(bad))),
        gradient=true_gradient(problem, *last_state),
        h_norm=float(result.trace["h_norm"][-1]),
        products=result.n_hvp,
        indefinite=indefinite,
        orthogonality=max(losses),
        seconds=float(result.trace["seconds"][-1]),
    )


def _cell(found: dict[str, Any], condition: float, step_x: float, m: int, mode: str) -> list[dict[str, Any]]:
    wanted = (condition, step_x, m, mode)
    return [run for run in found["runs"] if (run["condition"], run["step_x"], run["m"], run["mode"]) == wanted]


LOST = 1e-2  # |I − QᵀQ| above which orthogonality counts as lost


def _ratios(found: dict[str, Any], quantity: str, mode: str, lost: bool) -> np.ndarray:
    """`quantity` with `mode` over that without, run by run on the same seed, m > 1, where neither failed.

    Of the runs that without reorthogonalization lose orthogonality (`lost`), or of those that keep it.
    """
    plain = {(r["condition"], r["step_x"], r["m"], r["seed"]): r for r in found["runs"] if r["mode"] == "none"}
    ratios = []
    for run in found["runs"]:
        other = plain[run["condition"], run["step_x"], run["m"], run["seed"]]
        compared = run["mode"] == mode and "failed" not in run and "failed" not in other
        if compared and (other["orthogonality"] > LOST) == lost:
            ratios.append(run[quantity] / other[quantity])
    return np.array(ratios)


def _words(ratios: np.ndarray) -> str:
    low, middle, high = np.quantile(ratios, (0.25, 0.5, 0.75))
    return f"median {middle:.2g}, quartiles {low:.2g} and {high:.2g}, {ratios.size} pairs"


def verdicts(found: dict[str, Any]) -> list[Verdict]:
    made = []
    for mode in ("local", "full"):
        kept, lost = (_ratios(found, "residual", mode, lost) for lost in (False, True))
        always, sometimes = float(np.median(kept)) < 0.9, lost.size > 0 and float(np.median(lost)) < 0.9
        gradient = np.concatenate([_ratios(found, "gradient", mode, lost) for lost in (False, True)])
        why = (
            f"residual with it over residual without, run by run: where Q stays orthogonal to {LOST:g}, {_words(kept)}"
        )
        if lost.size:
            dimensions = sorted(
                {r["m"] for r in found["runs"] if r["mode"] == "none" and r.get("orthogonality", 0) > LOST}
            )
            why += f"; where it does not (m = {', '.join(map(str, dimensions))}), {_words(lost)}"
        made.append(
            Verdict(
                f"{mode!r} reorthogonalization improves LancBiO's v_k",
                HOLDS if always else CAVEAT if sometimes else FAILS,
                f"{why}. ‖∇φ‖ at the end: {_words(gradient)}",
            )
        )
    for condition in CONDITIONS:
        plain = {m: [r for s in (1.0, 0.1) for r in _cell(found, condition, s, m, "none")] for m in DIMENSIONS}
        middle = {m: float(np.median([r["residual"] for r in runs if "failed" not in r])) for m, runs in plain.items()}
        best = min(middle, key=middle.__getitem__)
        made.append(
            Verdict(
                f"κ = {condition:.0e}: a larger subspace gives a smaller residual ‖A_k v_k − b_k‖",
                HOLDS if best == max(DIMENSIONS) else CAVEAT if best >= 10 else FAILS,
                "median residual over the later half of the runs: "
                + ", ".join(f"m = {m}: {value:.1e}" for m, value in middle.items())
                + f"; smallest at m = {best}",
            )
        )
    return made


def section(found: dict[str, Any]) -> str:
    lines = [
        f"Dense synthetic problem, n = {found['n']}, θ = 1/κ, N = 5, K = {found['maxiter']}, constant m,"
        f" {found['seeds']} seeds; median [smallest, largest]. Residuals are medians over the later half of"
        " a run; orthogonality is the largest |I − QᵀQ| entry seen; T indefinite counts outer iterations.",
        "",
    ]
    rows = []
    for condition in CONDITIONS:
        for step_x in (1.0, 0.1):
            for m in DIMENSIONS:
                for mode in MODES if m > 1 else ("none",):
                    runs = [r for r in _cell(found, condition, step_x, m, mode) if "failed" not in r]
                    failed = len(_cell(found, condition, step_x, m, mode)) - len(runs)
                    if not runs:
                        rows.append([f"{condition:.0e}", step_x, m, mode, *["–"] * 6, failed])
                        continue
                    column = {key: [r[key] for r in runs] for key in runs[0]}
                    rows.append(
                        [
                            f"{condition:.0e}",
                            step_x,
                            m,
                            mode,
                            spread(column["residual"]),
                            spread(column["gradient"]),
                            f"{np.median(column['bad']):.0%}",
                            f"{np.median(column['indefinite']):.0f}",
                            f"{np.median(column['orthogonality']):.0e}",
                            f"{np.median(column['products']):.0f}",
                            failed,
                        ]
                    )
    header = [
        "κ",
        "λ",
        "m",
        "reorthogonalization",
        "residual",
        "‖∇φ(x_K)‖",
        "bad steps",
        "T indefinite",
        "orthogonality",
    ]
    return "\n".join([*lines, table([*header, "products", "failed"], rows)])


def figure(found: dict[str, Any]) -> Any:
    from matplotlib.figure import Figure

    sheet = Figure(figsize=(12, 6), layout="constrained")
    axes = sheet.subplots(2, 4, sharex=True, sharey="row")
    colors = dict(none="#0072B2", local="#E69F00", full="#D55E00")
    for j, (condition, step_x) in enumerate((c, s) for c in CONDITIONS for s in (1.0, 0.1)):
        for i, (quantity, label) in enumerate(
            (("residual", r"$\|A_kv_k-b_k\|$"), ("gradient", r"$\|\nabla\varphi(x_K)\|$"))
        ):
            ax = axes[i, j]
            for mode, color in colors.items():
                cells = {
                    m: [r for r in _cell(found, condition, step_x, m, mode) if "failed" not in r] for m in DIMENSIONS
                }
                points = {m: np.median([r[quantity] for r in runs]) for m, runs in cells.items() if runs}
                ax.plot(list(points), list(points.values()), "o-", color=color, label=mode)
            ax.set(xscale="log", yscale="log")
            ax.grid(color="#E4E4E4")
            if j == 0:
                ax.set_ylabel(label)
            if i == 0:
                ax.set_title(f"κ = {condition:.0e}, λ = {step_x}", fontsize=10)
            else:
                ax.set_xlabel("m")
                ax.set_xticks(DIMENSIONS, [str(m) for m in DIMENSIONS])
    axes[0, 0].legend(frameon=False, fontsize=9)
    return sheet
