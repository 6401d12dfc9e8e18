"""A hyper-gradient of data cleaning, 600 × 65 × 10: one weight a sample, ten classes, y* fixed; ours and the peers'.

    g(x, y) = Σ_i w_i CE_i(y) + ½ λ‖y‖²,  w_i = σ(x_i)/n,    f(y) = mean_i CE_i(y) on validation data
    A V = (w ∘ (P ∘ S − P Σ_c P ∘ S))ᵀ X + λ V,  S = X Vᵀ      ∇φ_i = −w_i(1 − σ(x_i)) (P_i − e_{l_i})ᵀ (V x_i)

P = softmax(X yᵀ); the peers have the same formulas in their own arrays, jaxopt the derivatives that JAX makes.
"""

from __future__ import annotations

SAMPLES, FEATURES, CLASSES, RIDGE = 600, 64, 10, 1e-3  # one column more for the bias


def candidates(threads, rtol, *, samples=SAMPLES, features=FEATURES, classes=CLASSES, seed=0):
    """The problem, x, y, and name → function that gives a hyper-gradient."""
    import numpy as np
    from scipy.sparse.linalg import LinearOperator, cg
    from scipy.special import expit, softmax

    from lancbio_ref import hypergradient, lower_solution, problems

    rng = np.random.default_rng(seed)
    X, Xv = rng.standard_normal((samples, features)), rng.standard_normal((samples // 2, features))
    truth = rng.standard_normal((features, classes))
    labels, labels_v = (np.argmax(Z @ truth + rng.standard_normal((len(Z), classes)), axis=1) for Z in (X, Xv))
    problem = problems.data_cleaning(X, labels, Xv, labels_v, n_classes=classes, regularization=RIDGE / 2)
    x = rng.standard_normal(samples)
    y = lower_solution(problem, x, np.zeros(problem.n_y), tol=1e-9).y
    X1, Xv1 = (np.column_stack([Z, np.ones(len(Z))]) for Z in (X, Xv))
    one_hot, one_hot_v = (np.eye(classes)[kind] for kind in (labels, labels_v))
    shape = classes, features + 1

    def at_point():
        s, Y = expit(x), y.reshape(shape)
        P, w = softmax(X1 @ Y.T, axis=1), (s / samples)[:, None]
        b = ((softmax(Xv1 @ Y.T, axis=1) - one_hot_v).T @ Xv1).ravel() / len(Xv1)
        return s, P, w, b

    def hyper(s, P, v):
        return -s * (1 - s) / samples * np.einsum("ic,ic->i", P - one_hot, X1 @ v.reshape(shape).T)

    def scipy_cg():
        s, P, w, b = at_point()

        def product(v):
            PS = P * (X1 @ v.reshape(shape).T)
            return ((w * (PS - P * PS.sum(axis=1, keepdims=True))).T @ X1).ravel() + RIDGE * v

        A = LinearOperator((b.size, b.size), matvec=product, dtype=float)
        return hyper(s, P, cg(A, b, rtol=rtol)[0])

    def closed_form():
        s, P, w, b = at_point()
        A = np.empty((*shape, *shape))
        for c in range(classes):
            for k in range(c + 1):
                weights = w[:, 0] * P[:, c] * ((c == k) - P[:, k])
                A[c, :, k] = X1.T @ (weights[:, None] * X1)
                A[k, :, c] = A[c, :, k]  # each block is symmetric
        A = A.reshape(b.size, b.size)
        A[np.diag_indices(b.size)] += RIDGE
        return hyper(s, P, np.linalg.solve(A, b))

    functions = {
        "lancbio_ref": lambda: hypergradient(problem, x, y, rtol=rtol).value,
        "lancbio_ref, none": lambda: hypergradient(problem, x, y, rtol=rtol, reorthogonalization="none").value,
        "NumPy product + SciPy cg": scipy_cg,
        "NumPy closed form": closed_form,
    }
    return problem, x, y, functions | jax_candidates(X1, one_hot, Xv1, one_hot_v, x, y, rtol)


def jax_candidates(X, one_hot, Xv, one_hot_v, x, y, rtol):
    """jaxopt, jitted."""
    try:
        import jax
        import jax.numpy as jnp
        from jaxopt import implicit_diff, linear_solve
    except ImportError:
        return {}
    shape = one_hot.shape[1], X.shape[1]

    def losses(y, Z, hot):
        logits = Z @ y.reshape(shape).T
        return jax.nn.logsumexp(logits, axis=1) - (logits * hot).sum(axis=1)

    def g(y, x, data):
        return jnp.mean(jax.nn.sigmoid(x) * losses(y, data[0], data[1])) + 0.5 * RIDGE * jnp.sum(y * y)

    def f(y, data):
        return jnp.mean(losses(y, data[2], data[3]))

    @jax.jit
    def jaxopt_cg(x, y, data):
        def solve(matvec, b, **_):
            return linear_solve.solve_cg(matvec, b, tol=rtol)

        return implicit_diff.root_vjp(jax.grad(g), y, (x, data), jax.grad(f)(y, data), solve=solve)[0]

    x, y, data = jnp.asarray(x), jnp.asarray(y), tuple(jnp.asarray(a) for a in (X, one_hot, Xv, one_hot_v))
    return {"jaxopt root_vjp(solve_cg)": lambda: jaxopt_cg(x, y, data).block_until_ready()}
