"""What the catalogue says of each fault's numbers, run: which are right, which is first wrong, by how much."""

from __future__ import annotations

import numpy as np
import pytest

from lancbio_ref.oracle.correct import correct
from lancbio_ref.oracle.faults import CATALOGUE, fault
from lancbio_ref.oracle.levels import make_case
from lancbio_ref.textbook.problems import point_of, problem_of
from tests.oracle.cases import at
from tests.oracle.test_recycled_trace import FIRST_WRONG

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # a wrong program may overflow


def spd(n, kappa, seed=0):
    Q, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((n, n)))
    A = (Q * np.geomspace(1, kappa, n)) @ Q.T
    return (A + A.T) / 2


B = np.random.default_rng(1).standard_normal(60)
ONE, TWO, TEN, STIFF = np.array([[2.0]]), spd(2, 5.0), spd(8, 10.0), spd(8, 1e6)
EYE, DIAGONAL = 2.0 * np.eye(3), np.diag(np.arange(1.0, 9.0))

# -- solve: A v = b ------------------------------------------------------------------------------


def solve(id, A, b=None, v0=None, variant=0):
    """v of the wrong program; None where there is none."""
    b = B[: len(A)] if b is None else b
    case = dict(level="solve", A=A.copy(), b=b.copy(), v0=np.zeros(len(A)) if v0 is None else v0.copy())
    return fault(id).run(case, variant).get("v")


def error(id, A, b=None, v0=None, variant=0):
    """‖v − A⁻¹b‖/‖A⁻¹b‖; infinite where there is no v."""
    v, exact = solve(id, A, b, v0, variant), np.linalg.solve(A, B[: len(A)] if b is None else b)
    return np.inf if v is None or not np.isfinite(v).all() else np.linalg.norm(v - exact) / np.linalg.norm(exact)


def right(id, *systems):
    return all(error(id, A) < 1e-13 for A in systems)


def wrong(id, *systems):
    return all(error(id, A) > 1e-4 for A in systems)


def projected(A):
    """Q, α, β and the right-hand side of T x = ‖b‖e_1."""
    answer = correct("lanczos")["full"](dict(level="lanczos", A=A, q1=B[: len(A)], k=len(A)))
    return answer["Q"], answer["alpha"], answer["beta"], np.linalg.norm(B[: len(A)]) * np.eye(len(A))[0]


def in_the_basis(id):
    """Which entries of Qᵀv are right."""
    Q = projected(TEN)[0]
    return np.isclose(Q.T @ solve(id, TEN), Q.T @ np.linalg.solve(TEN, B[:8]), rtol=1e-8, atol=1e-12).tolist()


def larger_matrix():
    Q, alpha, beta, r = projected(TEN)
    T, pivot = np.diag(alpha) + np.diag(beta[:-1], 1) + np.diag(beta[:-1], -1), alpha[0]
    for i in range(7):
        gained = beta[i] ** 2 / pivot
        T[i + 1, i + 1] += 2 * gained  # L D Lᵀ with the pivots that were formed
        pivot = alpha[i + 1] + gained
    return np.allclose(solve("S31", TEN), Q @ np.linalg.solve(T, r), rtol=1e-10)


V0 = np.ones(8)
X = np.linalg.solve(TEN, B[:8])
SLOW = spd(60, 1e3)
SOLVE = {
    "S01": lambda: (
        all(np.array_equal(solve("S01", A), np.zeros(len(A))) for A in (ONE, EYE))
        and 1e-6 < error("S01", DIAGONAL) < 1e-2
    ),
    "S02": lambda: right("S02", ONE, EYE) and wrong("S02", TWO, TEN, STIFF, DIAGONAL),
    "S03": lambda: not solve("S03", ONE).any() and right("S03", EYE, TWO, TEN),
    "S04": lambda: np.isnan(solve("S04", TEN, 0 * V0)).all() and solve("S04", TEN, 0 * V0, variant=1) is None,
    "S05": lambda: np.allclose(solve("S05", TEN, v0=V0), V0 + X) and right("S05", TEN),
    "S06": lambda: np.allclose(solve("S06", TEN, v0=V0), X - V0) and right("S06", TEN),
    "S07": lambda: right("S07", ONE, EYE) and wrong("S07", TWO, TEN, STIFF, DIAGONAL),
    "S08": lambda: 1e-9 < error("S08", STIFF) < 1e12 * 2.0**-53 and error("S24", STIFF) < 1e6 * 2.0**-53,
    "S09": lambda: error("S09", TEN, 1e-12 * B[:8]) == 1 and error("S09", TEN) < 1e-10,
    "S10": lambda: error("S10", 1e8 * SLOW, variant=4) > 10 * error("S10", SLOW, variant=4) > 0,
    "S11": lambda: error("S11", SLOW, v0=1e4 * B) > 1e3 * error("S11", SLOW) > 0,
    "S12": lambda: (
        np.linalg.norm(B - SLOW @ solve("S12", SLOW)) <= 1e-5 * np.linalg.norm(B)
        and 1e-7 < error("S12", SLOW) <= 1e3 * 1e-5
    ),
    "S13": lambda: right("S13", ONE, EYE, TWO) and wrong("S13", spd(3, 5.0), TEN, STIFF),
    "S14": lambda: (
        np.allclose(solve("S14", TEN, v0=V0) - V0, (X - V0) * np.linalg.norm(B[:8] - TEN @ V0))
        and error("S14", TEN, B[:8] / np.linalg.norm(B[:8])) < 1e-13
    ),
    "S15": lambda: right("S15", ONE, EYE) and wrong("S15", TWO, TEN, STIFF),
    "S16": lambda: (
        all(np.linalg.norm(solve("S16", A)) < np.linalg.norm(np.linalg.solve(A, B[: len(A)])) for A in (ONE, TEN))
        and error("S16", 0.01 * TEN) > 10 * error("S16", TEN)
        and error("S16", spd(8, 1e3) / 1e3) > 10 * error("S16", TEN / 10)
    ),
    "S17": lambda: error("S17", ONE) == np.inf and right("S17", EYE) and wrong("S17", TWO, TEN),
    "S18": lambda: 1e-9 < error("S18", spd(8, 1.5)) < 1e-6 and 1e-3 < error("S18", spd(30, 1e7)) < 1,
    "S20": lambda: np.allclose(solve("S20", TEN, v0=V0), 2 * V0 - X) and np.allclose(solve("S20", TEN), -X),
    "S21": lambda: error("S21", np.eye(3)) == 0 and wrong("S21", ONE, EYE, TWO, TEN, STIFF),
    "S22": lambda: np.allclose(solve("S22", TEN), B[:8] / np.diag(TEN)) and right("S22", DIAGONAL),
    "S23": lambda: right("S23", DIAGONAL, EYE) and wrong("S23", TWO, TEN),
    "S24": lambda: (
        all(solve("S24", A) is not None for A in (np.diag([1.0, -1.0]), np.array([[1.0, 2.0], [0.0, 1.0]])))
        and right("S24", ONE, EYE, TEN)
    ),
    "S25": lambda: right("S25", TEN) and not any(solve("S25", TEN, s * B[:8]).any() for s in (1e-170, 1e170)),
    "S26": lambda: right("S26", EYE, TEN) and error("S26", spd(40, 1e3)) > 1e-3,
    "S27": lambda: right("S27", EYE) and not any(solve("S27", A).any() for A in (ONE, TWO, TEN)),
    "S28": lambda: wrong("S28", ONE, EYE, TWO, TEN, STIFF) and not solve("S28", TEN, 0 * V0).any(),
    "S29": lambda: 1e-5 < error("S29", SLOW) < 1e6 * 1e-5 and error("S29", spd(60, 1e4)) > error("S29", spd(60, 10.0)),
    "S30": lambda: right("S30", ONE, EYE) and wrong("S30", TWO, TEN),
    "S31": lambda: right("S31", ONE, EYE) and wrong("S31", TWO, TEN) and larger_matrix(),
    "S32": lambda: in_the_basis("S32") == [False] * 7 + [True],
    "S33": lambda: in_the_basis("S33") == [False] * 7 + [True],
    "S34": lambda: wrong("S34", ONE, EYE, np.eye(3), TWO, TEN),
    "S35": lambda: right("S35", ONE, EYE) and wrong("S35", TWO, TEN),
    "S36": lambda: right("S36", ONE, EYE, TEN) and error("S36", spd(8, 1e4)) > 0.1,
}

# -- hypergradient: h = c − J A⁻¹b ---------------------------------------------------------------

RNG = np.random.default_rng(2)
J, C = RNG.standard_normal((8, 8)), RNG.standard_normal(8)
STEPS = 1 / np.linalg.eigvalsh(TEN)[-1]


def h(id, A=TEN, J=J, v0=None):
    start = np.zeros(len(A)) if v0 is None else v0
    case = dict(level="hypergradient", A=A, J=J, b=B[: len(A)], c=C[: len(J)], v0=start, problem=None)
    return fault(id).run(case).get("h")


def is_h(id, expected, **given):
    return np.allclose(h(id, **given), expected, rtol=1e-9)


def series(terms):
    return STEPS * sum(np.linalg.matrix_power(np.eye(8) - STEPS * TEN, q) @ B[:8] for q in range(terms))


HYPERGRADIENT = {
    "H01": lambda: is_h("H01", -J @ X),
    "H02": lambda: is_h("H02", C + J @ X),
    "H03": lambda: h("H03", J=J[:5]) is None and is_h("H03", C - J.T @ X) and is_h("H03", C - (J + J.T) @ X, J=J + J.T),
    "H05": lambda: not h("H05").any() and np.allclose(h("H05", EYE, J[:, :3]), C - J[:, :3] @ B[:3] / 2),
    "H06": lambda: is_h("H06", C - J @ B[:8]),
    "H07": lambda: is_h("H07", C),
    "H08": lambda: is_h("H08", C - J @ series(10)),
    "H10": lambda: is_h("H10", C - J @ V0, v0=V0),
    "H11": lambda: is_h("H11", C - J.sum(axis=1)),
    "H22": lambda: is_h("H22", J @ X - C),
    "H23": lambda: is_h("H23", C - J @ np.linalg.solve(TEN, X)),
    "H24": lambda: is_h("H24", C - J @ (TEN @ B[:8])),
    "H25": lambda: is_h("H25", C - 2 * J @ X),
    "H26": lambda: np.array_equal(h("H26"), np.float32(h("H26"))) and np.allclose(h("H26"), C - J @ X, rtol=1e-6),
}


# -- lanczos: what of α_1, β_2, α_2, β_3, … is right ----------------------------------------------

LANCZOS = {  # how many of them are, of a process of six steps: the next is the first that is wrong
    "L03": 3,
    "L04": 1,
    "L05": 2,
    "L06": 0,
    "L07": 1,
    "L11": 1,
    "L12": 0,
    "L13": 3,
    "L14": 3,
    "L16": 12,
    "L17": 3,
}
PROCESS = dict(level="lanczos", A=spd(6, 40.0, 5), q1=3 * B[:6], k=6)


def scalars(answer):
    return np.ravel(np.column_stack([answer["alpha"], answer["beta"]]))


@pytest.mark.parametrize("id", LANCZOS)
def test_the_first_wrong_coefficient(id):
    found, true = scalars(fault(id).run(PROCESS)), scalars(correct("lanczos")["full"](PROCESS))
    equal = np.isclose(found, true, rtol=1e-9, atol=1e-9)
    count = LANCZOS[id]
    assert equal[:count].all() and not equal[count : count + 1].any()
    assert (count == 3 and id != "L17") == ("β_3 is the first that is wrong" in fault(id).symptom)
    if id in ("L03", "L04", "L13", "L14"):  # "and all that follows"
        assert not equal[count:].any()


def test_what_the_symptoms_of_lanczos_say_of_sizes():
    run = {id: fault(id).run(PROCESS) for id in LANCZOS}
    true = correct("lanczos")["full"](PROCESS)
    lengths = {id: np.linalg.norm(run[id]["Q"], axis=0) for id in ("L04", "L05", "L06")}
    assert np.isclose(run["L04"]["beta"][0], true["beta"][0] ** 2) and np.isclose(
        lengths["L04"][1], 1 / true["beta"][0]
    )
    assert np.allclose(lengths["L05"][1:], run["L05"]["beta"][:-1])
    assert np.isclose(run["L06"]["alpha"][0], true["alpha"][0] * (PROCESS["q1"] @ PROCESS["q1"]))
    assert run["L07"]["beta"][0] == 0 and np.allclose(run["L07"]["beta"][1:], true["beta"][:-1])
    assert np.allclose(run["L16"]["Q"], true["Q"].T)
    first = np.linalg.norm(PROCESS["A"] @ true["Q"][:, 0])
    assert np.isclose(run["L11"]["beta"][0], first) and abs(run["L11"]["Q"][:, 0] @ run["L11"]["Q"][:, 1]) > 1e-3
    assert np.isclose(run["L12"]["alpha"][0], first) and first > true["alpha"][0] and (run["L12"]["alpha"] > 0).all()
    assert run["L14"]["beta"][1] > true["beta"][1]
    before = np.append(0.0, true["beta"][:-1])
    assert np.allclose(run["L17"]["beta"], np.hypot(before, true["beta"])) and np.allclose(run["L17"]["Q"], true["Q"])
    assert len(fault("L10").run(PROCESS)["alpha"]) == 5


@pytest.mark.parametrize("id", [*SOLVE, *HYPERGRADIENT])
def test_the_symptom_is_what_is_seen(id):
    assert (SOLVE | HYPERGRADIENT)[id](), fault(id).symptom


# -- trace: the first iteration, and the first quantity in it, that is wrong ---------------------

ORDER = ("y", "z", "alpha", "beta", "dv", "v", "h", "x_next", "y_next", "v_next")


def first_wrong(id, vector):
    rows = fault(id).run(make_case(vector, "trace"))["rows"]
    for row, truth in zip(rows, vector.expected["rows"], strict=True):
        for name in ORDER:
            if name in row and truth.get(name) is not None:
                true = truth[name].float64
                if not np.linalg.norm(row[name] - true) <= 1e-8 * max(np.linalg.norm(true), 1e-5):
                    return row["k"], name
    return None


def ordinary():
    """Vectors of LancBiO with a constant m, a v_0 that is not zero, and nothing that ends a process early."""
    names = ("lancbio-problem-005", "lancbio-sequence-019", "lancbio-sequence-021")
    return [vector for vector in at("trace") if vector.id in names]


SECOND, FIRST = 2, 1
TRACE = {  # LancBiO: iteration (-1: the second restart) and quantity
    "T01": (-1, "alpha"),
    "T02": (SECOND, "dv"),
    "T03": (SECOND, "dv"),
    "T04": (FIRST, "v"),
    "T05": (SECOND, "v"),
    "T06": (-1, "alpha"),
    "T07": (-1, "dv"),
    "T08": (FIRST, "alpha"),
    "T10": (-1, "alpha"),
    "T11": (SECOND, "alpha"),
    "T12": (SECOND, "beta"),
    "T13": (SECOND, "dv"),
    "T14": (FIRST, "h"),
    "T15": (SECOND, "dv"),
    "T22": (-1, "alpha"),
    "T23": (FIRST, "dv"),
    "T24": (SECOND, "dv"),
    "T25": (SECOND, "alpha"),
}


@pytest.mark.parametrize("id", TRACE)
def test_the_first_wrong_number_of_lancbio(id):
    iteration, name = TRACE[id]
    for vector in ordinary():
        expected = iteration if iteration > 0 else vector.inputs["options"]["subspace"] + 1
        assert first_wrong(id, vector) == (expected, name), vector.id


LATE = {(2, "v"), (3, "v")}  # where the first v is right for another reason: v_0 is zero or an eigenvector
OTHERS = {  # the first quantity that is wrong, in the first iteration
    "T16": "alpha", "T17": "y", "T19": "x_next", "T54": "v", "T56": "y", "T31": "v", "T32": "v", "T34": "v",
    "T35": "v", "T37": "v", "T40": "v", "T41": "v", "T42": "v", "T45": "v", "T50": "h", "T51": "v", "T52": "v",
    "T53": "v", "T57": "v", "T58": "v", "T59": "v", "T62": "y_next", "T63": "y_next", "T65": "v", "T70": "h",
    "T71": "h", "T72": "z", "T81": "h",
}  # fmt: skip


@pytest.mark.parametrize("id", OTHERS)
def test_the_first_wrong_number_of_the_others(id):
    found = [first_wrong(id, v) for v in at("trace") if v.inputs["method"] in fault(id).methods and v.result == "valid"]
    assert found.count((1, OTHERS[id])) >= 3 and not {k for k in found if k} - {(1, OTHERS[id]), (1, "beta")} - LATE


def test_what_the_symptoms_of_the_methods_say_of_sizes():
    def cases(id, method):
        for vector in at("trace"):
            if vector.inputs["method"] == method and vector.result == "valid":
                case = make_case(vector, "trace")
                yield case, fault(id).run(case)["rows"], [row["v"].float64 for row in vector.expected["rows"]]

    for method in ("bsa", "ttsa"):
        for case, rows, true in cases("T54", method):
            A, _, b, _ = point_of(problem_of(case), 1, case["x0"], rows[0]["y"])
            exact = np.linalg.solve(A, b)
            assert np.linalg.norm(rows[0]["v"] - exact) < np.linalg.norm(true[0] - exact)
        for case, rows, true in cases("T53", method):
            assert np.allclose(case["options"].get("inverse_steps", 10) * rows[0]["v"], true[0], rtol=1e-9)
    for case, rows, true in cases("T52", "stocbio"):
        assert np.allclose(case["options"]["step_v"] * rows[0]["v"], true[0], rtol=1e-9)
    for case, rows, _ in cases("T31", "subbio"):
        A, _, _, _ = point_of(problem_of(case), 1, case["x0"], rows[0]["y"])
        line, v = case["v0"] - case["options"]["step_v"] * (A @ case["v0"]), rows[0]["v"]
        assert np.isclose(abs(line @ v), np.linalg.norm(line) * np.linalg.norm(v))
    for case, rows, _ in cases("T40", "amigo-cg"):
        assert all(np.array_equal(row["v"], case["v0"]) for row in rows)
    for case, rows, _ in cases("T21", "lancbio"):
        if case["options"]["subspace"] == 1:
            assert not any(row["v"].any() for row in rows)


def test_no_symptom_promises_every_restart():
    """v̄ of the second restart is what the fault has left: no fault between two restarts leaves it right."""
    assert not [entry.id for entry in CATALOGUE if "every restart" in entry.symptom]
    for id in ("T02", "T03", "T05", "T11", "T12", "T13", "T15", "T24", "T25"):
        for vector in ordinary():
            rows, k = fault(id).run(make_case(vector, "trace"))["rows"], vector.inputs["options"]["subspace"]
            true = vector.expected["rows"][k]["v"].float64
            assert not np.linalg.norm(rows[k]["v"] - true) <= 1e-6 * np.linalg.norm(true), (id, vector.id)  # NaN too


UNTESTED = {  # whose words are about what a program does inside, or of "little", "worse" and "too long" on one problem
    "S19", "H04", "H09", "H12", "H13", "H14", "H15", "H16", "H17", "H18", "H19", "H20", "H21", "H27",
    "L01", "L02", "L08", "L09", "L10", "L15", "T09", "T18", "T20", "T21", "T30", "T33", "T36", "T43",
    "T44", "T46", "T55", "T60", "T61", "T64", "T80", "T82", "T90",
}  # fmt: skip


def test_every_fault_is_run_here_or_named():
    run = SOLVE.keys() | HYPERGRADIENT.keys() | LANCZOS.keys() | TRACE.keys() | OTHERS.keys() | FIRST_WRONG.keys()
    assert run | UNTESTED == {entry.id for entry in CATALOGUE} and not run & UNTESTED
