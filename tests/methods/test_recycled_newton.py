"""Recycled Krylov–Newton as a whole: its limit, its counts, its bits, its certificate and its memory."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from lancbio_ref import (
    ArgumentError,
    CertificateStatus,
    HyperObjective,
    Minibatched,
    SolveStatus,
    minimize,
    problems,
)
from lancbio_ref.methods import RecycledNewton, choose
from tests.methods.recycled_cases import ready, run, truth
from tests.peaks import least_peak

READY = (
    "quadratic",
    "synthetic",
    "matrix-free",
    "ridge",
    "cleaning",
    "logistic",
    "logistic, one penalty",
    "softmax",
    "folds",
)


@pytest.mark.parametrize("name", READY)
def test_it_ends_at_a_stationary_point_of_every_ready_problem(name):
    problem, x0, y0 = ready(name)
    problem.calls.clear()
    result = run(problem, x0, y0, trace=("phi", "accepted", "error", "n_value"))
    assert result.status == SolveStatus.CONVERGED and "||grad phi||" in result.message
    called = {
        "n_hvp": "lower.hessian(x, y) @ v",
        "n_grad": "lower.grad_y",
        "n_grad_upper": "upper.grad_y",
    }
    for count, what in called.items():
        assert getattr(result, count) == problem.calls[what] == result.trace[count][-1], count
    crosses = problem.calls["lower.cross(x, y) @ v"] + problem.calls.get("lower.cross(x, y).T @ v", 0)
    assert result.n_cross == crosses and result.trace["n_value"][-1] == problem.calls["upper.value"] - 1
    assert truth(problem, result.x, y0) <= 1e-6
    accepted = result.trace["accepted"].copy()
    accepted[0] = True
    phi = result.trace["phi"][accepted]
    assert (np.diff(phi) <= 1e-12 * np.abs(phi[1:]) + result.trace["error"][accepted][1:]).all()


def test_its_limit_is_the_stationary_point_of_phi():
    problem = problems.quadratic(5, 12, rng=2)
    result = run(problem, np.ones(5), np.zeros(12), tol=1e-10)
    np.testing.assert_allclose(result.x, problem.stationary_point(), atol=1e-9)
    assert result.nit <= 12  # a Newton method on a quadratic
    assert "h was not checked" not in result.message


def test_a_check_of_its_end_changes_nothing_and_agrees():
    problem, x0, y0 = ready("quadratic")
    plain, checked = (run(problem, x0, y0, check=check) for check in (False, True))
    np.testing.assert_array_equal(plain.x, checked.x)
    assert plain.n_hvp == checked.n_hvp and checked.check.verdict.name == "AGREES"
    assert checked.check.message in checked.message


def test_the_end_is_certified_where_the_problem_proves_its_constants():
    problem, x0, y0 = ready("cleaning")
    states = []
    result = run(problem, x0, y0, callback=states.append)
    proof = states[-1].proof
    assert proof is not None and proof.certificate.error == CertificateStatus.CERTIFIED
    bound = np.linalg.norm(proof.value) + proof.error_bound + proof.lower_level_bound
    assert bound <= 1e-6 and "certified" in result.message and truth(problem, result.x, y0) <= bound


def test_the_end_says_where_it_is_not_proven():
    problem, x0, y0 = ready("synthetic")
    result = run(problem, x0, y0)
    assert "estimated, not proven: no bound is known without mu and Lipschitz constants" in result.message


def test_the_estimated_error_of_h_is_about_the_true_one():
    problem, x0, y0 = ready("synthetic")
    F = HyperObjective(problem, y0, accuracy=1e-11, relative=0.0, strict=False)
    trace = run(problem, x0, y0, trace=("x", "h", "error")).trace
    for x, h, error in zip(trace["x"], trace["h"], trace["error"], strict=True):
        assert np.linalg.norm(h - F.gradient(x)) <= 0.5 * np.linalg.norm(h), error


def test_replay_is_the_same_to_the_bit_and_so_is_going_on_from_a_copied_state():
    problem, x0, y0 = ready("logistic")
    first, second = (run(problem, x0, y0, trace=("x", "v", "h", "phi", "n_inner")).trace for _ in range(2))
    for name in ("x", "v", "h", "phi", "n_inner", "n_hvp", "n_grad"):
        assert np.array_equal(first[name], second[name])
    method = RecycledNewton()
    state = method.init(problem, x0, y0, np.zeros_like(y0), np.random.default_rng(0))
    state.tol = 1e-6
    for k in range(8):
        state = method.step(problem, state)
        np.testing.assert_array_equal(state.x, first["x"][k])
        if k == 3:
            kept = copy.deepcopy(state)
    for k in range(4, 8):
        kept = method.step(problem, kept)
        np.testing.assert_array_equal(kept.h, first["h"][k])
    assert (kept.n_hvp, kept.n_grad, kept.n_cross) == (state.n_hvp, state.n_grad, state.n_cross)


def test_recycling_is_what_saves_products():
    problem, x0, y0 = ready("synthetic")
    kept, forgotten = (run(problem, x0, y0, memory=memory).n_hvp for memory in (None, 0))
    assert forgotten > 3 * kept


@pytest.mark.parametrize("n_x, n_y", [(300, 5), (2, 400)])
def test_levels_of_very_different_size(n_x, n_y):
    problem = problems.quadratic(n_x, n_y, rng=0)
    result = run(problem, np.zeros(n_x), np.zeros(n_y))
    assert result.status == SolveStatus.CONVERGED and result.nit < 40
    assert np.linalg.norm(problem.hypergradient(result.x)) <= 1e-6


def test_float32():
    problem = problems.quadratic(3, 6, rng=1)
    result = run(problem, np.zeros(3, np.float32), np.zeros(6, np.float32), tol=1e-3)
    assert result.success
    np.testing.assert_allclose(result.x, problem.stationary_point(), atol=2e-2)


def test_what_it_holds_is_ten_vectors_a_pair_kept_and_130_more():
    n, memory = 50_000, 5
    problem = problems.synthetic(n, 1e3, matrix_free=True, rng=0)
    x0, y0, _ = problem.initial_point(0)
    most, spent = 10 * memory + 130, []

    def one_iteration():
        spent.append(minimize(problem, x0, y0, method="recycled-newton", memory=memory, maxiter=1).n_hvp)

    peak = least_peak(one_iteration, most * y0.nbytes) / y0.nbytes
    assert spent[0] > 10 * memory  # a solve alone makes more pairs than are kept
    assert peak <= most, peak


def test_auto_is_this_method_to_the_bit_and_another_on_mini_batches():
    problem, x0, y0 = ready("ridge")
    named, auto = run(problem, x0, y0), minimize(problem, x0, y0, method="auto", tol=1e-6)
    assert auto.status == SolveStatus.CONVERGED and named.x.tobytes() == auto.x.tobytes()
    steps = dict(step_x=0.01, step_y=0.01, step_v=0.01)
    of_batches = minimize(problem, x0, y0, method="auto", batch_size=4, rng=0, maxiter=3, **steps)
    assert type(of_batches.state).__name__ == "SOBAState"
    assert choose(Minibatched(problem, 4, 4, rng=0)) == "soba"
    with pytest.raises(ArgumentError, match="memory"):  # an option of another method names those of this one
        minimize(problem, x0, y0, method="auto", step_x=0.1)


def test_mini_batches_are_refused():
    problem, x0, y0 = ready("ridge")
    with pytest.raises(ArgumentError, match=r"batch_size.*a difference of two batches is noise.*soba"):
        run(problem, x0, y0, batch_size=5)
