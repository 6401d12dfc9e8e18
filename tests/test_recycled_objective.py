"""HyperObjective with recycle=True: the same certified answers, for fewer products."""

import numpy as np
import pytest
from scipy.optimize import minimize

from lancbio_ref import ArgumentError, HyperObjective, problems
from lancbio_ref.inverse.recycled import RecycledSolves


def test_every_gradient_is_as_guaranteed_as_without():
    problem = problems.quadratic(4, 30, rng=0)
    F = HyperObjective(problem, accuracy=1e-9, relative=0.0, recycle=True)
    x = np.ones(4)
    for step in np.random.default_rng(1).standard_normal((5, 4)):
        x = x + 0.1 * step
        assert np.linalg.norm(F.gradient(x) - problem.hypergradient(x)) <= F.last.gradient_bound <= 1e-9
        assert F.last.guaranteed


def test_it_makes_a_third_of_the_products_and_counts_them():
    rng = np.random.default_rng(0)
    problem = problems.synthetic(60, 1e3, rng=rng)
    x, y, _ = problem.initial_point(rng)
    products, ends = [], []
    for recycle in (False, True):
        problem.calls.clear()
        F = HyperObjective(problem, y, accuracy=1e-6, relative=1e-2, strict=False, recycle=recycle)
        found = minimize(F, x, jac=True, method="L-BFGS-B", options=dict(gtol=1e-4, ftol=0, maxiter=200))
        assert F.n_hvp == problem.calls["lower.hessian(x, y) @ v"] and F.n_grad == problem.calls["lower.grad_y"]
        products.append(F.n_hvp)
        ends.append(np.abs(found.jac).max())
    assert products[1] < products[0] / 3 and max(ends) <= 1e-4


def test_the_solves_reach_the_norm_that_is_asked():
    rng = np.random.default_rng(0)
    problem = problems.synthetic(40, 1e2, rng=rng)
    x, y, v = problem.initial_point(rng)
    solves = RecycledSolves(problem, 40, float)
    y, spent = solves.lower(x, y, 1e-7)
    assert np.linalg.norm(problem.lower_grad_y(x, y)) <= 1e-7 and spent.n_hvp > 0 and spent.n_grad > 0
    point = problem.linearize(x, y)
    v, spent = solves.adjoint(point, v, 1e-8)
    assert np.linalg.norm(point.b - point.A.matvec(v)) <= 1.01e-8 and spent.n_grad == 0
    _, again = solves.adjoint(point, np.zeros(40), 1e-8)
    assert again.n_hvp <= spent.n_hvp / 2


def test_only_true_or_false():
    with pytest.raises(ArgumentError, match="recycle"):
        HyperObjective(problems.quadratic(2, 3, rng=0), recycle="yes")
