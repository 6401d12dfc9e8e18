"""Conjugate gradients on the products of a graph: the statuses of single steps, and no more graphs than are needed."""

import numpy as np
import pytest

from lancbio_ref import SolveStatus, hypergradient

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
adapter = pytest.importorskip("lancbio_ref.adapters.torch")


def hilly(matrix, **options):
    """A lower level whose Hessian is `matrix`, and an upper one whose gradient is all ones."""
    A = torch.from_numpy(matrix)
    zero = torch.zeros(len(matrix), dtype=A.dtype)
    return adapter.problem(
        lambda x, y: y.sum() + 0 * x.sum(), lambda x, y: 0.5 * y @ (A @ y) - (x * y).sum(), zero, zero, **options
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "low, options, status",
    [
        (1.0, dict(rtol=1e-5), SolveStatus.CONVERGED),
        (1.0, dict(rtol=0.0), SolveStatus.FLOOR),
        (1.0, dict(maxiter=4), SolveStatus.NOT_CONVERGED),
        (-1.0, {}, SolveStatus.INDEFINITE),
        (1.0, dict(mu=3.0), SolveStatus.MU_REFUTED),
    ],
)
def test_steps_end_with_the_status_of_those_that_keep_a_basis(low, options, status, dtype):
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.standard_normal((30, 30)))[0]
    A = (Q * np.r_[low, np.linspace(5, 200, 29)] @ Q.T).astype(dtype)
    problem = hilly((A + A.T) / 2)
    report = hypergradient(problem, problem.x0, problem.y0, **options)
    assert report.status == status
    if status.success:
        exact = np.linalg.solve(A.astype(float), np.ones(30))
        np.testing.assert_allclose(report.v, exact, rtol=0, atol=1e-4 * np.linalg.norm(exact))
        kept = hypergradient(problem, problem.x0, problem.y0, reorthogonalization="full", **options)
        assert report.n_hvp <= kept.n_hvp + 12


def test_an_identity_gives_its_vector_back_and_nothing_is_written_into_it():
    """Where A = I, autograd returns the very tensor that it was given."""
    problem = adapter.problem(
        lambda x, y: ((y - 2) ** 2).sum(),
        lambda x, y: 0.5 * (y**2).sum() - (x * y).sum(),
        *(torch.ones(5).double(),) * 2,
    )
    report = hypergradient(problem, problem.x0, problem.y0, mu="estimate")
    np.testing.assert_allclose(report.value, -2.0, rtol=1e-14)


def test_a_function_of_float32_inside_keeps_its_own_steps():
    """Its products have the digits of float32, its vectors float64: tensors of two types make no step."""

    def narrow(z):
        return z.float().square().sum().double()

    problem = adapter.problem(lambda x, y: narrow(y - 1), lambda x, y: narrow(y - x), *(torch.ones(5).double(),) * 2)
    report = hypergradient(problem, problem.x0 + 1, problem.y0 + 1, mu="estimate", rtol=1e-5)
    np.testing.assert_allclose(report.value, 2.0, rtol=1e-5)


def test_A_and_J_of_a_point_share_one_graph():
    evaluated = []

    def g(x, y):
        evaluated.append(1)
        return (y**4).sum() + (y**2).sum() - (x * y).sum()

    problem = adapter.problem(lambda x, y: ((y - 1) ** 2).sum(), g, *(torch.ones(5).double(),) * 2, cross_norm=1.0)
    evaluated.clear()
    hypergradient(problem, problem.x0, problem.y0, mu="estimate")
    assert len(evaluated) == 1
