"""A word every so many iterations, for whoever waits: a bar on a terminal where rich is installed, else log lines."""

from __future__ import annotations

import logging
import sys
from importlib.util import find_spec
from types import TracebackType
from typing import Any

LOG = logging.getLogger("lancbio_ref")


class Watch:
    """Told of every iteration; shows each `every`-th. 0 shows nothing.

    Lines go to the logger ``"lancbio_ref"`` at level INFO. Where nobody has given it, or the loggers above it, a
    handler, it has one of its own, to stderr, for the time of the run.

    Parameters
    ----------
    every : int
    maxiter : int
    """

    def __init__(self, every: int, maxiter: int) -> None:
        self.every, self.maxiter = every, maxiter
        self._bar: Any = None
        self._handler: logging.Handler | None = None
        self._level = LOG.level

    def __enter__(self) -> Watch:
        if not self.every:
            return self
        if getattr(sys.stderr, "isatty", lambda: False)() and find_spec("rich"):
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = BarColumn(30), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn()
            self._bar = Progress(*columns, console=Console(stderr=True))
            self._bar.add_task("", total=self.maxiter)
            self._bar.start()
        elif not LOG.hasHandlers():
            self._handler = logging.StreamHandler()
            self._handler.setFormatter(logging.Formatter("%(message)s"))
            LOG.addHandler(self._handler)
            LOG.setLevel(logging.INFO)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, where: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()
        if self._handler is not None:
            LOG.removeHandler(self._handler)
            LOG.setLevel(self._level)

    def update(self, done: int, k: int, h_norm: float, n_hvp: int, seconds: float) -> None:
        """Iteration k, the `done`-th of this run."""
        words = "iteration %d: hyper-gradient norm %.3e, %d Hessian products, %.1f s"
        self.say(done, words, k, h_norm, n_hvp, seconds, beside=f"hyper-gradient norm {h_norm:.3e}")

    def say(self, done: int, words: str, *numbers: object, beside: str = "") -> None:
        """The `done`-th of all is done: in words for a log, and what stands beside a bar."""
        if not self.every or done % self.every:
            return
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done, description=beside)
        else:
            LOG.info(words, *numbers)
