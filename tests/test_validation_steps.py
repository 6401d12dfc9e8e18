"""`validation/steps.py`: what it counts, and, of the pairs that it measured, a sample of the runs without steps."""

import importlib
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.thorough import sampled

FOLDER = Path(__file__).resolve().parent.parent / "validation"
PAIRS = json.loads((FOLDER / "results" / "steps.json").read_text())["pairs"]
HELD = [pair for pair in PAIRS if pair["auto"] is not None and pair["auto"] <= 3 * pair["work"] and pair["work"] < 1000]


@pytest.fixture(scope="module")
def steps():
    sys.path.insert(0, str(FOLDER))
    try:
        yield importlib.import_module("steps")
    finally:
        sys.path.remove(str(FOLDER))


@pytest.mark.parametrize("pair", sampled(HELD, 3), ids=lambda pair: f"{pair['problem']}-{pair['method']}")
def test_without_a_step_a_run_is_there_in_three_times_the_work_of_the_best_of_49(steps, pair):
    """The target and the work of the grid are those that were measured; the run is made anew."""
    start = steps.PROBLEMS[pair["problem"]]()
    truth = steps.RoughTruth(steps.PROBLEMS[pair["problem"]]().problem, start.y0)
    first, low = truth.at(start.x0)[1], steps.lowest(steps.PROBLEMS[pair["problem"]]())
    target = low + 1.0001 * pair["target"] * (first - low)
    found = steps.measure_auto(pair["problem"], pair["method"], target, 4 * pair["work"])
    assert steps.work_to(found, target) <= steps.ALLOWED * pair["work"] and ":" not in found["end"]


def test_a_grid_has_49_settings_and_the_better_of_two_runs_is_the_one_that_is_there_first(steps):
    start = steps.PROBLEMS["quadratic"]()
    for method in steps.METHODS:
        settings = list(steps.grid(start, 1.0, method))
        assert len(settings) == 49 == len({str(one) for one in settings})
    fast, slow, never = ([(10.0, 5.0), (20.0, v)] for v in (0.1, 0.2, 3.0))
    runs = [dict(looks=looks, end="STOPPED") for looks in (never, slow, fast)]
    assert [steps.work_to(run, 0.5) for run in runs] == [math.inf, 20.0, 20.0]
    assert sorted(runs, key=lambda run: steps.rank(run, 0.5))[0] == runs[2]
    assert steps.rank(dict(looks=fast, end="DivergenceError: too long"), 0.0)[1] == math.inf


def test_a_run_that_passes_through_the_target_has_not_stayed_there(steps):
    through = dict(looks=[(10.0, 1.0), (20.0, 0.1), (30.0, 0.9), (40.0, 0.2), (80.0, 0.3)], end="STOPPED")
    assert steps.work_to(through, 0.5) == 20.0 and steps.work_to(through, 0.5, True) == 40.0
    assert steps.work_to(through | dict(end="DivergenceError: too long"), 0.5, True) == math.inf


def test_a_run_goes_on_until_it_has_stayed(steps):
    start = steps.PROBLEMS["quadratic"]()
    truth = steps.RoughTruth(steps.PROBLEMS["quadratic"]().problem, start.y0)
    goal = 0.5 * truth.at(start.x0)[1] + 0.5 * steps.lowest(steps.PROBLEMS["quadratic"]())
    first, stayed = (steps.one_run(start, truth, goal, "soba", {}, 400.0, stays=stays) for stays in (False, True))
    work = steps.work_to(stayed, goal, True)
    assert first["looks"][-1][1] <= goal and stayed["looks"][-1][0] >= steps.STAY * work
    assert work >= steps.work_to(stayed, goal) == steps.work_to(first, goal)


def test_the_words_are_those_of_the_numbers(steps):
    pair = dict(
        problem="p", method="m", target=1e-4, work=100.0, best={}, failed=3, auto=200.0, last=1e-5, end="STOPPED"
    )
    held, whole = steps.verdicts(dict(pairs=[pair], possible=1, budget=1.0))
    assert held.outcome == whole.outcome == "holds" and "median ratio 2.00" in held.why
    late, _ = steps.verdicts(dict(pairs=[pair | dict(auto=400.0), pair, pair], possible=3, budget=1.0))
    assert late.outcome == "holds with a caveat" and "not: p m" in late.why
    never, ended = steps.verdicts(dict(pairs=[pair | dict(auto=None, end="ArgumentError: x")], possible=1, budget=1.0))
    assert never.outcome == ended.outcome == "does not hold"
    assert "| p | m | 1.0e-04 | 100 | 200 | 2.00 |" in steps.section(dict(pairs=[pair]))
    assert np.isfinite(steps.ratio(pair))
    lucky = pair | dict(auto=None, staying=pair | dict(work=150.0))
    words = steps.verdicts(dict(pairs=[lucky], possible=1, budget=1.0))[0].why
    assert "not: p m; of these, where runs have to stay at the target, 1 of 1: p m" in words
    assert "| p | m, staying | 1.0e-04 | 150 | 200 | 1.33 |" in steps.section(dict(pairs=[lucky]))
