"""What a hyper-gradient asks of a problem is in its counts, whatever kind of problem it is."""

import numpy as np
import pytest

from lancbio_ref import hypergradient
from tests.problems.test_settled import MADE


@pytest.mark.parametrize("name", MADE)
def test_every_product_and_gradient_is_counted(name):
    problem = MADE[name]()
    found = hypergradient(problem, np.full(problem.n_x, -0.3), np.full(problem.n_y, 0.1))
    calls = problem.calls
    assert sum(n for what, n in calls.items() if what.startswith("lower.hessian(x, y) @")) == found.n_hvp > 0
    assert calls["upper.grad_y"] == calls["upper.grad_x"] == 1
    assert calls["lower.cross(x, y) @ v"] == (2 if name == "batches" else 1)  # h, and of batches ‖J‖ by a product
