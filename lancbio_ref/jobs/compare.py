"""Many methods, many seeds: the one loop of the command and of the function; what is finished is kept at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import ArgumentError, LancbioError
from ..files import claimed, write_arrays
from ..rounding import norm2
from ..status import SolveStatus
from .instance import Instance, make_instance
from .kept import finished_runs
from .progress import make_progress
from .record import execute, run_arrays, warm_up
from .settings import Settings
from .table import comparison_report, plain_settings, summarize, write_comparison

InstanceOf = Callable[[int], Instance]  # the problem and the start of a seed
Runs = dict[tuple[int, str], dict[str, np.ndarray]]  # arrays by seed and method


@dataclass
class Compared:
    """The runs of a comparison, and what became of its files.

    Attributes
    ----------
    runs : dict of (int, str) to dict of str to ndarray
        In the order of the seeds.
    summary : dict
        As in ``comparison.json``.
    interrupted : bool
        Whether Ctrl-C, or a file that could not be written, ended it.
    kept : int
        Runs that were there already.
    files : list of str
        A line about each file.
    all_written : bool
    """

    runs: Runs
    summary: dict[str, Any]
    interrupted: bool
    kept: int = 0
    files: list[str] = field(default_factory=list)
    all_written: bool = True


def run_comparison(comparison: Settings) -> tuple[int, str]:
    """The command: make what is missing, then the table, the JSON file and the figure of all runs.

    Returns
    -------
    exit_code : int
        0; 130 after Ctrl-C; 2 where a file could not be written.
    report : str

    Raises
    ------
    ArgumentError
        As `compared`.
    """
    found = compared(comparison, lambda seed: make_instance(comparison, seed))
    code = 2 if not found.all_written else 130 if found.interrupted else 0
    return code, comparison_report(found.summary, found.files, found.kept)


def compared(comparison: Settings, instance_of: InstanceOf) -> Compared:
    """Make what is missing; with ``comparison.out``, keep each run in its file, and write those of all runs.

    Raises
    ------
    ArgumentError
        The folder cannot be used, another process uses it, it holds runs already and `resume` is false, or it holds
        damaged ones or ones with other settings.
    """
    with ExitStack() as claims:
        runs: Runs = {}
        if comparison.out is not None:
            claims.enter_context(claimed(comparison.out))
            claims.enter_context(claimed(comparison.out / "runs"))
            runs = finished_runs(comparison)
        kept = len(runs)
        if kept and not comparison.quiet:
            print(
                f"{kept} of {len(comparison.runs())} runs are there with the same settings: not made again", flush=True
            )
        interrupted, unwritten = False, list[str]()
        try:
            interrupted = not _make_missing(comparison, instance_of, runs)
        except KeyboardInterrupt:  # outside `minimize`: while data are loaded or a run is written
            interrupted = True
        except UnwrittenRun as error:
            interrupted, unwritten = True, [f"failed: {error.__cause__}"]
        ordered = {key: runs[key] for key in comparison.runs() if key in runs}
        if comparison.out is None:
            return Compared(ordered, summarize(comparison, ordered, interrupted), interrupted)
        summary, files, all_written = write_comparison(comparison, comparison.out, ordered, interrupted)
    return Compared(ordered, summary, interrupted, kept, unwritten + files, all_written and not unwritten)


class UnwrittenRun(Exception):
    """The file of a run could not be written, so that the next ones would be lost as well; the cause says why."""


def _make_missing(comparison: Settings, instance_of: InstanceOf, runs: Runs) -> bool:
    """Make the runs that `runs` lacks, write and add each; False where Ctrl-C ended one."""
    missing = [key for key in comparison.runs() if key not in runs]
    total = sum(comparison.maxiter[name] for _, name in missing)
    done, instance, seed_of, warm = 0, None, None, set[str]()
    with make_progress(total, quiet=comparison.quiet) as progress:
        for number, (seed, name) in enumerate(missing, 1):
            if instance is None or seed != seed_of:
                instance, seed_of = instance_of(seed), seed
            if name not in warm:
                warm_up(comparison, instance, name)
                warm.add(name)

            def show(state: Any, seed: int = seed, name: str = name, done: int = done) -> None:
                if state.k % comparison.every[name] == 0:
                    progress.update(done + state.k, **{f"{name} seed {seed} |h|": norm2(state.h)})

            run = run_one(comparison, instance, seed, name, show)
            if run is None:
                return False
            runs[seed, name] = run
            if comparison.out is not None:
                try:
                    write_arrays(comparison.path(seed, name), run)
                except ArgumentError as error:
                    raise UnwrittenRun from error
            done += comparison.maxiter[name]
            if not comparison.quiet:
                print(f"[{number}/{len(missing)}] {name}, seed {seed}: {run['message']}", flush=True)
    return True


def run_one(
    comparison: Settings, instance: Instance, seed: int, name: str, watch: Callable[[Any], object]
) -> dict[str, np.ndarray] | None:
    """One run as the arrays of its file, `watch` being called after every iteration; None where Ctrl-C ended it.

    A method that fails, or cannot work on this problem, gives a run with outcome FAILED and the message; its arrays
    hold the iterations before.
    """
    accuracies: list[float] = []
    failure, result = "", None
    try:
        result = execute(comparison, instance, seed, name, accuracies, watch)
    except LancbioError as error:
        failure, result = str(error) or type(error).__name__, getattr(error, "result", None)
    if result is not None and result.status == SolveStatus.INTERRUPTED:
        return None
    settings = json.dumps(plain_settings(comparison.run_settings(seed, name)), sort_keys=True)
    if failure:
        reached = 0 if result is None else result.nit
        message = f"FAILED after {reached} iterations: {failure}"
        about = dict(settings=settings, outcome="FAILED", message=message)
    else:
        assert result is not None  # `minimize` returned it
        about = dict(settings=settings, outcome=result.status.name, message=result.message)
    arrays: dict[str, np.ndarray] = {key: np.array(text) for key, text in about.items()}
    if result is not None:
        arrays |= run_arrays(result, instance, accuracies, name)
        if (check := result.check) is not None:
            arrays |= dict(gradient=np.array([check.norm]), distance=np.array([check.distance]))
            arrays |= dict(bound=np.array([check.bound]), verdict=np.array(check.verdict.name))
            arrays["verdict_message"] = np.array(check.message)
    return arrays
