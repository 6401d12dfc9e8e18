"""Progress on a terminal: a bar where rich is installed and the output is a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from types import TracebackType
from typing import Protocol

from ..terminal import Outlet


class Progress(Protocol):
    """A context manager that is told where a run stands."""

    def __enter__(self) -> Progress: ...

    def __exit__(self, kind: type | None, error: BaseException | None, where: TracebackType | None) -> None: ...

    def update(self, k: int, **numbers: float) -> None:
        """Iteration `k` is done, with these numbers to show."""


def make_progress(total: int, *, quiet: bool) -> Progress:
    """The progress display for a run of `total` iterations."""
    if quiet:
        return Silent()
    return RichBar(total) if Outlet(sys.stdout).isatty() and find_spec("rich") else PlainLines(total)


class Silent:
    """Shows nothing."""

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, where: TracebackType | None) -> None:
        return None

    def update(self, k: int, **numbers: float) -> None:
        return None


class PlainLines(Silent):
    """About ten lines a run."""

    def __init__(self, total: int) -> None:
        self.total, self.next = total, 1

    def update(self, k: int, **numbers: float) -> None:
        if k >= self.next:
            print(f"{k:>6}/{self.total}  " + "  ".join(_shown(numbers)), flush=True)
            self.next = k + max(1, self.total // 10)


class RichBar(Silent):
    """A bar with the time left."""

    def __init__(self, total: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self.bar = Bar(BarColumn(30), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
        self.task = self.bar.add_task("", total=total)

    def __enter__(self) -> RichBar:
        self.bar.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, where: TracebackType | None) -> None:
        self.bar.stop()

    def update(self, k: int, **numbers: float) -> None:
        self.bar.update(self.task, completed=k, description="  ".join(_shown(numbers)))


def _shown(numbers: dict[str, float]) -> list[str]:
    return [
        f"{name.replace('_', ' ')} {value:.4f}" if "accuracy" in name else f"{name} {value:.3e}"
        for name, value in numbers.items()
    ]
