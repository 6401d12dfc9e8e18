"""A framework's implicit differentiation under SciPy's L-BFGS on φ: what such solvers share."""

import numpy as np
from benchopt import BaseSolver

from benchmark_utils.levels import l_bfgs, levels, require_same


class ImplicitSolver(BaseSolver):
    """φ(x) and ∇φ(x) from a framework; no certificate.

    A solver names the framework's arrays, `namespace` with exp and logaddexp and `as_array`, and gives
    ``differentiated(f, g, data)``: a function (x, y) → (φ(x), y*(x), ∇φ(x)) that solves the lower level from y.
    """

    parameters = {"tol": [1e-8]}
    sampling_strategy = "callback"

    def set_objective(self, problem, model, data, x0, y0):
        self.prepare()
        f, g = levels(self.namespace, model)
        self.x0, self.x, self.y0 = x0, x0, self.as_array(y0)
        data = tuple(map(self.as_array, data))
        require_same(problem, f, g, self.as_array(x0), self.y0, data)
        self.phi = self.differentiated(f, g, data)
        self.y = self.y0
        self.value_and_gradient(x0)  # compiled here: benchopt's warm_up comes once a solver, and not once an objective

    def prepare(self):
        """Settings of the framework, before the first array."""

    def value_and_gradient(self, x):
        value, self.y, gradient = self.phi(x, self.y)  # the next lower level starts here, as in the other solvers
        return float(value), np.asarray(gradient)

    def run(self, callback):
        self.y = self.y0
        if callback():
            l_bfgs(self.value_and_gradient, self.x0, callback, lambda x: setattr(self, "x", x.copy()))

    def get_result(self):
        return dict(x=self.x)
