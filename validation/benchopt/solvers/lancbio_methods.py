"""Every method of this package, with the steps that the lower level's largest curvature allows."""

from dataclasses import fields

from benchopt import BaseSolver

from lancbio_ref import SolveStatus, minimize
from lancbio_ref.methods import METHODS


class Solver(BaseSolver):
    name = "lancbio_ref"
    requirements = ["pip::lancbio_ref"]
    parameters = {"method": list(METHODS), "step_x": [1.0]}
    sampling_strategy = "callback"

    def set_objective(self, problem, model, data, x0, y0):
        self.problem, self.x, self.y0 = problem, x0, y0
        step = 1 / problem.lower_bound("smoothness", x0, y0)
        known = {field.name for field in fields(METHODS[self.method])}
        wanted = dict(step_x=self.step_x, step_y=step, step_v=step, inner_steps=5)
        self.options = {name: value for name, value in wanted.items() if name in known}

    def warm_up(self):
        minimize(self.problem, self.x, self.y0, method=self.method, maxiter=2, **self.options)

    def run(self, callback):
        run = None
        while callback():
            start = dict(x0=self.x, y0=self.y0) if run is None else dict(state=run.state)
            run = minimize(self.problem, **start, method=self.method, maxiter=1, rng=0, **self.options)
            self.x = run.x
            if run.status not in (SolveStatus.NOT_CONVERGED, SolveStatus.COMPLETED):
                break  # it has arrived, or goes where nothing is: a φ without a minimizer

    def get_result(self):
        return dict(x=self.x)
