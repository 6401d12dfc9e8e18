"""φ(x) = f(x, y*(x)), its gradient and what is known of their errors, at the x that a solver has reached."""

import numpy as np
from benchopt import BaseObjective

from lancbio_ref import HyperObjective, problems

MODELS = {"ridge": problems.ridge, "logistic": problems.logistic}


class Objective(BaseObjective):
    """Penalties exp(x_j) of a regression, one a feature, tuned on validation data."""

    name = "Bilevel: one penalty a feature"
    min_benchopt_version = "1.10"
    requirements = ["pip::lancbio_ref"]
    parameters = {"model": ["ridge", "logistic"]}
    sampling_strategy = "callback"

    def set_data(self, X, t, X_val, t_val):
        self.data = (X, t, X_val, t_val)
        targets = (t, t_val) if self.model == "ridge" else (np.where(t > 0, 1, -1), np.where(t_val > 0, 1, -1))
        self.targets = tuple(array.astype(float) for array in targets)
        self.problem = MODELS[self.model](X, targets[0], X_val, targets[1])
        self.objective = HyperObjective(self.problem, accuracy=1e-12, relative=1e-6, strict=False)
        self.x0, self.y0 = np.zeros(X.shape[1]), np.zeros(X.shape[1])

    def evaluate_result(self, x):
        at = self.objective.evaluate(np.asarray(x, dtype=float))
        return dict(
            value=at.value,
            value_bound=at.value_bound,
            gradient_norm=float(np.linalg.norm(at.gradient)),
            gradient_bound=at.gradient_bound,
        )

    def get_one_result(self):
        return dict(x=self.x0)

    def get_objective(self):
        X, _, X_val, _ = self.data
        t, t_val = self.targets
        return dict(problem=self.problem, model=self.model, data=(X, t, X_val, t_val), x0=self.x0, y0=self.y0)
