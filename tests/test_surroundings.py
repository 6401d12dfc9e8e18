"""What is around a command decides nothing: results are written, errors are one line, exit statuses are true."""

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lancbio_ref import files
from lancbio_ref.cli import main, make_parser
from lancbio_ref.errors import ArgumentError
from lancbio_ref.jobs import record
from lancbio_ref.jobs.kept import load_run
from lancbio_ref.oracle.faults import CATALOGUE
from lancbio_ref.terminal import Outlet, one_line
from tests.damage import damaged

ROOT = Path(__file__).parents[1]
WHOLE = ["comparison.json", "runs", "runs/soba-1.npz", "table.txt"]
QUADRATIC = ["compare", "quadratic", "--n", "3", "--maxiter", "4", "--seeds", "1", "--methods", "soba", "--quiet"]


def call(capsys, *arguments):
    try:
        code = main([*map(str, arguments)])
    except SystemExit as stopped:
        code = stopped.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    command = [sys.executable, "-m", "tests.surroundings", str(tmp_path_factory.mktemp("surroundings"))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", ["ascii", "unread", "full", "nothing open"])
def test_what_is_computed_is_written_whatever_the_output_is(found, name):
    end = found[name]
    assert (end["code"], end["left"]) == (0, WHOLE)
    said = "lancbio-ref compare: the report could not be printed (No space left on device)\n" if name == "full" else ""
    assert end["stderr"] == said


def test_what_an_encoding_lacks_is_spelled(found):
    assert "mean +- standard deviation" in found["ascii"]["stdout"]
    assert found["ascii"]["stdout"].isascii() and "table.txt" in found["ascii"]["stdout"]


@pytest.mark.parametrize("name", ["full, a list", "full, help"])
def test_a_command_that_only_prints_fails_where_it_cannot(found, name):
    assert found[name]["code"] == 2
    assert found[name]["stderr"].count("\n") == 1 and "No space left on device" in found[name]["stderr"]


@pytest.mark.parametrize("name", ["no room", "no room, run"])
def test_files_that_cannot_be_written_are_named_and_the_report_is_printed(found, name):
    end = found[name]
    assert (end["code"], end["stderr"]) == (2, "")
    assert "File too large" in end["stdout"] and "||h||" in end["stdout"]
    assert not [path for path in end["left"] if path.endswith((".npz", ".tmp", "n.json"))]


def test_a_figure_needs_no_backend_and_no_home(found):
    end = found["drawn"]
    assert (end["code"], end["left"]) == (0, sorted([*WHOLE, "figure.png"]))
    assert "Traceback" not in end["stderr"]


def test_a_process_that_is_told_to_end_writes_what_there_is(found):
    end = found["terminated"]
    assert (end["code"], end["stderr"], end["left"]) == (130, "", ["summary.json", "trace.npz"])
    assert "INTERRUPTED" in end["stdout"]


def test_after_a_kill_the_rest_is_made(found):
    assert found["killed"]["code"] == -9 and "runs/soba-1.npz" in found["killed"]["left"]
    end = found["resumed"]
    assert (end["code"], end["stderr"]) == (0, "")
    assert {*WHOLE} <= {*end["left"]} and not [path for path in end["left"] if path.endswith(".tmp")]


def test_a_candidate_does_not_outlive_its_check(found):
    assert found["orphaned"] is False


# -- within this process ------------------------------------------------------------------------


class Plain:
    """What a program may put in the place of sys.stdout: it can only write, and only this encoding."""

    def __init__(self, encoding):
        self.encoding, self.text = encoding, ""

    def write(self, text):
        text.encode(self.encoding)
        self.text += text


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "cp437", "utf-8"])
def test_every_word_about_a_fault_can_be_printed(encoding):
    plain = Plain(encoding)
    outlet = Outlet(plain)
    assert not outlet.isatty()
    for fault in CATALOGUE:
        print(fault.title, fault.symptom, fault.cause, fault.remedy, file=outlet, flush=True)
    assert outlet.failure is None and plain.text.count("\n") == len(CATALOGUE)
    assert not re.search(r"\w\?\w", plain.text)  # a question mark ends a sentence, and stands for nothing
    assert ("beta_j" in plain.text) == (encoding != "utf-8")


def test_an_output_that_fails_is_given_up():
    with open("/dev/full", "wb", buffering=0) as full:
        outlet = Outlet(io.TextIOWrapper(full, write_through=True))
        print("lost", file=outlet, flush=True)
        assert outlet.failure.strerror == "No space left on device"
        print("not tried", file=outlet, flush=True)
    print("nowhere", file=Outlet(None), flush=True)
    closed = open(__file__)  # noqa: SIM115
    closed.close()
    print("closed", file=Outlet(closed), flush=True)
    assert not Outlet(closed).isatty()


def test_a_command_runs_where_the_output_can_only_write(monkeypatch, tmp_path):
    plain = Plain("ascii")
    monkeypatch.setattr(sys, "stdout", plain)
    monkeypatch.setattr(files, "find_spec", lambda name: None)
    assert main([*QUADRATIC[:-1], "--out", str(tmp_path)]) == 0
    assert "[1/1] soba, seed 1" in plain.text and sys.stdout is plain


def test_every_help_is_ascii(capsys):
    for command in ("run", "compare", "check", "vectors"):
        assert call(capsys, command, "--help")[1].isascii()
    assert make_parser().format_help().isascii()


def test_an_error_is_one_line_whatever_is_in_it(capsys, tmp_path):
    assert one_line("a\n\x1b[2Jb\x9b\u202e") == "a \N{REPLACEMENT CHARACTER}[2Jb" + 2 * "\N{REPLACEMENT CHARACTER}"
    code, text, errors = call(capsys, "compare", "mnist", "--data-dir", "no\n\x1b[31msuch", "--out", tmp_path)
    assert (code, text) == (2, "") and errors.count("\n") == 1 and "\x1b" not in errors


TOO_LONG, DEEP = 300 * "a", 3000 * "a/"


@pytest.mark.parametrize(
    "arguments",
    [
        [*QUADRATIC, "--out", TOO_LONG],
        [*QUADRATIC, "--out", "/proc/no/folder"],
        ["run", "--out", DEEP],
        ["run", "--out", "nul\0"],
        ["run", "mnist", "--data-dir", DEEP],
        ["compare", "20newsgroups", "--data-dir", TOO_LONG],
        ["check", "--candidate", "a:b", "--json", TOO_LONG],
        ["check", "--candidate", "a:b", "--junit", DEEP + "x"],
        ["check", "--candidate", "a:b", "--json", "/proc/report.json"],
        ["check", "--candidate", "a:b", "--vectors", TOO_LONG],
        ["check", "--results", TOO_LONG],
        ["check", "--results", "/dev/zero"],
        ["check", "--results", TOO_LONG + ".npz"],
        ["check", "--exercise", "lanczos", TOO_LONG],
        ["check", "--command", TOO_LONG],
        ["vectors", "show", TOO_LONG + ".json"],
        ["vectors", "show", TOO_LONG],
        ["vectors", "export", "--out", DEEP],
        ["run", "synthetic", "--n", "1000000"],
    ],
)
def test_what_cannot_be_used_is_one_line(capsys, monkeypatch, tmp_path, arguments):
    monkeypatch.chdir(tmp_path)
    code, text, errors = call(capsys, *arguments)
    assert (code, text) == (2, "")
    assert errors.count("\n") == 1 and "Traceback" not in errors and "Errno" not in errors


def test_a_mistake_of_the_program_is_no_failed_case(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("lancbio_ref.jobs.compare.make_instance", lambda *_: 1 / 0)
    code, _, errors = call(capsys, *QUADRATIC, "--out", tmp_path)
    assert code == 2 and errors.startswith("Traceback") and "please report" in errors.splitlines()[-1]


def test_one_folder_is_written_by_one_command_at_a_time(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(files, "find_spec", lambda name: None)
    for arguments in (
        QUADRATIC,
        ["run", "synthetic", "--n", "5", "--maxiter", "2"],
        ["vectors", "export", "quadratic-001"],
    ):
        with files.claimed(tmp_path / arguments[0]):
            code, _, errors = call(capsys, *arguments, "--out", tmp_path / arguments[0])
            assert code == 2 and errors.count("\n") == 1 and "another lancbio-ref is writing" in errors
        assert call(capsys, *arguments, "--out", tmp_path / arguments[0])[0] == 0


def test_a_figure_that_fails_costs_only_the_figure(tmp_path):
    matplotlib = pytest.importorskip("matplotlib")

    def draw():
        assert matplotlib.rcParams["text.usetex"] is False  # the settings are not the user's
        return matplotlib.does_not_exist

    with matplotlib.rc_context({"text.usetex": True}):
        line = files.write_figure(tmp_path / "figure.png", draw)
        assert matplotlib.rcParams["text.usetex"] is True
    assert line.startswith("skipped") and "AttributeError" in line and not list(tmp_path.iterdir())


# -- runs that are read back --------------------------------------------------------------------


@pytest.fixture(scope="module")
def run_file(tmp_path_factory):
    out = tmp_path_factory.mktemp("kept")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(files, "find_spec", lambda name: None)
        assert main([*QUADRATIC, "--out", str(out)]) == 0
    return out / "runs" / "soba-1.npz"


CHANGES = {
    "settings": ["", "no JSON", "[1]", "null", "[" * 100000, 5, np.zeros(2)],
    "outcome": ["FINISHED", "", 1.0, np.array(["COMPLETED", "COMPLETED"])],
    "message": [3, np.array(["a", "b"]), None],
    "h_norm": [np.zeros(3), np.zeros((4, 1)), np.array(["a", "b", "c", "d"]), None, 1.0],
    "recorded_k": [np.zeros(0, dtype=int), np.array([0, 1, 2, 3]), np.arange(1, 5) * 1.0, np.array([1, 2, 3, 9]), None],
    "residual": [None, np.zeros(7)],
    "gradient": [None, np.zeros(0)],
    "x": [None, 3.0, np.zeros((2, 2)), np.zeros(3, dtype=complex)],
    "mine": [np.array("text")],
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_run_that_this_command_did_not_write_is_refused(capsys, run_file, tmp_path, name):
    arrays = load_run(run_file)
    (tmp_path / "runs").mkdir()
    for value in CHANGES[name]:
        changed = {key: array for key, array in arrays.items() if key != name}
        changed |= {} if value is None else {name: np.array(value)}
        np.savez(tmp_path / "runs" / "soba-1.npz", **changed)
        code, text, errors = call(capsys, *QUADRATIC, "--resume", "--out", tmp_path)
        assert (code, text) == (2, ""), value
        assert (
            errors.count("\n") == 1
            and name in errors
            and "soba-1.npz" in errors
            and "a run that this command" in errors
        )


def test_settings_that_know_more_are_other_settings(capsys, run_file, tmp_path):
    arrays = load_run(run_file)
    (tmp_path / "runs").mkdir()
    settings = json.loads(str(arrays["settings"])) | {"shade": "blue"}
    np.savez(tmp_path / "runs" / "soba-1.npz", **arrays | {"settings": np.array(json.dumps(settings))})
    code, _, errors = call(capsys, *QUADRATIC, "--resume", "--out", tmp_path)
    assert code == 2 and "made with {'shade': 'blue'}" in errors


def test_a_damaged_run_is_the_same_or_refused(run_file, tmp_path):
    whole, arrays, path = run_file.read_bytes(), load_run(run_file), tmp_path / "soba-1.npz"
    rng, refused, read = np.random.default_rng(3), 0, 0
    for _ in range(100):
        path.write_bytes(damaged(whole, rng))
        try:
            run = load_run(path)
        except ArgumentError as error:
            refused += error.argument == "--resume" and str(path) in error.found
            continue
        read += 1
        assert sorted(run) == sorted(arrays)
        assert all(run[name].dtype == arrays[name].dtype and (run[name] == arrays[name]).all() for name in run)
    assert refused + read == 100 and refused > 60


def test_all_that_a_run_records_is_looked_at(run_file):
    run = load_run(run_file)
    assert {*record.RECORDED, "gradient", "distance", "bound", "verdict", "verdict_message"} <= set(run)
