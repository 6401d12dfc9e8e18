"""Whatever a candidate does is a reply: answers, rejections, and every way in which an executable can go wrong."""

import json
import os
import re
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from lancbio_ref.errors import ArgumentError
from lancbio_ref.oracle import process
from lancbio_ref.oracle.candidates import (
    CallableCandidate,
    CommandCandidate,
    PythonCandidate,
    make_reply,
)
from lancbio_ref.oracle.levels import LEVELS, from_json, make_case, to_json
from lancbio_ref.oracle.process import LineFailure
from lancbio_ref.oracle.serve import find
from lancbio_ref.oracle.vector import load
from tests.oracle.asked import V, case

EXECUTABLE = Path(__file__).with_name("executable.py")


def command(mode, *arguments, timeout=20.0):
    return CommandCandidate([sys.executable, str(EXECUTABLE), mode, *arguments], timeout=timeout)


def ask(mode, *, timeout=20.0, cases=1):
    candidate = command(mode, timeout=timeout)
    try:
        replies = [candidate.ask(case()) for _ in range(cases)]
    finally:
        candidate.close()
    return replies[-1]


# -- executables ----------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["right", "announced", "blank", "noise", "once", "once_and_slowly"])
def test_an_answer_comes_back(mode):
    reply = ask(mode, cases=3)
    assert (reply.kind, reply.failure) == ("answer", None)
    np.testing.assert_allclose(reply.answer["v"], V, rtol=1e-14)


@pytest.mark.parametrize(
    "mode, kind, words",
    [
        ("crash", "crash", "SIGSEGV"),
        ("exit", "crash", "exited with status 5"),
        ("silent", "crash", "exited with status 0 instead of answering"),
        ("close", "crash", "closed its output"),
        ("partial", "crash", "10 bytes of a line without its end"),
        ("twice", "garbage", ""),  # "no 'v'", or "more than one line" where both have come
        ("garbage", "garbage", "no JSON: 'Segmentation fault"),
        ("binary", "garbage", "no JSON"),
        ("deep", "garbage", "no JSON"),
        ("digits", "garbage", ""),
        ("other_id", "garbage", "answered 'mine' when asked 'case-002'"),
        ("no_object", "garbage", "list, expected an object with 'v'"),
        ("no_field", "garbage", "no 'v' in the answer"),
        ("null", "garbage", "v is NoneType None"),
        ("words", "garbage", "v is"),
        ("hole", "garbage", "entries that are no numbers"),
        ("ragged", "garbage", "v is no array of numbers"),
        ("huge", "garbage", "v is"),
        ("shape", "shape", "v has shape (1, 2), expected (2,)"),
        ("nan", "not finite", "v has nan at index (0,)"),
        ("infinity", "not finite", "v has inf at index (0,)"),
        ("error", "error", "out of memory"),
        ("old", "garbage", "version '0', expected 'lancbio-oracle' version '1'"),
    ],
)
def test_what_goes_wrong_is_a_failure_with_its_reason(mode, kind, words):
    reply = ask(mode)
    assert (reply.kind, reply.answer, reply.rejection) == (kind, None, None)
    assert words in reply.failure


@pytest.mark.parametrize(
    "mode, words",
    [("hang", "no answer within 0.3 s"), ("deaf", "no answer"), ("partial_hang", "10 bytes without an end of line")],
)
def test_silence_ends_at_the_time_limit(mode, words):
    start = time.monotonic()
    reply = ask(mode, timeout=0.3)
    assert reply.kind == "hang" and words in reply.failure
    assert time.monotonic() - start < 5


def test_a_child_that_does_not_read_cannot_block(monkeypatch):
    candidate = command("deaf", timeout=0.5)
    reply = candidate.ask(case(A=np.ones((600, 600)), b=np.ones(600)))  # more than a pipe holds
    candidate.close()
    assert reply.kind == "hang" and "has not read all of the case" in reply.failure


def test_endless_output_is_cut_off(monkeypatch):
    monkeypatch.setattr(process, "MAX_LINE", 2**20)
    reply = ask("flood")
    assert reply.kind == "garbage" and reply.failure == "more than 1 MiB without an end of line"


def test_a_failure_costs_one_case_and_the_next_gets_a_new_process():
    candidate = command("every_other")
    kinds = [candidate.ask(case(id=f"case-00{i}")).kind for i in (1, 2, 3, 5, 6, 8)]
    candidate.close()
    assert kinds == ["crash", "answer", "crash", "crash", "answer", "answer"]


def test_the_last_words_on_the_error_output_are_kept():
    assert ask("crash").stderr == "the last words"
    assert len(ask("noise").stderr) <= process.TAIL


def test_what_the_candidate_started_ends_with_it(tmp_path):
    pid_file = tmp_path / "pid"
    candidate = command("grandchild", str(pid_file), timeout=1.5)
    assert candidate.ask(case()).kind == "hang"
    candidate.close()
    pid = int(pid_file.read_text())
    for _ in range(100):
        if not _alive(pid):
            return
        time.sleep(0.05)
    pytest.fail("the grandchild lives on")


def _alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")  # a zombie that nobody reaps is dead enough
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_rejection_is_no_failure():
    reply = ask("reject")
    assert (reply.kind, reply.rejection) == ("rejection", "I would rather not")


def test_the_announcement_has_the_levels():
    candidate = command("announced")
    assert candidate.announced()["levels"] == ["solve"]
    assert candidate.ask(case()).kind == "answer"
    candidate.close()
    silent = command("right", timeout=0.3)
    with pytest.raises(LineFailure, match="no answer"):
        silent.announced()
    silent.close()


@pytest.mark.parametrize("name", ["/nowhere/candidate", str(Path(__file__).parent)])
def test_what_cannot_be_started_is_a_bad_argument(name):
    with pytest.raises(ArgumentError) as caught:
        CommandCandidate([name])
    assert caught.value.argument == "--command" and name in caught.value.found


# -- Python callables ------------------------------------------------------------------------


CALLABLES = """
import os, sys, time
import numpy as np

def solve(A, b, v0):
    print("this is printed, and is no answer")
    os.write(1, b"nor is this\\n")
    assert sys.stdin.read() == "" and A.flags.writeable
    return np.linalg.solve(A, b)

def lanczos(A, q1, k):
    return [2.0, 3.0], [1.0, 0.0], np.eye(2), "full"

def hypergradient(case):
    return {"h": case["c"] - case["J"] @ np.linalg.solve(case["A"], case["b"])}

def trace(case):
    return [{"k": k, "v": np.zeros(2), "note": None} for k in (1, 2)]

def hang(A, b, v0):
    while True:
        pass

def leave(A, b, v0):
    os._exit(3)

def exit(A, b, v0):
    sys.exit(4)

def reject(A, b, v0):
    raise ZeroDivisionError("nothing to divide")

def bug(A, b, v0):
    return undefined

def nothing(A, b, v0):
    return None

def complex(A, b, v0):
    return 1j * b

def rough(A, b, v0):
    return [hang, leave, solve][int(v0[0])](A, b, v0)

def any_level(*given):
    if len(given) == 1:
        return hypergradient(*given) if given[0]["level"] == "hypergradient" else trace(*given)
    return lanczos(*given) if isinstance(given[2], int) else solve(*given)

def short(A, b, v0):
    return [1.0]

def several(A, b, v0):
    return [reject, bug, nothing, complex, exit, short, np.linalg.solve][int(v0[0])](*[A, b, v0][: 2 + (v0[0] < 6)])

number = 3
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(CALLABLES)
    (tmp_path / "broken.py").write_text("1/0")
    (tmp_path / "fatal.py").write_text("import os; os._exit(9)")
    monkeypatch.chdir(tmp_path)


def test_every_level_of_a_python_module(module):
    candidate = PythonCandidate("mine:any_level")
    solve, hypergradient, lanczos, trace = (candidate.ask(case(level)).answer for level in LEVELS)
    candidate.close()
    np.testing.assert_allclose(solve["v"], V)
    np.testing.assert_allclose(hypergradient["h"], 1 - sum(V) * np.ones(3))
    assert lanczos["reorthogonalization"] == "full" and lanczos["Q"].shape == (2, 2)
    assert trace["rows"] == [{"k": k, "v": [0.0, 0.0]} for k in (1, 2)]


def test_what_a_callable_does_is_reported_and_survived(module):
    candidate = PythonCandidate("mine:rough", timeout=0.5)
    kinds = [candidate.ask(case(v0=np.array([float(i), 0.0]))).kind for i in (0, 1, 2)]
    candidate.close()
    assert kinds == ["hang", "crash", "answer"]


def test_both_ways_to_call_agree(module):
    namespace = {}
    exec(CALLABLES, namespace)
    apart, here = PythonCandidate("mine:several"), CallableCandidate(namespace["several"])
    expected = [
        ("rejection", "ZeroDivisionError: nothing to divide"),
        ("error", "raised NameError: name 'undefined' is not defined"),
        ("garbage", "v is NoneType None"),
        ("garbage", "v is of type complex128, expected an array of real numbers"),
        ("error", "raised SystemExit: 4"),
        ("shape", "v has shape (1,), expected (2,)"),
        ("answer", "None"),
    ]
    for number, (kind, words) in enumerate(expected):
        for candidate in (apart, here):
            reply = candidate.ask(case(v0=np.array([float(number), 0.0])))
            assert reply.kind == kind
            assert words in str(reply.failure or reply.rejection)
    apart.close()


@pytest.mark.parametrize(
    "name, words",
    [
        ("mine", "expected package.module:function"),
        ("mine:", "expected package.module:function"),
        ("mine:absent", "'mine' has no 'absent'"),
        ("mine:number", "number is int, not callable"),
        ("absent:solve", "No module named 'absent'"),
        ("broken:solve", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_name_that_names_nothing_is_explained(module, monkeypatch, name, words):
    monkeypatch.syspath_prepend(".")
    with pytest.raises(ValueError, match=re.escape(words)):
        find(name)


@pytest.mark.parametrize("name, words", [("mine:absent", "'mine' has no 'absent'"), ("fatal:solve", "status 9")])
def test_a_name_that_names_nothing_is_a_bad_argument(module, name, words):
    with pytest.raises(ArgumentError) as caught:
        PythonCandidate(name)
    assert caught.value.argument == "--candidate" and words in caught.value.found


def test_a_candidate_cannot_change_the_vector():
    def spoil(A, b, v0):
        A[:], b[:] = 0.0, 0.0
        return b

    vector = load("quadratic-001")
    before = vector.inputs["A"].copy()
    CallableCandidate(spoil).ask(make_case(vector, "solve"))
    np.testing.assert_array_equal(vector.inputs["A"], before)
    assert before.any()


def test_a_case_survives_json():
    for level in ("solve", "hypergradient", "lanczos"):
        sent = make_case(load("quadratic-003"), level)
        received = from_json(json.loads(to_json(sent)))
        assert received.keys() == sent.keys()
        for name, value in sent.items():
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(received[name], value)
                assert received[name].dtype == value.dtype
            elif name != "problem":
                assert received[name] == value


def test_what_a_candidate_says_can_always_be_printed():
    case = make_case(load("quadratic-001"), "solve")
    for answer in ({"reject": "\ud800 \x1b[31m \x00"}, {"error": "\ud800 \x1b[31m \x00"}):
        reply = make_reply(case, answer)
        said = reply.rejection or reply.failure
        assert said.encode() and "\x1b" not in said and "\x00" not in said
    assert make_reply(case, {"reject": False, "v": [0.0, 0.0, 0.0]}).kind == "answer"
