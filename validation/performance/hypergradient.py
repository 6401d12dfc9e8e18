"""A hyper-gradient of logistic regression with one exp(x_j) ridge a feature, y* fixed, by us and by the peers.

Everyone solves the same system to a relative residual of 1e-6 from zero and is held to the same true error: a time is
void where the error is more than three times that of the others. Ours includes the certificate. "columns of many
scales" has features whose sizes differ by 10^±1: there the preconditioner diag(A)⁻¹ matters. "five folds" are five
problems of their own, one after the other. *NumPy closed form* forms A and solves, which is no rival but at the small
end; it is left out where A has more than 2000 rows.
"""

import warnings

from common import interleaved, part

RTOL = 1e-6
CASES = {  # samples, features, nonzeros, whether columns differ in scale
    "dense 200 × 20": (200, 20, None, False),
    "dense 2000 × 100": (2000, 100, None, False),
    "dense 6000 × 300": (6000, 300, None, False),
    "dense 20000 × 500": (20000, 500, None, False),
    "dense 5000 × 2000": (5000, 2000, None, False),
    "dense 20000 × 500, columns of many scales": (20000, 500, None, True),
    "CSR 11000 × 30000, 1e6 nonzeros": (11000, 30000, 10**6, False),
}
FOLDS = 5
LARGEST_FORMED = 2000


def measure(threads: int) -> dict:
    import multinomial
    import numpy as np

    from lancbio_ref import hypergradient

    def exact(problem, x, y):
        return hypergradient(problem, x, y, rtol=1e-14).value

    rows = []
    cases = {name: [lambda spec=spec: candidates(threads, *spec)] for name, spec in CASES.items()}
    cases["multinomial 600 × 65 × 10"] = [lambda: multinomial.candidates(threads, RTOL)]
    cases[f"{FOLDS} folds of dense 2000 × 100"] = [
        lambda seed=seed: candidates(threads, 2000, 100, None, False, seed=seed) for seed in range(FOLDS)
    ]
    for name, makers in cases.items():
        made = [make() for make in makers]
        truth = np.concatenate([exact(problem, x, y) for problem, x, y, _ in made])
        functions, errors = {}, {}
        for label in made[0][-1]:
            function = one_after_the_other([parts[label] for *_, parts in made])
            try:
                h = np.concatenate([np.asarray(part) for part in function()])
            except Exception as error:  # a peer that cannot run is said so in the report
                errors[label] = f"{type(error).__name__}: {error}"[:200]
                continue
            functions[label] = function
            errors[label] = float(np.linalg.norm(h - truth) / np.linalg.norm(truth))
        rows.append(dict(case=name, errors=errors, times=interleaved(functions, seconds=6)))
    return dict(rows=rows, rtol=RTOL)


def one_after_the_other(functions):
    return lambda: [function() for function in functions]


def candidates(threads, n, p, nonzeros, scaled, *, seed=0, peers=True):
    """The problem, x, y, and name → function that gives a hyper-gradient; without `peers`, none that needs an extra."""
    import numpy as np
    import scipy.sparse as sp
    from scipy.sparse.linalg import LinearOperator, cg
    from scipy.special import expit

    from lancbio_ref import hypergradient, lower_solution, problems
    from lancbio_ref.operators import jacobi

    rng = np.random.default_rng(seed)
    m = n // 4
    scale = 10.0 ** rng.uniform(-1, 1, p) if scaled else np.ones(p)

    def samples(count):
        if nonzeros:
            return sp.random_array((count, p), density=nonzeros / (n * p), rng=rng, format="csr")
        return rng.standard_normal((count, p)) * scale

    X, Xv = samples(n), samples(m)
    truth = rng.standard_normal(p) / np.sqrt(p) / scale
    t, tv = ((Z @ truth + 0.5 * rng.standard_normal(Z.shape[0]) > 0).astype(int) for Z in (X, Xv))
    x = rng.normal(-2.0, 0.3, p)
    problem = problems.logistic(X, t, Xv, tv, weights="feature")
    y = lower_solution(problem, x, np.zeros(p), tol=1e-9).y
    s, sv, D, XT, XvT = 2.0 * t - 1, 2.0 * tv - 1, np.exp(x) / p, X.T, Xv.T

    def ours():
        return hypergradient(problem, x, y, rtol=RTOL).value

    def ours_none():
        return hypergradient(problem, x, y, rtol=RTOL, reorthogonalization="none").value

    def ours_jacobi():
        point = problem.linearize(x, y)
        return point.replaced(M=jacobi(point.A)).hypergradient(rtol=RTOL).value

    def scipy_cg():
        sigma = expit(X @ y)
        d, b = sigma * (1 - sigma) / n, XvT @ (-sv * expit(-sv * (Xv @ y)) / m)
        A = LinearOperator((p, p), matvec=lambda v: XT @ (d * (X @ v)) + D * v, dtype=float)
        return -D * y * cg(A, b, rtol=RTOL)[0]

    def closed_form():
        sigma = expit(X @ y)
        b, A = XvT @ (-sv * expit(-sv * (Xv @ y)) / m), XT @ ((sigma * (1 - sigma) / n)[:, None] * X)
        A[np.diag_indices(p)] += D
        return -D * y * np.linalg.solve(A, b)

    functions = {
        "lancbio_ref": ours,
        "lancbio_ref, none": ours_none,
        "lancbio_ref, diag(A)⁻¹": ours_jacobi,
        "NumPy product + SciPy cg": scipy_cg,
    }
    if not nonzeros and p <= LARGEST_FORMED:
        functions["NumPy closed form"] = closed_form
    if peers:
        functions |= jax_candidates(X, s, Xv, sv, x, y) | torch_candidates(threads, X, s, Xv, sv, x, y)
    return problem, x, y, functions


def jax_candidates(X, s, Xv, sv, x, y):
    """jaxopt and lineax: g and f as formulas, derivatives by JAX, everything jitted."""
    try:
        import jax
        import jax.numpy as jnp
        import numpy as np
        from jaxopt import implicit_diff, linear_solve
    except ImportError:
        return {}
    try:
        import lineax
    except ImportError:
        lineax = None
    p, counts = y.size, {"train": X.shape[0], "validation": Xv.shape[0]}

    def arrays(Z):
        if isinstance(Z, type(y)):
            return (Z,)
        return Z.data, Z.indices, np.repeat(np.arange(Z.shape[0]), np.diff(Z.indptr))

    def times(data, name, v):
        if len(data[name]) == 1:
            return data[name][0] @ v
        entries, columns, rows = data[name]
        return jax.ops.segment_sum(entries * v[columns], rows, counts[name], indices_are_sorted=True)

    def g(y, x, data):
        return jnp.mean(jnp.logaddexp(0.0, -data["s"] * times(data, "train", y))) + 0.5 * jnp.sum(
            jnp.exp(x) / p * y * y
        )

    def f(y, data):
        return jnp.mean(jnp.logaddexp(0.0, -data["sv"] * times(data, "validation", y)))

    def jaxopt_cg(x, y, data):
        def solve(matvec, b, **_):
            return linear_solve.solve_cg(matvec, b, tol=RTOL)

        return implicit_diff.root_vjp(jax.grad(g), y, (x, data), jax.grad(f)(y, data), solve=solve)[0]

    def lineax_cg(x, y, data):
        b = jax.grad(f)(y, data)
        A = lineax.FunctionLinearOperator(
            lambda v: jax.jvp(lambda z: jax.grad(g)(z, x, data), (y,), (v,))[1],
            jax.ShapeDtypeStruct(b.shape, b.dtype),
            lineax.positive_semidefinite_tag,
        )
        # lineax stops where norm(r/(atol + rtol |b|)) < 1: with this atol and norm, where ‖r‖ < RTOL ‖b‖
        solver = lineax.CG(rtol=0.0, atol=tolerance, norm=lambda r: jnp.sqrt(jnp.mean(r * r)))
        v = lineax.linear_solve(A, b, solver, throw=False).value
        return -jax.vjp(lambda x: jax.grad(g)(y, x, data), x)[1](v)[0]

    data = jax.tree.map(jnp.asarray, {"train": arrays(X), "validation": arrays(Xv), "s": s, "sv": sv})
    x, y = jnp.asarray(x), jnp.asarray(y)
    tolerance = RTOL * float(jnp.linalg.norm(jax.grad(f)(y, data))) / p**0.5
    fast = {"jaxopt root_vjp(solve_cg)": jax.jit(jaxopt_cg), "lineax CG": jax.jit(lineax_cg)}
    if lineax is None or not isinstance(X, np.ndarray):
        del fast["lineax CG"]  # its closure would be folded as constants for minutes
    return {label: lambda run=run: run(x, y, data).block_until_ready() for label, run in fast.items()}


def torch_candidates(threads, X, s, Xv, sv, x, y):
    """cg with products of PyTorch's tensors, and torchopt's solve_cg with PyTorch's double backward; dense only."""
    try:
        import torch
    except ImportError:
        return {}
    if not isinstance(X, type(y)):
        return {}
    torch.set_num_threads(threads)
    (n, p), m = X.shape, Xv.shape[0]
    X, s, Xv, sv, x, y = (torch.tensor(a, dtype=torch.float64) for a in (X, s, Xv, sv, x, y))

    def products():
        sigma, D = torch.sigmoid(X @ y), torch.exp(x) / p
        d, b = sigma * (1 - sigma) / n, Xv.T @ (-sv * torch.sigmoid(-sv * (Xv @ y)) / m)
        v, r = torch.zeros_like(b), b.clone()
        q, rr = r.clone(), torch.dot(r, r)
        enough = RTOL**2 * rr
        while rr > enough:
            Aq = X.T @ (d * (X @ q)) + D * q
            step = rr / torch.dot(q, Aq)
            v, r = v + step * q, r - step * Aq
            before, rr = rr, torch.dot(r, r)
            q = r + (rr / before) * q
        return (-D * y * v).numpy()

    return {"PyTorch products + cg": products} | torchopt_candidates(X, s, Xv, sv, x, y)


def torchopt_candidates(X, s, Xv, sv, x, y):
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from torchopt.linear_solve import solve_cg
    except ImportError:
        return {}
    p = y.numel()

    def run():
        z, w = y.clone().requires_grad_(), x.clone().requires_grad_()
        g = torch.nn.functional.softplus(-s * (X @ z)).mean() + 0.5 * (torch.exp(w) / p * z * z).sum()
        (gradient,) = torch.autograd.grad(g, z, create_graph=True)
        u = y.clone().requires_grad_()
        (b,) = torch.autograd.grad(torch.nn.functional.softplus(-sv * (Xv @ u)).mean(), u)
        v = solve_cg(rtol=RTOL, atol=0.0)(
            lambda v: torch.autograd.grad(gradient, z, v, retain_graph=True)[0], b
        )  # fmt: skip
        return -torch.autograd.grad(gradient, w, v)[0].detach().numpy()

    return {"torchopt solve_cg": run}


if __name__ == "__main__":
    part(measure)
