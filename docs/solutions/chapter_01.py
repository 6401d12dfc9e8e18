"""Chapter 1: what a hyper-gradient is.

1. (paper)  With n = m = p = 1 and X = X_val = 1

       g = ½(y − t)² + ½eˣy²,   y*(x) = t/(1 + eˣ),   φ(x) = ½(t/(1 + eˣ) − t_val)².

   Directly:    φ′ = (y* − t_val) · dy*/dx,   dy*/dx = −t eˣ/(1 + eˣ)² = −eˣy*/(1 + eˣ).
   By (1):      A = 1 + eˣ,  b = y* − t_val,  v = b/A,  −eˣ y* v = −eˣ y* (y* − t_val)/(1 + eˣ).   The same.

   As x goes from −∞ to ∞, y* goes from t to 0 without turning, and φ is half the squared distance of y* from t_val.
   Let t > 0. If t_val ≥ t, the nearest that y* can come is t: x → −∞ is best (and no finite x is). If 0 < t_val < t,
   the best x has y* = t_val, that is eˣ = t/t_val − 1. If t_val ≤ 0, x → ∞ is best. For t < 0 the same with both
   signs turned; for t = 0, y* = 0 whatever x is. In words: no penalty is best where the validation sample asks for
   at least as large a weight as the training sample.

2. (code)  `ridge_hypergradient`. The 1/m belongs to b, and the 1/n to A: without the 1/m, h is m times too long.

3. (experiment)  D(s) = φ′ + c₂s² + c₄s⁴ + …, so (4D(s) − D(2s))/3 = φ′ − 4c₄s⁴ + …. Rounding costs about uφ/s, as
   before up to a constant. The best step balances the two: s⁵ ≈ u, s ≈ u^(1/5) ≈ 6e−4, error ≈ u^(4/5) ≈ 2e−13,
   where central differences alone have s ≈ u^(1/3) ≈ 5e−6 and u^(2/3) ≈ 2e−11. Measured by `verify`: the slopes are
   4 and 2 on the right of the best step, that step is more than 10 times longer, and its error more than 10 times
   smaller.
"""

import numpy as np


def ridge_hypergradient(X_train, t_train, X_val, t_val, x, y):
    """−eˣ ∘ y ∘ v with A v = b, at any y."""
    n, m = len(t_train), len(t_val)
    A = X_train.T @ X_train / n + np.diag(np.exp(x))
    b = X_val.T @ (X_val @ y - t_val) / m
    return -np.exp(x) * y * np.linalg.solve(A, b)


def scalar(t, t_val, x):
    """y*(x), φ(x) and φ′(x) of exercise 1, in closed form."""
    y = t / (1 + np.exp(x))
    return y, 0.5 * (y - t_val) ** 2, -(y - t_val) * t * np.exp(x) / (1 + np.exp(x)) ** 2


def richardson(steps):
    """Relative errors of D(s) and of (4D(s) − D(2s))/3 on the problem of the chapter, one row each."""
    from lancbio_ref import problems

    problem = problems.random_ridge(40, 40, 5, rng=0)
    X, t, X_val, t_val = problem.X_train, problem.t_train, problem.X_val, problem.t_val
    x = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])

    def solution(x):
        return np.linalg.solve(X.T @ X / len(t) + np.diag(np.exp(x)), X.T @ t / len(t))

    def phi(x):
        return 0.5 * np.mean((X_val @ solution(x) - t_val) ** 2)

    def difference(s):
        return np.array([(phi(x + s * e) - phi(x - s * e)) / (2 * s) for e in np.eye(5)])

    true = ridge_hypergradient(X, t, X_val, t_val, x, solution(x))
    central = np.array([difference(s) for s in steps])
    extrapolated = np.array([(4 * difference(s) - difference(2 * s)) / 3 for s in steps])
    return np.linalg.norm(np.stack([central, extrapolated]) - true, axis=2) / np.linalg.norm(true)


def verify():
    # 1: closed form against the formula, and where the minimum lies
    for t, t_val, x in ((2.0, 1.0, 0.3), (2.0, 5.0, -1.0), (-1.0, 0.5, 2.0)):
        y, _, derivative = scalar(t, t_val, x)
        ones = np.ones((1, 1))
        h = ridge_hypergradient(ones, np.array([t]), ones, np.array([t_val]), np.array([x]), np.array([y]))
        assert np.isclose(h[0], derivative, rtol=1e-13)
    xs = np.linspace(-20, 20, 4001)
    best = [xs[np.argmin(scalar(2.0, t_val, xs)[1])] for t_val in (3.0, 2.0, 0.5, -1.0)]
    assert best[0] == best[1] == xs[0] and best[3] == xs[-1]
    assert abs(best[2] - np.log(2.0 / 0.5 - 1)) < 0.01

    # 2: against proven cases, at points y that are not y*(x)
    from lancbio_ref import oracle

    for number in range(1, 10):
        case = oracle.load(f"ridge-{number:03}")
        data, x, y = case.problem["data"], np.asarray(case.problem["x"]), np.asarray(case.problem["y"])
        h = ridge_hypergradient(data["X_train"], data["t_train"], data["X_val"], data["t_val"], x, y)
        proven = case.expected["h"].float64
        assert np.linalg.norm(h - proven) <= 1e-11 * np.linalg.norm(proven)

    # 3
    steps = np.logspace(-1, -10, 46)
    central, extrapolated = richardson(steps)
    best_c, best_r = np.argmin(central), np.argmin(extrapolated)
    assert steps[best_r] > 10 * steps[best_c]
    assert extrapolated[best_r] < 0.1 * central[best_c]
    falling = slice(0, 6)  # 0.1 to 0.01
    slopes = [np.polyfit(np.log(steps[falling]), np.log(e[falling]), 1)[0] for e in (central, extrapolated)]
    assert abs(slopes[0] - 2) < 0.2 and abs(slopes[1] - 4) < 0.4
    return dict(steps=(steps[best_c], steps[best_r]), errors=(central[best_c], extrapolated[best_r]), slopes=slopes)


if __name__ == "__main__":
    print(verify())
