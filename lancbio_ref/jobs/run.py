"""One run, as ``lancbio-ref run`` makes it: `compare` with one method and one seed, and more to say about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..files import claimed, write_all, write_arrays, write_figure, write_json
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
        0; 130 after Ctrl-C; 2 where a file could not be written.
    report : str
    """
    assert settings.out is not None  # the command always has a folder
    with claimed(settings.out) as out:
        return _run_in(out, settings)


def _run_in(out: Path, settings: Settings) -> tuple[int, str]:
    ((seed, name),) = settings.runs()
    instance = make_instance(settings, seed)
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
    files, all_written = write_all(
        lambda: write_arrays(out / "trace.npz", arrays),
        lambda: write_json(out / "summary.json", summary),
        lambda: write_figure(out / "figure.png", lambda: draw(arrays, summary)),
    )
    code = 130 if summary["status"] == "INTERRUPTED" else 0
    return (code if all_written else 2), run_report(summary, files)
