"""f and g of the two models in any framework that has exp and logaddexp, and L-BFGS as every solver of φ runs it."""

import numpy as np
from scipy.optimize import minimize


def levels(xp, model):
    """f(x, y, X_val, t_val) and g(x, y, X, t), as `lancbio_ref.problems.ridge` and `.logistic` have them."""

    def loss(y, X, t):
        scores = X @ y
        if model == "ridge":
            return 0.5 * ((scores - t) ** 2).mean()
        return xp.logaddexp(0 * scores, -t * scores).mean()

    def f(x, y, X, t):
        return loss(y, X, t)

    def g(x, y, X, t):
        scale = 0.5 if model == "ridge" else 0.5 / y.shape[0]
        return loss(y, X, t) + scale * (xp.exp(x) * y**2).sum()

    return f, g


def require_same(problem, f, g, x, y, data):
    """ValueError where f and g are not those of the problem."""
    X, t, X_val, t_val = data
    found, wanted = (float(f(x, y, X_val, t_val)), float(g(x, y, X, t))), None
    x, y = (np.asarray(z, dtype=float) for z in (x, y))
    wanted = problem.value(x, y), problem.lower_value(x, y)
    if not np.allclose(found, wanted, rtol=1e-10):
        raise ValueError(f"f, g = {found}, and of the problem {wanted}")


def l_bfgs(value_and_gradient, x0, go_on, keep):
    """SciPy's L-BFGS from x0: `keep(x)` after each iteration, until `go_on()` is false."""

    class Ended(Exception):
        pass

    def look(x):
        keep(x)
        if not go_on():
            raise Ended

    try:
        minimize(value_and_gradient, x0, jac=True, method="L-BFGS-B", callback=look, options=dict(ftol=0, gtol=1e-10))
    except Ended:
        return
    while go_on():  # it has converged: nothing more to run, and benchopt ends the curve
        pass
