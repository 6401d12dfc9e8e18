"""An invariant Krylov space: the process says so, refuses to go on, and the solvers end with the answer."""

import numpy as np
import pytest

from lancbio_ref import LancbioError, LanczosProcess, StepStatus, lanczos, lanczos_solve
from tests.pathologies.faulty import METHODS, MODES, B, N, operator, problem, run

D = np.diag(np.arange(1.0, N + 1))
FEW = np.zeros(N)
FEW[[1, 4, 7]] = 1.0, -2.0, 3.0  # lies in an invariant space of dimension 3


@pytest.mark.parametrize("mode", MODES)
def test_stepping_after_it_raises(mode):
    process = LanczosProcess(FEW, reorthogonalization=mode)
    while not process.breakdown:
        process.step(D)
    assert process.k == 3 and not process.q_next.any()
    before = process.Q.copy(), process.T.copy()
    for _ in range(2):
        with pytest.raises(LancbioError, match="invariant after 3 steps: start a new process"):
            process.step(D)
    assert process.k == 3 and np.array_equal(process.Q, before[0]) and np.array_equal(process.T, before[1])


@pytest.mark.parametrize("mode", MODES)
def test_lanczos_returns_the_invariant_space(mode):
    found = lanczos(D, FEW, N, reorthogonalization=mode)
    assert found.breakdown and found.Q.shape == (N, 3) and not found.q_next.any()
    assert np.linalg.eigvalsh(found.T) == pytest.approx([2.0, 5.0, 8.0], rel=1e-13)
    assert np.abs(D @ found.Q - found.Q @ found.T).max() < 1e-13


@pytest.mark.parametrize("mode", MODES)
def test_lanczos_solve_is_done(mode):
    x, info = lanczos_solve(D, FEW, rtol=1e-14, reorthogonalization=mode)
    assert info == 0 and x == pytest.approx(FEW / np.diag(D), rel=1e-13)


@pytest.mark.parametrize("mode", MODES)
def test_zero_operator(mode):
    found = lanczos(operator(lambda v: 0 * v), B, N, reorthogonalization=mode)
    assert found.breakdown and found.Q.shape == (N, 1) and found.alpha == found.beta == [0.0]


def test_a_process_that_keeps_no_basis_has_none():
    process = LanczosProcess(B, store=False)
    process.step(D)
    with pytest.raises(LancbioError, match="keeps no basis"):
        _ = process.Q


@pytest.mark.parametrize("method", METHODS)
def test_in_minimize_the_subspace_restarts(method):
    identity = problem({"lower.hessian": lambda x, y: 2 * np.eye(N), "lower.grad_y": lambda x, y: 2 * y - x.sum()})
    result = run(identity, method, maxiter=30)
    assert np.isfinite(result.trace["h_norm"]).all() and result.success
    if method == "lancbio":
        assert (result.trace["status"] == StepStatus.BREAKDOWN).any()


@pytest.mark.parametrize("mode", MODES)
def test_an_eigenvector_breaks_down_at_once(mode):
    found = lanczos(D, np.eye(N)[4], N, reorthogonalization=mode)
    assert found.breakdown and found.alpha == [5.0] and found.beta == [0.0]
