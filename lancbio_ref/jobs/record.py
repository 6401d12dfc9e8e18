"""Runs of `minimize` with their settings, and the arrays that the file of a run holds."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from ..errors import LancbioError
from ..minimize import minimize
from ..result import BilevelResult
from ..status import SolveStatus
from .instance import Instance
from .settings import Settings

NO_V = ("f2sa",)  # solves no linear system: its v stays v_0, of which a residual would say nothing
RECORDED = dict(recorded_k="k", loss="fun", residual="residual", lower_grad_norm="lower_grad_norm")


def execute(
    settings: Settings,
    instance: Instance,
    seed: int,
    name: str,
    accuracies: list[float],
    watch: Callable[[Any], object],
) -> BilevelResult:
    """The run of one method on one seed; `watch` is called after every iteration.

    Every ``settings.every`` iterations loss, residual and lower-level gradient are recorded beside the run, and, where
    there is a test set, the accuracy of y in `accuracies`.
    """

    def record(state: Any) -> None:
        if state.k % settings.every[name] == 0 and instance.test is not None:
            accuracies.append(instance.problem.accuracy(state.y, *instance.test))
        watch(state)

    return minimize(
        instance.problem,
        instance.x0,
        instance.y0,
        v0=instance.v0,
        method=settings.method(name),
        maxiter=settings.maxiter[name],
        tol=settings.tol,
        batch_size=settings.batch_size[name],
        rng=np.random.default_rng([1, seed]),  # not the stream that the problem and the start are drawn from
        callback=record,
        diagnostics_every=settings.every[name],
        check=settings.certify,
    )


def warm_up(settings: Settings, instance: Instance, name: str) -> None:
    """Two iterations that nobody sees: loading compiled loops may outlast a short run, and is no method's time."""
    batch_size = settings.batch_size[name]
    start: dict[str, Any] = dict(v0=instance.v0, method=settings.methods[name], maxiter=2, rng=0, batch_size=batch_size)
    with suppress(LancbioError):  # what fails here fails again in the run, which records it
        if minimize(instance.problem, instance.x0, instance.y0, **start).status == SolveStatus.INTERRUPTED:
            raise KeyboardInterrupt


def run_arrays(result: BilevelResult, instance: Instance, accuracies: list[float], name: str) -> dict[str, np.ndarray]:
    """The trace, what was recorded every few iterations, and where the run ended."""
    arrays = {column: result.trace[column] for column in result.trace.columns}
    diagnostics = result.trace.diagnostics
    assert diagnostics is not None  # `every` is at least 1
    kept = [key for key in RECORDED if not (key == "residual" and name in NO_V)]
    recorded = {key: diagnostics[RECORDED[key]] for key in kept}
    if instance.test is not None:
        recorded["test_accuracy"] = np.array(accuracies, dtype=np.float64)
    rows = min(map(len, recorded.values()))  # Ctrl-C may come between the accuracy and the rest of a row
    arrays |= {key: column[:rows] for key, column in recorded.items()}
    return arrays | dict(x=result.x, y=result.y, v=result.v)
