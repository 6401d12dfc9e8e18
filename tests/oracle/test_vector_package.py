"""The package itself as a candidate: its solves, its Lanczos process and its methods give the vectors' numbers."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse as sp

import lancbio_ref
from lancbio_ref import LancBiO, Linearization, SubBiO, SubspaceSchedule, minimize, oracle
from lancbio_ref.errors import RepresentationError
from lancbio_ref.krylov import LanczosProcess
from lancbio_ref.methods import BSA, F2SA, SOBA, STABLE, TTSA, AmIGOCG, AmIGOGD, HJFBiO, StocBiO
from lancbio_ref.rounding import norm2
from tests.oracle.documents import problem_of
from validation.truths.exact import energy_norm, nearest, norm, rational

VECTORS = {vector.id: vector for vector in oracle.vectors()}
VALID = {id: v for id, v in VECTORS.items() if v.result == "valid" and v.kind == "system"}


def dense(A):
    return A.toarray() if sp.issparse(A) else A


def truth(enclosure):
    """The midpoints as an exact column."""
    from flint import fmpq, fmpq_mat

    values = [mid for mid, _ in enclosure.fractions()]
    return fmpq_mat(len(values), 1, [fmpq(t.numerator, t.denominator) for t in values])


@pytest.mark.parametrize("id", [id for id, v in VALID.items() if "solve" in v.levels])
def test_lanczos_solve(id):
    vector = VALID[id]
    A, b, v0 = (vector.inputs[key] for key in ("A", "b", "v0"))
    v, _ = lancbio_ref.lanczos_solve(A, b, x0=v0, rtol=1e-16, maxiter=20 * vector.n_y)
    exact, A = truth(vector.expected["v"]), rational(dense(A))
    gap = rational(v) - exact
    size = energy_norm(exact, A)
    if size:
        assert energy_norm(gap, A) <= vector.admissible["solve"] * size
    else:
        assert norm(gap) <= vector.admissible["solve"] * vector.admissible["solve_scale"]


@pytest.mark.parametrize("id", [id for id, v in VALID.items() if "hypergradient" in v.levels])
def test_hypergradient(id):
    vector = VALID[id]
    point = Linearization(dense(vector.inputs["A"]), *(vector.inputs[key] for key in "Jbc"))
    h = point.hypergradient(v0=vector.inputs["v0"], rtol=1e-16, mu=vector.mu)
    gap = norm(rational(h.value) - truth(vector.expected["h"]))
    size = norm(truth(vector.expected["h"]))
    assert gap <= vector.admissible["hypergradient"] * (size or vector.admissible["hypergradient_scale"])
    if np.isfinite(h.error_bound):
        assert gap <= h.error_bound  # the certificate holds, against the proven answer


@pytest.mark.parametrize("id", [id for id, v in VALID.items() if v.problem is not None and "hypergradient" in v.levels])
def test_hypergradient_of_the_problem(id):
    vector = VALID[id]
    problem, x, y = problem_of(vector), vector.problem["x"], vector.problem["y"]
    h = problem.linearize(x, y).hypergradient(v0=vector.inputs["v0"], rtol=1e-16)
    gap = norm(rational(h.value) - truth(vector.expected["h"]))
    assert gap <= vector.admissible["hypergradient"] * norm(truth(vector.expected["h"]))
    closed = getattr(problem, "solution", None)
    if closed is not None:
        np.testing.assert_allclose(closed(x), vector.expected["y_star"].float64, rtol=1e-11 * vector.kappa)
        assert problem.hypergradient(x) == pytest.approx(vector.expected["grad_phi"].float64, rel=1e-11 * vector.kappa)


@pytest.mark.parametrize("mode", ["none", "full"])
@pytest.mark.parametrize("id", [id for id, v in VALID.items() if "lanczos" in v.levels])
def test_coefficients(id, mode):
    vector = VALID[id]
    process = LanczosProcess(vector.inputs["q1"], reorthogonalization=mode)
    alpha, beta = vector.expected["alpha"].float64, vector.expected["beta"].float64
    for i, bound in enumerate(vector.admissible["lanczos"]):
        if bound is None:
            break
        process.step(dense(vector.inputs["A"]))
        assert abs(process.alpha[i] - alpha[i]) <= bound * vector.L
        assert abs(process.beta[i] - beta[i]) <= bound * vector.L
        if process.breakdown:
            break


def test_breakdown_is_where_it_is_expected():
    for id in ("invariance-001", "invariance-003", "invariance-006", "repeated-002", "repeated-004", "scalar-001"):
        vector = VALID[id]
        process = LanczosProcess(vector.inputs["q1"], reorthogonalization="full")
        while not process.breakdown:
            process.step(vector.inputs["A"])
        assert process.k == vector.expected["breakdown"]


@pytest.mark.parametrize("id", [id for id, v in VECTORS.items() if v.result == "must_reject" and v.family == "scale"])
def test_what_is_not_representable_is_refused(id):
    vector = VECTORS[id]
    with pytest.raises(RepresentationError):
        lancbio_ref.lanczos_solve(vector.inputs["A"], vector.inputs["b"], x0=vector.inputs["v0"])


# -- traces ----------------------------------------------------------------------------------------


METHODS = {
    "lancbio": LancBiO,
    "subbio": SubBiO,
    "amigo-cg": AmIGOCG,
    "amigo-gd": AmIGOGD,
    "soba": SOBA,
    "stocbio": StocBiO,
    "bsa": BSA,
    "ttsa": TTSA,
    "stable": STABLE,
    "f2sa": F2SA,
    "hjfbio": HJFBiO,
}


class Sequence:
    """A problem that gives the k-th A, J, b, c at its k-th linearization."""

    def __init__(self, sequence):
        self.sequence, self.k = sequence, 0

    def linearize(self, x, y):
        self.k += 1
        return Linearization(*(self.sequence[key][self.k - 1] for key in "AJbc"))

    def lower_grad_y(self, x, y):
        return np.zeros_like(y)

    def together(self, *functions):
        return [function() for function in functions]


class Drawn:
    """A generator that draws what it is told to."""

    def __init__(self, values):
        self.values = list(values)

    def integers(self, count):
        assert self.values[0] < count
        return self.values.pop(0)


def states(vector, monkeypatch):
    inputs = vector.inputs
    options = dict(inputs["options"])
    if isinstance(options.get("subspace"), dict):
        options["subspace"] = SubspaceSchedule(**options["subspace"])
    if inputs["sequence"] is not None:
        options |= {"step_x": 1.0, "step_y": 1.0}
    method = METHODS[inputs["method"]](**options)
    problem = Sequence(inputs["sequence"]) if inputs["sequence"] is not None else problem_of(vector)
    rng = np.random.default_rng(0)
    if inputs["draws"]:
        rng = Drawn(inputs["draws"]["p"])
        for module in ("bsa", "ttsa"):
            monkeypatch.setattr(f"lancbio_ref.methods.{module}.as_generator", lambda rng: rng)
    state = method.init(problem, inputs["x0"], inputs["y0"], inputs["v0"], rng)
    for _ in range(inputs["iterations"]):
        if getattr(state, "process", None) is not None:
            state = replace(state, process=state.process)
        state = method.step(problem, state)
        yield state


def quantity(state, name):
    if name == "alpha":
        return state.process.alpha[-1]
    if name == "beta":
        return state.process.beta[-1]
    return state.sigma_next if name == "sigma_next" else getattr(state, name)


@pytest.mark.parametrize("id", [id for id, v in VECTORS.items() if v.kind == "trace"])
def test_traces(id, monkeypatch):
    vector = VECTORS[id]
    for state, row, bound in zip(
        states(vector, monkeypatch), vector.expected["rows"], vector.admissible["rows"], strict=True
    ):
        for name, expected in row.items():
            if not isinstance(expected, oracle.Enclosure):
                continue
            found = np.atleast_1d(quantity(state, name))
            near = np.atleast_1d(expected.float64)
            size = vector.L if name in ("alpha", "beta") else norm2(near)
            assert norm2(found - near) <= bound * size + 1e-300, (row["k"], name)
        if vector.inputs["method"] == "lancbio":
            status = state.status.name
            assert state.restarted == row["restarted"] and state.m == row["m"]
            assert (status == "INDEFINITE") == row["indefinite"], (row["k"], status)
            assert (status == "SINGULAR") == row["singular"] and (status == "EXACT") == row["exact"]
            if row["columns"] < vector.n_y:  # beta_{n+1} is rounding, and may not be small enough to be called so
                assert (status == "BREAKDOWN") == row["breakdown"], (row["k"], status)
            columns = 0 if state.process is None else state.process.k
            assert columns == row["columns"]


def test_minimize_gives_the_rows_of_a_problem():
    """The same through the driver, as a user would run it."""
    vector = VECTORS["lancbio-problem-001"]
    inputs = vector.inputs
    result = minimize(
        problem_of(vector),
        inputs["x0"],
        inputs["y0"],
        v0=inputs["v0"],
        method="lancbio",
        maxiter=inputs["iterations"],
        trace=("x", "y", "v", "h"),
        **inputs["options"],
    )
    for name in ("y", "v", "h"):
        for found, row in zip(result.trace[name], vector.expected["rows"], strict=True):
            np.testing.assert_allclose(found, row[name].float64, rtol=1e-10)


def test_nearest_floats_are_those_of_an_exact_solve():
    """A sample once more, by rational elimination written here."""
    for id in ("quadratic-003", "strakos-002", "clusters-003", "ill-conditioned-004"):
        vector = VALID[id]
        exact = rational(vector.inputs["A"]).solve(rational(vector.inputs["b"]))
        np.testing.assert_array_equal(nearest(exact), vector.expected["v"].float64)
        assert Fraction(vector.expected["v"].mid[0]) == pytest.approx(vector.expected["v"].float64[0], rel=1e-15)
