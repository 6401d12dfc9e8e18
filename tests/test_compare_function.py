"""Several methods on one's own problem: the numbers of `minimize`, in every form."""

import numpy as np
import pytest

from lancbio_ref import LancBiO, compare, files, minimize, problems
from lancbio_ref.errors import ArgumentError

PROBLEM, ZERO = problems.random_ridge(20, 20, 3, rng=0), np.zeros(3)
STEPS = dict(step_x=0.1, step_y=0.02, step_v=0.02)


@pytest.fixture(scope="module")
def found():
    methods = {
        "lancbio": {},
        "soba": {"step_x": 0.05},
        "bsa": {"step_x": 1e9},
        "mine": LancBiO(step_x=0.2, step_y=0.02),
    }
    return compare(PROBLEM, methods, ZERO, ZERO, maxiter=12, seeds=(1, 2), **STEPS)


def test_the_numbers_are_those_of_minimize(found):
    for name, options in {
        "lancbio": STEPS | {"method": "lancbio"},
        "mine": {"method": LancBiO(step_x=0.2, step_y=0.02)},
    }.items():
        options = {k: v for k, v in options.items() if k != "step_v"}
        alone = minimize(PROBLEM, ZERO, ZERO, maxiter=12, **options)
        np.testing.assert_array_equal(found.runs[1, name]["x"], alone.x)
        assert found.summary["methods"][name]["columns"]["h_norm"]["mean"] == alone.trace["h_norm"][-1]


def test_a_run_that_fails_is_told_and_left_out_of_the_means(found):
    entry = found.summary["methods"]["bsa"]
    assert entry["finished"] == 0 and "step_x = 1e+09 is too long" in entry["failed"]["1"]
    assert "bsa, seed 1: FAILED" in str(found) and "bsa" in found.table()


def test_every_form_has_every_method(found):
    for form in ("text", "markdown", "latex"):
        assert all(name in found.table(form) for name in ("lancbio", "soba", "bsa", "mine"))
    assert r"\|\|grad phi\|\|" in found.table("markdown") and r"\\" in found.table("latex")
    assert "<table>" in found._repr_html_() and "<script" not in found._repr_html_()
    with pytest.raises(ArgumentError, match="form"):
        found.table("pdf")


def test_a_frame_has_a_row_a_method(found):
    pytest.importorskip("pandas")
    frame = found.table("frame")
    assert list(frame.index) == ["lancbio", "soba", "bsa", "mine"] and frame.loc["soba", "n_hvp"] == 12


def test_it_is_drawn(found):
    pytest.importorskip("matplotlib")
    assert len(found.plot().axes) == 6


@pytest.mark.parametrize(
    "change, argument",
    [
        (dict(methods="lancbio"), "methods"),
        (dict(methods=[]), "methods"),
        (dict(methods=["nope"]), "methods"),
        (dict(step_q=1.0), "step_q"),
        (dict(maxiter=10, every=3), "every"),
        (dict(seeds=(1.5,)), "seeds"),
        (dict(x0=np.zeros(4)), "x0"),
        (dict(problem=3), "problem"),
    ],
)
def test_arguments(change, argument):
    given = dict(problem=PROBLEM, methods=["lancbio"], x0=ZERO, y0=ZERO, step_x=0.1, step_y=0.1) | change
    with pytest.raises(ArgumentError) as caught:
        compare(given.pop("problem"), given.pop("methods"), given.pop("x0"), given.pop("y0"), **given)
    assert caught.value.argument == argument


def test_ctrl_c_keeps_what_is_finished(monkeypatch):
    from lancbio_ref.jobs import compare as loop

    real, made = loop.run_one, []

    def interrupted(*arguments):
        made.append(1)
        return real(*arguments) if len(made) == 1 else None

    monkeypatch.setattr(loop, "run_one", interrupted)
    found = compare(PROBLEM, ["lancbio", "soba"], ZERO, ZERO, maxiter=3, **STEPS)
    assert found.interrupted and list(found.runs) == [(1, "lancbio")] and str(found).endswith("interrupted")


def test_runs_in_a_folder_are_taken_up_again_where_the_problem_is_the_same(tmp_path, monkeypatch):
    from lancbio_ref.jobs import compare as loop

    monkeypatch.setattr(files, "find_spec", lambda name: None)  # figures take the most time
    given = (["lancbio", "soba"], ZERO, ZERO)
    options = dict(maxiter=3, out=tmp_path / "runs here", check=False, **STEPS)
    whole = compare(PROBLEM, *given, **options)
    assert {path.name for path in (tmp_path / "runs here" / "runs").iterdir()} >= {"lancbio-1.npz", "soba-1.npz"}
    with pytest.raises(ArgumentError, match="resume=True") as caught:
        compare(PROBLEM, *given, **options)
    assert caught.value.argument == "out"
    (tmp_path / "runs here" / "runs" / "soba-1.npz").unlink()
    real, made = loop.run_one, []
    monkeypatch.setattr(loop, "run_one", lambda *run: made.append(run[3]) or real(*run))
    again = compare(PROBLEM, *given, resume=True, **options)
    assert made == ["soba"] and list(again.runs) == list(whole.runs)
    for key, run in whole.runs.items():
        np.testing.assert_array_equal(run["x"], again.runs[key]["x"])
    other = problems.random_ridge(20, 20, 3, rng=1)
    with pytest.raises(ArgumentError, match="numbers at the start") as caught:
        compare(other, *given, resume=True, **options)
    assert caught.value.argument == "resume"
