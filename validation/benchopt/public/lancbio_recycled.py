"""recycled-newton of lancbio_ref, for the folder solvers/ of benchopt/benchmark_bilevel: no step to choose.

The levels come as functions of JAX, `f_inner_fb(inner_var, outer_var)` and `f_outer_fb(inner_var, outer_var)` over all
samples; x is the outer variable, y the inner one. Gradients of φ have an estimated bound, for no constant is known.
"""

from benchopt import BaseSolver

from lancbio_ref import SolveStatus, minimize
from lancbio_ref.adapters.jax import problem


class Solver(BaseSolver):
    name = "lancbio_ref recycled-newton"
    requirements = ["pip::lancbio_ref", "pip::jax"]
    sampling_strategy = "callback"

    def set_objective(self, f_inner_fb, f_outer_fb, inner_var0, outer_var0, **others):
        self.problem = problem(
            lambda x, y: f_outer_fb(y, x), lambda x, y: f_inner_fb(y, x), x0=outer_var0, y0=inner_var0
        )
        self.inner_var, self.outer_var = inner_var0, outer_var0

    def warm_up(self):
        minimize(self.problem, self.problem.x0, self.problem.y0, method="recycled-newton", maxiter=1)

    def run(self, callback):
        run = None
        while callback():
            start = dict(x0=self.problem.x0, y0=self.problem.y0) if run is None else dict(state=run.state)
            run = minimize(self.problem, **start, method="recycled-newton", maxiter=1)
            self.outer_var, self.inner_var = run.tree.x, run.tree.y
            if run.status not in (SolveStatus.NOT_CONVERGED, SolveStatus.COMPLETED):
                break  # it has arrived, or goes where nothing is: a φ without a minimizer

    def get_result(self):
        return dict(inner_var=self.inner_var, outer_var=self.outer_var)
