"""Finished runs, read back from their files: what ``compare --resume`` goes on from, where it is sound."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets.npz import load_arrays
from ..errors import ArgumentError
from ..status import SolveStatus
from ..trace import COLUMNS
from .record import NO_V, RECORDED
from .settings import CLEANING, Settings
from .table import plain_settings

EXPECTED = "a run that this command wrote; remove the file, and --resume makes the run again"
CHECKED = {"gradient", "distance", "bound", "verdict", "verdict_message"}
TEXTS = ("settings", "outcome", "message", "verdict", "verdict_message")


def finished_runs(comparison: Settings) -> dict[tuple[int, str], dict[str, np.ndarray]]:
    """The runs of a comparison that are there already, checked before anything is computed.

    Raises
    ------
    ArgumentError
        There are some and `resume` is false; one that is damaged, or was made with other settings.
    """
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
            changed = [key for key in {**now, **before} if before.get(key) != now.get(key)]
            was, is_ = ({key: values.get(key) for key in changed} for values in (before, now))
            raise ArgumentError("--resume", f"{path}, made with {was}", f"runs made with {is_}, or another --out")
        found[seed, name] = run
    return found


def load_run(path: Path) -> dict[str, np.ndarray]:
    """The arrays of one finished run.

    Raises
    ------
    ArgumentError
        No such file, a damaged one, or one whose arrays this command did not write.
    """
    try:
        run = load_arrays(path, ("settings", "outcome", "message"), others=True)
    except ArgumentError as error:
        raise ArgumentError("--resume", f"{error.argument}: {error.found}", EXPECTED) from None
    if wrong := _wrong(run):
        raise ArgumentError("--resume", f"{path}, {wrong[0]}: {wrong[1]}", EXPECTED)
    return run


def _wrong(run: Mapping[str, np.ndarray]) -> tuple[str, str] | None:
    """(array, what is wrong with it), None where all is as :func:`~lancbio_ref.jobs.record.run_arrays` makes it."""
    for name, array in run.items():
        if name in TEXTS and (array.dtype.kind != "U" or array.ndim):
            return name, f"{array.dtype} of shape {array.shape}, no text"
        if name not in TEXTS and (array.dtype.kind not in "iufb" or array.ndim != 1):
            return name, f"{array.dtype} of shape {array.shape}, no 1-D array of numbers"
    try:
        settings: Any = json.loads(str(run["settings"]))
    except (ValueError, RecursionError) as error:
        return "settings", f"no JSON ({error})"
    if not isinstance(settings, dict):
        return "settings", f"{type(settings).__name__}, no object"
    outcome = str(run["outcome"])
    if outcome not in ("FAILED", *SolveStatus.__members__):
        return "outcome", repr(outcome[:40])
    if outcome == "FAILED":  # of such a run nothing is averaged or drawn
        return None
    expected = {*COLUMNS, *RECORDED, "x", "y", "v"} - ({"residual"} if settings.get("method") in NO_V else set())
    expected |= {"test_accuracy"} if settings.get("problem") in (*CLEANING, "20newsgroups") else set()
    expected |= CHECKED if settings.get("certify") else set()
    if missing := sorted(expected - set(run)):
        return missing[0], "nothing"
    lengths = dict.fromkeys(COLUMNS, len(run["k"]))
    lengths |= {name: len(run["recorded_k"]) for name in (*RECORDED, "test_accuracy") if name in run}
    lengths |= {name: 1 for name in ("gradient", "distance", "bound") if name in run}
    for name, length in lengths.items():
        if len(run[name]) != length or length == 0:
            return name, f"{len(run[name])} entries where there must be {length or 'some'}"
    recorded = run["recorded_k"]
    if recorded.dtype.kind != "i" or recorded.min() < 1 or recorded.max() > len(run["k"]):
        return "recorded_k", "no iterations of this run"
    return None
