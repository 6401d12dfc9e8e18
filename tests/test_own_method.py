"""The contest of `validation/own_method.py`: what its referee counts, how it searches, what its words rest on."""

import importlib
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from lancbio_ref import HyperObjective, problems

FOLDER = Path(__file__).resolve().parent.parent / "validation"


@pytest.fixture(scope="module")
def contest():
    sys.path.insert(0, str(FOLDER))
    try:
        names = ("own_method", "contest.referee", "contest.contestants", "contest.suite")
        yield {name.split(".")[-1]: importlib.import_module(name) for name in names}
    finally:
        sys.path.remove(str(FOLDER))


def line(problem, who, easy, hard, phi=1.0, norm=1e-9, cpu=1.0):
    """A run that reached the two targets with so much work; None is never."""
    reached = {
        target: None if work is None else dict(W=work, cpu=cpu, k=1)
        for target, work in (("1e-3", easy), ("1e-6", hard))
    }
    return dict(problem=problem, seed=1, contestant=who, reached=reached, phi=phi, norm=norm, end="reached", why="")


def found(*runs):
    about = {r["problem"]: dict(family="f", n_x=2, n_y=3, start_norm=1.0, start_phi=2.0) for r in runs}
    return dict(problems=about, budgets=[(1e4, 10)], runs=list(runs), seconds=1.0, machine={})


def test_the_referee_counts_what_the_problem_was_asked_and_sees_each_target_once(contest):
    referee_of = contest["referee"]
    problem, judge = (problems.quadratic(3, 4, condition=5.0, rng=1) for _ in range(2))
    truth = referee_of.Truth(judge, np.zeros(4))
    x0, goal = np.ones(3), problem.stationary_point()
    start = truth.norm(x0)
    assert start == pytest.approx(np.linalg.norm(problem.hypergradient(x0)), rel=1e-3)
    referee = referee_of.Referee(problem, truth, start, work=1e9, seconds=1e9, exact=True)
    A, J = problem.hessian(x0, np.zeros(4)), problem.cross(x0, np.zeros(4))
    over = []
    for t in (1e-2, 1e-4, 1e-5, 1e-9):
        A.matvec(np.ones(4)), J.matvec(np.ones(4)), J.rmatvec(np.ones(3))
        problem.lower_grad_y(x0, np.zeros(4)), problem.upper_grad_y(x0, np.zeros(4)), problem.value(x0, np.zeros(4))
        x = goal + t * (x0 - goal)
        over.append(referee.see(x, np.linalg.norm(problem.hypergradient(x))))
    assert over == [False, False, False, True] and referee.end == "reached"
    each = 1 + 0.5 + 0.5 + 1 + 1 + 0.5
    verdict = referee.verdict()
    assert verdict["reached"]["1e-3"]["W"] == 2 * each and verdict["reached"]["1e-6"]["W"] == 4 * each
    assert verdict["reached"]["1e-3"]["hvp"] == 2 and verdict["spent"]["k"] == 4


@pytest.mark.parametrize("own", [0.0, None])
def test_an_own_estimate_is_not_believed(contest, own):
    """Ten runs of iterates that stand at ‖∇φ‖ = ‖∇φ(x_0)‖: whatever their h says, no target is reached."""
    referee_of = contest["referee"]
    problem = problems.quadratic(3, 4, condition=5.0, rng=1)
    truth = referee_of.Truth(problems.quadratic(3, 4, condition=5.0, rng=1), np.zeros(4))
    start = truth.norm(np.ones(3))
    referee = referee_of.Referee(problem, truth, start, work=1e9, seconds=1e9)
    for k in range(300):
        for _ in range(1 + k // 5):
            problem.lower_grad_y(np.ones(3), np.zeros(4))
        if referee.see(np.ones(3) + 1e-12 * k, start if own is None else own):
            break
    assert referee.end == ("" if own is None else "biased") and not referee.reached


def test_the_rough_truth_is_the_truth_to_a_percent(contest):
    referee_of, suite = contest["referee"], contest["suite"]
    for name in ("ridge-20", "synthetic-200-1e2"):
        start = suite.SUITE[name].make(3)
        rough, truth = referee_of.RoughTruth(start.problem, start.y0), HyperObjective(start.problem, start.y0)
        x = start.x0 + 0.1
        assert rough.norm(x) == pytest.approx(np.linalg.norm(truth.gradient(x)), rel=1e-2)
    assert rough.norm(1e9 * x) == math.inf


def test_newtons_truth_is_the_slope_of_phi_where_penalties_have_run_away(contest):
    """At penalties e^(−25) A is singular to working precision, and φ has a slope all the same: by differences of φ."""
    rng = np.random.default_rng(4)
    X, labels = (rng.random((80, 6)) < 0.3).astype(float), rng.integers(0, 2, 80)
    problem = problems.logistic(X[:40], labels[:40], X[40:], labels[40:], weights="feature")
    truth = contest["referee"].NewtonTruth(problem, np.zeros(problem.n_y), relative=1e-9)
    x = np.where(np.arange(problem.n_x) % 2, -25.0, -3.0)
    norm, phi = truth.at(x)
    slopes = [(truth.at(x + t)[1] - truth.at(x - t)[1]) / 2e-4 for t in 1e-4 * np.eye(x.size)]
    assert norm == pytest.approx(np.linalg.norm(slopes), rel=1e-5) and math.isfinite(phi) and not truth.why
    assert truth.at(x - 1e6) == (math.inf, pytest.approx(math.nan, nan_ok=True)) and "run away" in truth.why


def test_newtons_truth_is_that_of_the_hyper_objective(contest):
    referee_of, suite = contest["referee"], contest["suite"]
    start = suite.SUITE["ridge-20"].make(3)
    found = [t(start.problem, start.y0).at(start.x0 + 0.1) for t in (referee_of.NewtonTruth, referee_of.Truth)]
    assert found[0] == pytest.approx(found[1], rel=1e-3)


def test_a_measurement_goes_on_where_it_was(contest, monkeypatch, tmp_path):
    own, contestants = contest["own_method"], contest["contestants"]
    monkeypatch.setattr(own, "LINES", tmp_path / "lines.jsonl")
    few = {
        "L-BFGS-B": contestants.optimizer("L-BFGS-B", ((0.3, 10),)),
        "stable": lambda ring, budget, known: dict(skipped="too dense"),
    }
    monkeypatch.setattr(own, "contestants", lambda: few)
    small = contestants.Budget(30, 60, 1500, 5)
    own.run(["ridge-20"], list(few), (1,), small)
    first = (tmp_path / "lines.jsonl").read_text()
    own.run(["ridge-20"], list(few), (1,), small)
    assert (tmp_path / "lines.jsonl").read_text() == first and len(own.lines()) == 2
    own.run(["ridge-20"], ["L-BFGS-B"], (1, 2), small)
    assert [entry["seed"] for entry in own.lines()] == [1, 1, 2]
    assert own.lines()[2]["options"] == own.lines()[0]["options"]  # what was found for the first seed
    best = own.lines()[0]["reached"]["1e-3"]
    assert best["W"] == contest["referee"].weighted(best) and best["norm"] <= 1e-3 * own.lines()[0]["start_norm"]
    own.run(["ridge-20"], ["L-BFGS-B"], (3,), small, minutes=-1)
    assert len(own.lines()) == 3
    assert own.section(own.summary()) and own.verdicts(own.summary())


def test_a_search_leads_to_a_run(contest):
    contestants = contest["contestants"]
    ring = contestants.Ring(contest["suite"].SUITE["ridge-20"], 1)
    theta = 0.5 / ring.curvature
    ring.grid = lambda name: iter([dict(step_x=s, step_y=theta, step_v=theta) for s in (1e-9, 0.1, 10.0, 1e9)])
    made = contestants.searched("soba")(ring, contestants.Budget(60, 200, 400, 5), None)
    assert made["options"]["step_x"] in (1e-9, 0.1)  # with 10 the run fails, from a small last norm
    assert made["spent"]["W"] >= 400 and made["end"] == "work" and math.isfinite(made["search"]["norm"])


def test_a_grid_has_49_settings_that_its_method_takes(contest):
    from lancbio_ref.methods import build, names

    contestants = contest["contestants"]
    ring = contestants.Ring(contest["suite"].SUITE["ridge-20"], 1)
    for name in names():
        if name != contestants.OWN:
            grid = list(ring.grid(name))
            assert len(grid) == 49 == len({str(options) for options in grid})
            build(name, grid[0]), build(name, grid[-1])


def test_the_search_finds_what_is_best_of_its_last_round(contest, monkeypatch):
    """‖∇φ‖ at the end of a run is made up: smallest for one of the 49, which is then the answer."""
    contestants = contest["contestants"]
    ring = contestants.Ring(contest["suite"].SUITE["ridge-20"], 1)
    grid, works = list(ring.grid("soba")), []

    def run(name, options, referee):
        works.append(referee.work)
        return dict(end="work", norm=abs(grid.index(options) - 17) + (math.inf if options == grid[17 - 7] else 0.0))

    monkeypatch.setattr(ring, "run_method", run)
    options, how = ring.search("soba", contestants.DEFAULT)
    assert options == grid[17] and (how["row"], how["column"]) == (2, 3)
    assert works == [contestants.DEFAULT.first] * 49 + [contestants.DEFAULT.second] * 7


def test_the_words_are_those_of_the_numbers(contest):
    own = contest["own_method"]
    name = own.OWN
    runs = found(
        line("a", name, 10, 20), line("a", "soba", 200, None), line("a", "L-BFGS-B", 300, 400),
        line("b", name, 10, 30), line("b", "soba", 9, 15), line("b", "L-BFGS-B", 1000, 3000),
        line("c", name, 10, 30), line("c", "soba", None, None), line("c", "L-BFGS-B", None, None, phi=1.5),
        line("c", f"{name}, memory 10", 10, 90),
    )  # fmt: skip
    assert own.ratios(runs, "1e-3") == {
        "a": (pytest.approx(20), "soba", False, 0.0),
        "b": (pytest.approx(0.9), "soba", False, 0.0),
        "c": (math.inf, "soba", False, 0.0),
    }
    assert own.ratios(runs, "1e-6") == {
        "a": (pytest.approx(20), "L-BFGS-B", False, 0.0),
        "b": (pytest.approx(0.5), "soba", False, 0.0),
        "c": (math.inf, "soba", False, 0.0),
    }
    easy, hard, time, scipy = own.verdicts(runs)
    assert easy.outcome == hard.outcome == "holds with a caveat" and scipy.outcome == "does not hold"
    assert "geometric mean 3.2 on 2 problems" in hard.why and "b lost to soba, 0.5" in hard.why
    assert "finished by no other: c" in hard.why and "at least 3 on 67% of 3" in hard.why
    assert "first on 0 of 3" in scipy.why and time.outcome == "holds with a caveat"
    text = own.section(runs)
    assert "| a (2, 3) | 20 | – | **400** | 20.0 |" in text and "| c | 3.00 |" in text
    assert "W ≤ 10000" in text


def test_a_rival_that_was_stopped_needed_more(contest):
    own = contest["own_method"]
    stopped = line("a", "soba", 90, None) | dict(end="work", W=360.0)
    gave_up = line("a", "BFGS", None, None) | dict(end="own", W=50.0)
    runs = found(line("a", own.OWN, 10, 30), stopped, gave_up, line("cleaning-mnist-0.5", own.OWN, 10, None),
                 line("cleaning-mnist-0.5", "soba", 20, 50), line("b", own.OWN, None, None),
                 line("b", "soba", None, None) | dict(end="seconds", W=360.0))  # fmt: skip
    each = own.ratios(runs, "1e-3")
    assert each == {
        "a": (pytest.approx(9), "soba", False, 0.0),
        "cleaning-mnist-0.5": (pytest.approx(2), "soba", False, 0.0),
    }
    each = own.ratios(runs, "1e-6")
    assert each == {"a": (pytest.approx(12.0), "soba", True, 0.0), "cleaning-mnist-0.5": (0.0, "soba", False, 0.0)}
    assert str(each["a"]) == "> 12.0" and "| > 12.0 |" in own.work_table(runs, "1e-6")
    mean, words = own.against(each)
    assert mean == pytest.approx(12) and "on 1 of them a bound from below" in words
    assert "cleaning-mnist-0.5 lost to soba, not finished" in words
    assert "2 on the 1 that no constant was chosen on" in own.against(own.ratios(runs, "1e-3"))[1]


def test_a_rival_that_is_sooner_at_a_worse_stationary_point_is_said_to_be(contest):
    own = contest["own_method"]
    runs = found(line("a", own.OWN, 100, 200, phi=0.5), line("a", "ttsa", 10, None, phi=0.51),
                 line("b", own.OWN, 100, 200, phi=0.5), line("b", "ttsa", 10, None, phi=0.5001))  # fmt: skip
    each = own.ratios(runs, "1e-3")
    assert each == {
        "a": (pytest.approx(0.1), "ttsa", False, pytest.approx(0.02)),
        "b": (pytest.approx(0.1), "ttsa", False, 0.0),
    }
    words = own.against(each)[1]
    assert "a lost to ttsa, 0.1, at a φ higher by 2.0%" in words and words.count("higher") == 1
    table = contest["own_method"].parts.__globals__["table_of_work"](own, runs, ["a", "b"])
    assert "| 0.1 (ttsa‡) |" in table and "| 0.1 (ttsa) |" in table


def test_rivals_stop_at_a_multiple_of_the_own_work(contest, monkeypatch, tmp_path):
    own, contestants = contest["own_method"], contest["contestants"]
    monkeypatch.setattr(own, "LINES", tmp_path / "lines.jsonl")
    works = []

    def rival(ring, budget, known):
        works.append(budget)
        return dict(skipped="only looked")

    monkeypatch.setattr(own, "contestants", lambda: {"soba": rival, own.OWN: contestants.own()})
    own.run(["ridge-20"], ["soba", own.OWN], (1,), contestants.Budget(200, 1000, 30_000, 15, times=0.5))
    mine = next(made for made in own.lines() if made["contestant"] == own.OWN)["reached"]["1e-6"]["W"]
    assert [made["contestant"] for made in own.lines()] == [own.OWN, "soba"]  # the own method first
    assert works[0].last == 0.5 * mine and works[0].first == min(200, 0.5 * mine)
    assert contestants.DEFAULT.of_rival(mine) == contestants.DEFAULT  # no multiple, no rule
    assert contestants.Budget(1, 2, 3, 4, times=2.0).of_rival(None).last == 3  # nor where the own method missed


def test_seeds_are_averaged_geometrically_and_one_miss_is_a_miss(contest):
    own = contest["own_method"]
    runs = found(line("a", "soba", 10, 10), line("a", "soba", 1000, None))
    assert own.work(runs, "1e-3")["soba"]["a"] == pytest.approx(100)
    assert own.work(runs, "1e-6")["soba"]["a"] == math.inf


def test_a_worse_stationary_point_is_said(contest):
    own = contest["own_method"]
    text = own.endings(found(line("a", "soba", 10, 10, phi=1.0), line("a", "maid", 20, 20, phi=1.01)))
    assert text.splitlines()[-1] == "| a | 2 | 1 | maid 1.01 |"
    near = own.endings(found(line("a", "soba", 10, 10, phi=1.0), line("a", "maid", 20, 20, phi=1.0005)))
    assert near.splitlines()[-1] == "| a | 2 | 1 | nobody |"


def test_every_problem_of_the_suite_has_a_start_that_fits(contest):
    for name, entry in contest["suite"].SUITE.items():
        if entry.size == 0 and entry.available:
            start = entry.make(1)
            assert start.problem.lower_grad_y(start.x0, start.y0).shape == start.y0.shape == start.v0.shape, name
            assert start.problem.upper_grad_x(start.x0, start.y0).shape == start.x0.shape
            again = entry.make(1)
            np.testing.assert_array_equal(
                start.problem.lower_grad_y(start.x0, start.y0), again.problem.lower_grad_y(again.x0, again.y0)
            )


def test_what_was_measured_in_part_does_not_hold_without_a_caveat(contest, monkeypatch):
    own = contest["own_method"]
    runs = [line("a", own.OWN, 10, 20), line("a", "soba", 200, 400), line("a", "L-BFGS-B", 150, 300)]
    assert {verdict.outcome for verdict in own.verdicts(found(*runs))} == {"holds with a caveat"}
    assert f"run on 1 of {len(own.SUITE)} problems, with 1 seed" in own.verdicts(found(*runs))[0].why
    monkeypatch.setattr(own, "SUITE", {"a": None})
    five = found(*(run | dict(seed=seed) for run in runs for seed in range(5)))
    easy, hard, time, scipy = own.verdicts(five)
    assert easy.outcome == hard.outcome == scipy.outcome == "holds" and time.outcome == "holds with a caveat"


@pytest.mark.parametrize("part", ["memory 0", "no prediction", "tight accuracy"])
def test_a_part_that_is_taken_away_leaves_a_method_that_runs_and_another_one(contest, part):
    """To 10⁻³, with the whole's own call of each thing that is replaced; and the whole is itself again afterwards."""
    of = contest["contestants"]
    ring, budget = of.Ring(contest["suite"].SUITE["ridge-20"], 2), of.Budget(0, 0, 230, 20)
    known = of.contestants()
    less, whole = known[f"{of.OWN}, {part}"](ring, budget, None), known[of.OWN](ring, budget, None)
    assert whole["reached"]["1e-3"] and not less["why"] and less["spent"]["k"] >= 5
    assert less["reached"]["1e-3"] != whole["reached"]["1e-3"]
    assert known[of.OWN](ring, budget, None)["reached"]["1e-3"]["W"] == whole["reached"]["1e-3"]["W"]
