"""What every script of this folder shares: verdicts, files, runs of `compare` in parallel, small tables.

A script has NAME, TITLE and these functions:

    measure(full)    → numbers, which go to results/NAME.json (results/full/NAME.json for the paper's sizes)
    verdicts(found)  → list of `Verdict`, from these numbers alone
    section(found)   → its part of REPORT.md, from these numbers alone
    figure(found)    → a matplotlib Figure, from these numbers alone (not every script has one)

so that the report can be rendered again, and checked, without measuring again.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numba
import numpy as np
import scipy

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from lancbio_ref import LancbioError, hypergradient, lower_solution  # noqa: E402
from lancbio_ref.files import plain, write, write_text  # noqa: E402
from lancbio_ref.jobs.compare import run_one  # noqa: E402
from lancbio_ref.jobs.instance import Instance, make_instance  # noqa: E402
from lancbio_ref.jobs.options import make_comparison  # noqa: E402
from lancbio_ref.jobs.record import warm_up  # noqa: E402
from lancbio_ref.jobs.settings import Settings  # noqa: E402
from lancbio_ref.rounding import norm2  # noqa: E402

DATA = Path(os.environ.get("LANCBIO_DATA", HERE.parent.parent / "shared" / "data"))
PROCESSES = 2
HOLDS, FAILS, CAVEAT = "holds", "does not hold", "holds with a caveat"
METHODS = ("lancbio", "subbio", "amigo-cg", "amigo-gd", "soba", "stocbio", "bsa", "ttsa", "f2sa", "hjfbio")


@dataclass(frozen=True)
class Verdict:
    """A claim, whether it holds, and what that rests on, in words."""

    claim: str
    outcome: str
    why: str

    def __post_init__(self) -> None:
        if self.outcome not in (HOLDS, FAILS, CAVEAT):
            raise ValueError(f"outcome: found {self.outcome!r}, expected one of {HOLDS!r}, {FAILS!r}, {CAVEAT!r}")


def machine() -> dict[str, Any]:
    """What the numbers were made on."""
    versions = dict(python=platform.python_version(), numpy=np.__version__, scipy=scipy.__version__)
    return versions | dict(numba=numba.__version__, machine=platform.machine(), cores=os.cpu_count())


def results_path(name: str, full: bool) -> Path:
    return HERE / "results" / ("full" if full else "") / f"{name}.json"


def figure_path(name: str, full: bool) -> Path:
    return HERE / "figures" / ("full" if full else "") / f"{name}.png"


def save(name: str, found: Mapping[str, Any], full: bool) -> None:
    """Write the numbers, floats rounded to six digits: no verdict rests on the seventh."""
    path = results_path(name, full)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(rounded(plain(dict(found))), indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    write_text(path, text)


def load(name: str, full: bool) -> dict[str, Any] | None:
    """The numbers of a script, or None where it was not run."""
    path = results_path(name, full)
    return json.loads(path.read_text()) if path.exists() else None


def save_figure(name: str, figure: Any, full: bool) -> None:
    path = figure_path(name, full)
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, lambda file: figure.savefig(file, format="png", dpi=100))


def rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: rounded(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [rounded(entry) for entry in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def in_parallel(function: Callable[[Any], Any], tasks: Iterable[Any], label: str) -> list[Any]:
    """`function` of every task, in two processes, in the order of the tasks."""
    tasks, results = list(tasks), []
    with ProcessPoolExecutor(PROCESSES) as pool:
        for number, result in enumerate(pool.map(function, tasks), 1):
            results.append(result)
            if number % max(1, len(tasks) // 10) == 0 or number == len(tasks):
                print(f"  {label}: {number} of {len(tasks)}", flush=True)
    return results


# -- runs of one method on one seed ------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """One run: what ``lancbio-ref compare PROBLEM`` would be told, and where its instance comes from.

    Parameters
    ----------
    problem, method : str
    seed : int
    given : tuple of (str, value)
        Options of `compare`; hashable, so that a process makes an instance once.
    overrides : tuple of str
        METHOD.OPTION=VALUE.
    make : callable (comparison, seed) → Instance
    finish : callable (instance, x, y, v) → dict, optional
        Numbers of the last iteration's x_K, y_K, v_K; they go into the run.
    nudge : int
        Not 0: the same run from y_0 and v_0 with every entry one rounding away, up or down by the nudge's own draw.
    """

    problem: str
    method: str
    seed: int
    given: tuple[tuple[str, Any], ...] = ()
    overrides: tuple[str, ...] = ()
    make: Callable[[Settings, int], Instance] = make_instance
    finish: Callable[[Instance, np.ndarray, np.ndarray, np.ndarray], dict[str, Any]] | None = None
    nudge: int = 0

    def comparison(self) -> Settings:
        given = dict(self.given) | dict(methods=self.method, seeds=str(self.seed), set=list(self.overrides))
        return make_comparison(self.problem, given)


@lru_cache(maxsize=1)
def _instance(problem: str, given: tuple, make: Callable, seed: int) -> Instance:
    return make(make_comparison(problem, dict(given)), seed)


def run(task: Task) -> dict[str, Any]:
    """The numbers of one run: what was recorded, the counts, and the true ‖∇φ‖ where it was asked for."""
    comparison = task.comparison()
    keyed = tuple(
        (key, value) for key, value in task.given if key not in ("maxiter", "every", "batch_size", "halve_from")
    )
    instance = nudged(_instance(task.problem, keyed, task.make, task.seed), task.nudge)
    kept: list[np.ndarray] = []

    def keep(state: Any) -> None:
        if state.k == comparison.maxiter[task.method]:
            kept[:] = [state.x, state.y, state.v]

    warm_up(comparison, instance, task.method)
    arrays = run_one(comparison, instance, task.seed, task.method, keep)
    if arrays is None:
        raise KeyboardInterrupt
    settings = plain(comparison.run_settings(task.seed, task.method))
    outcome = str(arrays["outcome"])
    found: dict[str, Any] = dict(method=task.method, seed=task.seed, outcome=outcome, message=str(arrays["message"]))
    if task.nudge:
        found["nudge"] = task.nudge
    found["options"] = settings["options"]
    if outcome == "FAILED":
        return found
    recorded = arrays["recorded_k"]
    for column in ("h_norm", "n_hvp", "n_grad", "n_grad_upper", "seconds"):
        found[column] = arrays[column][recorded - 1].tolist()
    for column in ("recorded_k", "residual", "loss", "lower_grad_norm", "test_accuracy"):
        if column in arrays:
            found[column] = arrays[column].tolist()
    found["indefinite"] = int((arrays["status"] == 2).sum())
    return found if task.finish is None else found | task.finish(instance, *kept)


def true_gradient(problem: Any, x: np.ndarray, y: np.ndarray, v: np.ndarray) -> float:
    """‖∇φ(x)‖₂, the lower level solved from y and the linear system from v, both to 1e-9.

    NaN where they cannot be; of the lower level 1e-6 is enough, where rounding allows no more.
    """
    try:
        solution = lower_solution(problem, x, y, tol=1e-9)
        found = hypergradient(problem, x, solution.y, inverse="cg", rtol=1e-9, v0=v)
    except LancbioError:
        return math.nan
    solved = solution.status.success or solution.grad_norm <= 1e-6
    return norm2(found.value) if solved and found.status.success else math.nan


def nudged(instance: Instance, nudge: int) -> Instance:
    """The instance with every entry of y_0 and v_0 moved to the next or the previous number, as `nudge` draws it.

    That is what one more rounding could have done. Zeros stay: beside 0 there are only subnormal numbers.
    """
    if not nudge:
        return instance
    rng = np.random.default_rng([3, nudge])

    def moved(a: np.ndarray) -> np.ndarray:
        to = np.where(rng.random(a.shape) < 0.5, -np.inf, np.inf).astype(a.dtype)
        return np.where(a == 0, a, np.nextafter(a, to))

    return replace(instance, y0=moved(instance.y0), v0=moved(instance.v0))


def with_gradient(instance: Instance, x: np.ndarray, y: np.ndarray, v: np.ndarray) -> dict[str, Any]:
    """A `Task.finish`: the true ‖∇φ(x_K)‖."""
    return dict(gradient=true_gradient(instance.problem, x, y, v))


# -- runs that are kept as they finish ------------------------------------------------------

KEPT = HERE / "kept"  # of a measurement that was killed; none survives one that ended


@lru_cache(maxsize=1)
def source_digest() -> str:
    """Of all code that a run's numbers come from: a run made by other code is never taken for one of this."""
    digest = hashlib.sha256()
    for path in sorted([*(HERE.parent / "lancbio_ref").rglob("*.py"), *HERE.glob("*.py")]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def kept_run(job: tuple[str, Task]) -> dict[str, Any]:
    """`run`, thinned, of a (folder, task); read where it was made before, else written as soon as it ends."""
    folder, task = job
    made = [getattr(function, "__name__", "") for function in (task.make, task.finish)]
    settings = plain(task.comparison().run_settings(task.seed, task.method))
    settings = json.dumps([source_digest(), made, task.nudge, settings], sort_keys=True)
    key = hashlib.sha256(settings.encode()).hexdigest()[:16]
    path = KEPT / folder / f"{task.problem}-{task.method}-{task.nudge}-{key}.json"
    if path.exists():
        return json.loads(path.read_text())
    found = rounded(plain(thin(run(task))))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(found))
    return found


def forget(folder: str) -> None:
    """Remove what `kept_run` kept: its numbers are in the results now."""
    shutil.rmtree(KEPT / folder, ignore_errors=True)


# -- tables and curves ---------------------------------------------------------------------


def last(runs: Sequence[Mapping[str, Any]], column: str) -> np.ndarray:
    """The last entry of a column, or a number of the end; one a run that has it."""
    entries = [run[column] for run in runs if run["outcome"] != "FAILED" and column in run]
    return np.array([entry[-1] if isinstance(entry, list) else entry for entry in entries], dtype=float)


def spread(values: Sequence[float] | np.ndarray, form: str = "{:.2e}") -> str:
    """Median, and in brackets the smallest and the largest where there are several."""
    values = np.asarray(values, dtype=float)
    if values.size == 0:
        return "–"
    middle = form.format(float(np.median(values)))
    if values.size == 1:
        return middle
    return f"{middle} [{form.format(float(values.min()))}, {form.format(float(values.max()))}]"


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


def thin(found: dict[str, Any], points: int = 60) -> dict[str, Any]:
    """A run with at most about so many entries a column, the last one among them: enough for a figure."""
    if "recorded_k" not in found:
        return found
    size = len(found["recorded_k"])
    places = sorted({*range(0, size, max(1, size // points)), size - 1})
    return {
        key: [value[i] for i in places] if isinstance(value, list) and len(value) == size else value
        for key, value in found.items()
    }


def by_method(runs: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The runs of each method, thinned."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for one in runs:
        groups.setdefault(one["method"], []).append(thin(one))
    return groups


def drawn(methods: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, list[dict[str, np.ndarray]]]:
    """Runs read from JSON, as :func:`lancbio_ref.plotting.comparison_figure` takes them."""
    return {m: [{key: np.array(value) for key, value in one.items()} for one in runs] for m, runs in methods.items()}
