"""Faults that are not in the catalogue: the vectors catch them all the same, and no wrong name is put on them."""

from __future__ import annotations

import numpy as np
import pytest

from lancbio_ref.oracle.correct import answer, candidates, correct
from lancbio_ref.oracle.edits import Edit, edited
from lancbio_ref.oracle.levels import make_case
from lancbio_ref.oracle.suspects import suspects
from tests.oracle.cases import at, excess, some, verdict
from tests.thorough import sampled

RIGHT = {level: next(iter(correct(level).values())) for level in ("solve", "hypergradient", "lanczos")}


def solve_for_a_scaled_start(case):
    """The start is rescaled to minimize the residual, and the scaling is forgotten."""
    return {"v": RIGHT["solve"](case)["v"] - 0.5 * case["v0"]}


def last_component_dropped(case):
    v = RIGHT["solve"](case)["v"].copy()
    v[-1] = 0.0 if v.size > 1 else 2 * v[-1]
    return {"v": v}


def solution_rounded_to_four_digits(case):
    v = RIGHT["solve"](case)["v"]
    return {"v": np.array([float(f"{t:.4g}") for t in v])}


def diagonal_counted_twice(case):
    A = case["A"] + np.diag(np.diag(case["A"]))
    return RIGHT["solve"](case | {"A": A})


def hypergradient_of_half_the_sum(case):
    return {"h": 0.5 * (case["c"] + RIGHT["hypergradient"](case)["h"])}


def entries_in_reverse(case):
    return {"h": RIGHT["hypergradient"](case)["h"][::-1]}


def absolute_values(case):
    return {"h": np.abs(RIGHT["hypergradient"](case)["h"])}


def beta_halved(case):
    answer = RIGHT["lanczos"](case)
    return answer | {"beta": 0.5 * answer["beta"]}


def sign_of_every_second_vector(case):
    answer = RIGHT["lanczos"](case)
    Q = answer["Q"].copy()
    Q[:, 1::2] *= -1
    return answer | {"Q": Q}


def alpha_of_the_vector_before(case):
    answer = RIGHT["lanczos"](case)
    return answer | {"alpha": np.roll(answer["alpha"], 1)}


HELD_OUT = [
    ("solve", solve_for_a_scaled_start),
    ("solve", last_component_dropped),
    ("solve", solution_rounded_to_four_digits),
    ("solve", diagonal_counted_twice),
    ("hypergradient", hypergradient_of_half_the_sum),
    ("hypergradient", entries_in_reverse),
    ("hypergradient", absolute_values),
    ("lanczos", beta_halved),
    ("lanczos", sign_of_every_second_vector),
    ("lanczos", alpha_of_the_vector_before),
]


@pytest.mark.parametrize("level, function", HELD_OUT, ids=lambda value: getattr(value, "__name__", value))
def test_a_fault_that_nobody_knows_is_caught(level, function):
    vectors = [v for v in at(level) if v.result == "valid"]
    caught = [excess(verdict(v, level, function(make_case(v, level)))) for v in vectors]
    assert max(caught) > 100 and np.count_nonzero(caught) > len(vectors) / 3


@pytest.mark.parametrize("level, function", sampled(HELD_OUT, 2), ids=lambda value: getattr(value, "__name__", value))
def test_no_wrong_name_is_put_on_it(level, function):
    vectors = [v for v in some(level) if v.result == "valid"]
    found = suspects(level, {v.id: function(make_case(v, level)) for v in vectors}, vectors)
    assert all(suspect.matches < suspect.of / 2 for suspect in found), [str(suspect) for suspect in found]


# -- of the dynamic methods: edits of the textbook that the catalogue does not have ----------------

EDITS = {
    "the old x is used in the inner steps": Edit(
        "trace",
        'y = y - options.get("step_y", 0.0) * problem.g_y(x, y)',
        'y = y - options.get("step_y", 0.0) * problem.g_y(0.9 * x, y)',
    ),
    "Δv is halved": Edit("trace", "v = v_bar + dv  # v_k", "v = v_bar + 0.5 * dv  # v_k"),
    "ω is not freed of α q": Edit("trace", "omega = u - alpha * q  # ω", "omega = u  # ω"),
    "m grows by one": Edit("trace", 'math.ceil(schedule["growth"] * m)', "m + 1"),
    "m is rounded to the nearest": Edit("trace", 'math.ceil(schedule["growth"] * m)', 'round(schedule["growth"] * m)'),
    "m is the ceiling of m_1 ρ^i": Edit(
        "trace",
        'math.ceil(schedule["growth"] * m)',
        'math.ceil(schedule["initial"] * schedule["growth"] ** ((k + 1) // schedule["every"]))',
    ),
    "a basis that fills the space is kept": Edit("trace", 'min(n, schedule["maximum"])', 'schedule["maximum"]'),
    "no restart after a singular T": Edit("trace", "dv, restart_due = v - v_bar, True", "dv = v - v_bar"),
    "the projected matrix is not symmetrized": Edit(
        "trace",
        "v = S @ np.linalg.solve(S.T @ A @ S, S.T @ b)",
        "v = S @ np.linalg.solve(np.triu(S.T @ A @ S), S.T @ b)",
    ),
    "SOBA uses the step of x for y": Edit(
        "baselines", 'y = y - options["step_y"] * direction_y', 'y = y - options["step_x"] * direction_y'
    ),
    "F2SA adds the penalty before it is used": Edit(
        "baselines",
        '    for k in range(1, iterations + 1):\n        alpha = options["step_y"] / (k + 1) ** options.get("decay_y",'
        " 0.0)",
        '    for k in range(1, iterations + 1):\n        sigma = 1.5 * sigma\n        alpha = options["step_y"] / (k +'
        ' 1) ** options.get("decay_y", 0.0)',
    ),
}

EDITS |= {
    f"AmIGO-CG stops at a residual of {rtol}": Edit(
        "baselines", "if norm(r) <= roundoff(b) * norm(b):", f"if norm(r) <= {rtol} * norm(b):"
    )
    for rtol in ("1e-6", "1e-8", "1e-10")
}
EDITS |= {
    f"STABLE raises eigenvalues to {wrong}": Edit("baselines", "np.maximum(values, mu)", code)
    for wrong, code in (("|λ|", "np.abs(values)"), ("max(|λ|, μ)", "np.maximum(np.abs(values), mu)"))
}
EDITS |= {
    "α is taken for positive": Edit("trace", "alpha = q @ u  # α_j", "alpha = abs(q @ u)  # α_j"),
    "α is kept away from zero": Edit("trace", "alpha = q @ u  # α_j", "alpha = max(q @ u, 1e-12)  # α_j"),
    "an indefinite T is refused": Edit(
        "trace",
        "            T = tridiagonal(alphas, betas)\n",
        "            T = tridiagonal(alphas, betas)\n            np.linalg.cholesky(T)\n",
    ),
    "an indefinite A is refused": Edit(
        "trace", "        S = orthonormal(", "        np.linalg.cholesky(A)\n        S = orthonormal("
    ),
    "squares leave the range": Edit("numbers", "    e = exponent(a)\n    scaled", "    e = 0\n    scaled"),
    "b = w up to an absolute threshold": Edit("trace", "restart_due = norm(r) == 0", "restart_due = norm(r) <= 1e-14"),
    "β = 0 up to an absolute threshold": Edit(
        "trace", "beta <= (n + 10) * roundoff(A) * np.linalg.norm(A, 1)", "beta <= 1e-14"
    ),
    "a direction is zero up to an absolute threshold": Edit(
        "trace", "return a / size if size else a", "return a / size if size > 1e-14 else 0 * a"
    ),
}


@pytest.mark.parametrize("name", sampled(EDITS, 3))
def test_a_dynamic_fault_that_nobody_knows_is_caught(name):
    run = candidates(edited("held out", (EDITS[name],)))["trace"]["dense"]
    found = [excess(verdict(v, "trace", answer(run, make_case(v, "trace")))) for v in at("trace")]
    assert max(found) > 100


# -- faults that only few vectors see ---------------------------------------------------------------


@pytest.mark.parametrize("triangle", [np.tril, np.triu])
def test_a_lanczos_process_that_reads_one_triangle_is_caught(triangle):
    """Not where A is symmetric; where it is not, α_1 and β_2 are those of all of A, or the case is rejected."""
    found = []
    for vector in at("lanczos"):
        case = make_case(vector, "lanczos")
        half = triangle(case["A"])
        answer = RIGHT["lanczos"](case | {"A": half + half.T - np.diag(np.diag(half))})
        found.append((excess(verdict(vector, "lanczos", answer)), vector.family))
    assert max(found)[0] > 1e9 and {family for size, family in found if size} == {"nonsymmetric"}


@pytest.mark.parametrize("rtol", ["1e-11", "1e-12"])
def test_conjugate_gradients_that_stop_at_a_small_tolerance_are_caught(rtol):
    """A residual of 1e-12 ‖b‖ is an error of at most √κ 1e-12; 16 (n + 4) κ u is admissible, never 100 times less."""
    stop = Edit("solve", "tolerance = roundoff(A) * norm(b)", f"tolerance = {rtol} * norm(b)")
    run = candidates(edited("held out", (stop,)))["solve"]["conjugate gradients"]
    vectors = [v for v in at("solve") if v.result == "valid"]
    found = {v.id: excess(verdict(v, "solve", answer(run, make_case(v, "solve")))) for v in vectors}
    assert found["tolerance-001"] > 30 and found["tolerance-002"] > 10
