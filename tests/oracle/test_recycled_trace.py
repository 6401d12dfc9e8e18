"""Traces of recycled Newton, v1.1: two routes that agree, rows by the words of the page, faults by their symptoms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lancbio_ref import oracle
from lancbio_ref.errors import ArgumentError
from lancbio_ref.krylov.recycled import RecycledInverse
from lancbio_ref.oracle.balls import flint
from lancbio_ref.oracle.candidates import CallableCandidate
from lancbio_ref.oracle.check import check
from lancbio_ref.oracle.correct import correct
from lancbio_ref.oracle.faults import CATALOGUE, fault
from lancbio_ref.oracle.levels import make_case
from lancbio_ref.oracle.vector import load_folder
from lancbio_ref.textbook.problems import point_of, problem_of
from lancbio_ref.textbook.recycled import recycled_inverse, solve
from tests.oracle.cases import verdict
from tests.thorough import THOROUGH
from validation.vectors import exact
from validation.vectors.recipes import recycled, trace

VECTORS = {vector.id: vector for vector in oracle.vectors("v1.1")}
REFUSED = {"recycled-refused-001": 1, "recycled-refused-002": 2, "recycled-refused-003": 2}  # the row of that step
DIGITS = {
    "recycled-problem-001": 118,
    "recycled-problem-002": 118,
    "recycled-problem-006": 114,
}  # at least, of every row


def test_v1_1_has_what_it_adds_and_v1_what_it_had():
    assert len(VECTORS) == len(recycled.CASES) + len(recycled.REFUSED) == 11
    assert not set(VECTORS) & {vector.id for vector in oracle.vectors()} and len(oracle.vectors()) == 251
    assert oracle.load("recycled-problem-001").id == "recycled-problem-001"  # by its id alone
    with pytest.raises(ArgumentError):
        oracle.load("recycled-problem-001", "v1")


@pytest.mark.parametrize("id", sorted(DIGITS) if THOROUGH else ["recycled-problem-002"])
def test_two_routes_agree_to_a_hundred_digits_in_every_row(id):
    case = dict(recycled.cases())[id]()
    rows, second, rigour, routes = trace._two_routes(case)
    assert rigour == "A" and routes == ["arb", "mpmath"] and len(rows) == case.iterations
    with exact.precision(1200):
        for row, other in zip(rows, second, strict=True):
            ours, theirs = trace.quantities(row), trace.quantities(other)
            assert set(ours) == {"s", "predicted", "ratio", "radius", "y", "v", "h", "x_next"}
            for name, values in ours.items():
                largest = max(abs(exact.midpoint(t)) for t in values)
                gap = max(
                    abs(exact.midpoint(a) - exact.midpoint(flint.arb(b)))
                    for a, b in zip(values, theirs[name], strict=True)
                )
                assert gap * 10 ** DIGITS[id] <= largest, (row["k"], name)


@pytest.mark.parametrize("id", VECTORS)
def test_the_textbook_in_float64_is_right_with_digits_to_spare(id):
    found = verdict(VECTORS[id], "trace", correct("trace")["dense"](make_case(VECTORS[id], "trace")))
    assert found.status == "passed" and found.worst.error < 0.2 * found.worst.admissible


@pytest.mark.parametrize("id", VECTORS)
def test_what_the_rows_say_of_each_other(id):
    """ρ, the radius and x⁺ by the words of docs/oracle.md, from the proven s and h alone."""
    vector = VECTORS[id]
    x, radius = vector.inputs["x0"], vector.inputs["options"]["radius"]
    for k, row in enumerate(vector.expected["rows"], 1):
        s, ratio = row["s"].float64, float(row["ratio"].float64)
        assert float(row["predicted"].float64) < 0 and np.abs(s).max() <= radius * (1 + 1e-12)
        assert (ratio <= 0.1) == (REFUSED.get(id) == k)
        moved = x if ratio <= 0.1 else x + s
        np.testing.assert_allclose(row["x_next"].float64, moved, rtol=1e-12)
        if ratio < 0.25:
            radius = np.abs(s).max() / 4
        elif ratio > 0.75 and np.isclose(np.abs(s).max(), radius, rtol=1e-12):
            radius = 2 * radius
        assert math.isclose(float(row["radius"].float64), radius, rel_tol=1e-12)
        x = moved


def test_the_package_s_recycled_inverse_is_the_one_of_the_trace():
    """H of the pairs that the first two systems of a trace leave: the package's, on any right-hand side."""
    case = make_case(VECTORS["recycled-problem-002"], "trace")
    problem, kept = problem_of(case), []
    A, _, b, _ = point_of(problem, 0, case["x0"], case["y0"])
    solve(A, -problem.g_y(case["x0"], case["y0"]), kept, case["options"])
    solve(A, b, kept, case["options"])
    assert 2 <= len(kept) < len(b)
    H = RecycledInverse(len(b), len(b))
    H.extend(kept)
    kept_beta, theirs = H.beta, recycled_inverse(kept, len(b))
    H0 = np.eye(len(b)) / kept_beta
    Pi = np.eye(len(b)) - H.S.T @ H.Y
    np.testing.assert_allclose(H(b), (H.S.T @ H.S + Pi @ H0 @ Pi.T) @ b, rtol=1e-10, atol=1e-13)
    for s, t in kept:  # exact on what it has seen, both
        np.testing.assert_allclose(H(t), s, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(theirs @ t, s, rtol=1e-9, atol=1e-12)


FIRST_WRONG = {  # the first quantity that is wrong, in the first row that fails, on most of the vectors that it fails
    "T83": "s", "T84": "v", "T85": "s", "T86": "s", "T87": "s", "T88": "s", "T89": "predicted", "T91": "s",
    "T92": "y", "T93": "v", "T94": "y", "T95": "y", "T96": "ratio", "T97": "s",
}  # fmt: skip


def first_wrong(id, vector):
    """Row and quantity."""
    found = verdict(vector, "trace", fault(id).run(make_case(vector, "trace")))
    wrong = next((measure for measure in found.measures if not measure.passed), None)
    if wrong is None:
        return None
    row, _, name = wrong.quantity.removeprefix("row ").partition(": ")
    return int(row), name


def test_every_fault_of_the_method_is_here():
    assert set(FIRST_WRONG) == {entry.id for entry in CATALOGUE if "recycled-newton" in entry.methods}


@pytest.mark.parametrize("id", FIRST_WRONG)
def test_the_first_wrong_number(id):
    found = {name: first_wrong(id, vector) for name, vector in VECTORS.items()}
    wrong = [where for where in found.values() if where]
    assert wrong and sum(name == FIRST_WRONG[id] for _, name in wrong) > len(wrong) / 2, found
    if id in ("T94", "T95"):  # right until a step is refused
        assert {name: where[0] for name, where in found.items() if where} == REFUSED
    if id in ("T84", "T88"):
        assert found["recycled-problem-002"] is None  # A does not move there
    if id in ("T89", "T92", "T96"):
        found.pop("recycled-refused-001")  # whose first step is refused: y stays, or must not move
        assert set(found.values()) == {(1, FIRST_WRONG[id])}


def test_a_candidate_with_a_fault_is_told_which(tmp_path):
    """As `lancbio-ref check --vectors v1.1` does: the other memory, and the sign of y′."""
    for id in ("T87", "T93"):
        result = check(CallableCandidate(fault(id).run, "trace"), ["trace"], list(VECTORS.values()), source="v1.1")
        assert not result.passed and result.suspects["trace"][0].fault.id == id


def test_an_exported_vector_of_v1_1_is_the_package_s(tmp_path):
    id = "recycled-problem-002"
    (tmp_path / f"{id}.json").write_bytes((oracle.vector.folder("v1.1") / f"{id}.json").read_bytes())
    assert [vector.id for vector in load_folder(tmp_path)] == [id]
