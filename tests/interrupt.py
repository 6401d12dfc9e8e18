"""A process of its own that Ctrl-C reaches, even where the tests themselves run with SIGINT ignored."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def _listen() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # what a shell ignores for a job in the background is inherited


@contextmanager
def interruptible(command: list[str], **options: Any) -> Iterator[subprocess.Popen]:
    """``Popen`` with text pipes; killed where the test fails before it has ended, which `Popen` would wait for."""
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process = subprocess.Popen(command, preexec_fn=_listen, **pipes | options)
    with process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise
