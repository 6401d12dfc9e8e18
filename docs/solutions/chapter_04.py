"""Chapter 4: the Lanczos process.

1. (paper)  Let b = ξ₁w₁ + … + ξ_dw_d with unit eigenvectors w_i of different eigenvalues λ_i and all ξ_i ≠ 0
   (components in one eigenspace are one vector there). Then A^j b = Σ ξ_iλ_i^j w_i, so in the basis w the vectors b,
   Ab, …, A^{k−1}b have the coordinates diag(ξ)·V, V the d × k Vandermonde matrix of the λ_i. diag(ξ) is invertible
   and V has full rank min(k, d), since the λ_i differ. So dim K_k = min(k, d), and nothing depends on n or on
   multiplicities. For k ≤ d the vectors q₁ … q_k exist, that is β₂, …, β_d ≠ 0 (they are norms: > 0). K_d = K_{d+1}
   contains A q_d, so w_d, being orthogonal to K_d, is 0: β_{d+1} = 0.
   Simple eigenvalues: let T_k s = θs. Row 1 is (α₁ − θ)s₁ + β₂s₂ = 0, row j gives s_{j+1} from s_{j−1} and s_j, as
   β_{j+1} > 0. So s₁ determines s, and the eigenvectors of θ form a line. T_k is symmetric: θ is simple. (This holds
   for k = d too.)

2. (code)  `lanczos` orthogonalizes twice against all of Q and ends where β is of rounding size. `tridiagonal_solve`
   is L D Lᵀ; a pivot that is not positive says that T is not positive definite.

3. (experiment)  While ε ≤ μ = 1 every A_j is positive semidefinite. That does not make T positive definite, as the
   example of the chapter with two 2 × 2 matrices shows, but random E_j do not conspire as those do. Shares of 50 runs:

       ε        0.1   0.3    1     3     10    30
       share     0     0     0    0.08  0.98   1

   So here A may move by μ in every step without harm; by 3μ some runs fail, and by 10μ nearly all.
"""

import numpy as np


def lanczos(A, q1, k):
    """alpha, beta, Q of k steps, or of fewer where the space is invariant."""
    n = len(q1)
    Q = np.zeros((n, min(k, n)))
    alpha, beta = [], []
    q = q1 / np.linalg.norm(q1)
    size = 0.0
    for j in range(min(k, n)):
        Q[:, j] = q
        u = A @ q
        if j:
            u = u - beta[-1] * Q[:, j - 1]
        alpha.append(q @ u)
        w = u - alpha[-1] * q
        for _ in range(2):
            w = w - Q[:, : j + 1] @ (Q[:, : j + 1].T @ w)
        beta.append(np.linalg.norm(w))
        size = max(size, np.hypot(alpha[-1], beta[-1]))
        if beta[-1] <= (n + 10) * 2.0**-53 * size:
            break
        q = w / beta[-1]
    return np.array(alpha), np.array(beta), Q[:, : len(alpha)]


def tridiagonal_solve(alpha, beta, r):
    """T x = r by L D Lᵀ; LinAlgError where T is not positive definite."""
    k = len(alpha)
    d, lower, x = np.array(alpha, dtype=float), np.zeros(k), np.array(r, dtype=float)
    for j in range(k):
        if j:
            lower[j] = beta[j - 1] / d[j - 1]
            d[j] -= lower[j] * beta[j - 1]
            x[j] -= lower[j] * x[j - 1]
        if not d[j] > 0:
            raise np.linalg.LinAlgError(f"pivot {j + 1} is {d[j]}: T is not positive definite")
    x /= d
    for j in range(k - 1, 0, -1):
        x[j - 1] -= lower[j] * x[j]
    return x


def indefinite_share(epsilons, runs=50, n=50, steps=20):
    """For each ε, the share of runs whose T_20 of the moving matrix A + εE_j is not positive definite."""
    from scipy.linalg import lapack

    from lancbio_ref import LanczosProcess

    rng = np.random.default_rng(0)
    counts = np.zeros(len(epsilons))
    for _ in range(runs):
        W = np.linalg.qr(rng.standard_normal((n, n)))[0]
        A = (W * np.linspace(1, 100, n)) @ W.T
        b = rng.standard_normal(n)
        E = rng.standard_normal((steps, n, n))
        E = E + E.transpose(0, 2, 1)
        E /= np.abs(np.linalg.eigvalsh(E)).max(axis=1)[:, None, None]
        for i, epsilon in enumerate(epsilons):
            process = LanczosProcess(b)
            for j in range(steps):
                process.step(A + epsilon * E[j])
            counts[i] += lapack.dptsv(process.alpha, process.beta[:-1], np.ones(steps))[-1] > 0
    return counts / runs


def verify():
    # 1: a start in three eigenspaces, one of them of dimension 4
    A = np.diag([1.0, 2.0, 2.0, 2.0, 2.0, 5.0, 7.0])
    alpha, beta, _ = lanczos(A, np.array([1.0, 1.0, 2.0, 0.0, -1.0, 3.0, 0.0]), 7)
    assert len(alpha) == 3 and (beta[:2] > 0.1).all() and beta[2] < 1e-14
    T = np.diag(alpha) + np.diag(beta[:-1], 1) + np.diag(beta[:-1], -1)
    assert np.allclose(np.linalg.eigvalsh(T), [1, 2, 5], rtol=1e-14)

    # 2
    from lancbio_ref import lanczos as theirs
    from lancbio_ref import oracle

    for name in ("quadratic-001", "strakos-001", "bcsstk01-001", "clusters-001"):
        case = oracle.load(name)
        A, q1, k = case.inputs["A"], case.inputs["q1"], case.inputs["k"]
        A = A.toarray() if hasattr(A, "toarray") else A
        alpha, beta, Q = lanczos(A, q1, k)
        proven = case.expected["alpha"].float64, case.expected["beta"].float64
        for i, admissible in enumerate(case.admissible["lanczos"][: len(alpha)]):
            if admissible is not None:
                assert max(abs(alpha[i] - proven[0][i]), abs(beta[i] - proven[1][i])) <= admissible * case.L
        assert np.linalg.norm(np.eye(Q.shape[1]) - Q.T @ Q, 2) < 1e-14
    rng = np.random.default_rng(0)
    run = theirs(np.diag(np.linspace(1, 100, 50)), rng.standard_normal(50), 30)
    x = tridiagonal_solve(run.alpha, run.beta[:-1], np.ones(30))
    assert np.allclose(run.T @ x, 1, rtol=0, atol=1e-13)
    assert np.array_equal(tridiagonal_solve(np.array([4.0]), np.zeros(0), np.array([2.0])), [0.5])
    try:
        tridiagonal_solve(np.array([1.0, 1.0]), np.array([2.0]), np.ones(2))
    except np.linalg.LinAlgError:
        pass
    else:
        raise AssertionError("an indefinite T was accepted")

    # 3
    epsilons = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
    share = indefinite_share(epsilons)
    assert (share[:3] == 0).all() and 0 < share[3] < 0.3 and share[4] > 0.8 and share[5] == 1
    return dict(zip(epsilons, share, strict=True))


if __name__ == "__main__":
    print(verify())
