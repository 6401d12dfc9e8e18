"""The command line: every job, its files and report, Ctrl-C, and one-line errors."""

import json
import re
import signal
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import lancbio_ref
from lancbio_ref import files, minimize, problems
from lancbio_ref.cli import main
from lancbio_ref.jobs import JOBS
from lancbio_ref.jobs.cleaning import auc
from lancbio_ref.jobs.options import make_settings
from tests.interrupt import interruptible
from tests.thorough import THOROUGH

ROOT = Path(__file__).parents[1]
FITS = ("before", "validation_only", "true_labels", "after_cleaning")


@pytest.fixture
def no_figure(monkeypatch):
    """As without Matplotlib: a figure takes longer than a short run."""
    monkeypatch.setattr(files, "find_spec", lambda name: None)


@pytest.fixture
def no_fits(no_figure, monkeypatch):
    """And without the four fits at the end, which take longer than a short run too."""
    monkeypatch.setattr("lancbio_ref.jobs.run.fit_all", lambda *_: {})


def run(capsys, *arguments):
    code = main(["run", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def read(out):
    with np.load(out / "trace.npz") as trace:
        return json.loads((out / "summary.json").read_text()), dict(trace)


def test_the_main_job_cleans_real_data(capsys, tmp_path):
    code, text, errors = run(capsys, "--out", tmp_path, "--quiet")
    assert (code, errors) == (0, "")
    summary, trace = read(tmp_path)
    accuracy = {name: summary["fits"][name]["test_accuracy"] for name in FITS}
    assert accuracy["after_cleaning"] > accuracy["before"] + 0.08
    assert accuracy["true_labels"] > 0.94
    for name in FITS:
        assert summary["fits"][name]["lower_grad_norm"] <= 1e-8
        assert f"{accuracy[name]:.4f}" in text
    assert summary["auc"] > 0.95
    assert f"{summary['auc']:.4f}" in text
    assert summary["sizes"] == dict(train=600, corrupted=300, validation=600, test=597, features=64)
    certified = summary["hypergradient"]
    assert certified["error_status"] == "certified"
    assert certified["error_bound"] < 1e-8 * certified["norm"] + 1e-9
    assert certified["lower_level_bound"] < 1e-4
    assert abs(summary["h_norm"] - certified["norm"]) <= certified["last_step_error"]
    assert certified["condition_estimate"] > 10
    assert "COMPLETED" in text
    assert summary["counts"]["n_hvp"] == trace["n_hvp"][-1]
    assert len(trace["k"]) == summary["iterations"] == 500
    assert trace["loss"][-1] < trace["loss"][0] / 3
    assert trace["recorded_k"][-1] == 500
    assert trace["test_accuracy"].size == trace["recorded_k"].size
    assert trace["corrupted"].sum() == 300
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figure.png", "summary.json", "trace.npz"]


@pytest.mark.usefixtures("no_fits")
def test_the_same_seed_gives_the_same_numbers_and_another_another(capsys, tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        run(capsys, "--maxiter", 3, "--seed", seed, "--no-certify", "--out", tmp_path / name)
    for column in ("x", "corrupted"):  # the start, and the labels that are wrong
        found = [read(tmp_path / name)[1][column] for name in "abc"]
        np.testing.assert_array_equal(found[0], found[1])
        assert (found[0] != found[2]).any()


@pytest.mark.usefixtures("no_fits")
def test_every_option_of_the_method_is_used(capsys, tmp_path):
    options = [
        "--step-x",
        7,
        "--step-y",
        0.25,
        "--inner-steps",
        2,
        "--subspace",
        4,
        "--maxiter",
        3,
        "--corruption",
        0.25,
    ]
    run(capsys, *options, "--regularization", 0.5, "--tol", 1e-30, "--out", tmp_path)
    summary, trace = read(tmp_path)
    settings, method = summary["settings"], summary["settings"]["method_options"]
    assert (method["step_x"], method["step_y"], method["inner_steps"], method["subspace"]["maximum"]) == (7, 0.25, 2, 4)
    assert (settings["corruption"], settings["regularization"], settings["tol"]) == (0.25, 0.5, 1e-30)
    assert trace["corrupted"].sum() == 150
    assert trace["n_grad"][-1] == 6
    assert summary["status"] == "NOT_CONVERGED"


@pytest.mark.usefixtures("no_fits")  # which measure accuracies of their own
def test_an_accuracy_is_measured_once_an_iteration_and_shown_as_recorded(capsys, tmp_path, monkeypatch):
    class Progress:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def update(self, k, *, test_accuracy, **_):
            shown[k] = test_accuracy

    shown, measured, accuracy = {}, [], problems.DataCleaning.accuracy
    monkeypatch.setattr(problems.DataCleaning, "accuracy", lambda *given: measured.append(1) or accuracy(*given))
    monkeypatch.setattr("lancbio_ref.jobs.run.make_progress", lambda *_, **__: Progress())
    run(capsys, "--maxiter", 6, "--no-certify", "--out", tmp_path)  # every second is recorded
    _, trace = read(tmp_path)
    assert len(measured) == 4 and [*shown] == [1, 2, 4, 6]
    assert [shown[k] for k in (2, 4, 6)] == trace["test_accuracy"].tolist()


@pytest.mark.usefixtures("no_fits")
def test_tol_stops_the_run(capsys, tmp_path):
    code, text, _ = run(capsys, "--tol", 0.01, "--out", tmp_path)
    summary, trace = read(tmp_path)
    assert code == 0
    assert summary["status"] == "CONVERGED"
    assert trace["h_norm"][-1] <= 0.01 < trace["h_norm"][-2]
    assert "CONVERGED" in text


@pytest.mark.usefixtures("no_fits")
def test_subbio(capsys, tmp_path):
    code, _, _ = run(capsys, "--method", "subbio", "--step-v", 0.1, "--maxiter", 20, "--out", tmp_path)
    summary, trace = read(tmp_path)
    assert code == 0
    assert summary["settings"]["method"] == "subbio"
    assert summary["settings"]["method_options"]["step_v"] == 0.1
    assert trace["n_hvp"][-1] == 60


def test_synthetic(capsys, tmp_path):
    code, text, _ = run(capsys, "synthetic", "--n", 50, "--condition", 100, "--maxiter", 500, "--out", tmp_path)
    summary, trace = read(tmp_path)
    assert code == 0
    assert trace["h_norm"][-1] < 0.05 * trace["h_norm"][0]
    assert trace["x"].size == 50
    assert trace["residual"].size == trace["recorded_k"].size == 100
    assert summary["settings"]["method_options"]["step_y"] == 0.01
    assert summary["hypergradient"]["lower_level_bound"] is None  # infinity is no JSON
    assert "no bound from the lower level" in text
    assert (tmp_path / "figure.png").exists()


def write_idx(path, array):
    path.write_bytes(struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes())


@pytest.mark.usefixtures("no_figure")
def test_an_image_job_on_small_idx_files(capsys, tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "data" / "kmnist"
    folder.mkdir(parents=True)
    for stem, n in (("train", 60), ("t10k", 20)):
        write_idx(folder / f"{stem}-images-idx3-ubyte", rng.integers(0, 256, (n, 4, 4), dtype=np.uint8))
        write_idx(folder / f"{stem}-labels-idx1-ubyte", rng.integers(0, 10, n, dtype=np.uint8))
    out = tmp_path / "out"
    code, text, _ = run(capsys, "kmnist", "--data-dir", tmp_path / "data", "--maxiter", 5, "--out", out)
    summary, _ = read(out)
    assert code == 0
    assert summary["sizes"] == dict(train=60, corrupted=30, validation=60, test=20, features=16)
    assert "60 images in both training and validation" in text
    assert summary["settings"]["data_dir"] == str(tmp_path / "data")
    run(capsys, "kmnist", "--data-dir", tmp_path / "data", "--train", 40, "--maxiter", 5, "--out", out)
    assert read(out)[0]["sizes"] | dict(train=40, corrupted=20, validation=60) == read(out)[0]["sizes"]


@pytest.mark.usefixtures("no_figure")
def test_synthetic_without_a_matrix(capsys, tmp_path):
    arguments = ["synthetic", "--n", 40, "--condition", 50, "--maxiter", 4, "--out", tmp_path]
    assert run(capsys, *arguments, "--matrix-free")[0] == 0
    rng = np.random.default_rng(1)
    problem = problems.synthetic(40, 50.0, matrix_free=True, rng=rng)
    x0, y0, v0 = problem.initial_point(rng)
    method = make_settings("synthetic", dict(n=40, condition=50.0)).methods["lancbio"]
    np.testing.assert_array_equal(read(tmp_path)[1]["x"], minimize(problem, x0, y0, v0=v0, method=method, maxiter=4).x)


@pytest.mark.usefixtures("no_figure")
def test_a_few_iterations_on_the_real_mnist(capsys, tmp_path, data_dir):
    if not (data_dir / "mnist").is_dir():
        pytest.skip(f"no mnist in {data_dir}")
    n = 5000 if THOROUGH else 500
    arguments = ["--maxiter", 3, "--regularization", 1, *([] if THOROUGH else ["--train", n]), "--out", tmp_path]
    code, _, _ = run(capsys, "mnist", "--data-dir", data_dir, *arguments)
    summary, _ = read(tmp_path)
    assert code == 0
    assert summary["sizes"] == dict(train=n, corrupted=n // 2, validation=5000, test=10000, features=784)
    assert all(summary["fits"][fit]["lower_grad_norm"] <= 1e-8 for fit in FITS)


def test_ctrl_c_writes_what_there_is(tmp_path):
    command = [sys.executable, "-m", "lancbio_ref", "run", "--maxiter", "1000000", "--out", str(tmp_path)]
    with interruptible(command, cwd=ROOT) as process:
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        text, errors = process.communicate(timeout=60)
    assert re.match(r" *1/1000000 +loss \S+ +h_norm \S+ +test accuracy \S+", first)
    assert (process.returncode, errors) == (130, "")
    summary, trace = read(tmp_path)
    assert summary["status"] == "INTERRUPTED"
    assert len(trace["k"]) == summary["iterations"] >= 1
    assert "INTERRUPTED" in text
    assert "not computed" in text
    assert "fits" not in summary


@pytest.mark.usefixtures("no_figure")
def test_ctrl_c_in_the_evaluation_keeps_the_run(capsys, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("lancbio_ref.jobs.run.fit_all", interrupted)
    code, text, _ = run(capsys, "--maxiter", 4, "--out", tmp_path)
    assert code == 130
    assert "evaluation was not" in text
    assert read(tmp_path)[0]["iterations"] == 4


def test_ctrl_c_before_anything_is_there(capsys, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("lancbio_ref.jobs.instance.load_samples", interrupted)
    code, _, errors = run(capsys, "--out", tmp_path)
    assert code == 130
    assert errors == "lancbio-ref run: interrupted; nothing was written\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["mnist"], ["--data-dir", "mnist"]),
        (["mnist", "--data-dir", "nowhere"], ["data_dir", "train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]),
        (["--data-dir", "."], ["--data-dir", "digits"]),
        (["--n", "5"], ["--n", "synthetic only"]),
        (["synthetic", "--corruption", "0.5"], ["--corruption", "data-cleaning"]),
        (["synthetic", "--n", "0"], ["--n", "0", ">= 1"]),
        (["synthetic", "--condition", "0.5"], ["--condition", "0.5"]),
        (["--maxiter", "0"], ["--maxiter", "0"]),
        (["--maxiter", "few"], ["--maxiter", "few"]),
        (["--corruption", "1.5"], ["--corruption", "1.5"]),
        (["--regularization", "0"], ["--regularization", "0"]),
        (["--regularization", "nan"], ["--regularization", "nan"]),
        (["--step-x", "-1"], ["--step-x", "-1"]),
        (["--tol", "-1"], ["--tol", "-1"]),
        (["--seed", "-1"], ["--seed", "-1"]),
        (["--subspace", "0"], ["--subspace", "0"]),
        (["--method", "sgd"], ["--method", "sgd", "lancbio"]),
        (["--method", "subbio", "--subspace", "3"], ["--subspace", "subbio"]),
        (["--step-v", "0.1"], ["--step-v", "lancbio"]),
        (["cifar"], ["JOB", "cifar", "fashion-mnist"]),
        (["--colour"], ["--colour"]),
        (["--out", "pyproject.toml/x"], ["--out", "pyproject.toml/x"]),
    ],
)
def test_errors_are_one_line_that_names_the_argument(capsys, monkeypatch, arguments, words):
    monkeypatch.chdir(ROOT)
    monkeypatch.setitem(sys.modules, "pooch", None)  # or "mnist" alone would download it
    try:
        code = main(["run", *arguments])
    except SystemExit as stopped:
        code = stopped.code
    captured = capsys.readouterr()
    assert code == 2
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    for word in words:
        assert word in captured.err


@pytest.mark.usefixtures("no_figure")
def test_a_run_that_diverges_is_one_line(capsys, tmp_path):
    with np.errstate(all="ignore"):
        code, _, errors = run(capsys, "--step-y", 1e300, "--inner-steps", 3, "--out", tmp_path, "--quiet")
    assert code == 2
    assert errors.count("\n") == 1
    assert (
        "the run diverges" in errors and "step_y = 1e+300 is too long" in errors and "choose a smaller step_y" in errors
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("no_fits")
@pytest.mark.parametrize("job", [["digits"], ["synthetic", "--n", 30]])
def test_the_last_hypergradient_is_checked_unless_told_not_to(capsys, tmp_path, job):
    _, text, _ = run(capsys, *job, "--maxiter", 5, "--out", tmp_path / "a")
    summary, trace = read(tmp_path / "a")
    assert summary["hypergradient"]["verdict"] in ("AGREES", "DIFFERS", "UNDECIDED")
    assert f"check          {summary['hypergradient']['verdict']}: checked at the last x" in text
    assert summary["hypergradient"]["verdict_message"] in summary["message"]
    _, text, _ = run(capsys, *job, "--maxiter", 5, "--no-certify", "--out", tmp_path / "b")
    plain, same = read(tmp_path / "b")
    assert "hypergradient" not in plain and "h was not checked" in text
    np.testing.assert_array_equal(trace["x"], same["x"])
    assert summary["counts"] == plain["counts"]


@pytest.mark.usefixtures("no_fits")
@pytest.mark.parametrize("job", [["digits"], ["synthetic", "--n", 30]])
def test_a_check_that_fails_keeps_the_run_and_says_so(capsys, tmp_path, monkeypatch, job):
    def fails(*_, **__):
        raise ValueError("mine")

    monkeypatch.setattr("lancbio_ref.final_check.hypergradient", fails)
    code, text, _ = run(capsys, *job, "--maxiter", 4, "--out", tmp_path)
    assert code == 0 and "FAILED: h was not checked (ValueError: mine)" in text
    assert read(tmp_path)[0]["iterations"] == 4


@pytest.mark.usefixtures("no_fits")
@pytest.mark.parametrize("job", [["digits"], ["synthetic", "--n", 30]])
def test_ctrl_c_in_the_check_keeps_the_run(capsys, tmp_path, monkeypatch, job):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("lancbio_ref.final_check.hypergradient", interrupted)
    code, text, _ = run(capsys, *job, "--maxiter", 4, "--out", tmp_path)
    summary, trace = read(tmp_path)
    assert code == 130 and summary["status"] == "INTERRUPTED" and summary["iterations"] == len(trace["k"]) == 4
    assert "the run was finished, its check was not" in text


def test_without_matplotlib_the_figure_is_named_as_skipped(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "find_spec", lambda name: None)
    code, text, _ = run(capsys, "--maxiter", 2, "--out", tmp_path)
    assert code == 0
    assert f"skipped {tmp_path / 'figure.png'}: matplotlib is not installed" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["summary.json", "trace.npz"]


@given(
    st.integers(1, 12).flatmap(
        lambda n: st.tuples(hnp.arrays(np.float64, n, elements=st.integers(0, 5)), hnp.arrays(bool, n))
    )
)
def test_auc_counts_pairs(case):
    scores, positive = case
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[positive] for b in scores[~positive]]
    assert auc(scores, positive) == pytest.approx(np.mean(pairs) if pairs else 0.5)


def test_the_manual_page_tells_the_truth(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    with pytest.raises(SystemExit) as stopped:
        main(["run", "--help"])
    text = capsys.readouterr().out
    assert stopped.value.code == 0
    for word in ("trace.npz", "summary.json", "figure.png", "130", "examples", "--corruption F"):
        assert word in text
    table = text[text.index("defaults\n") :].splitlines()
    rows = {row.split()[0]: row.split() for row in table if row.startswith(("  digits ", "  synthetic "))}
    digits, synthetic = JOBS["digits"], JOBS["synthetic"]
    names = ("maxiter", "step_x", "step_y", "step_v", "inner_steps", "subspace", "regularization")
    assert [float(entry) for entry in rows["digits"][1:]] == [digits[name] for name in names]
    assert rows["synthetic"][1:3] == [str(synthetic["maxiter"]), "1"]
    assert [int(entry) for entry in rows["synthetic"][5:7]] == [synthetic["inner_steps"], synthetic["subspace"]]


def test_version(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"lancbio-ref {lancbio_ref.__version__}\n"


@pytest.mark.skipif(not THOROUGH, reason="make test-thorough; `unread` of tests/surroundings.py is the same in a fork")
def test_a_reader_that_stops_reading_is_no_error(tmp_path):
    command = f"{sys.executable} -m lancbio_ref compare quadratic --n 3 --maxiter 5 --seeds 1 --methods soba --quiet"
    command += f" --out {tmp_path} | true"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
