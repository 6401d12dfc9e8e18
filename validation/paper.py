"""Hyper-data cleaning in the paper's configuration: 28 × 28 pixels, 5000 + 5000 samples, K = 3000, corruption 0.5."""

from __future__ import annotations

import json
from typing import Any

from cleaning import overrides, with_solved
from common import DATA, HERE, Task, in_parallel, plain, rounded, run, thin, write

NAME, TITLE = "paper", "Hyper-data cleaning at the paper's K"
ONLY_FULL = True  # an hour or two: only --full makes it
SETS = ("mnist", "fashion-mnist")
MAXITER = 3000
NUDGES = (0, 1)
KEPT = HERE / "results" / "full" / "paper-runs"
ORDER = ("lancbio", "subbio", "amigo-cg", "amigo-gd", "soba", "f2sa", "stocbio", "bsa", "hjfbio", "ttsa")


def task_of(name: str, method: str, nudge: int, maxiter: int = MAXITER) -> Task:
    options = dict(corruption=0.5, data_dir=str(DATA), maxiter=maxiter, every=maxiter // 30)
    return Task(
        name, method, 1, tuple(options.items()), overrides(method, maxiter, False), finish=with_solved, nudge=nudge
    )


def kept_run(task: Task) -> dict[str, Any]:
    """The run, read where it was made before; written beside and renamed as soon as it ends."""
    comparison = task.comparison()
    settings = plain(comparison.run_settings(task.seed, task.method)) | dict(nudge=task.nudge)
    del settings["given"]["data_dir"]  # where the files are is no part of what is run
    path = KEPT / f"{task.problem}-{task.method}-{comparison.maxiter[task.method]}-{task.nudge}.json"
    if path.exists() and (kept := json.loads(path.read_text()))["settings"] == settings:
        return kept["run"]
    found = rounded(plain(thin(run(task))))
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, lambda file: file.write(json.dumps(dict(settings=settings, run=found)).encode()))
    return found


def measure(full: bool) -> dict[str, Any]:
    """All runs, the most wanted first; what was finished before is read, so that a killed measurement goes on."""
    keys = [(name, method, 0) for method in ORDER[:5] for name in SETS]
    keys += [(name, method, 1) for method in ORDER[:2] for name in SETS]
    keys += [(name, method, 0) for method in ORDER[5:] for name in SETS]
    runs = in_parallel(kept_run, [task_of(*key) for key in keys], "paper")
    return dict(runs=[dict(problem=name) | one for (name, _, _), one in zip(keys, runs, strict=True)])
