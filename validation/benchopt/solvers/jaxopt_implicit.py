"""jaxopt: y*(x) by its L-BFGS, differentiated implicitly with solve_cg, under SciPy's L-BFGS on φ; no certificate."""

import jax
import jax.numpy as jnp
import jaxopt
from benchmark_utils.implicit import ImplicitSolver


class Solver(ImplicitSolver):
    name = "jaxopt implicit"
    requirements = ["pip::jax", "pip::jaxopt"]
    namespace, as_array = jnp, staticmethod(jnp.asarray)

    def prepare(self):
        jax.config.update("jax_enable_x64", True)

    def differentiated(self, f, g, data):
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

            (value, y_star), gradient = jax.value_and_grad(value, has_aux=True)(x)
            return value, y_star, gradient

        return lambda x, y: phi(jnp.asarray(x), y, *data)
