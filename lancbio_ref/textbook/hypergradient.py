"""h = c − J v with A v = b: the gradient of φ(x) = f(x, y*(x)) by the implicit function theorem.

    dy*/dx = −A⁻¹Jᵀ,    ∇φ = ∇_x f + (dy*/dx)ᵀ∇_y f = c − J A⁻¹ b

with A = ∇²_yy g, J = ∇²_xy g (n_x × n_y), b = ∇_y f and c = ∇_x f at (x, y).
"""

from __future__ import annotations

from .problems import point_of, problem_of
from .solve import cholesky_solve, conjugate_gradients


def hypergradient(A, J, b, c, v0):
    """c − J v, v by conjugate gradients.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref.textbook.hypergradient import hypergradient
    >>> hypergradient(np.diag([2.0, 4.0]), np.ones((1, 2)), np.array([2.0, 4.0]), np.array([5.0]), np.zeros(2))
    array([3.])
    """
    v = conjugate_gradients(A, b, v0)  # A v = b
    return c - J @ v


def from_arrays(case):
    """From the (A, J, b, c) of a case."""
    return hypergradient(case["A"], case["J"], case["b"], case["c"], case["v0"])


def from_problem(case):
    """From the problem of a case, whose derivatives are formed anew; from (A, J, b, c) where it has none."""
    if not case.get("problem"):
        return direct(case["A"], case["J"], case["b"], case["c"], case["v0"])
    x, y = case["problem"]["x"], case["problem"]["y"]
    A, J, b, c = point_of(problem_of(case), 1, x, y)
    return direct((A + A.T) / 2, J, b, c, case["v0"])  # rounding need not leave A symmetric to the last bit


def direct(A, J, b, c, v0):
    """c − J v, v by a Cholesky factorization."""
    return c - J @ cholesky_solve(A, b, v0)
