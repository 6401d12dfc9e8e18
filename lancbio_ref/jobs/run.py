"""One run, as ``lancbio-ref run`` makes it: `compare` with one method and one seed, and more to say about it."""

from __future__ import annotations

from typing import Any

from ..files import prepare_folder, write_arrays, write_figure, write_json
from ..plotting import cleaning_figure, synthetic_figure
from ..rounding import norm2
from ..status import SolveStatus
from .cleaning import describe_samples, fit_all
from .instance import make_instance
from .progress import make_progress
from .record import execute, run_arrays
from .report import describe_run, run_report
from .settings import Settings


def run_job(settings: Settings) -> tuple[int, str]:
    """Make the run and write its files.

    Returns
    -------
    exit_code : int
        0, or 130 after Ctrl-C.
    report : str
    """
    ((seed, name),) = settings.runs()
    out, instance = prepare_folder(settings.out), make_instance(settings, seed)
    problem, samples = instance.problem, instance.samples
    last, every, accuracies = settings.maxiter[name], settings.every[name], list[float]()

    def show(state: Any) -> None:
        if not settings.quiet and (state.k in (1, last) or state.k % every == 0):
            numbers = dict(loss=problem.value(state.x, state.y), h_norm=norm2(state.h))
            if instance.test is not None:  # `execute` has just measured it, every few iterations
                recorded = state.k % every == 0
                numbers["test_accuracy"] = accuracies[-1] if recorded else problem.accuracy(state.y, *instance.test)
            progress.update(state.k, **numbers)

    with make_progress(last, quiet=settings.quiet) as progress:
        result = execute(settings, instance, seed, name, accuracies, show)
    summary = describe_run(settings, result)
    arrays = run_arrays(result, instance, accuracies, name)
    if samples is not None:
        summary |= describe_samples(samples, result.x)
        arrays["corrupted"] = samples.corrupted
        if result.status != SolveStatus.INTERRUPTED:
            try:
                summary["fits"] = fit_all(instance, samples, settings.given["regularization"], result.x)
            except KeyboardInterrupt:
                evaluation = "INTERRUPTED: the run was finished, its evaluation was not"
                summary |= dict(status="INTERRUPTED", message=evaluation)
    draw = synthetic_figure if samples is None else cleaning_figure
    files = [
        write_arrays(out / "trace.npz", arrays),
        write_json(out / "summary.json", summary),
        write_figure(out / "figure.png", lambda: draw(arrays, summary)),
    ]
    return (130 if summary["status"] == "INTERRUPTED" else 0), run_report(summary, files)
