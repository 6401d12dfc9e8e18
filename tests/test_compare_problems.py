"""``lancbio-ref compare`` on mini-batches, without matrices, and on 20 Newsgroups; halved steps."""

import json

import numpy as np
import pytest

from lancbio_ref import ArgumentError, files, minimize, problems
from lancbio_ref.cli import main
from lancbio_ref.datasets import load_newsgroups
from lancbio_ref.datasets.newsgroups import FILE
from lancbio_ref.jobs import settings
from lancbio_ref.jobs.instance import make_instance
from lancbio_ref.jobs.options import make_comparison
from lancbio_ref.jobs.settings import default_options
from lancbio_ref.methods import F2SA, SOBA, HalvedSteps, LancBiO
from tests.datasets.test_newsgroups import arrays


@pytest.fixture
def compare(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "find_spec", lambda name: None)  # figures take the most time

    def call(*arguments, folder="out"):
        out = tmp_path / folder
        code = main(["compare", *map(str, arguments), "--quiet", "--out", str(out)])
        assert code == 0, capsys.readouterr().err
        runs = {}
        for path in (out / "runs").iterdir():
            with np.load(path) as file:
                runs[path.stem] = dict(file)
        return runs, json.loads((out / "comparison.json").read_text())

    return call


def test_batches_are_those_of_minimize(compare):
    arguments = ["ridge", "--methods", "soba,bsa", "--seeds", 3, "--maxiter", 6, "--batch-size", "8,5"]
    runs, summary = compare(*arguments, "--set", "bsa.batch_size=4")
    rng = np.random.default_rng(3)
    problem = problems.random_ridge(40, 40, 20, rng=rng)
    x0, y0 = rng.standard_normal(20), rng.standard_normal(20)
    for name, size in (("soba", (8, 5)), ("bsa", 4)):
        options = default_options("ridge", name) | dict(rng=np.random.default_rng([1, 3]), diagnostics_every=1)
        result = minimize(problem, x0, y0, method=name, maxiter=6, batch_size=size, **options)
        run = runs[f"{name}-3"]
        np.testing.assert_array_equal(run["x"], result.x)
        np.testing.assert_array_equal(run["residual"], result.trace.diagnostics["residual"])
        settings = summary["methods"][name]["settings"]
        assert settings["batch_size"] == (list(size) if isinstance(size, tuple) else size)


def test_digits_in_batches(compare):
    runs, _ = compare("digits", "--methods", "subbio,hjfbio", "--seeds", 1, "--maxiter", 4, "--batch-size", 32)
    assert runs["subbio-1"]["test_accuracy"].shape == (4,)
    assert (runs["subbio-1"]["h_norm"] != runs["hjfbio-1"]["h_norm"]).all()


def test_steps_are_halved_from_an_iteration_on(compare):
    arguments = ["quadratic", "--n", 4, "--methods", "soba", "--seeds", 1, "--maxiter", 6]
    plain, _ = compare(*arguments)
    halved, summary = compare(*arguments, "--halve-from", 4, folder="halved")
    a, b = plain["soba-1"]["h_norm"], halved["soba-1"]["h_norm"]
    np.testing.assert_array_equal(a[:4], b[:4])  # h_4 belongs to x_4, which the step of iteration 3 made
    assert (a[4:] != b[4:]).all()
    assert summary["methods"]["soba"]["settings"]["halve_from"] == 4


def test_halved_steps_are_two_runs_in_one():
    problem = problems.quadratic(3, 4, rng=0)
    first = LancBiO(step_x=0.2, step_y=0.1, subspace=3)
    x0, y0 = np.ones(3), np.zeros(4)
    states = []
    minimize(problem, x0, y0, method=HalvedSteps(first, 3), maxiter=5, trace=("x", "h"), callback=states.append)
    second = LancBiO(step_x=0.1, step_y=0.05, subspace=3)
    state = first.init(problem, x0, y0, np.zeros(4), np.random.default_rng(0))
    for method in (first, first, second, second, second):
        state = method.step(problem, state)
    np.testing.assert_array_equal(states[-1].x_next, state.x_next)
    np.testing.assert_array_equal(states[-1].v, state.v)
    assert HalvedSteps(F2SA(step_x=1.0, step_y=0.5, step_z=0.25), 2).halved == F2SA(
        step_x=0.5, step_y=0.25, step_z=0.125
    )
    for method, start, named in ((SOBA, 2, "method"), (SOBA(1.0, 1.0, 1.0), 0, "start")):
        with pytest.raises(ArgumentError, match=named):
            HalvedSteps(method, start)


def test_matrix_free(compare):
    arguments = ["synthetic", "--n", 50, "--condition", 20, "--methods", "lancbio", "--seeds", 2, "--maxiter", 3]
    runs, _ = compare(*arguments, "--matrix-free")
    rng = np.random.default_rng(2)
    problem = problems.synthetic(50, 20.0, matrix_free=True, rng=rng)
    x0, y0, v0 = problem.initial_point(rng)
    result = minimize(problem, x0, y0, v0=v0, maxiter=3, **default_options("synthetic", "lancbio", 20.0))
    np.testing.assert_array_equal(runs["lancbio-2"]["x"], result.x)


def test_newsgroups(compare, tmp_path):
    np.savez(tmp_path / FILE, **arrays())
    arguments = ["20newsgroups", "--data-dir", tmp_path, "--methods", "lancbio,f2sa", "--seeds", "1,2", "--maxiter", 4]
    small = [f"--set={name}.{step}" for name in ("lancbio", "f2sa") for step in ("step_x=0.1", "step_y=0.5")]
    runs, _ = compare(*arguments, *small)
    posts = load_newsgroups(tmp_path, np.random.default_rng(2))
    problem = problems.logistic(posts.X_train, posts.labels_train, posts.X_val, posts.labels_val)
    zero, options = np.zeros(problem.n_y), default_options("20newsgroups", "lancbio") | dict(step_x=0.1, step_y=0.5)
    result = minimize(problem, np.zeros(problem.n_x), zero, maxiter=4, diagnostics_every=1, **options)
    np.testing.assert_array_equal(runs["lancbio-2"]["loss"], result.trace.diagnostics["fun"])
    assert runs["lancbio-2"]["test_accuracy"][-1] == problem.accuracy(result.y, posts.X_test, posts.labels_test)


@pytest.mark.parametrize(
    ("problem", "given", "argument"),
    [
        ("synthetic", dict(batch_size="8"), "--batch-size"),
        ("ridge", dict(batch_size="8,9,10"), "--batch-size"),
        ("ridge", dict(batch_size="0"), "--batch-size"),
        ("ridge", dict(methods="soba", set=["soba.batch_size=x"]), "--batch-size"),
        ("ridge", dict(matrix_free=True), "--matrix-free"),
        ("digits", dict(train=500), "--train"),
        ("mnist", dict(train=1), "--train"),
        ("quadratic", dict(halve_from=1), "--halve-from"),
    ],
)
def test_bad_options_are_named(problem, given, argument):
    with pytest.raises(ArgumentError) as caught:
        make_comparison(problem, given)
    assert caught.value.argument == argument


def test_the_true_gradient_stands_beside_the_methods_own(compare, capsys):
    arguments = ["quadratic", "--n", 6, "--methods", "stocbio,lancbio", "--seeds", 2, "--maxiter", 400]
    runs, summary = compare(*arguments, "--certify")
    rng = np.random.default_rng(2)
    problem = problems.quadratic(6, 6, 10.0, rng=rng)
    x0, y0 = rng.standard_normal(6), rng.standard_normal(6)
    for name in ("stocbio", "lancbio"):
        last = []
        options = default_options("quadratic", name) | dict(callback=lambda state, last=last: last.append(state.x))
        minimize(problem, x0, y0, method=name, maxiter=400, **options)
        truth = np.linalg.norm(problem.hypergradient(last[-1]))
        assert runs[f"{name}-2"]["gradient"][-1] == pytest.approx(truth, rel=1e-6, abs=1e-10)
        assert summary["methods"][name]["columns"]["gradient"]["mean"] == runs[f"{name}-2"]["gradient"][-1]
    text = capsys.readouterr().out
    assert "||grad phi||" in text and "||h - grad phi||" in text
    for name in ("stocbio", "lancbio"):
        assert f"{name}, seed 2: DIFFERS: " in text or runs[f"{name}-2"]["verdict"] == "AGREES"
    assert summary["methods"]["stocbio"]["verdicts"] == {"2": "DIFFERS"} and "seed 2: DIFFERS: " in text
    distance = runs["stocbio-2"]["distance"][-1]
    assert summary["methods"]["stocbio"]["columns"]["distance"]["mean"] == distance and f"{distance:.2e}" in text
    own, true = (summary["methods"]["stocbio"]["columns"][column]["mean"] for column in ("h_norm", "gradient"))
    assert own < 0.05 * true  # why the column is there: stocBiO stops where its own estimate vanishes


def test_accuracy_is_that_of_y(compare):
    runs, _ = compare("digits", "--methods", "subbio", "--seeds", 1, "--maxiter", 3)
    instance = make_instance(make_comparison("digits", {}), 1)
    options = default_options("digits", "subbio")
    result = minimize(instance.problem, instance.x0, instance.y0, v0=instance.v0, method="subbio", maxiter=3, **options)
    assert runs["subbio-1"]["test_accuracy"][-1] == instance.problem.accuracy(result.y, *instance.test)


@pytest.mark.parametrize(("option", "value"), [("--n", 7), ("--condition", 20)])
def test_resume_refuses_another_problem(compare, tmp_path, capsys, option, value):
    arguments = ["quadratic", "--methods", "soba", "--seeds", 1, "--maxiter", 4]
    compare(*arguments)
    code = main(["compare", *map(str, arguments), option, str(value), "--resume", "--out", str(tmp_path / "out")])
    assert code == 2 and "given" in capsys.readouterr().err


def test_resume_refuses_another_version_and_clears_what_a_kill_left(compare, tmp_path, capsys, monkeypatch):
    arguments = ["quadratic", "--methods", "soba", "--seeds", 1, "--maxiter", 4]
    compare(*arguments)
    left = tmp_path / "out" / "runs" / ".lancbio-abcd.tmp"
    left.write_bytes(b"half a run")
    again = ["compare", *map(str, arguments), "--resume", "--quiet", "--out", str(tmp_path / "out")]
    assert main(again) == 0 and not left.exists()
    monkeypatch.setattr(settings, "__version__", "0.0.1")
    assert main(again) == 2 and "version" in capsys.readouterr().err


def test_the_check_is_made_unless_it_is_told_not_to(compare, capsys):
    arguments = ["quadratic", "--n", 4, "--methods", "soba", "--seeds", 1, "--maxiter", 4]
    checked, _ = compare(*arguments)
    capsys.readouterr()
    plain, summary = compare(*arguments, "--no-certify", folder="plain")
    text = capsys.readouterr().out
    assert {"gradient", "distance", "bound", "verdict"} <= set(checked["soba-1"])
    assert not {"gradient", "distance", "bound", "verdict"} & set(plain["soba-1"])
    np.testing.assert_array_equal(checked["soba-1"]["x"], plain["soba-1"]["x"])
    assert checked["soba-1"]["n_hvp"][-1] == plain["soba-1"]["n_hvp"][-1]
    assert summary["methods"]["soba"]["verdicts"] == {} and "--no-certify" in text and "grad phi||  " not in text


def test_a_run_that_grows_though_it_stays_finite_is_named(compare, capsys):
    wild = ["quadratic", "--n", 4, "--methods", "soba", "--seeds", 1, "--maxiter", 40, "--set", "soba.step_y=3"]
    _, summary = compare(*wild)
    assert summary["methods"]["soba"]["outcomes"] == {"1": "DIVERGING"}
    assert "step_y = 3 is too long" in summary["methods"]["soba"]["doubts"]["1"]
    assert "soba, seed 1: DIVERGING: " in capsys.readouterr().out
