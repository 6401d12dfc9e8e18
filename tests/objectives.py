"""Problems for the tests of `HyperObjective`."""

import numpy as np

from lancbio_ref import (
    BilevelProblem,
    LowerLevel,
    UpperLevel,
    problems,
)


class BareRidge(problems.Ridge):
    """Ridge without the Lipschitz constants that its linearization has."""

    def linearize(self, x, y):
        return super().linearize(x, y).replaced(lipschitz=None)


def bare(ridge):
    return BareRidge(ridge.X_train, ridge.t_train, ridge.X_val, ridge.t_val)


def scalar(gradient, hessian, **options):
    """min ½(y*(x) − 1)² over one lower variable."""
    upper = UpperLevel(lambda x, y: 0.5 * float((y - 1) @ (y - 1)), lambda x, y: 0 * x, lambda x, y: y - 1)
    lower = LowerLevel(gradient, lambda x, y: [[float(hessian(y[0]))]], lambda x, y: [[-1.0]], **options)
    return BilevelProblem(upper, lower, n_y=1)


def sinh_problem(**options):
    """y + sinh y = x."""
    return scalar(lambda x, y: y + np.sinh(y) - x, lambda y: 1 + np.cosh(y), mu=2.0, **options)
