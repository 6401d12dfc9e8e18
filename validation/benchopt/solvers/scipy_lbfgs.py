"""SciPy's L-BFGS on φ, its values and gradients certified by this package."""

from benchmark_utils.levels import l_bfgs
from benchopt import BaseSolver

from lancbio_ref import HyperObjective


class Solver(BaseSolver):
    name = "L-BFGS on HyperObjective"
    requirements = ["pip::lancbio_ref"]
    parameters = {"relative": [1e-3]}
    sampling_strategy = "callback"

    def set_objective(self, problem, model, data, x0, y0):
        self.problem, self.x0, self.x = problem, x0, x0

    def warm_up(self):
        HyperObjective(self.problem, relative=self.relative)(self.x0)

    def run(self, callback):
        phi = HyperObjective(self.problem, relative=self.relative, strict=False)
        if callback():
            l_bfgs(phi, self.x0, callback, lambda x: setattr(self, "x", x.copy()))

    def get_result(self):
        return dict(x=self.x)
