"""How many bytes a call holds at most, beside what happens to be imported, compiled or loaded while it runs."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

RUNS = 4


def least_peak(run: Callable[[], object], enough: float) -> int:
    """The most bytes that are held at once during `run`, of what is made in it: the least of up to four calls.

    A module that is imported, a function that gets compiled, or is loaded because another worker has written its file
    just now, is counted by tracemalloc and met once. What the code under test makes, it makes in every call. The first
    call that stays below `enough` is the last.
    """
    least = None
    for _ in range(RUNS):
        tracemalloc.start()
        try:
            run()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        least = peak if least is None else min(least, peak)
        if least < enough:
            break
    assert least is not None
    return least
