"""Faults are called by name: those of the catalogue, the same ones written by others, in float32, and two at once."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse.linalg import cg

from lancbio_ref.oracle.faults import CATALOGUE, fault
from lancbio_ref.oracle.levels import LEVELS, make_case
from lancbio_ref.oracle.suspects import Suspect, answers_of, suspects
from tests.oracle.cases import at, some, verdict
from tests.thorough import sampled


def named(level, answers, vectors=None, **options):
    return suspects(level, answers, some(level) if vectors is None else vectors, **options)


@pytest.mark.parametrize("level", LEVELS)
def test_every_fault_is_among_the_first_two(level):
    """One test a level, since what the faults give is computed once a process; in make test one fault in four."""
    missed = {}
    for entry in sampled((entry for entry in CATALOGUE if entry.level == level), 4):
        vectors = [v for v in some(level) if level != "trace" or v.inputs["method"] in entry.methods]
        found = named(level, answers_of(entry, vectors), vectors)
        if entry.id not in [suspect.fault.id for suspect in found[:2]]:
            missed[entry.id] = [str(suspect) for suspect in found]
    assert not missed


def test_the_line_says_what_and_how_often():
    vectors = [vector for vector in some("lanczos") if vector.family == "quadratic"]
    best = named("lanczos", answers_of(fault("L03"), vectors), vectors)[0]
    assert str(best) == f'matches fault L03 "β_j q_{{j−1}} not subtracted" on {best.of} of {best.of} cases'
    assert "as does S02" in str(Suspect(fault("S01"), 1, 2, alike=("S02",)))


def answers(level, function, vectors=None):
    given = {}
    for vector in some(level) if vectors is None else vectors:
        try:
            given[vector.id] = function(make_case(vector, level))
        except np.linalg.LinAlgError as error:
            given[vector.id] = {"reject": str(error)}
    return given


# -- the same faults, written by somebody else ---------------------------------------------------


def two_term_lanczos(case):
    A, q, k = case["A"], case["q1"] / np.linalg.norm(case["q1"]), case["k"]
    columns, alpha, beta = [], [], []
    for _ in range(k):
        columns.append(q)
        w = np.einsum("ij,j->i", A, q)
        alpha.append(np.sum(w * q))
        w = w - alpha[-1] * q
        beta.append(np.sqrt(np.sum(w * w)))
        if beta[-1] < 1e-14:
            break
        q = w / beta[-1]
    return {"alpha": np.array(alpha), "beta": np.array(beta), "Q": np.stack(columns, 1), "reorthogonalization": "none"}


def solve_with_inverse(case):
    return np.linalg.inv(case["A"][::-1, ::-1])[::-1, ::-1] @ case["b"]


@pytest.mark.parametrize(
    "id, level, function",
    [
        ("L03", "lanczos", two_term_lanczos),
        ("S20", "solve", lambda case: {"v": 2 * case["v0"] - solve_with_inverse(case)}),
        ("S05", "solve", lambda case: {"v": case["v0"] + solve_with_inverse(case)}),
        ("S06", "solve", lambda case: {"v": solve_with_inverse(case) - case["v0"]}),
        ("S22", "solve", lambda case: {"v": case["b"] / case["A"].diagonal()}),
        ("H01", "hypergradient", lambda case: {"h": -case["J"] @ solve_with_inverse(case)}),
        ("H02", "hypergradient", lambda case: {"h": case["c"] + case["J"] @ solve_with_inverse(case)}),
        ("H06", "hypergradient", lambda case: {"h": case["c"] - case["J"] @ case["b"]}),
        ("H07", "hypergradient", lambda case: {"h": case["c"]}),
        ("H22", "hypergradient", lambda case: {"h": case["J"] @ solve_with_inverse(case) - case["c"]}),
    ],
)
def test_another_program_s_fault_has_the_same_name(id, level, function):
    well_posed = [v for v in some(level) if v.result == "valid" and (v.kappa or 1e9) < 1e8]
    assert named(level, answers(level, function, well_posed), well_posed)[0].fault.id == id


# -- programs as they are met ------------------------------------------------------------------


def returns_the_iterate_before(case):
    A, b = case["A"], case["b"]
    x, r = np.zeros_like(b), b
    p, rho = r, r @ r
    for _ in range(1000):
        Ap = A @ p
        alpha = rho / (p @ Ap)
        new, r = x + alpha * p, r - alpha * Ap
        rho, old = r @ r, rho
        if np.sqrt(rho) < 1e-10 * np.linalg.norm(b):
            break
        p, x = r + rho / old * p, new
    return {"v": x}


def keeps_the_old_residual(case):
    A, b = case["A"], case["b"]
    x, r = np.zeros_like(b), b.copy()
    p = r.copy()
    for _ in range(len(b)):
        Ap = A @ p
        alpha = (r @ r) / (p @ Ap)
        x += alpha * p
        new = r - alpha * Ap
        p = r + (new @ new) / (r @ r) * p
        r = new
    return {"v": x}


def ports_the_lanczos_solve(case):
    A, b = case["A"], case["b"]
    q = b / np.linalg.norm(b)
    columns, alpha, beta = [], [], []
    for _ in range(min(10, b.size)):
        columns.append(q)
        w = A @ q
        alpha.append(w @ q)
        w = w - alpha[-1] * q
        beta.append(np.linalg.norm(w))
        q = w / beta[-1]
    T = np.diag(alpha) + np.diag(beta[:-1], 1) + np.diag(beta[:-1], -1) + 1e-4 * np.eye(len(alpha))
    right = np.zeros(len(alpha))
    right[0] = np.linalg.norm(b)
    return {"v": np.stack(columns, 1) @ np.linalg.solve(T, right) * np.linalg.norm(b)}


def normal_cg(A, b, rtol=1e-5):
    """What jaxopt's root_vjp does unless told otherwise."""
    return cg(A.T @ A, A.T @ b, rtol=rtol, maxiter=10 * len(b))[0]


def gives_zero_when_it_fails(case):
    x, info = cg(case["A"], case["b"], rtol=1e-12, maxiter=len(case["b"]))
    return {"h": case["c"] - case["J"] @ x if info == 0 else np.zeros_like(case["c"])}


def unrolls_twenty_steps(case):
    v = np.zeros_like(case["b"])
    for _ in range(20):
        v = v - 0.1 * (case["A"] @ v - case["b"])
    return {"h": case["c"] - case["J"] @ v}


@pytest.mark.parametrize(
    "id, level, program",
    [
        ("S01", "solve", returns_the_iterate_before),
        ("S02", "solve", keeps_the_old_residual),
        ("S28", "solve", ports_the_lanczos_solve),
        ("S12", "solve", lambda case: {"v": cg(case["A"], case["b"])[0]}),
        ("S08", "solve", lambda case: {"v": np.linalg.solve(case["A"].T @ case["A"], case["A"].T @ case["b"])}),
        ("S29", "solve", lambda case: {"v": normal_cg(case["A"], case["b"])}),
        ("S29", "solve", lambda case: {"v": normal_cg(case["A"], case["b"], 1e-6)}),
        ("S29", "hypergradient", lambda case: {"h": case["c"] - case["J"] @ normal_cg(case["A"], case["b"])}),
        ("H05", "hypergradient", gives_zero_when_it_fails),
        ("H08", "hypergradient", unrolls_twenty_steps),
    ],
)
def test_programs_as_they_are_met(id, level, program):
    """Each has its own start, number of steps and tolerance, and none looks at v_0."""
    vectors = [v for v in some(level) if v.result == "valid" and v.inputs["b"].any() and v.n_y > 1]
    with np.errstate(all="ignore"):
        given = answers(level, program, vectors)
    assert named(level, given, vectors)[0].fault.id == id


@pytest.mark.parametrize("id", ["S02", "S05", "S20", "H01", "H02", "L03", "L11"])
def test_a_fault_has_the_same_name_in_float32(id):
    entry = fault(id)
    vectors = [v for v in some(entry.level) if v.family == "quadratic" or (v.kappa or 1e9) < 1e3]

    def single(case):
        with np.errstate(over="ignore"):
            low = {key: a.astype(np.float32) if isinstance(a, np.ndarray) else a for key, a in case.items()}
        return entry.run(low)

    found = named(entry.level, answers(entry.level, single, vectors), vectors, precision="float32")
    assert id in [suspect.fault.id for suspect in found[:2]]


def test_two_faults_at_once_are_both_named():
    def both(case):
        return fault("S03" if len(case["b"]) == 1 else "S04").run(case)

    vectors = [v for v in at("solve") if v.result == "valid" and v.n_y <= 8]
    found = named("solve", answers("solve", both, vectors), vectors)
    assert {"S03", "S04"} <= {suspect.fault.id for suspect in found[:3]}


def test_a_published_collection_of_methods_is_taken_apart():
    wrong = {"subbio": "T30", "amigo-cg": "T40", "bsa": "T53", "soba": "T50"}

    def published(case):
        return fault(wrong[case["method"]]).run(case) if case["method"] in wrong else fault("T45").run(case)

    vectors = [v for v in some("trace") if v.inputs["method"] in wrong]
    found = {suspect.fault.id: suspect for suspect in named("trace", answers("trace", published, vectors), vectors)}
    assert set(wrong.values()) <= set(found)


def test_a_fault_of_the_solver_is_named_at_the_level_above():
    vectors = some("hypergradient")
    found = named("hypergradient", answers_of(fault("S05"), vectors, "hypergradient"), vectors)
    assert found[0].fault.id == "S05"


def test_right_answers_speak_against_a_fault():
    vectors = [v for v in some("solve") if v.result == "valid"][:12]
    right = {v.id: {"v": v.expected["v"].float64} for v in vectors}
    one = next(v for v in vectors if verdict(v, "solve", fault("S20").run(make_case(v, "solve"))).status == "failed")
    right[one.id] = fault("S20").run(make_case(one, "solve"))
    found = [suspect for suspect in named("solve", right, vectors) if suspect.fault.id == "S20"]
    assert all(suspect.against > 5 for suspect in found)


@pytest.mark.parametrize("solver", [np.linalg.solve, lambda A, b: np.linalg.pinv(A) @ b])
@pytest.mark.parametrize("level", ["solve", "hypergradient"])
def test_a_program_that_only_fails_to_reject_is_called_that(level, solver):
    def run(case):
        v = solver(case["A"], case["b"])
        return {"v": v} if level == "solve" else {"h": case["c"] - case["J"] @ v}

    vectors = [v for v in at(level) if v.family in ("indefinite", "singular", "ridge", "quadratic")]
    found = named(level, answers(level, run, vectors), vectors)
    assert [suspect.fault.id for suspect in found] == ["S24"] and found[0].matches == found[0].of


def test_float32_is_named_where_the_digits_are_missing_everywhere_and_only_there():
    def single(case):
        return {"v": np.linalg.solve(case["A"].astype(np.float32), case["b"].astype(np.float32)).astype(float)}

    vectors = [v for v in some("solve") if v.result == "valid" and v.family != "scale"]
    assert named("solve", answers("solve", single, vectors), vectors)[0].fault.id == "S18"
    few = [v for v in vectors if v.kappa > 1e4]

    def single_for_few(case):
        return single(case) if case["id"] in {v.id for v in few} else {"v": solve_with_inverse(case)}

    found = named("solve", answers("solve", single_for_few, vectors), vectors)
    assert "S18" not in [suspect.fault.id for suspect in found]


def test_nothing_is_named_where_nothing_fails_or_nothing_fits():
    vectors = [v for v in some("solve") if v.result == "valid"]
    assert named("solve", {v.id: {"v": v.expected["v"].float64} for v in vectors}, vectors) == []
    rng = np.random.default_rng(0)
    noise = {v.id: {"v": v.expected["v"].float64 + rng.standard_normal(v.n_y)} for v in vectors if v.n_y > 1}
    assert named("solve", noise, vectors) == []


def test_rows_of_a_wrong_shape_do_not_raise():
    vectors = some("trace")[:6]
    short = {v.id: {"rows": [{"k": 1, "v": np.ones(1), "h": [[1.0]]}] * v.inputs["iterations"]} for v in vectors}
    named("trace", short, vectors)
    named("trace", {v.id: {"rows": [{}] * v.inputs["iterations"]} for v in vectors}, vectors)


def test_refusals_and_garbage_are_compared_too():
    vectors = [v for v in some("solve") if v.result == "valid"][:8]
    for answer in ({"reject": "no"}, {"v": np.full(3, np.nan)}, {"error": "raised"}, {"v": "text"}, None, {}):
        named("solve", {v.id: answer for v in vectors}, vectors)  # whatever it is, it does not raise
