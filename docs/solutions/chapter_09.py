"""Solutions of chapter 9, your own problem.

1. (a) E A_B⁻¹ = ½(1/(a − s) + 1/(a + s)) = a/(a² − s²) = (1/a) · 1/(1 − s²/a²). For s = a/2 that is 4/3 of 1/a: a
   third too large, however many batches are averaged; and s²/a², the relative variance, is what it comes from.

   (b) Take means: E[A_B v] = A E[v], since B is drawn independently of v. So E v ← E v − η(A E v − b), whose only
   fixed point is A⁻¹b: no bias. (It is approached if |1 − ηλ| < 1 for all eigenvalues of A; the variance of v stays
   at the order of η.)

2. `hypergradient` below. Where A is not symmetric positive definite there is no minimizer y*, at least none that the
   formula belongs to, and a number would be worse than none: it raises. Cholesky notices by itself, but reads one
   triangle only, hence the test of symmetry.

3. To first order E_B = v + C s_B with s_B = 1/|B| − 1/N. The combination w = (s_20 E_40 − s_40 E_20)/(s_20 − s_40)
   has s_20 s_40 − s_40 s_20 = 0 in place of s_B. With N = 200, s_20 = 0.045 and s_40 = 0.02: w = 1.8 E_40 − 0.8 E_20.
   In 20 000 draws the relative bias is 0.245 for |B| = 20, 0.10 for 40, 0.055 for 60, and 0.02 for w, of the next
   order in 1/|B|. So w has a third of the bias of one batch of 60. It pays with variance, 1.8² Var E_40 + 0.8² Var
   E_20 a draw, ten times that of a batch of 60: it needs ten times the draws for the same noise, a good bargain only
   where the bias is what is in the way.
"""

import numpy as np


def hypergradient(A, J, b, c):
    """h = c − J A⁻¹b by a Cholesky factorization; raises where A is not symmetric positive definite."""
    A = np.asarray(A, dtype=float)
    if not np.array_equal(A, A.T):
        raise ValueError("A is not symmetric")
    low = np.linalg.cholesky(A)
    z = np.array(b, dtype=float)
    for i in range(len(z)):  # L z = b
        z[i] = (z[i] - low[i, :i] @ z[:i]) / low[i, i]
    for i in range(len(z) - 1, -1, -1):  # Lᵀ v = z
        z[i] = (z[i] - low[i + 1 :, i] @ z[i + 1 :]) / low[i, i]
    return c - J @ z


def inverses(size, draws, rng, N=200, p=5):
    """A_B⁻¹b for so many batches, and A⁻¹b, of the ridge problem of the chapter."""
    data = np.random.default_rng(1)
    X, X_val, truth = data.standard_normal((N, p)), data.standard_normal((N, p)), data.standard_normal(p)
    t, t_val = X @ truth + data.standard_normal(N), X_val @ truth + data.standard_normal(N)
    ridge = np.exp(-2.0) * np.eye(p)
    A = X.T @ X / N + ridge
    b = X_val.T @ (X_val @ np.linalg.solve(A, X.T @ t / N) - t_val) / N
    rows = np.argpartition(rng.random((draws, N), dtype=np.float32), size, axis=1)[:, :size]
    X_B = X[rows]
    A_B = X_B.transpose(0, 2, 1) @ X_B / size + ridge
    return np.linalg.solve(A_B, np.broadcast_to(b, (draws, p))[..., None])[..., 0], np.linalg.solve(A, b)


def extrapolation(draws=20000):
    """Relative bias of the means for 20, 40 and 60, and of their combination w; the standard error of w; variances."""
    rng, N, means, variances = np.random.default_rng(5), 200, {}, {}
    for size in (20, 40, 60):
        found, v = inverses(size, draws, rng)
        means[size], variances[size] = found.mean(axis=0), found.var(axis=0).sum()
    s_20, s_40 = 1 / 20 - 1 / N, 1 / 40 - 1 / N
    means["w"] = (s_20 * means[40] - s_40 * means[20]) / (s_20 - s_40)
    variances["w"] = 1.8**2 * variances[40] + 0.8**2 * variances[20]
    bias = {size: np.linalg.norm(mean - v) / np.linalg.norm(v) for size, mean in means.items()}
    return bias, np.sqrt(variances["w"] / draws) / np.linalg.norm(v), variances


def verify():
    # 1 (a)
    a, s = 3.0, 1.5
    assert abs((1 / (a - s) + 1 / (a + s)) / 2 - (4 / 3) / a) < 1e-15
    # 1 (b): A_B = a ± s, many independent chains; their mean goes to b/a, not to the mean of the inverses
    rng, v, b = np.random.default_rng(0), np.zeros(20000), 1.0
    for _ in range(200):
        v = v - 0.05 * ((a + s * rng.choice([-1.0, 1.0], v.size)) * v - b)
    assert abs(v.mean() - b / a) < 5 * v.std() / np.sqrt(v.size) < 0.01

    # 2
    M = rng.standard_normal((6, 6))
    A, J, b, c = M @ M.T + np.eye(6), rng.standard_normal((3, 6)), rng.standard_normal(6), rng.standard_normal(3)
    A = (A + A.T) / 2
    assert np.allclose(hypergradient(A, J, b, c), c - J @ np.linalg.solve(A, b), atol=1e-12)
    for wrong in (-A, A + np.triu(np.ones((6, 6)), 1)):
        try:
            hypergradient(wrong, J, b, c)
        except (ValueError, np.linalg.LinAlgError):
            continue
        raise AssertionError("a matrix without an answer was accepted")

    # 3
    bias, noise, variances = extrapolation()
    for size, claimed in ((20, 0.245), (40, 0.10), (60, 0.055), ("w", 0.02)):
        assert abs(bias[size] - claimed) < 0.01, size
    assert noise < 0.01 and bias["w"] < bias[60] / 2 and 8 < variances["w"] / variances[60] < 12


if __name__ == "__main__":
    verify()
