"""A candidate that behaves as its argument says: what executables do, and should not. Python without libraries."""

import json
import os
import signal
import subprocess
import sys
import time


def solve(A, b):
    """Gaussian elimination with pivoting."""
    rows = [[*row, right] for row, right in zip(A, b, strict=True)]
    n = len(rows)
    for i in range(n):
        pivot = max(range(i, n), key=lambda r: abs(rows[r][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for r in range(i + 1, n):
            factor = rows[r][i] / rows[i][i]
            rows[r] = [a - factor * p for a, p in zip(rows[r], rows[i], strict=True)]
    v = [0.0] * n
    for i in reversed(range(n)):
        v[i] = (rows[i][n] - sum(rows[i][j] * v[j] for j in range(i + 1, n))) / rows[i][i]
    return v


def say(text, end="\n"):
    sys.stdout.write(text + end)
    sys.stdout.flush()


def right(case):
    say(json.dumps({"id": case["id"], "v": solve(case["A"], case["b"])}))


def crash(case):
    print("the last words", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGSEGV)


def grandchild(case):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with open(sys.argv[2], "w") as file:
        file.write(str(child.pid))
    time.sleep(600)


def flood(case):
    while True:
        say("1," * 100000, end="")


def noise(case):
    sys.stderr.write("warning: nothing is wrong\n" * 20000)
    right(case)


def every_other(case):
    """Wrong in one of many ways for one case, right for the next: failures must not spread."""
    os._exit(7) if case["id"].endswith(("1", "3", "5", "7", "9")) else right(case)


def late(case):
    """A line of a log comes when the next case has been asked already; where none follows, nobody sees it."""
    say(json.dumps({"id": case["id"], "v": solve(case["A"], case["b"])}))
    if sys.stdin.buffer.peek():
        say('{"level": "info", "message": "solved"}' if case["id"].endswith("2") else "solved")


def marked(case):
    """Its lines begin with a byte-order mark, as those of some shells do."""
    sys.stdout.buffer.write(b"\xef\xbb\xbf" + json.dumps({"v": solve(case["A"], case["b"])}).encode() + b"\n")
    sys.stdout.flush()


def blank(case):
    say("\n\n   \n", end="")
    right(case)


ANSWERS = {
    "right": right,
    "blank": blank,
    "late": late,
    "marked": marked,
    "nonsense_later": lambda case: right(case) if case["id"].endswith("1") else say("no answer"),
    "crash": crash,
    "flood": flood,
    "grandchild": grandchild,
    "noise": noise,
    "every_other": every_other,
    "announced": right,
    "old": right,
    "once": lambda case: (right(case), sys.exit(0)),
    "once_and_slowly": lambda case: (right(case), time.sleep(0.5), sys.exit(0)),
    "silent": lambda case: sys.exit(0),
    "exit": lambda case: sys.exit(5),
    "hang": lambda case: time.sleep(600),
    "close": lambda case: (os.close(1), time.sleep(600)),
    "partial": lambda case: (say('{"v": [1.0', end=""), os._exit(0)),
    "partial_hang": lambda case: (say('{"v": [1.0', end=""), time.sleep(600)),
    "twice": lambda case: (say("{}\n", end=""), right(case)),
    "garbage": lambda case: say("Segmentation fault (not really)"),
    "binary": lambda case: (sys.stdout.buffer.write(b"\xff\xfe\x00\n"), sys.stdout.flush()),
    "deep": lambda case: say("[" * 200000),
    "other_id": lambda case: say(json.dumps({"id": "mine", "v": solve(case["A"], case["b"])})),
    "no_object": lambda case: say("[1.0, 2.0]"),
    "no_field": lambda case: say('{"w": [1.0]}'),
    "null": lambda case: say('{"v": null}'),
    "words": lambda case: say('{"v": ["one", "two"]}'),
    "hole": lambda case: say('{"v": [1.0, null]}'),
    "ragged": lambda case: say('{"v": [[1.0], 2.0]}'),
    "huge": lambda case: say('{"v": [' + "9" * 400 + "]}"),
    "digits": lambda case: say('{"v": [' + "9" * 10000 + "]}"),
    "shape": lambda case: say(json.dumps({"v": [solve(case["A"], case["b"])]})),
    "nan": lambda case: say(json.dumps({"v": [float("nan") for _ in case["b"]]})),
    "infinity": lambda case: say(json.dumps({"v": [1e999 for _ in case["b"]]})),
    "reject": lambda case: say('{"reject": "I would rather not"}'),
    "error": lambda case: say('{"error": "out of memory"}'),
    "wrong": lambda case: say(json.dumps({"v": [2 * v for v in solve(case["A"], case["b"])]})),
}


def main(mode):
    if mode == "deaf":
        time.sleep(600)
    if mode == "announced":
        say(json.dumps({"protocol": "lancbio-oracle", "version": "1", "levels": ["solve"]}))
    if mode == "old":
        say(json.dumps({"protocol": "lancbio-oracle", "version": "0"}))
    if mode == "refuses":
        print("\x1b[31mno such option", file=sys.stderr)
        sys.exit(2)
    for line in iter(sys.stdin.buffer.readline, b""):
        ANSWERS[mode](json.loads(line))


if __name__ == "__main__":
    main(sys.argv[1])
