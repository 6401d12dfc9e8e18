"""A LancBiO iteration against the products and gradients that it is made of, and where fifty of them lead.

`overhead`: the synthetic problem at the published settings (θ = η = 1/κ, N = 5, m to 80 by 1.1 every 20), dense. The
problem's callables measure their own time; what is left of an iteration is the method's.

`sequence`: logistic regression, fifty steps of x by one rule, with the hyper-gradient by four ways, each held to a true
error of 1e-4 at every step: products of A and seconds.
"""

from common import part, spread


def measure(threads: int) -> dict:
    return dict(overhead=[overhead(n) for n in (100, 1000, 10_000)], sequence=sequence())


def overhead(n: int) -> dict:
    import time

    import numpy as np
    from scipy.sparse.linalg import aslinearoperator

    from lancbio_ref import BilevelProblem, LancBiO, LowerLevel, SubspaceSchedule, UpperLevel, problems

    kappa = 100.0
    if n <= 1000:
        problem = problems.synthetic(n, kappa, rng=0)
    else:  # the orthogonal factor of a Gaussian 10⁴ × 10⁴ matrix takes minutes, and any matrix costs the same
        rng = np.random.default_rng(0)
        G = rng.standard_normal((n, n)) * (0.2 / np.sqrt(n))
        G = (G + G.T) / 2
        G[np.arange(n), np.arange(n)] += 2.0
        problem = problems.synthetic_from_arrays(
            rng.uniform(-5, 5, n), rng.uniform(0.1, 1.1, n), rng.uniform(0, 0.5, n), aslinearoperator(G), 0.5, mu=1.0
        )
    spent = [0.0]

    def timed(function):
        def run(*arguments):
            start = time.perf_counter()
            out = function(*arguments)
            spent[0] += time.perf_counter() - start
            return out

        return run

    lower, upper = problem.lower, problem.upper

    def operator(make):
        def run(x, y):
            start = time.perf_counter()
            inner = make(x, y)
            inner._matvec = timed(inner._matvec)
            spent[0] += time.perf_counter() - start
            return inner

        return run

    clocked = BilevelProblem(
        UpperLevel(value=upper.value, grad_x=timed(upper.grad_x), grad_y=timed(upper.grad_y)),
        LowerLevel(grad_y=timed(lower.grad_y), hessian=operator(lower.hessian), cross=operator(lower.cross)),
    )
    method = LancBiO(step_x=1e-3, step_y=1 / kappa, inner_steps=5, subspace=SubspaceSchedule(1, 1.1, 20, 80))
    x, y, v = problem.initial_point(rng=1)
    state = method.init(clocked, x, y, v, np.random.default_rng(0))
    total, own = [], []
    for k in range(600 if n <= 1000 else 40):
        spent[0] = 0.0
        start = time.perf_counter()
        state = method.step(clocked, state)
        seconds = time.perf_counter() - start
        if k >= (100 if n <= 1000 else 5):
            total.append(seconds)
            own.append(seconds - spent[0])
    return dict(n=n, m=state.m, iteration=spread(total), own=spread(own))


def sequence() -> dict:
    import time
    from dataclasses import replace

    import numpy as np
    from scipy.sparse.linalg import LinearOperator, cg

    from lancbio_ref import lower_solution, problems
    from lancbio_ref.methods import LancBiO

    rng = np.random.default_rng(0)
    n, p, K, target, step = 5000, 200, 50, 1e-4, 5.0
    X, Xv = rng.standard_normal((n, p)), rng.standard_normal((n // 4, p))
    X *= 10.0 ** rng.uniform(-0.5, 0.5, p)
    w = rng.standard_normal(p) / np.sqrt(p)
    t, tv = ((Z @ w + 0.5 * rng.standard_normal(len(Z)) > 0).astype(int) for Z in (X, Xv))
    problem = problems.logistic(X, t, Xv, tv, weights="feature")
    x0 = np.full(p, -2.0)
    # the path of x, of y*(x) and the exact hyper-gradients, the same for all
    path, x, y = [], x0, np.zeros(p)
    for _ in range(K):
        y = lower_solution(problem, x, y, tol=1e-10).y
        h = problem.linearize(x, y).hypergradient(rtol=1e-13).value
        path.append((x, y, h))
        x = x - step * h
    rows = []

    def run(name, hypergradient):
        """The loosest tolerance of a decade's thirds with which every step is accurate enough."""
        for rtol in 10.0 ** -np.arange(1, 9, 1 / 3):
            products, seconds, worst, memory = 0, 0.0, 0.0, None
            for x, y, exact in path:
                point = problem.linearize(x, y)
                start = time.perf_counter()
                h, used, memory = hypergradient(point, rtol, memory)
                seconds += time.perf_counter() - start
                products += used
                worst = max(worst, float(np.linalg.norm(h - exact) / np.linalg.norm(exact)))
            if worst <= target:
                rows.append(dict(name=name, rtol=rtol, products=products, seconds=seconds, worst=worst))
                return
        rows.append(dict(name=name, rtol=None, products=products, seconds=seconds, worst=worst))

    def with_cg(warm):
        def one(point, rtol, v0):
            used = [0]

            def product(v):
                used[0] += 1
                return point.A.matvec(v)

            A = LinearOperator(point.A.shape, product, dtype=float)
            v, _ = cg(A, point.b, v0 if warm else None, rtol=rtol)
            return point.c - point.J.matvec(v), used[0], v

        return one

    def with_lanczos(warm):
        def one(point, rtol, v0):
            found = point.hypergradient(rtol=rtol, v0=v0 if warm else None)
            return found.value, found.n_hvp, found.v

        return one

    run("cold CG", with_cg(False))
    run("warm CG", with_cg(True))
    run("Lanczos with a certificate, cold", with_lanczos(False))
    run("Lanczos with a certificate, warm", with_lanczos(True))
    # LancBiO has no tolerance: on the same path, y given, the largest error after m steps of one subspace
    for m in (1, 5, 10, 20, 40):
        method = LancBiO(step_x=step, step_y=1e-300, inner_steps=1, subspace=m)
        state = method.init(problem, x0, path[0][1], np.zeros(p), rng)
        errors, seconds = [], 0.0
        for x, y, exact in path:
            state = replace(state, x_next=x, y=y)
            start = time.perf_counter()
            state = method.step(problem, state)
            seconds += time.perf_counter() - start
            errors.append(float(np.linalg.norm(state.h - exact) / np.linalg.norm(exact)))
        rows.append(dict(name=f"LancBiO, m = {m}", rtol=None, products=state.n_hvp, seconds=seconds, worst=max(errors),
                         last=errors[-1], median=float(np.median(errors))))  # fmt: skip
    return dict(n=n, p=p, K=K, target=target, rows=rows)


if __name__ == "__main__":
    part(measure)
