"""jaxopt: y*(x) by its L-BFGS, differentiated implicitly with solve_cg, under SciPy's L-BFGS on φ; no certificate."""

import jax
import jax.numpy as jnp
import jaxopt
import numpy as np
from benchmark_utils.levels import l_bfgs, levels, require_same
from benchopt import BaseSolver


class Solver(BaseSolver):
    name = "jaxopt implicit"
    requirements = ["pip::jax", "pip::jaxopt"]
    parameters = {"tol": [1e-8]}
    sampling_strategy = "callback"

    def set_objective(self, problem, model, data, x0, y0):
        jax.config.update("jax_enable_x64", True)
        f, g = levels(jnp, model)
        self.x0, self.x = x0, x0
        data = tuple(map(jnp.asarray, data))
        require_same(problem, f, g, jnp.asarray(x0), jnp.asarray(y0), data)
        lower = jaxopt.LBFGS(
            fun=lambda y, x, X, t: g(x, y, X, t),
            tol=self.tol,
            maxiter=1000,
            implicit_diff=True,
            implicit_diff_solve=jaxopt.linear_solve.solve_cg,
        )

        @jax.jit
        def phi(x, y, X, t, X_val, t_val):
            def value(x):
                y_star = lower.run(y, x, X, t).params
                return f(x, y_star, X_val, t_val), y_star

            return jax.value_and_grad(value, has_aux=True)(x)

        def phi_and_gradient(x):
            (value, y), gradient = phi(jnp.asarray(x), self.y, *data)
            self.y = y  # the next lower level starts here, as it does in the other solvers
            return float(value), np.asarray(gradient)

        self.phi, self.y0 = phi_and_gradient, jnp.asarray(y0)

    def warm_up(self):
        self.y = self.y0
        self.phi(self.x0)

    def run(self, callback):
        self.y = self.y0
        if callback():
            l_bfgs(self.phi, self.x0, callback, lambda x: setattr(self, "x", x.copy()))

    def get_result(self):
        return dict(x=self.x)
