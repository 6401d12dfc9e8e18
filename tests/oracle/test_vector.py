"""The vectors that travel with the package: complete, within their limits, as the schema says, and what they claim."""

import json
from collections import Counter
from fractions import Fraction
from importlib import resources

import jsonschema
import numpy as np
import pytest
import scipy.sparse as sp

from lancbio_ref import oracle
from lancbio_ref.oracle.layout import canonical
from lancbio_ref.oracle.vector import SEALS, folder, manifest
from lancbio_ref.rounding import norm2
from tests.thorough import THOROUGH
from validation.truths.exact import norm, rational, root
from validation.vectors.generate import recipes

VECTORS = {vector.id: vector for vector in oracle.vectors()}
SYSTEMS = {id: vector for id, vector in VECTORS.items() if vector.kind == "system"}

FAMILIES = Counter(vector.family for vector in VECTORS.values())


def test_number_and_size():
    sizes = {name: len((folder() / name).read_bytes()) for name in manifest()}
    assert len(VECTORS) >= 150
    assert max(sizes.values()) <= 200_000 and sum(sizes.values()) <= 5_000_000


def test_every_family_that_was_promised_is_there():
    promised = [
        "quadratic", "ridge", "logistic", "data-cleaning", "synthetic", "strakos", "bcsstk01", "lund-b",
        "invariance", "clusters", "repeated", "scalar", "zero-right-side", "exact-start", "indefinite",
        "nonsymmetric", "singular", "scale", "inexact-y", "ill-conditioned", "tolerance", "lancbio-sequence",
        "lancbio-problem", "subbio-sequence", "subbio-problem", "step-amigo-cg", "step-amigo-gd", "step-soba",
        "step-stocbio", "step-bsa", "step-ttsa", "step-stable", "step-f2sa", "step-hjfbio",
    ]  # fmt: skip
    assert set(promised) <= set(FAMILIES)


@pytest.mark.parametrize("version", SEALS)
def test_every_vector_has_a_recipe_and_every_recipe_a_vector(version):
    ids = [vector.id for vector in oracle.vectors(version)]
    assert sorted(recipes(version)) == sorted(ids) and set(manifest(version)) == {f"{id}.json" for id in ids}
    on_disk = {path.name for path in folder(version).iterdir() if path.name.endswith(".json")}
    assert on_disk == set(manifest(version))


def test_schema_holds_for_every_family():
    schema = json.loads((resources.files("lancbio_ref.oracle") / "schema" / "vector-v1.schema.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    every = [vector for version in SEALS for vector in oracle.vectors(version)]
    for vector in every if THOROUGH else {v.family: v for v in every}.values():
        validator.validate(vector.raw)


def test_every_file_is_in_its_one_layout():
    for version in SEALS:
        for name in manifest(version):
            text = (folder(version) / name).read_bytes()
            assert canonical(json.loads(text)) == text


def test_rigour_is_exact_or_ball_arithmetic_by_two_routes():
    for vector in (vector for version in SEALS for vector in oracle.vectors(version)):
        assert vector.rigour in "EA" and len(set(vector.raw["routes"])) >= 2


def test_results_and_levels():
    assert {vector.result for vector in VECTORS.values()} == {"valid", "acceptable", "must_reject"}
    levels = Counter(level for vector in VECTORS.values() for level in vector.levels)
    assert levels["solve"] >= 60 and levels["lanczos"] >= 60 and levels["hypergradient"] >= 60 and levels["trace"] >= 40


def test_traces_have_what_hides_no_fault():
    """Moving A with m ≥ 3, several restarts, m = 1, an indefinite T, a breakdown, b = w, warm starts, J not square."""
    traces = [vector for vector in VECTORS.values() if vector.inputs.get("method") == "lancbio"]
    rows = [row for vector in traces for row in vector.expected["rows"]]
    for fact in ("indefinite", "breakdown", "singular", "exact"):
        assert any(row[fact] for row in rows), fact
    assert any(v.inputs["options"]["subspace"] == 1 for v in traces)
    assert sum(sum(row["restarted"] for row in v.expected["rows"]) >= 2 for v in traces) >= 10
    assert sum(v.n_x != v.n_y and v.inputs["v0"].any() for v in traces) >= 8
    moving = [v for v in traces if v.inputs["sequence"] and not np.array_equal(*v.inputs["sequence"]["A"][:2])]
    assert any(max(row["columns"] for row in v.expected["rows"]) >= 3 for v in moving)


def test_hypergradients_come_with_a_problem():
    """Wherever A is the Hessian of a minimizer, and its dense matrix fits into a file."""
    for vector in SYSTEMS.values():
        if "hypergradient" in vector.levels and vector.result == "valid" and vector.family != "lund-b":
            found = (
                vector.problem,
                vector.expected["y_star"],
                vector.expected["grad_phi"],
                vector.expected["energy_error"],
            )
            assert all(part is not None for part in found), vector.id


def test_traces_leave_the_ordinary():
    """α_j < 0 inside a subspace; A_k and b_k whose squares leave the range, and some that only thresholds mind."""
    traces = [v for v in VECTORS.values() if v.kind == "trace" and v.inputs["sequence"]]
    rows = [row for v in traces if v.result == "valid" for row in v.expected["rows"] if "alpha" in row]
    assert any(row["alpha"].float64 < 0 and row["columns"] > 1 for row in rows)
    for method in ("lancbio", "subbio"):
        sizes = {
            round(np.log2(np.abs(v.inputs["sequence"]["b"]).max())) for v in traces if v.inputs["method"] == method
        }
        assert min(sizes) < -540 and max(sizes) > 512 and {300, -300} <= {round(size, -1) for size in sizes}


def test_coefficients_decide_where_they_are_insensitive_and_only_there():
    for vector in SYSTEMS.values():
        for sensitivity, bound in zip(vector.expected["sensitivity"] or [], vector.admissible["lanczos"], strict=True):
            assert (bound is None) == (sensitivity >= 1e-6)


# -- the answers, once more, in exact arithmetic and with nothing of the oracle --------------------


def midpoints(enclosure):
    return rational_column([mid for mid, _ in enclosure.fractions()])


def rational_column(values):
    from flint import fmpq, fmpq_mat

    return fmpq_mat(len(values), 1, [fmpq(value.numerator, value.denominator) for value in values])


def dense(A):
    return A.toarray() if sp.issparse(A) else A


@pytest.mark.parametrize("id", [id for id, v in SYSTEMS.items() if v.expected["v"] is not None])
def test_solution_and_hypergradient_solve_their_equations(id):
    """A v = b and h = c − J v up to the radii, from the numbers in the file alone."""
    vector = SYSTEMS[id]
    A, J = rational(dense(vector.inputs["A"])), rational(vector.inputs["J"])
    v, h = midpoints(vector.expected["v"]), midpoints(vector.expected["h"])
    radius = rational_column([rad for _, rad in vector.expected["v"].fractions()])
    of_A, of_J = rational(np.abs(dense(vector.inputs["A"]))), rational(np.abs(vector.inputs["J"]))
    residual = A * v - rational(vector.inputs["b"])
    for i, bound in enumerate((of_A * radius).entries()):
        assert abs(residual[i, 0]) <= bound
    gap = h - (rational(vector.inputs["c"]) - J * v)
    for i, (bound, (_, rad)) in enumerate(
        zip((of_J * radius).entries(), vector.expected["h"].fractions(), strict=True)
    ):
        assert abs(gap[i, 0]) <= bound + rational_column([rad])[0, 0]


def test_radii_are_small():
    for vector in SYSTEMS.values():
        for name in ("v", "h", "alpha", "beta", "y_star", "grad_phi", "energy_error"):
            enclosure = vector.expected[name]
            if enclosure is not None:
                largest = max((abs(mid) for mid, _ in enclosure.fractions()), default=Fraction(0))
                assert all(rad <= largest * Fraction(10) ** -35 for _, rad in enclosure.fractions()), (vector.id, name)


@pytest.mark.parametrize("id", [id for id, v in SYSTEMS.items() if v.mu is not None and v.n_y <= 24])
def test_spectrum_lies_between_mu_and_L(id):
    vector = SYSTEMS[id]
    values = np.linalg.eigvalsh(dense(vector.inputs["A"]))
    slack = 1e-13 * values[-1]
    assert vector.mu <= values[0] + slack and values[-1] - slack <= vector.L
    assert vector.mu >= values[0] * 0.998 - slack and values[-1] * 1.002 >= vector.L
    assert vector.L / vector.mu <= vector.kappa <= 1.01 * vector.L / vector.mu


@pytest.mark.parametrize(
    "id", [id for id, v in SYSTEMS.items() if v.expected["energy_error"] is not None and v.n_y <= 24]
)
def test_energy_errors_fall_and_begin_at_the_start(id):
    vector = SYSTEMS[id]
    errors = vector.expected["energy_error"].float64
    assert (np.diff(errors) <= 0).all()
    A = rational(dense(vector.inputs["A"]))
    gap = midpoints(vector.expected["v"]) - rational(vector.inputs["v0"])
    first = (gap.transpose() * A * gap)[0, 0]
    assert root(first) == pytest.approx(errors[0], rel=1e-14)


@pytest.mark.parametrize("id", [id for id, v in SYSTEMS.items() if v.expected["y_star"] is not None])
def test_the_gradient_of_phi_is_the_estimate_in_the_limit(id):
    """‖h − ∇φ‖ is of the size of ‖y − y*‖; of a quadratic problem it is ‖J A⁻¹(y − y*)‖."""
    vector = SYSTEMS[id]
    v, h, y_star, grad_phi = (vector.expected[name].float64 for name in ("v", "h", "y_star", "grad_phi"))
    factor = 300 * (1 + norm2(v))
    if vector.problem["name"] == "quadratic":
        factor = norm2(vector.inputs["J"].ravel()) / vector.mu
    rounding = 1e-13 * (norm2(h) + norm2(grad_phi))
    assert norm2(h - grad_phi) <= factor * norm2(vector.problem["y"] - y_star) + rounding


def test_inexact_points_approach_the_gradient():
    by_problem: dict = {}
    for id, vector in SYSTEMS.items():
        if vector.family == "inexact-y":
            gap = norm(midpoints(vector.expected["h"]) - midpoints(vector.expected["grad_phi"]))
            by_problem.setdefault(vector.problem["name"], []).append((id, gap))
    assert len(by_problem) == 5
    for found in by_problem.values():
        gaps = [gap for _, gap in sorted(found)]
        assert gaps == sorted(gaps, reverse=True) and gaps[-1] > 0
