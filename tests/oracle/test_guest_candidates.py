"""Candidates of all kinds of places: their arrays, their exceptions, their logs, their marks and their last words."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from lancbio_ref import oracle
from lancbio_ref.cli import main
from lancbio_ref.errors import ArgumentError
from lancbio_ref.oracle.candidates import CommandCandidate, ResultsCandidate, make_reply
from lancbio_ref.oracle.check import check
from lancbio_ref.oracle.levels import call, make_case
from lancbio_ref.oracle.serve import answer
from tests.oracle.asked import V, case
from tests.oracle.documents import raw_copy, write_document

EXECUTABLE = Path(__file__).with_name("executable.py")


def call_main(capsys, *arguments):
    code = main(["check", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize("dtype", [np.longdouble, np.float32, np.float16, ">f8", object])
def test_real_numbers_of_every_type_are_an_answer(dtype):
    reply = make_reply(case(), json.loads(answer(lambda A, b, v0: np.array(V, dtype=dtype), case())))
    if dtype is object:
        assert reply.kind == "garbage" and reply.failure.startswith("v is a list with entries that are no numbers")
    else:
        np.testing.assert_allclose(reply.answer["v"], V, rtol=1e-3)


def test_what_json_cannot_say_is_an_error_of_the_candidate():
    assert "error" in json.loads(answer(lambda A, b, v0: {"v": V, "note": 10**5000}, case()))
    huge = np.longdouble("1e4000")
    reply = make_reply(case(), json.loads(answer(lambda A, b, v0: np.full(len(V), huge), case())))
    assert reply.kind == "not finite"


class LinAlgError(RuntimeError):
    """As torch has it."""


def test_a_linear_algebra_error_of_any_library_is_a_rejection():
    class Singular(LinAlgError):
        pass

    def solve(A, b, v0):
        raise Singular("not positive definite")

    assert call(solve, "solve", case()) == {"reject": "Singular: not positive definite"}
    assert json.loads(answer(solve, case())) == {"reject": "Singular: not positive definite"}


def all_of(mode, ids):
    candidate = CommandCandidate([sys.executable, str(EXECUTABLE), mode], timeout=20.0)
    try:
        return [candidate.ask(make_case(oracle.load(id), "solve")) for id in ids]
    finally:
        candidate.close()


def test_a_late_line_is_not_charged_to_the_next_case():
    replies = all_of("late", [f"quadratic-00{i}" for i in (1, 2, 3)])
    assert [reply.kind for reply in replies] == ["answer"] * 3


def test_nonsense_without_an_answer_is_charged():
    assert [r.kind for r in all_of("nonsense_later", ["quadratic-001", "quadratic-002"])] == ["answer", "garbage"]


def test_a_byte_order_mark_is_read_over(tmp_path):
    assert all_of("marked", ["quadratic-001"])[0].kind == "answer"
    results = dict(format="lancbio-results", version="1", results=[dict(id="mine", level="solve", v=V)])
    path = tmp_path / "results.json"
    path.write_text(json.dumps(results), encoding="utf-8-sig")
    assert ResultsCandidate(path).ask(case() | {"id": "mine"}).kind == "answer"
    document = write_document(tmp_path, raw_copy("quadratic-001"))
    document.write_bytes(b"\xef\xbb\xbf" + document.read_bytes())
    assert oracle.load(document).id == "quadratic-001"


def test_results_are_read_as_far_as_a_limit(tmp_path):
    path = tmp_path / "results.npz"
    np.savez(path, **{"quadratic-001/solve/v": np.zeros(3)})
    content = path.read_bytes()
    claim = content.replace(b"'shape': (3,), ", b"'shape': (10**15,), ".replace(b"10**15", b"9" * 15))
    path.write_bytes(claim)
    with pytest.raises(ArgumentError) as caught:
        ResultsCandidate(path)
    assert caught.value.argument == "--results" and str(path) in caught.value.found


def test_an_executable_that_ends_at_once_is_blamed_with_its_last_words(capsys):
    program = f"{sys.executable} {EXECUTABLE} refuses"
    code, text, errors = call_main(capsys, "--command", program)
    assert (code, text, errors.count("\n")) == (2, "", 1)
    assert errors.startswith(f"lancbio-ref check: --command: found {program} (exited with status 2")
    assert "no such option" in errors and "\x1b" not in errors


def test_what_a_candidate_or_a_vector_says_cannot_steer_a_terminal(capsys, tmp_path):
    program = f"{sys.executable} {EXECUTABLE} refuses"
    code, text, _ = call_main(capsys, "--command", program, "--level", "solve", "--id", "quadratic-001")
    assert code == 1 and "no such option" in text and "\x1b" not in text
    raw = raw_copy("quadratic-001") | {"id": "mine-001", "family": "mine", "why": "\x1b[2J\x9b5m why"}
    document = write_document(tmp_path, raw, sums=True)
    assert main(["vectors", "show", str(document)]) == 0
    shown = capsys.readouterr().out
    assert "why" in shown and "\x1b" not in shown and "\x9b" not in shown


def test_the_name_of_a_function_that_is_no_level_is_not_taken_for_one(capsys, monkeypatch, tmp_path):
    (tmp_path / "mine.py").write_text("def bad(A, b, v0):\n    return b\n")
    monkeypatch.chdir(tmp_path)
    code, _, errors = call_main(capsys, "--candidate", "mine:bad")
    assert code == 2 and errors.startswith(
        "lancbio-ref check: --level: found nothing, and bad, the function's name, is no"
    )
    assert errors.endswith("expected one or more of solve, hypergradient, lanczos, trace\n")


def test_the_search_for_a_fault_tells_where_it_is():
    class Halves:
        name = "halves"

        def ask(self, case):
            return make_reply(case, {"v": 0.5 * np.linalg.solve(case["A"], case["b"])})

    def few(fault):
        return fault.id.startswith("S1")

    told = []
    check(Halves(), ["solve"], [oracle.load("quadratic-001")], searching=lambda *where: told.append(where), among=few)
    level, last, of = told[-1]
    assert (level, last) == ("solve", of) and [tried for _, tried, _ in told] == list(range(of + 1)) and of > 5
