"""Rows that do not come out again are found, and said to be what they are; finished runs are not made twice."""

import importlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parent.parent / "validation"


@pytest.fixture(scope="module")
def module():
    sys.path.insert(0, str(FOLDER))
    try:
        importlib.import_module("run")
        yield {name: sys.modules[name] for name in ("common", "chaos", "cleaning", "paper", "run")}
    finally:
        sys.path.remove(str(FOLDER))


def made_run(loss=0.5, h_norm=1e-3, outcome="COMPLETED", difference=None, operations=(600, 400)):
    """The end of a run, as `common.run` returns it."""
    options = {} if difference is None else dict(difference=difference)
    if outcome == "FAILED":
        return dict(method="soba", seed=1, outcome=outcome, message="FAILED after 3 iterations", options=options)
    columns = dict(loss=[2.0, loss], h_norm=[1.0, h_norm], test_accuracy=[0.1, 0.8], residual=[1.0, 0.25])
    counts = dict(n_hvp=[1, operations[0]], n_grad=[1, operations[1]], seconds=[0.0, 1.0], recorded_k=[1, 150])
    return dict(method="soba", seed=1, outcome=outcome, options=options, solved=0.82) | columns | counts


def test_a_nudge_is_one_rounding_and_always_the_same(module):
    common = module["common"]
    y0, v0 = np.array([1.0, -3.0, 0.0, 1e-300, 0.1] * 20), np.linspace(0.5, 2.0, 50)
    instance = common.Instance(None, np.zeros(3), y0, v0)
    assert common.nudged(instance, 0) is instance
    moved, again, other = (common.nudged(instance, nudge) for nudge in (1, 1, 2))
    for name in ("y0", "v0"):
        before, after = getattr(instance, name), getattr(moved, name)
        neighbours = np.stack([np.nextafter(before, -np.inf), np.nextafter(before, np.inf)])
        assert ((after == neighbours) | (before == 0)).any(axis=0).all()
        assert (after[before == 0] == 0).all()
        up = (after > before)[before != 0]
        assert 0.2 < up.mean() < 0.8
        np.testing.assert_array_equal(after, getattr(again, name))
        assert (after != getattr(other, name)).any()
    assert moved.x0 is instance.x0


def test_what_roundings_explain_is_the_sixth_digit_and_the_length_of_all_sums(module):
    chaos = module["chaos"]
    assert chaos.explained(made_run(), 5000) == 1e-5 + 1000 * 5000 * 2.0**-53
    assert chaos.explained(made_run(difference=1e-5), 5000) == 1e-5 + 1000 * 5000 * 2.0**-53 / 1e-5


@pytest.mark.parametrize("column", ["loss", "h_norm"])
def test_a_row_is_chaotic_beyond_that_and_not_before(module, column):
    chaos = module["chaos"]
    base = made_run()
    value = base[column][-1]
    for factor, expected in ((0.9, False), (1.1, True)):
        ends = [chaos.end(made_run(**{column: value * (1 + sign * factor * 1.0000056e-5)})) for sign in (0, 1)]
        assert chaos.is_chaotic(base, ends, 5000) is expected
        assert chaos.is_chaotic(base, ends[::-1], 5000) is expected
    far = chaos.end(made_run(**{column: value * (1 + 4e-5)}))
    assert chaos.is_chaotic(base, [far], 5000)
    assert not chaos.is_chaotic(made_run(difference=1e-5), [far], 5000)  # its quotients explain 6.6e-5
    assert chaos.is_chaotic(base, [chaos.end(made_run(**{column: None}))], 5000)  # JSON has no infinity
    assert chaos.difference([None, None]) == 0
    assert chaos.difference([0.0, 1.0]) == chaos.difference([None, 0.0]) == np.inf


def test_a_run_that_only_sometimes_fails_is_chaotic(module):
    chaos = module["chaos"]
    whole, failed = made_run(), made_run(outcome="FAILED")
    assert chaos.is_chaotic(whole, [chaos.end(failed)], 5000)
    assert chaos.is_chaotic(failed, [chaos.end(whole)], 5000)
    assert not chaos.is_chaotic(failed, [chaos.end(failed)], 5000)


@pytest.mark.parametrize(("step_y", "expected", "repeats"), [(0.3, False, 1), (15.0, True, 3)])
def test_a_much_too_long_step_is_chaotic_and_a_good_one_is_not(
    module, monkeypatch, tmp_path, step_y, expected, repeats
):
    common, chaos = module["common"], module["chaos"]
    monkeypatch.setattr(common, "KEPT", tmp_path)
    monkeypatch.setattr(chaos, "in_parallel", lambda function, tasks, label: [function(task) for task in tasks])
    given = (("maxiter", 120), ("every", 60))
    task = common.Task("digits", "soba", 1, given, (f"soba.step_y={step_y}",))
    runs, found = chaos.repeated([task], 600, "a folder", "digits")
    assert chaos.is_chaotic(runs[0], found["soba"], 600) is expected
    assert len(found["soba"]) == repeats
    assert len({one["loss"] for one in found["soba"]}) == (3 if expected else 1)
    assert "nudge" not in runs[0]


def test_a_table_marks_chaotic_rows_and_gives_their_spread(module):
    chaos, cleaning = module["chaos"], module["cleaning"]
    methods = dict(soba=[made_run()], bsa=[made_run()], ttsa=[made_run()], stocbio=[made_run(outcome="FAILED")])
    odd = [chaos.end(made_run(loss=0.75)), chaos.end(made_run(outcome="FAILED")), chaos.end(made_run(loss=0.25))]
    same = [chaos.end(made_run())]
    text = "\n".join(
        cleaning.tables("a title", methods, dict(soba=odd, bsa=same, stocbio=[dict(outcome="FAILED")]), 5000)
    )
    assert "| soba *chaotic* |" in text and "| bsa |" in text and "| ttsa |" in text and "| stocbio | failed |" in text
    assert "Not repeated: ttsa." in text
    assert "soba is *chaotic*: 4 runs whose starts differ by one rounding, of which 1 failed" in text
    assert "validation loss 0.5 [0.25, 0.75]" in text and "accuracy of y_K 80.00 [80.00, 80.00]" in text
    assert text.count("*chaotic*") == 2
    cells = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert len(cells) == 1  # a failed row has as many cells as any


def test_a_finished_run_is_read_and_not_made_again(module, monkeypatch, tmp_path):
    common = module["common"]
    monkeypatch.setattr(common, "KEPT", tmp_path)
    made, really = [], common.run

    def counted(task):
        made.append(task)
        return really(task)

    monkeypatch.setattr(common, "run", counted)
    task = common.Task("quadratic", "soba", 3, (("n", 6), ("maxiter", 12), ("every", 4)))
    first = common.kept_run(("here", task))
    assert common.kept_run(("here", task)) == first
    plainly = common.rounded(common.plain(really(task)))
    assert {**first, "seconds": 0} == {**plainly, "seconds": 0}
    assert len(made) == 1
    for other in (replace(task, nudge=1), replace(task, seed=4), replace(task, finish=common.with_gradient)):
        common.kept_run(("here", other))
    assert len(made) == 4
    monkeypatch.setattr(common, "source_digest", lambda: "other code")
    common.kept_run(("here", task))
    assert len(made) == 5
    common.forget("here")
    assert not (tmp_path / "here").exists()


def test_the_long_section_is_made_from_its_runs_alone(module):
    paper = module["paper"]
    keys = [(name, p, m, 0) for name in paper.SETS for p in paper.REPEATED for m in paper.METHODS]
    keys += [(name, 14, m, 1) for name in paper.SETS for m in paper.OURS]
    runs = {key: made_run() | dict(method=key[2]) for key in keys}
    runs["mnist", 14, "subbio", 0]["solved"] = 0.9
    runs["fashion-mnist", 14, "amigo-gd", 0]["solved"] = 0.9
    runs["fashion-mnist", 14, "amigo-cg", 0]["residual"] = [1.0, 0.1]
    runs["mnist", 14, "lancbio", 1]["loss"] = [2.0, 0.6]
    reference = dict(noisy=0.81, validation=0.85, true=0.86, longest_step=0.2)
    titles = [paper.column_title(name, pixels) for name in paper.SETS for pixels in paper.REPEATED]
    found = paper.assembled(runs, dict.fromkeys(titles, reference))
    outcomes = {v.claim: (v.outcome, v.why) for v in paper.verdicts(found)}

    def told(word):
        return {claim.partition(", K")[0]: outcome for claim, (outcome, _) in outcomes.items() if word in claim}

    assert told("weights") == dict(zip(titles, ("holds", "holds", "holds", "does not hold"), strict=True))
    assert told("residual") == dict(zip(titles, ("holds", "holds", "holds", "does not hold"), strict=True))
    assert set(told("noisy labels").values()) == {"holds"}
    caveat = ("does not hold", "holds with a caveat", "does not hold", "does not hold")
    assert told("validation data alone") == dict(zip(titles, caveat, strict=True))
    ((outcome, why),) = (told for claim, told in outcomes.items() if "rounding" in claim)
    assert (outcome, why) == ("does not hold", "chaotic: lancbio (mnist, 14 × 14)")
    text = paper.section(found)
    assert text.count("| lancbio *chaotic* |") == 1 and "K = 3000" in text
    assert "noisy labels 81.00, validation data only 85.00, true labels 86.00" in text


def test_the_long_runs_are_in_the_papers_configuration(module):
    paper = module["paper"]
    for pixels, make in ((28, module["common"].make_instance), (14, module["cleaning"].pooled_instance)):
        task = paper.task_of("mnist", pixels, "soba", 0)
        comparison = task.comparison()
        assert (comparison.maxiter["soba"], comparison.given["train"], comparison.given["corruption"]) == (
            6000,
            5000,
            0.5,
        )
        assert task.make is make


def test_only_full_makes_the_long_runs(module, monkeypatch, capsys):
    def measure(full):
        raise AssertionError("measured")

    run = module["run"]
    monkeypatch.setattr(module["paper"], "measure", measure)
    for name in ("save_figure", "save"):
        monkeypatch.setattr(run, name, lambda *_: None)
    monkeypatch.setattr(run.report, "write_report", lambda scripts: "no report")
    monkeypatch.setattr(sys, "argv", ["run.py", "paper"])
    assert run.main() == 0
    assert "paper: left out, --full makes it" in capsys.readouterr().out
