"""``lancbio-ref compare``: the table equals the runs' own arrays; nothing finished is lost or made twice."""

import json
import os

import numpy as np
import pytest

from lancbio_ref import files, minimize, problems
from lancbio_ref.cli import main
from lancbio_ref.errors import ArgumentError
from lancbio_ref.jobs import PROBLEMS, instance, record
from lancbio_ref.jobs.options import make_comparison, parse_seeds
from lancbio_ref.jobs.settings import DEFAULT_METHODS, OPTIONS, default_options, options_table
from lancbio_ref.jobs.table import COLUMNS
from lancbio_ref.methods import build, names


@pytest.fixture
def no_figure(monkeypatch):
    monkeypatch.setattr(files, "find_spec", lambda name: None)  # figures take the most time


def call(capsys, *arguments):
    code = main(["compare", *map(str, arguments), "--quiet"])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def runs_in(out):
    found = {}
    for path in sorted((out / "runs").iterdir()):
        with np.load(path) as file:
            found[path.stem] = dict(file)
    return found


def summary_in(out):
    return json.loads((out / "comparison.json").read_text())


def stamps(out):
    return {path.name: path.stat().st_mtime_ns for path in (out / "runs").iterdir()}


def test_all_methods_on_a_small_problem(capsys, tmp_path):
    code, text, errors = call(
        capsys, "quadratic", "--n", 6, "--methods", "all", "--seeds", "1,2", "--maxiter", 20, "--out", tmp_path
    )
    assert (code, errors) == (0, "")
    summary, runs = summary_in(tmp_path), runs_in(tmp_path)
    assert len(runs) == 2 * len(names())
    assert list(summary["methods"]) == list(names())
    for name, entry in summary["methods"].items():
        assert (entry["finished"], entry["failed"], entry["missing"]) == (2, {}, [])
        for column, found in entry["columns"].items():
            values = [float(runs[f"{name}-{seed}"][column][-1]) for seed in (1, 2)]
            assert found["values"] == values
            assert found["mean"] == pytest.approx(sum(values) / 2, rel=1e-14)
            assert found["deviation"] == pytest.approx(abs(values[0] - values[1]) / 2**0.5, rel=1e-9, abs=1e-300)
        line = next(line for line in text.splitlines() if line.split()[:1] == [name])
        assert COLUMNS["h_norm"][1].format(entry["columns"]["h_norm"]["mean"]) in line
        assert ("residual" in entry["columns"]) == (name != "f2sa")
    assert (tmp_path / "table.txt").read_text() in text + "\n"
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["comparison.json", "figure.png", "runs", "table.txt"]


def test_a_run_is_that_of_minimize_from_the_start_that_all_methods_share(capsys, tmp_path, no_figure):
    call(capsys, "quadratic", "--n", 5, "--methods", "soba,subbio", "--seeds", 4, "--maxiter", 10, "--out", tmp_path)
    rng = np.random.default_rng(4)
    problem = problems.quadratic(5, 5, 10.0, rng=rng)
    x0, y0 = rng.standard_normal(5), rng.standard_normal(5)
    for name in ("soba", "subbio"):
        options = default_options("quadratic", name)
        result = minimize(problem, x0, y0, method=name, maxiter=10, diagnostics_every=1, **options)
        run = runs_in(tmp_path)[f"{name}-4"]
        np.testing.assert_array_equal(run["x"], result.x)
        np.testing.assert_array_equal(run["h_norm"], result.trace["h_norm"])
        np.testing.assert_array_equal(run["residual"], result.trace.diagnostics["residual"])
        assert run["recorded_k"].tolist() == list(range(1, 11))


def test_digits_have_accuracy(capsys, tmp_path, no_figure):
    arguments = ["digits", "--methods", "lancbio,ttsa", "--seeds", 1, "--maxiter", 6, "--every", 3, "--out", tmp_path]
    code, text, _ = call(capsys, *arguments)
    runs = runs_in(tmp_path)
    assert code == 0
    assert "accuracy" in text
    assert runs["lancbio-1"]["recorded_k"].tolist() == [3, 6]
    assert runs["lancbio-1"]["test_accuracy"].shape == (2,)
    assert summary_in(tmp_path)["methods"]["lancbio"]["columns"]["test_accuracy"]["deviation"] is None  # of one seed
    assert (runs["lancbio-1"]["x"] != runs["ttsa-1"]["x"]).any()


@pytest.mark.parametrize("problem", ["ridge", "synthetic"])
def test_the_other_problems(capsys, tmp_path, no_figure, problem):
    size = ["--n", 20, "--condition", 50] if problem == "synthetic" else []
    code, text, _ = call(capsys, problem, *size, "--seeds", "1-2", "--maxiter", 5, "--out", tmp_path)
    assert code == 0
    assert len(runs_in(tmp_path)) == 2 * len(DEFAULT_METHODS)
    assert "skipped" in text and "matplotlib" in text


QUADRATIC = ("quadratic", "--n", 4, "--methods", "lancbio,bsa", "--seeds", "1-2", "--maxiter", 8)


def test_resume_makes_only_what_is_missing_and_the_same(capsys, tmp_path, no_figure):
    call(capsys, *QUADRATIC, "--out", tmp_path)
    before, times, table = runs_in(tmp_path), stamps(tmp_path), summary_in(tmp_path)
    (tmp_path / "runs" / "bsa-1.npz").unlink()
    code, text, _ = call(capsys, *QUADRATIC, "--out", tmp_path, "--resume")
    assert code == 0
    assert "3 runs were there already" in text
    after, now = runs_in(tmp_path), stamps(tmp_path)
    assert {name for name in now if now[name] != times[name]} == {"bsa-1.npz"}
    for column in ("x", "v", "h_norm", "n_hvp", "residual"):
        np.testing.assert_array_equal(before["bsa-1"][column], after["bsa-1"][column])
    for name, entry in summary_in(tmp_path)["methods"].items():
        assert entry["columns"]["h_norm"] == table["methods"][name]["columns"]["h_norm"]


def test_an_interrupt_loses_only_the_run_in_flight(capsys, tmp_path, no_figure, monkeypatch):
    calls = 0

    def interrupting(*arguments, callback=None, **options):
        if callback is None:  # the two iterations before the first run of a method
            return minimize(*arguments, **options)

        def stop(state):
            nonlocal calls
            calls += 1
            callback(state)
            if calls == 20:  # in the third run of eight iterations each
                raise KeyboardInterrupt

        return minimize(*arguments, callback=stop, **options)

    with monkeypatch.context() as patched:
        patched.setattr(record, "minimize", interrupting)
        code, text, _ = call(capsys, *QUADRATIC, "--out", tmp_path)
    assert code == 130
    assert sorted(runs_in(tmp_path)) == ["bsa-1", "lancbio-1"]
    summary = summary_in(tmp_path)
    assert summary["interrupted"] is True
    assert summary["methods"]["bsa"]["missing"] == [2]
    assert "2 runs are missing" in text and "--resume" in text
    code, text, _ = call(capsys, *QUADRATIC, "--out", tmp_path, "--resume")
    assert code == 0
    assert len(runs_in(tmp_path)) == 4
    assert summary_in(tmp_path)["interrupted"] is False


def test_an_interrupt_while_data_are_made(capsys, tmp_path, no_figure, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(instance, "quadratic", interrupted)
    code, text, _ = call(capsys, *QUADRATIC, "--out", tmp_path)
    assert code == 130
    assert "4 runs are missing" in text
    assert "no run has anything to draw" in text


@pytest.mark.parametrize("change", [("--maxiter", 4), ("--condition", 20), ("--set", "lancbio.step_x=0.3")])
def test_resume_refuses_other_settings(capsys, tmp_path, no_figure, change):
    call(capsys, *QUADRATIC, "--out", tmp_path)
    times = stamps(tmp_path)
    code, text, errors = call(capsys, *QUADRATIC, *change, "--out", tmp_path, "--resume")
    assert (code, text) == (2, "")
    assert "--resume" in errors and "lancbio-1.npz" in errors and errors.count("\n") == 1
    assert stamps(tmp_path) == times


def test_finished_runs_are_not_overwritten(capsys, tmp_path, no_figure):
    call(capsys, *QUADRATIC, "--out", tmp_path)
    times = stamps(tmp_path)
    code, _, errors = call(capsys, *QUADRATIC, "--out", tmp_path)
    assert code == 2
    assert "--resume" in errors
    assert stamps(tmp_path) == times


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half of a file"])
def test_a_file_that_is_no_run_is_refused(capsys, tmp_path, no_figure, content):
    call(capsys, *QUADRATIC, "--out", tmp_path)
    (tmp_path / "runs" / "lancbio-2.npz").write_bytes(content)
    code, _, errors = call(capsys, *QUADRATIC, "--out", tmp_path, "--resume")
    assert code == 2
    assert "lancbio-2.npz" in errors and "a run that this command wrote" in errors


def test_a_failed_run_is_kept_named_and_not_averaged(capsys, tmp_path, no_figure):
    wild = ("--set", "soba.step_y=1e200", "--methods", "lancbio,soba")
    arguments = ["quadratic", "--n", 4, "--seeds", "1-2", "--maxiter", 8, *wild, "--out", tmp_path]
    code, text, _ = call(capsys, *arguments)
    assert code == 0
    entry = summary_in(tmp_path)["methods"]["soba"]
    assert (entry["finished"], entry["columns"], list(entry["failed"])) == (0, {}, ["1", "2"])
    assert entry["failed"]["1"].startswith("FAILED after 2 iterations: the run diverges: it fails (upper.value, ")
    assert "step_y = 1e+200 is too long" in entry["failed"]["1"]
    assert entry["failed"]["1"] in text
    run = runs_in(tmp_path)["soba-1"]
    assert str(run["outcome"]) == "FAILED"
    assert np.isfinite(run["x"]).all()
    assert summary_in(tmp_path)["methods"]["lancbio"]["finished"] == 2
    times = stamps(tmp_path)
    call(capsys, *arguments, "--resume")
    assert stamps(tmp_path) == times


def test_progress_names_what_runs(capsys, tmp_path, no_figure):
    assert main(["compare", *map(str, QUADRATIC), "--out", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "[4/4] bsa, seed 2: COMPLETED" in text
    assert "lancbio seed 1 |h|" in text


@pytest.mark.parametrize(
    "problem, option, argument",
    [
        ("quadratic", dict(seeds="3-1"), "--seeds"),
        ("quadratic", dict(seeds="1-"), "--seeds"),
        ("quadratic", dict(seeds="-1"), "--seeds"),
        ("quadratic", dict(methods="lancbio,newton"), "--methods"),
        ("quadratic", dict(set=["soba=1"]), "--set"),
        ("quadratic", dict(methods="lancbio", set=["soba.step_x=1"]), "--set"),
        ("quadratic", dict(set=["soba.stride=1"]), "options"),
        ("quadratic", dict(set=["soba.step_x=-1"]), "step_x"),
        ("quadratic", dict(set=["soba.maxiter=0.5"]), "maxiter"),
        ("quadratic", dict(maxiter=10, every=3), "--every"),
        ("quadratic", dict(corruption=0.5), "--corruption"),
        ("quadratic", dict(n=0), "--n"),
        ("quadratic", dict(condition=0.5), "--condition"),
        ("ridge", dict(n=3), "--n"),
        ("digits", dict(data_dir="x"), "--data-dir"),
        ("digits", dict(corruption=2.0), "--corruption"),
        ("digits", dict(regularization=0.0), "--regularization"),
    ],
)
def test_bad_options_are_named(problem, option, argument):
    with pytest.raises(ArgumentError) as caught:
        make_comparison(problem, option)
    assert caught.value.argument == argument


def test_set_changes_one_method_only():
    comparison = make_comparison("mnist", dict(set=["soba.maxiter=6000", "lancbio.subspace=7", "soba.step_x=2"]))
    assert comparison.maxiter["soba"] == 6000 and comparison.maxiter["lancbio"] == 3000
    assert comparison.methods["lancbio"] == build("lancbio", default_options("mnist", "lancbio") | dict(subspace=7))
    assert comparison.methods["soba"].step_x == 2
    assert comparison.every == {name: 60 if name == "soba" else 30 for name in comparison.methods}


def test_the_recorded_iterations_end_with_the_last():
    for maxiter in (1, 7, 100, 211, 500, 997):
        (every,) = make_comparison("ridge", dict(methods="soba", maxiter=maxiter)).every.values()
        assert maxiter % every == 0 and every <= max(1, maxiter // 100)


def test_every_method_has_defaults_on_every_problem_and_the_help_shows_them(capsys):
    for problem in PROBLEMS:
        for name in names():
            build(name, default_options(problem, name))
        assert problem in options_table()
    with pytest.raises(SystemExit):
        main(["compare", "--help"])
    assert options_table() in capsys.readouterr().out
    assert max(map(len, options_table().splitlines())) <= 120


def test_the_published_steps_of_data_cleaning():
    inner = {"lancbio": 5, "subbio": 5} | dict.fromkeys(("amigo-cg", "amigo-gd", "stocbio", "bsa", "f2sa"), 10)
    single_loops = dict.fromkeys(("soba", "ttsa", "stable", "hjfbio"))
    for name, steps in (inner | single_loops).items():
        assert default_options("mnist", name).get("inner_steps") == steps
    with_steps = [name for name in names() if "step_x" in OPTIONS[name]]
    assert {default_options("mnist", name)["step_x"] for name in with_steps} == {500.0}
    assert default_options("synthetic", "stocbio", 1e5)["step_v"] == 1e-5


def test_seeds():
    assert parse_seeds("1-10") == tuple(range(1, 11))
    assert parse_seeds(" 0, 7-7 ,0") == (0, 7)


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX permissions")
def test_the_files_are_readable_by_others(capsys, tmp_path, no_figure):
    call(capsys, *QUADRATIC, "--out", tmp_path)
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "runs" / "bsa-1.npz").stat().st_mode & 0o777 == 0o666 & ~mask
