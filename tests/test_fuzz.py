"""The fuzz finds nothing in a few hundred cases, finds a planted fault, and prints lines that run alone."""

import contextlib
import dataclasses
import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from flint import arb, ctx, fmpq

import lancbio_ref
from lancbio_ref import LancbioError
from lancbio_ref.operators import DenseOperator, proofs
from tests.thorough import THOROUGH

FOLDER = Path(__file__).parents[1] / "validation"
NAMES = ("operators", "linear", "lower", "gradient", "value", "mu", "enclose", "solve", "pointwise")


@pytest.fixture(scope="module")
def fuzz():
    """The modules of validation/fuzz, by name."""
    sys.path.insert(0, str(FOLDER))
    try:
        modules = {name: importlib.import_module(f"fuzz.{name}") for name in ("checks", "exact", "harness", "report")}
    finally:
        sys.path.remove(str(FOLDER))
    return SimpleNamespace(**modules)


def run(fuzz, name, cases, seed=11):
    check = fuzz.checks.make([name])[0]
    fuzz.harness.fuzz([check], seed, cases=cases)
    return check


def replaced(fuzz, monkeypatch, name, change):
    """A public function of the package whose result is changed before the cases see it."""
    fuzz.harness._space()
    original = fuzz.harness._SPACE[name]
    monkeypatch.setitem(fuzz.harness._SPACE, name, lambda *args, **options: change(original(*args, **options)))


@pytest.fixture
def one_type(fuzz, monkeypatch):
    """A fault that is planted is found in float64 too, and then no kernel is compiled for each mixture of types."""
    if not THOROUGH:
        monkeypatch.setattr(sys.modules["fuzz.draw"], "TYPES", (np.float64, np.float64))


@pytest.mark.parametrize("name", NAMES)
def test_no_claim_is_false(fuzz, name):
    cases = 40 if THOROUGH else 8 if name in ("solve", "lower", "gradient", "value") else 25  # each is a dozen others
    check = run(fuzz, name, cases)
    assert check.cases == cases and sum(tally.n for tally in check.tallies.values()) >= cases // 2
    assert not check.violations, "\n\n".join(lines for found in check.found.values() for lines in found)


def test_the_names_are_those_tested(fuzz):
    assert fuzz.checks.NAMES == NAMES


# -- planted faults --------------------------------------------------------------------------


def violated(check, label):
    return sum(tally.violations for name, tally in check.tallies.items() if name.startswith(label))


@pytest.mark.usefixtures("one_type")
def test_a_norm_a_hair_too_small_is_found(fuzz, monkeypatch):
    whole = DenseOperator.norm_bound
    monkeypatch.setattr(DenseOperator, "norm_bound", lambda self: whole(self) * (1 - 1e-8))
    assert violated(run(fuzz, "operators", 60), "norm_bound dense") > 2


@pytest.mark.usefixtures("one_type")
def test_a_product_that_rounds_more_is_found(fuzz, monkeypatch):
    whole = DenseOperator._matvec
    monkeypatch.setattr(DenseOperator, "_matvec", lambda self, v: whole(self, v) * (1 + 256 * np.finfo(v.dtype).eps))
    assert violated(run(fuzz, "operators", 60), "product dense") > 2


@pytest.mark.usefixtures("one_type")
def test_a_bound_without_its_rounding_is_found(fuzz, monkeypatch):
    whole = lancbio_ref.Linearization.hypergradient

    def shortened(self, **options):
        found = whole(self, **options)
        return dataclasses.replace(found, error_bound=found.error_bound / 30)

    monkeypatch.setattr(lancbio_ref.Linearization, "hypergradient", shortened)
    assert violated(run(fuzz, "linear", 60), "error_bound") > 2


@pytest.mark.usefixtures("one_type")
@pytest.mark.parametrize(
    "name, function, field",
    [("lower", "lower_solution", "error_bound"), ("gradient", "hypergradient", "lower_level_bound")],
)
def test_a_bound_of_an_inexact_y_that_forgets_a_factor_is_found(fuzz, monkeypatch, name, function, field):
    def shortened(found):
        changes = {field: getattr(found, field) * 1e-3}
        if name == "gradient":
            changes["error_bound"] = found.error_bound * 1e-3
        return dataclasses.replace(found, **changes)

    replaced(fuzz, monkeypatch, function, shortened)
    assert violated(run(fuzz, name, 40), name) > 2


@pytest.mark.usefixtures("one_type")
def test_a_value_and_a_gradient_that_are_off_are_found(fuzz, monkeypatch):
    class Off(lancbio_ref.HyperObjective):
        def evaluate(self, x):
            found = super().evaluate(x)
            return dataclasses.replace(found, value_bound=found.value_bound * 1e-9, gradient_bound=0.0)

    fuzz.harness._space()
    monkeypatch.setitem(fuzz.harness._SPACE, "HyperObjective", Off)
    check = run(fuzz, "value", 40)
    assert all(violated(check, label) > 2 for label in ("value_bound", "gradient_bound", "guaranteed"))


@pytest.mark.usefixtures("one_type")
def test_proofs_that_prove_too_much_are_found(fuzz, monkeypatch):
    monkeypatch.setattr(proofs, "exceeds", lambda B, mu: True)
    assert violated(run(fuzz, "mu", 60), "certify_mu") > 2
    monkeypatch.undo()
    replaced(fuzz, monkeypatch, "largest_certified_mu", lambda found: found and found * (1 + 1e-3))
    assert violated(run(fuzz, "mu", 60), "largest_certified_mu") > 2


@pytest.mark.usefixtures("one_type")
def test_intervals_beside_the_truth_are_found(fuzz, monkeypatch):
    whole = lancbio_ref.oracle.enclose

    def moved(point):
        found = whole(point)
        h = dataclasses.replace(found.h, lower=np.nextafter(np.nextafter(found.h.upper, np.inf), np.inf))
        return dataclasses.replace(found, h=h, definite=True)

    fuzz.harness._space()
    monkeypatch.setitem(fuzz.harness._SPACE, "oracle", SimpleNamespace(enclose=moved))
    check = run(fuzz, "enclose", 60)
    assert violated(check, "enclose: h") > 2 and violated(check, "enclose: definite") > 2


@pytest.mark.usefixtures("one_type")
def test_a_success_that_is_none_is_found(fuzz, monkeypatch):
    replaced(fuzz, monkeypatch, "lanczos_solve", lambda found: (found[0] * (1 + 1e-2), 0))
    cases = 60 if THOROUGH else 20
    assert violated(run(fuzz, "solve", cases), "info 0") > 2
    replaced(fuzz, monkeypatch, "lanczos_solve", lambda found: (found[0], -1))
    assert violated(run(fuzz, "solve", cases), "info -1") > 2


@pytest.mark.usefixtures("one_type")
def test_a_formula_that_is_rounded_down_is_found(fuzz, monkeypatch):
    def shortened(found):
        return found._replace(value=found.value * (1 - 1e-9))

    replaced(fuzz, monkeypatch, "lower_level_bound", shortened)
    assert violated(run(fuzz, "pointwise", 200), "formula") > 2


@pytest.mark.usefixtures("one_type")
def test_an_exception_of_another_family_is_found(fuzz, monkeypatch):
    replaced(fuzz, monkeypatch, "hypergradient", lambda found: 1 // 0)
    assert violated(run(fuzz, "gradient", 10), "exceptions") > 2


# -- the machinery -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_case_is_its_seed_and_its_lines_run_alone(fuzz, name):
    cases = 6 if THOROUGH else 2
    check, again = (run(fuzz, name, cases, seed=5) for _ in range(2))
    assert {k: vars(t) for k, t in check.tallies.items()} == {k: vars(t) for k, t in again.tallies.items()}
    for index in range(cases):
        case = check.run(5, index)
        assert case.reproducer() == again.run(5, index).reproducer()
        lines = case.reproducer()
        if case.refused or not case.statements:
            with pytest.raises(LancbioError) if case.refused else contextlib.nullcontext():
                exec(lines, {})
        else:
            exec(lines, {})


def test_truths_are_exact(fuzz):
    exact = fuzz.exact
    hair = exact.matrix(np.array([[1.0, 1.0], [1.0, 1.0 + 2.0**-52]]))
    assert exact.is_definite(hair) and not exact.is_definite(exact.shifted(hair, fmpq(1, 2**52)))
    assert exact.is_definite(exact.matrix(np.ones((3, 3))), strict=False)
    assert not exact.is_definite(exact.matrix(np.array([[0.0, 1.0], [1.0, 5.0]])), strict=False)
    assert exact.exceeds_norm(5.0, exact.matrix(np.array([[3.0, 4.0]])))
    assert not exact.exceeds_norm(np.nextafter(5.0, 0), exact.matrix(np.array([[3.0, 4.0]])))
    assert exact.root(fmpq(2)) == 2**0.5 and exact.root(fmpq(10) ** 700) == np.inf


def test_a_minimizer_is_enclosed(fuzz):
    truth = sys.modules["fuzz.truth"]
    space = dict(A=np.array([[3.0]]), B=np.array([[1.0]]), d=np.zeros(1), t=np.zeros(1), rho=0.0, x=np.array([1.0]))
    with ctx.workprec(256):
        found = truth.Quadratic(space)
        assert found.solve(np.zeros(1))
        assert found.y[0].contains(arb(1) / 3) and float(found.y[0].rad()) < 1e-70
        assert found.hypergradient()[0].contains(arb(1) / 9) and found.value().contains(arb(1) / 18)


def test_the_report_is_rendered_from_its_numbers(fuzz):
    checks = [run(fuzz, "mu", 3), run(fuzz, "linear", 20)]
    found = fuzz.report.results(checks, 11, 1.0)
    text = fuzz.report.render(json.loads(fuzz.harness.dumps(found)))
    assert f"**23 cases, {found['violations']} violations.**" in text and "| linear |" in text
    saved = FOLDER / "fuzz" / "results.json"
    if saved.exists():
        assert fuzz.report.render(json.loads(saved.read_text())) == (FOLDER / "fuzz" / "REPORT.md").read_text()
