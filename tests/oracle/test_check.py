"""A whole run: the command, its files, its exit status, and the report in all its forms."""

import json
import math
import signal
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from lancbio_ref import files
from lancbio_ref.cli import main
from lancbio_ref.errors import ArgumentError
from lancbio_ref.oracle.candidates import CallableCandidate, CommandCandidate, Reply
from lancbio_ref.oracle.check import GIVE_UP, check
from lancbio_ref.oracle.report import json_report, junit_report, summary_line, text_report
from lancbio_ref.oracle.vector import folder, load, vectors
from tests.interrupt import interruptible

EXECUTABLE = f"{sys.executable} {Path(__file__).with_name('executable.py')}"
ANNOUNCED = f"{EXECUTABLE} announced"
SMALL = [load(f"quadratic-00{i}") for i in range(1, 6)]
MODULE = """
import numpy as np

def solve(A, b, v0):
    return np.linalg.solve(A, b)

def hypergradient(case):
    return case["c"] + case["J"] @ np.linalg.solve(case["A"], case["b"])
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)


def run(capsys, *arguments):
    code = main(["check", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def right(A, b, v0):
    return np.linalg.solve(A, b)


def wrong_for_long_b(A, b, v0):
    return np.linalg.solve(A, b) * (1 if b.size < 5 else 1.5)


def result_of(function, vectors=SMALL, level="solve", **options):
    return check(CallableCandidate(function, "mine"), [level], vectors, **options)


# -- the run ---------------------------------------------------------------------------------


def test_right_answers_pass():
    result = result_of(right)
    assert result.passed and result.count("passed") == 5 and not result.failures and result.suspects == {"solve": []}
    assert summary_line(result).startswith("lancbio-ref check: PASS: solve: 5 passed, 0 failed, 0 undecided (v1, ")


def test_wrong_answers_fail_and_the_fault_is_named():
    def negative(case):
        return case["c"] + case["J"] @ np.linalg.solve(case["A"], case["b"])

    result = result_of(negative, level="hypergradient")
    assert not result.passed and result.count("failed") == 5
    assert result.suspects["hypergradient"][0].fault.id == "H02"
    text = text_report(result)
    assert 'matches fault H02 "J v has the wrong sign" on 5 of 5 cases' in text
    assert "; first quadratic-001; suspect H02 (" in text.splitlines()[-1]


def test_some_wrong_answers():
    result = result_of(wrong_for_long_b)
    failed = {vector.id for vector in SMALL if vector.n_y >= 5}
    assert {verdict.id for verdict in result.failures} == failed and 0 < len(failed) < 5
    [tally] = result.tallies()
    assert (tally.count("passed"), tally.count("failed")) == (5 - len(failed), len(failed))
    assert tally.worst.id in failed and tally.worst.digits[0] == pytest.approx(-math.log10(0.5))


def test_a_run_without_a_decided_case_is_no_pass():
    result = result_of(right, precision="float32", vectors=[hard(vector) for vector in SMALL])
    assert result.count("undecided") == 5 and not result.passed
    with pytest.raises(ArgumentError, match="none for level trace"):
        result_of(right, level="trace")


def hard(vector):
    from dataclasses import replace

    return replace(vector, admissible=vector.admissible | dict(solve=1e-8))


@pytest.mark.parametrize("kind", ["hang", "crash"])
def test_a_candidate_that_never_answers_is_not_asked_for_ever(kind):
    class Silent:
        name, asked = "silent", 0

        def ask(self, case):
            self.asked += 1
            return Reply(failure="nothing", kind=kind)

        def close(self):
            pass

    candidate = Silent()
    result = check(candidate, ["solve"], SMALL * 4)
    assert candidate.asked == GIVE_UP[kind]
    assert [verdict.kind for verdict in result.verdicts].count("not asked") == 20 - GIVE_UP[kind]
    assert result.count("failed") == 20


def test_failures_in_between_do_not_stop_the_run():
    candidate = CommandCandidate([*EXECUTABLE.split(), "every_other"])
    result = check(candidate, ["solve"], SMALL)
    candidate.close()
    assert [verdict.status for verdict in result.verdicts] == ["failed", "passed", "failed", "passed", "failed"]
    assert "crash: exited with status 7 instead of answering" in text_report(result)


def test_progress_is_told_after_each_case():
    told = []
    result_of(right, progress=lambda asked, of, verdict: told.append((asked, of, verdict.id)))
    assert told == [(i, 5, f"quadratic-00{i}") for i in range(1, 6)]


# -- reports ---------------------------------------------------------------------------------


def test_json_has_every_case_and_every_measure():
    report = json.loads(json.dumps(files.plain(json_report(result_of(wrong_for_long_b))), allow_nan=False))
    assert report["format"] == "lancbio-check" and report["passed"] is False
    assert report["counts"] == dict(
        passed=4 - sum(v.n_y >= 5 for v in SMALL) + 1, failed=sum(v.n_y >= 5 for v in SMALL), undecided=0
    )
    for case, vector in zip(report["cases"], SMALL, strict=True):
        assert case["id"] == vector.id and case["status"] == ("failed" if vector.n_y >= 5 else "passed")
        assert case["measures"][0]["quantity"] == case["worst"] == "v"
        assert case["first_divergence"] == ("v" if vector.n_y >= 5 else None)
        assert case["digits_needed"] == pytest.approx(-math.log10(vector.admissible["solve"]))


def test_junit_is_what_ci_systems_read():
    root = ET.fromstring(junit_report(result_of(wrong_for_long_b)))
    failed = sum(vector.n_y >= 5 for vector in SMALL)
    assert root.tag == "testsuites"
    assert {key: root.get(key) for key in ("tests", "failures", "errors", "skipped")} == dict(
        tests="5", failures=str(failed), errors="0", skipped="0"
    )
    [suite] = root
    assert suite.get("name") == "solve.quadratic" and len(suite) == 5
    failures = [case.get("name") for case in suite if case.find("failure") is not None]
    assert failures == [vector.id for vector in SMALL if vector.n_y >= 5]
    undecided = ET.fromstring(junit_report(result_of(right, precision="float32", vectors=[hard(v) for v in SMALL])))
    assert undecided.get("skipped") == "5" and undecided[0][0].find("skipped") is not None


def test_junit_survives_what_a_candidate_says():
    result = result_of(lambda A, b, v0: {"error": "\x00\x1b[31m <boom> & \ud800"}, vectors=SMALL[:1])
    failure = ET.fromstring(junit_report(result))[0][0].find("failure")
    assert "<boom> &" in failure.get("message")


def test_the_text_names_only_the_first_failures_but_counts_all():
    text = text_report(result_of(lambda A, b, v0: 2 * np.linalg.solve(A, b), vectors=SMALL * 6))
    assert text.count("v is wrong by 1.0e+00") == 20 and "and 10 more" in text


# -- the command -----------------------------------------------------------------------------


def test_a_python_candidate_passes(module, capsys, tmp_path):
    code, text, errors = run(
        capsys, "--candidate", "mine:solve", "--family", "quadratic", "--json", "out.json", "--junit", "out.xml"
    )
    assert (code, errors) == (0, "")
    *_, first, second, last = text.splitlines()
    assert (first, second) == ("wrote out.json", "wrote out.xml")
    assert last.startswith("lancbio-ref check: PASS: solve: ")
    assert json.loads((tmp_path / "out.json").read_text())["passed"] is True
    assert ET.parse(tmp_path / "out.xml").getroot().get("failures") == "0"
    left = {path.name for path in tmp_path.iterdir() if path.suffix != ".py"} - {"__pycache__"}
    assert left == {"out.json", "out.xml"}  # nothing half-written beside them


def test_a_failing_candidate_has_exit_status_1(module, capsys):
    code, text, _ = run(capsys, "--candidate", "mine:hypergradient", "--id", "quadratic-003,quadratic-005")
    assert code == 1
    assert "quadratic-003, hypergradient: h is wrong by" in text and "remedy  h = c − J v" in text
    assert text.splitlines()[-1].startswith("lancbio-ref check: FAIL: hypergradient: 0 passed, 2 failed")


def test_families_and_ids_may_be_patterns(capsys):
    code, text, _ = run(capsys, "--command", ANNOUNCED, "--family", "quad*", "--id", "*-00[1-3],*-012")
    assert code == 0 and "PASS: solve: 4 passed" in text


def test_an_executable_announces_its_levels(capsys):
    code, text, _ = run(capsys, "--command", ANNOUNCED, "--family", "quadratic")
    assert code == 0 and f"PASS: solve: {sum(v.family == 'quadratic' for v in vectors())} passed, 0 failed" in text


def test_an_executable_that_announces_nothing_needs_a_level(capsys):
    code, _, errors = run(capsys, "--command", f"{EXECUTABLE} right", "--timeout", "0.3")
    assert code == 2 and errors.startswith("lancbio-ref check: --level: found nothing, nor announced (no answer")
    assert run(capsys, "--command", f"{EXECUTABLE} right", "--level", "solve", "--id", "quadratic-001")[0] == 0


def test_a_file_of_results(capsys, tmp_path):
    path = tmp_path / "answers.json"
    answers = [dict(id=v.id, level="solve", v=v.expected["v"].float64.tolist()) for v in SMALL]
    path.write_text(json.dumps(dict(format="lancbio-results", version="1", results=answers)))
    code, text, _ = run(capsys, "--results", path, "--id", "quadratic-001,quadratic-002")
    assert code == 0 and "PASS: solve: 2 passed" in text
    code, text, _ = run(capsys, "--results", path, "--family", "quadratic")
    assert code == 1 and "quadratic-006, solve: no answer in answers.json" in text


def test_a_folder_of_vectors(capsys, tmp_path):
    place = tmp_path / "vectors"
    place.mkdir()
    text = (folder("v1") / "quadratic-001.json").read_text()
    (place / "quadratic-001.json").write_text(text)
    code, report, _ = run(capsys, "--command", ANNOUNCED, "--vectors", place)
    assert code == 0 and f"1 passed, 0 failed, 0 undecided ({place}, " in report
    (place / "quadratic-001.json").write_text(text.replace('"easy"', '"hard"'))
    code, _, errors = run(capsys, "--command", ANNOUNCED, "--vectors", place)
    assert code == 2 and "quadratic-001.json: difficulty" in errors


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--candidate", "mine"], "--candidate: found mine (expected package.module:function)"),
        (["--command", ANNOUNCED, "--level", "guess"], "--level: found guess, expected of solve, hypergradient"),
        (["--candidate", "mine:solve", "--family", "cubic"], "--family: found cubic, expected of"),
        (["--candidate", "mine:solve", "--id", "quadratic-999"], "--id: found quadratic-999"),
        (["--candidate", "mine:solve", "--vectors", "empty"], "--vectors: found empty (No such file or directory)"),
        (["--candidate", "mine:solve", "--timeout", "0"], "--timeout: found 0.0, expected a finite number > 0"),
        (["--candidate", "mine:solve", "--json", "absent/out.json"], "--json: found absent/out.json"),
        (["--candidate", "mine:solve", "--junit", "."], "--junit: found ."),
        (["--command", "no-such-program", "--level", "solve"], "--command: found no-such-program (No such file"),
        (["--command", "'unclosed", "--level", "solve"], "No closing quotation"),
        (["--command", " ", "--level", "solve"], "--command: found nothing"),
        (["--results", "absent.json"], "--results: found absent.json: unreadable (no such file)"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_exit_status_2(module, capsys, arguments, words):
    code, text, errors = run(capsys, *arguments)
    assert (code, text) == (2, "")
    assert errors.startswith("lancbio-ref check: ") and words in errors and errors.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [[], ["--candidate", "a:b", "--results", "c"], ["--candidate", "a:b", "--precision", "float16"]]
)
def test_one_candidate_is_asked_for(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        main(["check", *arguments])
    assert caught.value.code == 2


def test_a_file_that_cannot_be_written_leaves_what_was_there(capsys, tmp_path, monkeypatch):
    path = tmp_path / "out.json"
    path.write_text("before")

    def fail(*arguments, **options):
        raise ArgumentError("disk", "full", "room")

    monkeypatch.setattr(files.os, "replace", fail)
    code, _, _ = run(capsys, "--command", ANNOUNCED, "--id", "quadratic-001", "--json", path)
    assert code == 2 and path.read_text() == "before"


def test_the_help_is_a_manual_page(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["check", "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    options = text[text.index("options:") : text.index("what is compared")].splitlines()
    assert all(line == "" or line[0] != " " or line[2] == "-" for line in options)  # one line each
    for words in ("exit status", "examples", "--candidate M:F", "--junit FILE", "must be rejected"):
        assert words in text


def test_ctrl_c_ends_the_candidate_too(tmp_path):
    pid_file = tmp_path / "pid"
    program = f"{EXECUTABLE} grandchild {pid_file}"
    command = [
        sys.executable,
        "-m",
        "lancbio_ref",
        "check",
        "--command",
        program,
        "--level",
        "solve",
        "--json",
        "out.json",
    ]
    with interruptible(command, cwd=tmp_path) as process:
        for _ in range(2400):  # a busy machine takes its time to start two interpreters
            if pid_file.exists() and pid_file.read_text():
                break
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        text, errors = process.communicate(timeout=20)
    assert (process.returncode, text) == (130, "")
    assert errors == "lancbio-ref check: interrupted; nothing was written\n"
    assert not (tmp_path / "out.json").exists()
    state = Path(f"/proc/{pid_file.read_text()}/stat")
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"
