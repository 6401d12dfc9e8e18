"""The report says what its numbers say; the scripts measure what they claim to, at small sizes."""

import ast
import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from lancbio_ref import minimize, problems
from lancbio_ref.jobs.settings import default_options

FOLDER = Path(__file__).resolve().parent.parent / "validation"


@pytest.fixture(scope="module")
def scripts():
    sys.path.insert(0, str(FOLDER))
    try:
        yield importlib.import_module("run").SCRIPTS
    finally:
        sys.path.remove(str(FOLDER))


@pytest.fixture
def module(scripts):
    return {script.NAME: script for script in scripts} | {n: sys.modules[n] for n in ("common", "report", "chaos")}


def test_the_report_is_rendered_from_its_numbers(scripts, module):
    assert module["report"].render(scripts) == (FOLDER / "REPORT.md").read_text()


def test_every_script_has_run_and_every_verdict_has_a_reason(scripts, module):
    for script in scripts:
        full = getattr(script, "ONLY_FULL", False)
        found = module["common"].load(script.NAME, full)
        assert found is not None, f"results/{script.NAME}.json is missing: make validate"
        verdicts = script.verdicts(found)
        assert verdicts
        assert all(v.claim and v.why for v in verdicts)
        if hasattr(script, "figure"):
            assert module["common"].figure_path(script.NAME, full).read_bytes().startswith(b"\x89PNG")


def test_a_verdict_is_one_of_three(module):
    with pytest.raises(ValueError, match="outcome"):
        module["common"].Verdict("a claim", "perhaps", "it looks so")


def test_a_run_is_that_of_minimize(module):
    common = module["common"]
    given = (("n", 6), ("maxiter", 12), ("every", 4))
    found = common.run(common.Task("quadratic", "soba", 3, given, finish=common.with_gradient))
    rng = np.random.default_rng(3)
    problem = problems.quadratic(6, 6, 10.0, rng=rng)
    x0, y0 = rng.standard_normal(6), rng.standard_normal(6)
    last = []
    options = dict(method="soba", maxiter=12, callback=lambda state: last.append(state.x), diagnostics_every=4)
    result = minimize(problem, x0, y0, **options, **default_options("quadratic", "soba"))
    assert found["recorded_k"] == [4, 8, 12]
    assert found["h_norm"] == result.trace["h_norm"][[3, 7, 11]].tolist()
    assert found["residual"] == result.trace.diagnostics["residual"].tolist()
    truth = np.linalg.norm(problem.hypergradient(last[-1]))
    assert found["gradient"] == pytest.approx(truth, rel=1e-7)


def test_a_failed_run_is_kept_as_one(module):
    common = module["common"]
    found = common.run(common.Task("quadratic", "soba", 1, (("n", 3), ("maxiter", 500)), ("soba.step_y=1e9",)))
    assert found["outcome"] == "FAILED"
    assert common.last([found], "h_norm").size == 0


def test_lanczos_is_compared_with_its_rivals_fairly(module):
    inverse = module["inverse"]
    rows = [inverse.one_system(("even", 50.0, seed, 60, 30)) for seed in (0, 1)]
    found = inverse.summarize(rows, 30)
    assert found["behind"] == {"neumann": 0, "gradient": 0} and found["above_chebyshev"] == 0
    first = 1 - 1 / 50
    assert rows[0]["errors"]["neumann"][9] <= first**10
    assert rows[0]["errors"]["gradient"][9] <= (49 / 51) ** 10
    assert found["reach"]["lanczos"] < (found["reach"]["gradient"] or 31)
    for row in rows:  # a Lanczos curve that were a little worse would be counted
        row["errors"]["lanczos"] = list(np.array(row["errors"]["neumann"]) * 1.01)
    assert inverse.summarize(rows, 30)["behind"]["neumann"] == 60


def test_products_are_counted_at_the_operator(module):
    products = module["products"]
    problem = problems.synthetic(10, 5.0, rng=0)
    x0, y0, v0 = problem.initial_point(0)
    result = minimize(problem, x0, y0, v0=v0, maxiter=12, step_x=0.1, step_y=0.1, subspace=3)
    assert products.calls(problem) == result.n_hvp == 12 + 4


def test_the_dynamic_process_is_measured(module):
    subspace = module["subspace"]
    plain = subspace.one_run((20.0, 0.1, 1, 8, "none", 30, 40))
    full = subspace.one_run((20.0, 0.1, 1, 8, "full", 30, 40))
    assert full["orthogonality"] < 1e-14 <= plain["orthogonality"]
    assert plain["products"] == 45 and plain["residual"] > 0 and 0 <= plain["bad"] <= 1


def test_validation_takes_nothing_from_the_tests():
    """What is measured stands without them; what both compare with is in validation/truths."""
    folder = Path(__file__).parents[1] / "validation"
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not [name for name in names if name.partition(".")[0] == "tests"], path
