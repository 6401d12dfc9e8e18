"""Errors are measured exactly, and judged by what the vector says: right answers pass, wrong ones are named."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lancbio_ref.oracle.candidates import Reply, make_reply
from lancbio_ref.oracle.judge import Measure, judge
from lancbio_ref.oracle.levels import make_case
from lancbio_ref.oracle.measure import difference, digits, energy_ratio, normalized, quadratic_form, ratio
from lancbio_ref.oracle.vector import Enclosure, load
from validation.truths import exact

VECTOR = load("quadratic-005")
U = 2.0**-53


def enclosure(values, shift=Fraction(0), rad="0"):
    """Truth = values + shift, exactly."""
    values = np.asarray(values, dtype=float)
    exactly = [Fraction(value) + shift for value in values.ravel()]
    return Enclosure([decimal(value) for value in exactly], [rad] * len(exactly), values)


def decimal(value):
    """An exact decimal of a dyadic number."""
    power = value.denominator.bit_length() - 1
    return f"{value.numerator * 5**power}e-{power}"


def reply(level, answer, vector=VECTOR):
    return make_reply(make_case(vector, level), answer)


def verdict(level, answer, vector=VECTOR, precision="float64"):
    return judge(vector, level, reply(level, answer, vector), precision)


# -- measuring --------------------------------------------------------------------------------


def test_an_error_below_the_last_digit_is_measured():
    truth = enclosure([1.0, 2.0], shift=Fraction(1, 2**60))
    gap, exponent = difference(np.array([1.0, 2.0]), truth)
    assert (np.ldexp(gap, exponent) == -(2.0**-60)).all()
    assert ratio((gap, exponent), normalized(truth.float64)) == pytest.approx(2.0**-60 * np.sqrt(2 / 5), rel=1e-14)


def test_the_radius_is_taken_off():
    assert not difference(np.array([1.0]), enclosure([1.0], Fraction(1, 1024), rad="0.0009765625"))[0].any()
    gap, exponent = difference(np.array([1.0]), enclosure([1.0], Fraction(1, 1024), rad="0.0004765625"))
    assert np.ldexp(gap, exponent)[0] == pytest.approx(-0.0005)


@given(hnp.arrays(np.float64, 4, elements=st.floats(-1e300, 1e300)), st.integers(-1000, 1000))
def test_differences_do_not_leave_the_range(values, exponent):
    truth = enclosure(np.full(4, np.ldexp(1.5, exponent)))
    gap, shift = difference(values, truth)
    exactly = [Fraction(v) - Fraction(t) for v, t in zip(values, truth.float64, strict=True)]
    largest = max(map(abs, exactly))
    for found, wanted in zip(gap, exactly, strict=True):
        assert abs(Fraction(found) * Fraction(2) ** shift - wanted) <= largest * Fraction(2) ** -52


@given(
    hnp.arrays(np.float64, (3, 3), elements=st.floats(-1e200, 1e200)),
    hnp.arrays(np.float64, 3, elements=st.floats(-1, 1)),
)
def test_quadratic_forms_are_exact(A, e):
    column = exact.rational(e)
    form = (column.transpose() * exact.rational(A) * column)[0, 0]
    assert quadratic_form(A, e) == Fraction(int(form.p), int(form.q))


def test_an_energy_norm_at_the_worst_condition():
    A = np.array([[1.0, 1.0], [1.0, 1.0 + 2.0**-52]])  # λ_min ≈ 2⁻⁵³: eᵀA e in float64 is 0 or twice the truth
    e = np.array([1.0, -1.0])
    assert float(e @ A @ e) in (0.0, 2.0**-52)
    assert energy_ratio(A, normalized(e), normalized(np.array([1.0, 0.0]))) == 2.0**-26
    assert energy_ratio(A, normalized(3e-300 * e), normalized(1e-300 * np.array([1.0, 0.0]))) == pytest.approx(
        3 * 2.0**-26
    )
    assert np.isnan(energy_ratio(-A, normalized(e), normalized(e)))


def test_digits():
    assert digits(1e-12) == pytest.approx(12) and digits(0.0) == 17 and digits(np.inf) == -np.inf and digits(10.0) == -1


# -- solve and hypergradient -------------------------------------------------------------------


def test_the_truth_rounded_passes_and_its_digits_are_counted():
    found = verdict("solve", dict(v=VECTOR.expected["v"].float64))
    assert (found.status, found.kind) == ("passed", "")
    assert 15.5 < found.digits[0] <= 17 and found.digits[1] == pytest.approx(-np.log10(VECTOR.admissible["solve"]))
    assert verdict("hypergradient", dict(h=VECTOR.expected["h"].float64)).status == "passed"


@pytest.mark.parametrize("level, name", [("solve", "v"), ("hypergradient", "h")])
@pytest.mark.parametrize("factor, status", [(0.5, "passed"), (2.0, "failed")])
def test_the_admissible_error_decides(level, name, factor, status):
    truth = VECTOR.expected[name].float64
    found = verdict(level, {name: truth * (1 + factor * VECTOR.admissible[level])})
    assert found.status == status
    assert found.worst.error == pytest.approx(factor * VECTOR.admissible[level], rel=1e-2)
    if status == "failed":
        assert found.kind == "wrong" and found.reason.startswith(f"{name} is wrong by ")
        wider = verdict(level, {name: truth * (1 + factor * VECTOR.admissible[level])}, precision="float32")
        assert wider.status == "passed" and wider.digits[1] == pytest.approx(found.digits[1] - 29 * np.log10(2))


def test_solve_is_measured_in_the_energy_norm():
    A, v = VECTOR.inputs["A"], VECTOR.expected["v"].float64
    values, vectors = np.linalg.eigh(A)
    limit = VECTOR.admissible["solve"] * np.sqrt(v @ A @ v)
    soft, stiff = (vectors[:, i] * 0.5 * limit / np.sqrt(values[i]) for i in (0, -1))
    assert verdict("solve", dict(v=v + soft)).status == verdict("solve", dict(v=v + stiff)).status == "passed"
    same_length = stiff * np.linalg.norm(soft) / np.linalg.norm(stiff)
    assert verdict("solve", dict(v=v + 2 * same_length)).status == "failed"


def test_where_the_truth_is_zero_the_error_is_absolute():
    nothing = enclosure(np.zeros(6))
    zero = replace(VECTOR, expected=VECTOR.expected | dict(v=nothing), admissible=dict(solve=1e-12, solve_scale=100.0))
    assert verdict("solve", dict(v=np.zeros(6)), zero).status == "passed"
    assert verdict("solve", dict(v=np.full(6, 1e-11)), zero).status == "passed"
    assert verdict("solve", dict(v=np.full(6, 1e-9)), zero).status == "failed"


def test_extreme_scales_are_measured_like_any_other():
    for exponent in (-1060, 1000):
        A, v = np.ldexp(VECTOR.inputs["A"], -exponent // 2), np.ldexp(VECTOR.expected["v"].float64, exponent)
        scaled = replace(VECTOR, inputs=VECTOR.inputs | dict(A=A), expected=dict(v=enclosure(v)))
        assert verdict("solve", dict(v=v), scaled).status == "passed"
        assert verdict("solve", dict(v=1.001 * v), scaled).worst.error == pytest.approx(1e-3, rel=1e-2)


# -- what the vector demands -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "result, statuses",
    [
        ("valid", dict(right="passed", wrong="failed", reject="failed", crash="failed")),
        ("acceptable", dict(right="passed", wrong="failed", reject="passed", crash="failed")),
        ("must_reject", dict(right="failed", wrong="failed", reject="passed", crash="failed")),
    ],
)
def test_results(result, statuses):
    vector = replace(VECTOR, result=result)
    truth = VECTOR.expected["v"].float64
    replies = dict(
        right=reply("solve", dict(v=truth)),
        wrong=reply("solve", dict(v=2 * truth)),
        reject=reply("solve", dict(reject="A is not positive definite")),
        crash=Reply(failure="exited", kind="crash"),
    )
    found = {name: judge(vector, "solve", given) for name, given in replies.items()}
    assert {name: verdict.status for name, verdict in found.items()} == statuses
    assert found["reject"].kind == ("rejected" if result == "valid" else "")
    assert found["right"].kind == ("accepted" if result == "must_reject" else "")


def test_vectors_that_say_nothing_are_undecided():
    wrong = dict(v=2 * VECTOR.expected["v"].float64)
    floating = verdict("solve", wrong, replace(VECTOR, rigour="F"))
    assert (floating.status, floating.reason) == ("undecided", "rigour F: floating point only")
    hard = replace(VECTOR, admissible=VECTOR.admissible | dict(solve=1e-8))
    assert verdict("solve", wrong, hard).status == "failed"
    assert verdict("solve", wrong, hard, "float32").status == "undecided"
    small = replace(VECTOR, inputs=VECTOR.inputs | dict(b=np.full(6, 1e-200)))
    assert verdict("solve", wrong, small, "float32").reason == "b leaves the range of float32"


# -- lanczos -------------------------------------------------------------------------------------


def process(A, q1, k, passes=2):
    Q, alphas, betas = [], [], []
    q, before, beta = q1 / np.linalg.norm(q1), np.zeros_like(q1), 0.0
    for _ in range(k):
        Q.append(q)
        u = A @ q - beta * before
        alpha = q @ u
        w = u - alpha * q
        for _ in range(passes):
            w = w - np.array(Q).T @ (np.array(Q) @ w)
        beta = np.linalg.norm(w)
        alphas.append(alpha)
        betas.append(beta)
        before, q = q, w / beta
    return dict(alpha=np.array(alphas), beta=np.array(betas), Q=np.array(Q).T)


def lanczos_answer(steps=None, **changes):
    inputs = VECTOR.inputs
    answer = process(inputs["A"], inputs["q1"], inputs["k"] if steps is None else steps)
    return answer | {name: change(answer[name].copy()) for name, change in changes.items()}


def nudge(index, by):
    def change(array):
        array[index] += by
        return array

    return change


@pytest.mark.parametrize("claim", [None, "full", "partial", "none"])
def test_a_right_process_passes(claim):
    assert verdict("lanczos", lanczos_answer() | dict(reorthogonalization=claim)).status == "passed"


@pytest.mark.parametrize(
    "changes, first",
    [
        (dict(alpha=nudge(2, 1e-9)), "alpha_3"),
        (dict(beta=nudge(2, 1e-9)), "beta_4"),
        (dict(beta=lambda beta: -beta), "beta_2"),
        (dict(beta=nudge(2, 1e-9), alpha=nudge(3, 1e-9)), "beta_4"),
        (dict(Q=lambda Q: -Q), "q_1"),
        (dict(Q=lambda Q: Q * (1 + 1e-10)), "q_1"),
        (dict(Q=nudge((0, 3), 1e-6)), "lengths of Q"),
        (dict(Q=lambda Q: Q[:, [0, 1, 2, 3, 5, 4]]), "identity A Q = Q T + beta q e^T"),
    ],
)
def test_the_first_wrong_quantity_is_named(changes, first):
    found = verdict("lanczos", lanczos_answer(**changes))
    assert (found.status, found.first.quantity) == ("failed", first)


def test_stopping_early_is_for_breakdown():
    assert "end after 4" in verdict("lanczos", lanczos_answer(steps=4)).reason
    broken = VECTOR.expected | {name: cut(VECTOR.expected[name], 4) for name in ("alpha", "beta")}
    assert verdict("lanczos", lanczos_answer(steps=4), replace(VECTOR, expected=broken)).status == "passed"


def test_a_beta_at_rounding_level_may_end_the_process():
    beta = VECTOR.expected["beta"].float64.copy()
    beta[3] = 1e-14 * VECTOR.L
    tiny = replace(VECTOR, expected=VECTOR.expected | dict(beta=enclosure(beta)))
    assert verdict("lanczos", lanczos_answer(steps=4, beta=lambda b: beta[:4]), tiny).first.quantity.startswith(
        "identity"
    )
    undecided = replace(VECTOR, admissible=dict(lanczos=[1e-13, 1e-13, 1e-13, None, None, None]))
    assert verdict("lanczos", lanczos_answer(steps=4), undecided).status == "passed"


def cut(enclosed, size):
    return Enclosure(enclosed.mid[:size], enclosed.rad[:size], enclosed.float64[:size])


def strakos(n=24):
    values = 0.1 + np.arange(n) / (n - 1) * 99.9 * 0.8 ** np.arange(n - 1, -1, -1)
    return np.diag(values), np.full(n, n**-0.5)


@pytest.mark.parametrize(
    "passes, claim, status",
    [(2, "full", "passed"), (2, None, "passed"), (0, "none", "passed"), (0, None, "failed"), (0, "full", "failed")],
)
def test_orthogonality_is_judged_by_what_is_claimed(passes, claim, status):
    A, q1 = strakos()
    answer = process(A, q1, 24, passes)
    vector = replace(
        VECTOR,
        L=100.0,
        inputs=dict(A=A, q1=q1, k=24),
        expected={name: enclosure(answer[name]) for name in ("alpha", "beta")},
        admissible=dict(lanczos=[None] * 24),
    )
    found = verdict("lanczos", answer | dict(reorthogonalization=claim), vector)
    assert found.status == status
    if status == "failed":
        assert found.first.quantity == "orthogonality of Q"


def test_coefficients_that_do_not_decide_are_not_held_against_anyone():
    vector = replace(VECTOR, admissible=dict(lanczos=[1e-13, 1e-13, None, None, None, None]))
    answer = lanczos_answer(alpha=nudge(3, 1e-8))
    assert verdict("lanczos", answer).first.quantity == "alpha_4"
    assert verdict("lanczos", answer, vector).status == "passed"


# -- traces ---------------------------------------------------------------------------------------


ROW = dict(
    y=np.array([1.0, 2.0]), alpha=np.array(3.0), dv=np.array([0.5, 0.5]), v=np.array([1.0, 1.0]), h=np.array([2.0])
)
TRACE = replace(
    VECTOR,
    levels=("trace",),
    kind="trace",
    L=10.0,
    inputs=dict(method="lancbio", iterations=3),
    expected=dict(
        rows=[{name: enclosure(k * a) for name, a in ROW.items()} | dict(k=k, restarted=k == 1) for k in (1, 2, 3)]
    ),
    admissible=dict(rows=[1e-12, 1e-11, None]),
)


def rows(changes=(), drop=()):
    """The right rows, some entries changed: {(k, name): change}."""
    made = [{name: k * a for name, a in ROW.items()} | dict(k=k, restarted=k == 1) for k in (1, 2, 3)]
    for (k, name), change in dict(changes).items():
        made[k - 1][name] = change(made[k - 1][name])
    return dict(rows=[{name: a for name, a in row.items() if name not in drop} for row in made])


@pytest.mark.parametrize(
    "changes, first",
    [
        ({}, None),
        ({(2, "v"): lambda v: v * 1.01, (2, "dv"): lambda v: v * 1.01, (2, "h"): lambda v: v + 1}, "row 2: dv"),
        ({(1, "h"): lambda h: h + 1, (2, "y"): lambda y: y + 1}, "row 1: h"),
        ({(1, "alpha"): lambda alpha: alpha + 9e-12}, None),  # relative to L
        ({(1, "alpha"): lambda alpha: alpha + 2e-11}, "row 1: alpha"),
        ({(1, "restarted"): lambda restarted: False}, "row 1: restarted"),
        ({(1, "restarted"): lambda restarted: np.True_}, None),
        ({(1, "v"): lambda v: v[:1]}, "row 1: v"),
        ({(1, "v"): lambda v: v * np.nan}, "row 1: v"),
        ({(1, "v"): lambda v: "zero"}, "row 1: v"),
        ({(2, "v"): lambda v: v * (1 + 5e-12)}, None),
        ({(3, "v"): lambda v: -v}, None),  # does not decide
    ],
)
def test_the_first_divergence_of_a_trace(changes, first):
    found = verdict("trace", rows(changes), TRACE)
    assert found.status == ("failed" if first else "passed")
    assert (found.first and found.first.quantity) == first


def test_quantities_may_be_left_out_but_not_the_needed_ones():
    assert verdict("trace", rows(drop=("alpha", "dv", "restarted", "k")), TRACE).status == "passed"
    found = verdict("trace", rows(drop=("h",)), TRACE)
    assert found.reason == "row 1: h is missing"
    short = dict(rows=rows()["rows"][:2])
    assert verdict("trace", short, TRACE).reason == "2 rows, expected 3"
    assert verdict("trace", dict(rows="three"), TRACE).kind == "garbage"


def test_a_measure_that_is_nan_fails():
    assert not Measure("v", np.nan, 1.0).passed and Measure("v", np.nan, 1.0).excess == np.inf


# -- whatever the numbers are ------------------------------------------------------------------


anything = st.floats(allow_nan=False, allow_infinity=False)


@given(st.data())
def test_no_finite_answer_breaks_the_judge(data):
    def array(*shape):
        return data.draw(hnp.arrays(np.float64, shape, elements=anything))

    steps = data.draw(st.integers(1, 6))
    answers = dict(
        solve=dict(v=array(6)),
        hypergradient=dict(h=array(3)),
        lanczos=dict(alpha=array(steps), beta=array(steps), Q=array(6, steps)),
    )
    for level, answer in answers.items():
        found = verdict(level, answer)
        assert found.status == "failed" or level != "lanczos"
        assert found.digits is not None and not np.isnan(found.digits[0])
    row = dict(y=array(2), v=array(2), h=array(1), alpha=array(), dv=array(3))
    assert verdict("trace", dict(rows=[row] * 3), TRACE).status == "failed"
