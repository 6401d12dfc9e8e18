"""Threads where there are none to be had: while the interpreter ends, or where the system gives no more."""

import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from lancbio_ref import parallel

LATE = """
import atexit, hashlib, sys, threading
import numpy as np
from lancbio_ref import operators, parallel
from lancbio_ref.krylov import lanczos_solve

parallel.set_threads(4)
A, b = operators.DiagonalLowRank(np.linspace(1, 2, 400_000)), np.ones(400_000)

def solve(name):
    try:
        x, _ = lanczos_solve(A, b, rtol=1e-6)
        print(name, hashlib.sha256(x.tobytes()).hexdigest(), flush=True)
    except BaseException as error:
        print(name, repr(error), flush=True)

def late():
    threading.main_thread().join()
    solve("thread")
    parallel.set_threads(3)  # a pool that was never used
    solve("new pool")

if sys.argv[1] == "warm":
    solve("main")
atexit.register(solve, "atexit")
threading.Thread(target=late).start()
"""


def test_a_solve_after_main_has_ended_is_done_by_its_own_thread():
    found = {}
    for start in ("warm", "cold"):
        command = [sys.executable, "-c", LATE, start]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        assert done.stderr == ""
        found |= {f"{start} {(words := line.rsplit(' ', 1))[0]}": words[1] for line in done.stdout.splitlines()}
    names = {f"{start} {name}" for start in ("warm", "cold") for name in ("thread", "new pool", "atexit")}
    assert found.keys() == {"warm main", *names}
    assert set(found.values()) == {found["warm main"]}  # the same bits


@pytest.mark.parametrize("given", [0, 1, 2])
def test_threads_that_the_system_does_not_give_are_done_without(monkeypatch, given):
    x = np.random.default_rng(0).standard_normal(4 * parallel.GRAIN)
    expected, before, start, started = parallel.dot(x, x), parallel.threads(), threading.Thread.start, []

    def refusing(thread):
        if len(started) == given:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    try:
        parallel.set_threads(4)
        monkeypatch.setattr(threading.Thread, "start", refusing)
        for _ in range(20):
            assert parallel.dot(x, x) == expected
    finally:
        parallel.set_threads(before)


def test_a_range_that_was_queued_before_a_thread_failed_to_start_is_waited_for(monkeypatch):
    """`submit` queues before it starts a thread: a worker may take a range of which the caller has no future."""
    done, parallel_threads, start, started = [], parallel.threads(), threading.Thread.start, []
    pauses = {0: 0.2, 100: 0.05, 200: 0.6}

    def kernel(first, last):
        time.sleep(pauses[first])
        done.append((first, last))

    def refusing(thread):
        if started:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    try:
        parallel.set_threads(3)
        monkeypatch.setattr(threading.Thread, "start", refusing)
        parallel.run(kernel, 300, 3 * parallel.GRAIN)
        assert sorted(done) == [(0, 100), (100, 200), (200, 300)]
    finally:
        parallel.set_threads(parallel_threads)


def test_every_block_is_done_once_and_an_exception_comes_out():
    done, blocks = [], 64
    parallel_threads = parallel.threads()

    def kernel(first, last):
        done.extend(range(first, last))

    def failing(first, last):
        raise IndexError(first)

    try:
        parallel.set_threads(4)
        for _ in range(50):
            done.clear()
            parallel.run(kernel, blocks, 64 * parallel.GRAIN)
            assert sorted(done) == list(range(blocks))
        with pytest.raises(IndexError):
            parallel.run(failing, blocks, 64 * parallel.GRAIN)
    finally:
        parallel.set_threads(parallel_threads)


def test_what_was_asked_of_a_thread_that_never_came_holds_no_array():
    """A queue that a busy thread has not looked at may be long, and a run writes into vectors that nobody holds."""
    parallel_threads, busy, done = parallel.threads(), threading.Event(), threading.Semaphore(0)
    x, y = (np.ones(4 * parallel.GRAIN) for _ in range(2))
    held = sys.getrefcount(x), sys.getrefcount(y)
    try:
        parallel.set_threads(3)
        waits = [parallel._team.workers().submit(busy.wait) for _ in range(3)]
        assert parallel.dot(x, y) == x.size
        assert (sys.getrefcount(x), sys.getrefcount(y)) == held
        busy.set()
        assert all(wait.result(10) for wait in waits)
        for _ in range(50):
            parallel.run(lambda first, last, x: done.release(), 3, x.size, x)
            assert sys.getrefcount(x) == held[0]
    finally:
        busy.set()
        parallel.set_threads(parallel_threads)
