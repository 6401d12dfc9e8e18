"""float32 code in a float64 system, the habit of the JAX world: named, and a right derivative passes the check."""

import numpy as np
import pytest
from scipy.sparse.linalg import LinearOperator

from lancbio_ref import (
    BilevelProblem,
    EvaluationError,
    HyperObjective,
    LowerLevel,
    SolveStatus,
    UpperLevel,
    hypergradient,
    lower_solution,
    problems,
)
from lancbio_ref.minibatch import Minibatched
from lancbio_ref.operators import DenseOperator
from lancbio_ref.operators.base import CheckedOperator
from lancbio_ref.operators.noise import coarse_noise
from tests.pathologies.faulty import symmetric

N, F = 30, np.float32
R = np.random.default_rng(0)
A = symmetric(np.geomspace(0.05, 20.0, N))
A32, J, T = A.astype(F), R.standard_normal((3, N)), R.standard_normal(N)
X, Y = np.ones(3), np.ones(N)


def kept(v):
    return A32 @ v.astype(F)


def hidden(v):
    return (A32 @ v.astype(F)).astype(float)


def wide(v):
    return A @ v


def problem(product, wrong=1.0):
    """½‖y − t‖² over ½yᵀAy − yᵀJᵀx, with A's products by `product` and every derivative right where `wrong` is 1."""
    like = product(Y).dtype
    return BilevelProblem(
        UpperLevel(
            value=lambda x, y: 0.5 * float((y - T) @ (y - T)),
            grad_x=lambda x, y: 0 * x,
            grad_y=lambda x, y: y - T,
        ),
        LowerLevel(
            value=lambda x, y: 0.5 * float(y @ product(y)) - float(y @ (J.T @ x)),
            grad_y=lambda x, y: product(y) - (J.T @ x).astype(like),
            hessian=lambda x, y: LinearOperator((N, N), matvec=lambda v: wrong * product(v), dtype=float),
            cross=lambda x, y: -J,
        ),
        n_y=N,
    )


@pytest.mark.parametrize("product", [kept, hidden])
def test_the_remedy_names_it(product):
    found = hypergradient(problem(product), X, Y)
    assert found.status in (SolveStatus.NOT_CONVERGED, SolveStatus.STALLED)
    assert 2.0**-26 < found.noise < 2.0**-20 and "jax_enable_x64" in found.remedy and found.remedy in str(found)
    lower = lower_solution(problem(product), X, tol=1e-12)
    assert lower.status == SolveStatus.NOT_CONVERGED and lower.noise and lower.remedy in lower.message
    assert "raise maxiter" not in lower.message
    assert hypergradient(problem(product), X).remedy.startswith("the products with the Hessian are rounded at")
    with pytest.raises(EvaluationError, match="as in float32"):
        HyperObjective(problem(product), accuracy=1e-12, relative=0.0)(X)


def test_what_it_asks_for_helps():
    for x, y, product in ((X.astype(F), Y.astype(F), kept), (X, Y, wide)):
        found = hypergradient(problem(product), x, y, rtol=1e-5)
        assert found.success and found.noise == 0 and found.remedy == found.status.remedy
    noise = hypergradient(problem(hidden), X, Y).noise
    assert hypergradient(problem(hidden), X, Y, rtol=100 * noise).success


def test_nothing_is_said_of_other_failures():
    short = hypergradient(problem(wide), X, Y, maxiter=2, rtol=1e-14)
    assert short.status == SolveStatus.NOT_CONVERGED and short.noise == 0 and short.remedy.startswith("raise maxiter")
    stopped = lower_solution(problem(wide), X, tol=1e-30, maxiter=1)
    assert stopped.noise == 0
    ridge = problems.random_ridge(20, 9, 4, rng=0)
    batches = Minibatched(ridge, None, 2, rng=0)
    drawn = batches.hessian(np.zeros(4), np.ones(4))
    assert coarse_noise(drawn, np.ones(4)) == 0  # another matrix at each product is no rounding
    assert coarse_noise(CheckedOperator(DenseOperator(A), "A"), Y) == 0


@pytest.mark.parametrize("size", [10, 3000])
def test_sums_in_float64_are_not_coarse(size):
    long = R.standard_normal((size, 40))
    gram = LinearOperator((40, 40), matvec=lambda v: long.T @ (long @ v), dtype=float)
    for v in (np.ones(40), R.standard_normal(40), long[0]):
        assert coarse_noise(CheckedOperator(gram, "A"), v) == 0


@pytest.mark.parametrize("product", [kept, hidden])
def test_check_passes_right_derivatives_and_fails_wrong_ones(product):
    report = problem(product).check(X, Y, rng=0)
    assert report.ok and "judged as float32" in str(report) and report[0].tolerance > 1e-5
    wrong = problem(product, wrong=1.01).check(X, Y, rng=0)
    assert [row.name for row in wrong.failed] == ["A v"]


def test_check_in_float64_is_judged_in_float64():
    assert problem(wide).check(X, Y, rng=0).note == ""
    slightly = problem(wide, wrong=1 + 1e-4).check(X, Y, rng=0)  # which float32 would excuse
    assert not slightly.ok and slightly.note == ""
    constant = problem(wide)
    assert constant.check(np.zeros(3), np.zeros(N), rng=0).ok
