"""Chapter 2: implicit differentiation.

1. (paper)  Let δ = y − y*. As ∇_y g(x, y*) = 0, Taylor gives ∇_y g(x, y) = Aδ + O(‖δ‖²), with A taken at y (the
   difference to A at y* is O(‖δ‖), and times δ it is O(‖δ‖²)). In the same way f(x, y) = φ(x) + bᵀδ + O(‖δ‖²), b at
   y. Hence f alone is off by bᵀδ, first order, and

       f(x, y) − vᵀ∇_y g(x, y) = φ(x) + (b − A v)ᵀδ + O(‖δ‖²),

   where A was moved to v by its symmetry. With A v = b the bracket is 0. If v solves the system with a residual r
   only, what is left is rᵀδ: it suffices that ‖r‖ = O(‖δ‖). So the value is had to second order from two
   approximations of first order; the v is the one that the hyper-gradient needs anyway.

2. (code)  `hypergradient`. A Cholesky factorization solves the system and says where A is not positive definite, in
   which case there is no answer. `inv` passes wherever there is an answer: on these cases it is about as
   accurate. It is three times the work, 2n³ operations instead of 2n³/3, and it answers also where A is indefinite,
   which the exercise does not ask. `lancbio-ref check --candidate` does, and names S24. With `J.T` where J is square
   it names H04.

3. (experiment)  The difference quotient has an error of τ² times third derivatives, and of rounding u/τ. Conjugate
   gradients pass it on to v, and v to h: slopes 2 and −1, a minimum at τ ≈ u^(1/3) ≈ 5e−6, and there an error of
   about u^(2/3) ≈ 2e−11, times constants. `verify` finds both slopes to 0.3, the minimum between 1e−6 and 1e−4, and
   an error between 1e−12 and 1e−9. The complex step gives 1e−13 or better at τ = 1e−30: nothing is subtracted,
   nothing is lost.
"""

import numpy as np


def hypergradient(A, J, b, c):
    """c − J A⁻¹ b; LinAlgError (a ValueError) where A is not symmetric positive definite."""
    if not np.array_equal(A, A.T):
        raise ValueError("A is not symmetric")
    scale = 2.0 ** -np.round(np.log2(np.diag(A)) / 2) if (np.diag(A) > 0).all() else np.ones(len(b))
    L = np.linalg.cholesky(scale[:, None] * A * scale)  # D A D = L Lᵀ with powers of two on the diagonal of D
    v = scale * np.linalg.solve(L.T, np.linalg.solve(L, scale * b))
    h = c - J @ v
    if not np.isfinite(h).all():
        raise ArithmeticError("the answer is outside of the range of float64")
    return h


class Logistic:
    """The problem of the chapter, at one x."""

    def __init__(self, n=200, m=200, p=60):
        rng = np.random.default_rng(0)
        self.X, self.X_val = rng.standard_normal((n, p)), rng.standard_normal((m, p))
        truth = rng.standard_normal(p)
        self.t = np.sign(self.X @ truth + rng.standard_normal(n))
        self.t_val = np.sign(self.X_val @ truth + rng.standard_normal(m))
        self.x = np.linspace(-3, 0, p)
        self.y = np.zeros(p)
        for _ in range(30):  # Newton
            self.y = self.y - np.linalg.solve(self.A(self.y), self.g_y(self.y))

    def f(self, y):
        return np.mean(np.logaddexp(0, -self.t_val * (self.X_val @ y)))

    def f_y(self, y):
        s = self.t_val * (self.X_val @ y)
        return self.X_val.T @ (-self.t_val / (1 + np.exp(s))) / len(s)

    def g_y(self, y):  # y may be complex
        s = self.t * (self.X @ y)
        return self.X.T @ (-self.t / (1 + np.exp(s))) / len(s) + np.exp(self.x) * y

    def A(self, y):
        s = self.X @ y
        d = 1 / ((1 + np.exp(s)) * (1 + np.exp(-s)))
        return (self.X.T * d) @ self.X / len(s) + np.diag(np.exp(self.x))

    def h(self, v):
        return -np.exp(self.x) * self.y * v


def cg(product, b, steps):
    v, r = 0 * b, b
    p, rr = r, r @ r
    for _ in range(steps):
        if rr == 0:  # v solves the system
            break
        Ap = product(p)
        gamma = rr / (p @ Ap)
        v, r = v + gamma * p, r - gamma * Ap
        rr, old = r @ r, rr
        p = r + rr / old * p
    return v


def value_errors(problem, sizes):
    """Errors of f(x, y) and of f(x, y) − vᵀ∇_y g(x, y), for y = y* + size·e."""
    e = np.ones(problem.y.size) / np.sqrt(problem.y.size)
    rows = []
    for size in sizes:
        y = problem.y + size * e
        v = np.linalg.solve(problem.A(y), problem.f_y(y))
        plain = problem.f(y) - problem.f(problem.y)
        rows.append([abs(plain), abs(plain - v @ problem.g_y(y))])
    return np.array(rows).T


def difference_errors(problem, taus):
    """Relative error of h when conjugate gradients multiply by the difference quotient; by the complex step, last."""
    y, b = problem.y, problem.f_y(problem.y)
    true = problem.h(np.linalg.solve(problem.A(y), b))

    def quotient(tau):
        return lambda s: (problem.g_y(y + tau * s) - problem.g_y(y - tau * s)) / (2 * tau)

    def unit(product):  # the step is τ along a vector of length 1
        return lambda s: np.linalg.norm(s) * product(s / np.linalg.norm(s))

    products = [unit(quotient(tau)) for tau in taus] + [lambda s: problem.g_y(y + 1e-30j * s).imag / 1e-30]
    errors = [np.linalg.norm(problem.h(cg(product, b, 45)) - true) / np.linalg.norm(true) for product in products]
    return np.array(errors[:-1]), errors[-1]


def verify_suspects():
    """What the oracle says of the two variants of exercise 2."""
    from lancbio_ref import oracle
    from lancbio_ref.oracle.candidates import CallableCandidate
    from lancbio_ref.oracle.check import check
    from lancbio_ref.oracle.report import text_report

    def inverse(case):
        return case["c"] - case["J"] @ (np.linalg.inv(case["A"]) @ case["b"])

    def transposed(case):
        J = case["J"].T if case["J"].shape[0] == case["J"].shape[1] else case["J"]
        return case["c"] - J @ np.linalg.solve(case["A"], case["b"])

    names = ["indefinite-006", "indefinite-007", "bcsstk01-001", "synthetic-001", "synthetic-002", "synthetic-003"]
    vectors = [v for v in oracle.vectors() if v.id in names]
    report = {f: text_report(check(CallableCandidate(f), ["hypergradient"], vectors)) for f in (inverse, transposed)}
    assert "S24" in report[inverse] and "wrong by" not in report[inverse]
    assert "H04" in report[transposed]


def verify():
    verify_suspects()
    problem = Logistic()
    sizes = np.logspace(-1, -4, 13)
    plain, corrected = value_errors(problem, sizes)
    slopes = [np.polyfit(np.log(sizes), np.log(e), 1)[0] for e in (plain, corrected)]
    assert abs(slopes[0] - 1) < 0.1 and abs(slopes[1] - 2) < 0.1

    from lancbio_ref import oracle

    for name in ("quadratic-001", "scalar-001", "logistic-001", "bcsstk01-001"):
        case = oracle.load(name)
        A, J, b, c = (case.inputs[k] for k in ("A", "J", "b", "c"))
        A = A.toarray() if hasattr(A, "toarray") else A
        proven = case.expected["h"].float64
        error = np.linalg.norm(hypergradient(A, J, b, c) - proven) / np.linalg.norm(proven)
        assert error <= case.admissible["hypergradient"]
    for A in (np.diag([1.0, -1.0]), np.array([[1.0, 2.0], [0.0, 1.0]])):
        try:
            hypergradient(A, np.eye(2), np.ones(2), np.ones(2))
        except ValueError:
            continue
        raise AssertionError("a case without an answer was answered")

    taus = np.logspace(-1, -12, 45)
    errors, complex_step = difference_errors(problem, taus)
    best = np.argmin(errors)
    assert 1e-6 < taus[best] < 1e-4 and 1e-12 < errors[best] < 1e-9
    large, small = (taus < 0.05) & (taus > 1e-3), (taus < 1e-7) & (taus > 1e-11)
    falls, grows = (np.polyfit(np.log(taus[w]), np.log(errors[w]), 1)[0] for w in (large, small))
    assert abs(falls - 2) < 0.3 and abs(grows + 1) < 0.3
    assert complex_step < 1e-13
    return dict(slopes=slopes, best=(taus[best], errors[best]), falls=falls, grows=grows, complex_step=complex_step)


if __name__ == "__main__":
    print(verify())
