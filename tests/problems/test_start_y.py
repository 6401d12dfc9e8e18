"""y starts where the problem was made, also of what is made of the problem; at zeros where it does not say."""

import numpy as np
import pytest

from lancbio_ref import BilevelProblem, HyperObjective, LowerLevel, UpperLevel, lower_solution, minimize, problems
from lancbio_ref.minibatch import Minibatched

START = np.array([3.0, -2.0])
PRIOR = problems.ExchangeablePrior(1, 0.0, 1.0, 1.0, 1)


class Double(BilevelProblem):
    """g = Σ (y_i² − 1)²/4: zero is a maximum, and y* is the ±1 that is nearer to the start."""

    n_x, n_samples = 1, (3, 3)

    def __init__(self):
        upper = UpperLevel(value=lambda x, y: float(y @ y), grad_x=lambda x, y: 0 * x, grad_y=lambda x, y: 2 * y)
        lower = LowerLevel(
            value=lambda x, y: float(((y * y - 1) ** 2).sum() / 4),
            grad_x=lambda x, y: 0 * x,
            grad_y=lambda x, y: y * (y * y - 1),
            hessian=lambda x, y: np.diag(3 * y * y - 1),
            cross=lambda x, y: np.zeros((1, 2)),
        )
        super().__init__(upper, lower, n_y=2)

    def start_y(self, dtype):
        return START.astype(dtype)

    def minibatch(self, *, upper=None, lower=None):
        return self


@pytest.mark.parametrize(
    "make, parts",
    [
        (Double, 1),
        (lambda: problems.WithPrior(Double(), PRIOR), 1),
        (lambda: Minibatched(Double(), 2, 2, rng=0), 1),
        (lambda: problems.Folds([Double(), Double()]), 2),
        (lambda: problems.WithPrior(problems.Folds([Double(), Double()]), PRIOR), 2),
    ],
    ids=["itself", "with a prior", "batches", "folds", "folds with a prior"],
)
def test_what_is_made_of_a_problem_starts_where_it_does(make, parts):
    problem, x = make(), np.zeros(1)
    expected = np.tile([1.0, -1.0], parts)
    np.testing.assert_allclose(lower_solution(problem, x, tol=1e-9).y, expected, atol=1e-6)
    objective = HyperObjective(problem)
    objective.value(x)
    np.testing.assert_allclose(objective.last.y, expected, atol=1e-3)
    starts = []
    minimize(
        problem,
        x,
        method="soba",
        step_x=0.1,
        step_y=1e-200,
        step_v=0.1,
        maxiter=1,
        callback=lambda s: starts.append(s.y),
    )
    assert (starts[0] == np.tile(START, parts)).all()


def test_a_problem_that_does_not_say_starts_at_zeros():
    starts = []
    problem = problems.quadratic(2, 3, rng=0)
    minimize(problem, np.zeros(2), method="soba", step_x=0.1, step_y=1e-200, step_v=0.1, maxiter=1,
             callback=lambda s: starts.append(s.y))  # fmt: skip
    assert (starts[0] == 0).all()
