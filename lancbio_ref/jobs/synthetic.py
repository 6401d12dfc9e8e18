"""The paper's synthetic problem as a job."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..files import prepare_folder, write_arrays, write_figure, write_json
from ..minimize import minimize
from ..plotting import synthetic_figure
from ..problems import synthetic
from ..rounding import norm2
from .progress import make_progress
from .report import describe_run, synthetic_report, was_interrupted
from .settings import SyntheticSettings


def run_synthetic(settings: SyntheticSettings) -> tuple[int, str]:
    """Run the job and write its files.

    Returns
    -------
    exit_code : int
        0, or 130 after Ctrl-C.
    report : str
    """
    out = prepare_folder(settings.out)
    rng = np.random.default_rng(settings.seed)
    problem = synthetic(settings.n, settings.condition, matrix_free=settings.matrix_free, rng=rng)
    x0, y0, v0 = problem.initial_point(rng)
    progress = make_progress(settings.maxiter, quiet=settings.quiet)

    def record(state: Any) -> None:
        if state.k % settings.every == 0 or state.k in (1, settings.maxiter):
            progress.update(state.k, loss=problem.value(state.x, state.y), h_norm=norm2(state.h))

    with progress:
        result = minimize(
            problem,
            x0,
            y0,
            v0=v0,
            method=settings.method,
            maxiter=settings.maxiter,
            tol=settings.tol,
            callback=record,
            diagnostics_every=settings.every,
            check=settings.certify,
        )
    summary, interrupted = describe_run(settings, result), was_interrupted(result)
    arrays = {name: result.trace[name] for name in result.trace} | dict(x=result.x, y=result.y, v=result.v)
    recorded = dict(recorded_k="k", loss="fun", residual="residual", lower_grad_norm="lower_grad_norm")
    if (diagnostics := result.trace.diagnostics) is not None:
        arrays |= {name: diagnostics[column] for name, column in recorded.items()}
    files = [
        write_arrays(out / "trace.npz", arrays),
        write_json(out / "summary.json", summary),
        write_figure(out / "figure.png", lambda: synthetic_figure(arrays, summary)),
    ]
    return (130 if interrupted else 0), synthetic_report(summary, files)
