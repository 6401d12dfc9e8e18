"""Run ``lancbio-ref`` in many surroundings from one process, which imports it once and forks for each.

``python -m tests.surroundings FOLDER`` prints a JSON object: situation → exit status, error output, standard output,
files. Every command ends as a process does: what Python says or does at its end counts, too.
"""

import gc
import importlib.util
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from contextlib import redirect_stdout
from pathlib import Path

from lancbio_ref import files
from lancbio_ref.cli import main

COMPARE = ["compare", "quadratic", "--n", "3", "--maxiter", "4", "--seeds", "1", "--methods", "soba"]
LONG = ["compare", "quadratic", "--n", "8", "--maxiter", "1000", "--every", "1000", "--methods", "soba", "--no-certify"]
ENDLESS = ["run", "synthetic", "--n", "8", "--maxiter", "10000000", "--no-certify"]


def forked(name, arguments, prepare, place):
    """The process id of a command in the folder `place`/`name`, and pipes from its two outputs."""
    Path(place, name).mkdir(exist_ok=True)
    pipes = os.pipe(), os.pipe()
    pid = os.fork()
    for number, (reader, writer) in enumerate(pipes, 1):
        if not pid:
            os.dup2(writer, number)
            os.close(reader)
        os.close(writer)
    if pid:
        return pid, [reader for reader, _ in pipes]
    prepare()
    sys.argv = ["lancbio-ref", *arguments]
    sys.exit(main())


def ended(command, name, place):
    """How it ended, and what it left."""
    pid, readers = command
    said = []
    for reader in readers:  # what they hold is read in turn: no command says more than a pipe holds
        with open(reader, encoding="utf-8", errors="replace") as file:
            said.append(file.read())
    code, out = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), Path(place, name, "out")
    left = sorted(str(path.relative_to(out)) for path in out.rglob("*"))
    return dict(code=code, stdout=said[0], stderr=said[1], left=left)


def nothing():
    pass


def reopened(**options):
    sys.stdout, sys.stderr = (open(number, "w", closefd=False, **options) for number in (1, 2))  # noqa: SIM115


def unread():
    reader, writer = os.pipe()
    os.dup2(writer, 1)
    os.close(writer)
    os.close(reader)


def full():
    os.dup2(os.open("/dev/full", os.O_WRONLY), 1)


def nothing_open():
    for number in range(3):
        os.close(number)
    sys.stdin = sys.stdout = sys.stderr = None  # as Python starts then


def notebook_without_home():
    files.find_spec = importlib.util.find_spec
    os.environ.pop("HOME", None)
    os.environ["MPLBACKEND"] = "module://nobody_has.this_backend"


def no_room():
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))


SITUATIONS = {
    "ascii": (COMPARE, lambda: reopened(encoding="ascii")),
    "unread": (COMPARE, unread),
    "full": (COMPARE, full),
    "full, a list": (["vectors", "show", "quadratic-001"], full),
    "full, help": (["--help"], full),
    "nothing open": (COMPARE, nothing_open),
    "no room": (COMPARE, no_room),
    "no room, run": ([*ENDLESS, "--maxiter", "4"], no_room),
    "drawn": (COMPARE, notebook_without_home),
}


def killed(name, number, arguments, place, until):
    """How a command ended to which a signal was sent as soon as it had said `until`."""
    command = forked(name, [*arguments, "--out", str(Path(place, name, "out"))], nothing, place)
    with open(os.dup(command[1][0])) as said:
        while until not in said.readline():
            pass
        os.kill(command[0], number)
    return ended(command, name, place)


def orphaned(place):
    """Whether a candidate that spins outlives its check, to which nobody could say that it is killed."""
    file = Path(place, "pid")
    program = f"sh -c 'echo $$ > {file}; while :; do :; done'"
    command = forked("orphaned", ["check", "--command", program, "--level", "solve"], nothing, place)
    while not (file.exists() and file.read_text().endswith("\n")):
        time.sleep(0.01)
    time.sleep(0.2)  # so that the check knows whom it has started
    os.kill(command[0], signal.SIGKILL)
    ended(command, "orphaned", place)
    deadline = time.monotonic() + 20
    while (alive := _runs(int(file.read_text()))) and time.monotonic() < deadline:
        time.sleep(0.1)
    return alive


def _runs(pid):
    """Whether there is such a process, and not only what is left of it until somebody asks how it ended."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return state not in ("", "Z", "Z+", "Zs")


def everything(place):
    """What the situations came to, by name."""
    found = {}
    with open(os.devnull, "w") as silent, redirect_stdout(silent):
        files.find_spec = lambda name: None
        for number, command in enumerate((COMPARE, [*ENDLESS[:4], "--maxiter", "4"])):  # all have the loops then
            main([*command, "--out", str(Path(place, f"first {number}"))])
    assert threading.active_count() == 1
    gc.freeze()  # nothing that all share is looked at when each of them ends
    for name, (arguments, prepare) in SITUATIONS.items():
        out = ["--out", str(Path(place, name, "out"))] if arguments[0] in ("run", "compare") else []
        found[name] = ended(forked(name, arguments + out, prepare, place), name, place)
    found["terminated"] = killed("terminated", signal.SIGTERM, ENDLESS, place, "loss")
    found["killed"] = killed("killed", signal.SIGKILL, [*LONG, "--seeds", "1-40"], place, "[1/40]")
    out = Path(place, "killed", "out")
    for folder in (out, out / "runs"):
        (folder / "unfinished.npz".join(files.UNFINISHED)).write_bytes(b"half")
    again = [*LONG, "--seeds", "1-2", "--resume", "--out", str(out)]
    found["resumed"] = ended(forked("killed", again, nothing, place), "killed", place)
    found["orphaned"] = orphaned(place)
    return found


if __name__ == "__main__":
    print(json.dumps(everything(sys.argv[1])))
