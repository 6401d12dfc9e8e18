"""Many methods, many seeds, one problem: each finished run is kept at once, and never made twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from ..errors import ArgumentError, LancbioError
from ..files import prepare_folder, write_arrays
from ..rounding import norm2
from ..status import SolveStatus
from .instance import Instance, make_instance
from .progress import make_progress
from .record import execute, run_arrays, warm_up
from .settings import Settings
from .table import comparison_report, plain_settings, write_comparison


def run_comparison(comparison: Settings) -> tuple[int, str]:
    """Make what is missing, then the table, the JSON file and the figure of all runs.

    Returns
    -------
    exit_code : int
        0, or 130 after Ctrl-C.
    report : str

    Raises
    ------
    ArgumentError
        The folder holds runs already and `resume` is false, or holds runs with other settings.
    """
    out = prepare_folder(comparison.out)
    (out / "runs").mkdir(exist_ok=True)
    for unfinished in (out / "runs").glob("*.npz.*"):  # of a comparison that was killed while it wrote
        unfinished.unlink()
    runs = finished_runs(comparison)
    kept = len(runs)
    if kept and not comparison.quiet:
        print(f"{kept} of {len(comparison.runs())} runs are there with the same settings: not made again", flush=True)
    interrupted = False
    try:
        interrupted = not _make_missing(comparison, runs)
    except KeyboardInterrupt:  # outside `minimize`: while data are loaded or a run is written
        interrupted = True
    ordered = {key: runs[key] for key in comparison.runs() if key in runs}
    summary, files = write_comparison(comparison, ordered, interrupted)
    return (130 if interrupted else 0), comparison_report(summary, files, kept)


def finished_runs(comparison: Settings) -> dict[tuple[int, str], dict[str, np.ndarray]]:
    """The runs of this comparison that are there already, checked before anything is computed."""
    found: dict[tuple[int, str], dict[str, np.ndarray]] = {}
    for seed, name in comparison.runs():
        path = comparison.path(seed, name)
        if not path.exists():
            continue
        if not comparison.resume:
            raise ArgumentError("--out", f"{path}, a finished run", "an empty folder, or --resume to go on from there")
        run = load_run(path)
        before, now = json.loads(str(run["settings"])), plain_settings(comparison.run_settings(seed, name))
        if before != now:
            changed = [key for key in now if before.get(key) != now[key]]
            was, is_ = ({key: values.get(key) for key in changed} for values in (before, now))
            raise ArgumentError("--resume", f"{path}, made with {was}", f"runs made with {is_}, or another --out")
        found[seed, name] = run
    return found


def load_run(path: Path) -> dict[str, np.ndarray]:
    """The arrays of one finished run."""
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            run = dict(file)
        return {"settings": run["settings"], "outcome": run["outcome"]} | run  # KeyError: no run of this command
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise ArgumentError("--resume", f"{path} ({type(error).__name__})", "a run that this command wrote") from None


def _make_missing(comparison: Settings, runs: dict[tuple[int, str], dict[str, np.ndarray]]) -> bool:
    """Make the runs that `runs` lacks, write and add each; False where Ctrl-C ended one."""
    missing = [key for key in comparison.runs() if key not in runs]
    total = sum(comparison.maxiter[name] for _, name in missing)
    done, instance, seed_of, warm = 0, None, None, set[str]()
    with make_progress(total, quiet=comparison.quiet) as progress:
        for number, (seed, name) in enumerate(missing, 1):
            if instance is None or seed != seed_of:
                instance, seed_of = make_instance(comparison, seed), seed
            if name not in warm:
                warm_up(comparison, instance, name)
                warm.add(name)

            def show(state: Any, seed: int = seed, name: str = name, done: int = done) -> None:
                if state.k % comparison.every[name] == 0:
                    progress.update(done + state.k, **{f"{name} seed {seed} |h|": norm2(state.h)})

            run = run_one(comparison, instance, seed, name, show)
            if run is None:
                return False
            write_arrays(comparison.path(seed, name), run)
            runs[seed, name] = run
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
