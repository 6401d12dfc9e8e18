"""What every benchmark shares: a child process for each number of threads, interleaved repeats, medians and spread.

A part is run as ``python PART.py THREADS`` in a process of its own and prints one JSON object. The process is bound to
as many cores before anything is imported, which no library can evade.
"""

from __future__ import annotations

import importlib
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

PAUSE = 0.3  # seconds
HERE = Path(__file__).resolve().parent
VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "LANCBIO_NUM_THREADS", "NUMBA_NUM_THREADS")


def bind(threads: int) -> None:
    """Use `threads` cores and threads; before NumPy is imported."""
    os.environ.update({name: str(threads) for name in VARIABLES}, JAX_PLATFORMS="cpu", JAX_ENABLE_X64="1")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    sys.path.insert(0, str(HERE.parents[1]))
    importlib.import_module("lancbio_ref.kernels.compiled").PATIENCE = 0  # compiled at the first call, as JAX is


def part(measure: Callable[[int], dict]) -> None:
    """The main function of a part: ``measure(threads)`` as JSON on the last line of the output."""
    threads = int(sys.argv[1])
    bind(threads)
    print(json.dumps(measure(threads)))


def interleaved(
    functions: dict[str, Callable[[], object]], *, seconds: float = 6.0, rounds: int = 3, most: int = 60
) -> dict[str, dict[str, float]]:
    """Each function in turn, in short series, three rounds of them, for about so many seconds in all.

    Before a series there is a pause and a call that does not count: the threads of a BLAS, of PyTorch or of XLA go on
    spinning after a call, for up to a tenth of a second, on the core that the next one in turn wants.

    Returns name → ``first`` (the first call, with its compilation), ``median``, ``low``, ``high`` (quartiles), all in
    seconds, and ``count``.
    """
    first, times = {}, {name: [] for name in functions}
    for name, function in functions.items():
        first[name] = clock(function)
    share = seconds / rounds / len(functions)
    for _ in range(rounds):
        for name, function in functions.items():
            time.sleep(PAUSE if os.environ["OMP_NUM_THREADS"] != "1" else 0)
            function()
            start = time.perf_counter()
            for count in range(most):
                if count and time.perf_counter() - start > share:
                    break
                times[name].append(clock(function))
    return {name: dict(first=first[name], **spread(times[name])) for name in functions}


def clock(function: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def spread(times: list[float]) -> dict[str, float]:
    low, median, high = statistics.quantiles(times, n=4) if len(times) > 1 else times * 3
    return dict(median=median, low=low, high=high, count=len(times))


def resident() -> float:
    """Bytes of memory that the process holds now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def peak() -> float:
    """Bytes of memory that the process held at most."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0
