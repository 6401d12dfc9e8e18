"""Solutions of chapter 6, knowing your error.

1. (a) Let z_1, z_n be unit eigenvectors of A for μ = λ_1 and L = λ_n.

   Right inequality, ‖e‖/‖v*‖ = κ‖r‖/‖b‖: take b = z_n and v = z_n/L − ε z_1. Then v* = z_n/L with ‖v*‖ = ‖b‖/L, e = ε
   z_1, and r = A e = εμ z_1 with ‖r‖ = μ‖e‖. So (‖e‖/‖v*‖)/(‖r‖/‖b‖) = (‖e‖/‖r‖)(‖b‖/‖v*‖) = (1/μ) L = κ.

   Left inequality: exchange the roles, b = z_1 and v = z_1/μ − ε z_n. Then ‖e‖/‖r‖ = 1/L and ‖b‖/‖v*‖ = μ, and the
   quotient is 1/κ.

   (b) With s = (t, 1), the first k rows of (T̃ − μI)s = 0 are (T_k − μI)t + β_{k+1} e_k = 0, hence t = −β_{k+1}(T_k −
   μI)⁻¹e_k, which exists since μ is below the Ritz values. The last row is β_{k+1} t_k + α̃ − μ = 0, that is α̃ = μ +
   β_{k+1}²[(T_k − μI)⁻¹]_{kk}: the α̃ of the text.

2. `tridiagonal_solve` below is Gaussian elimination with partial pivoting: the rows stay short, at most two entries
   right of the diagonal. Partial pivoting because T − μI may be indefinite, and a T of LancBiO (chapter 7) too.
   `gauss_radau` follows the text. The difference of the two quadratures cancels: they are numbers of size
   (‖v*‖_A/‖b‖)², known to a few u κ at worst, so the square of the error has no digit below some uκ‖v*‖_A². In the
   run, a bound of 1e-5 is right to 1 %, one of 7e-7 to 10 %, one of 1e-7 is NaN, the root of a negative number. The
   recurrences of `gauss_radau_upper` keep their relative accuracy here.

3. At step 20, where the process has not found the eigenvalue 1, the bound is 1.04, 1.15, 1.8, 4.4 and 45 times the
   error: sharp for a sharp μ, and for a small one like 1/√μ. At step 50 it is 53, 56, 75, 169 and 1700 times the
   error: the quotient of any two is √(μ/μ'), and the bound has become ‖r‖/√μ, that of the residual. For once T has a
   Ritz value at 1 to many digits, γ_k^{(μ)} is 1/μ: of an error that belongs to eigenvalues of 1000 and more, the
   rule must assume that all of it lies at μ. Even μ = 0.999 is another number than 1 then.

   μ = 1.001 > λ_min is noticed at step 31, when the smallest Ritz value falls below it, to 1.0006; the package gives
   inf from there. Before that it is no bound: just before the end it is 0.74 of the error. So a false μ that is found
   out has already lied, and one that is not may have.
"""

import numpy as np

from lancbio_ref import lanczos
from lancbio_ref.krylov.bounds import gauss_radau_upper


def tridiagonal_solve(alpha, beta, r):
    """T⁻¹r for T with diagonal `alpha` and off-diagonal `beta`, one entry less: elimination with partial pivoting."""
    k = len(alpha)
    rows = np.zeros((k, 3))  # of row i: the entries at columns i, i + 1, i + 2
    rows[:, 0] = alpha
    rows[: k - 1, 1] = beta[: k - 1]
    y = np.array(r, dtype=float)
    for i in range(k - 1):
        below = np.array([beta[i], alpha[i + 1], beta[i + 1] if i + 2 < k else 0.0])  # row i + 1 from column i
        if abs(below[0]) > abs(rows[i, 0]):
            rows[i], below = below, rows[i].copy()
            y[i], y[i + 1] = y[i + 1], y[i]
        factor = below[0] / rows[i, 0]
        rows[i + 1, :2] = below[1:] - factor * rows[i, 1:]
        rows[i + 1, 2] = 0.0
        y[i + 1] -= factor * y[i]
    for i in range(k - 1, -1, -1):
        for j in (1, 2):
            if i + j < k:
                y[i] -= rows[i, j] * y[i + j]
        y[i] /= rows[i, 0]
    return y


def gauss_radau(alpha, beta, start_norm, mu, k):
    """‖r_0‖ √((T̃⁻¹)_{11} − (T_k⁻¹)_{11}), straight from the formula; NaN where rounding has eaten the difference."""
    last, first = np.eye(k)[-1], np.eye(k)[0]
    corner = mu + beta[k - 1] ** 2 * tridiagonal_solve(alpha[:k] - mu, beta[: k - 1], last)[-1]
    radau = tridiagonal_solve(np.append(alpha[:k], corner), beta[:k], np.eye(k + 1)[0])[0]
    square = radau - tridiagonal_solve(alpha[:k], beta[: k - 1], first)[0]
    return start_norm * np.sqrt(square) if square > 0 else np.nan


def the_matrix(n=128):
    """A = H D H of the chapter, b and A⁻¹b."""
    d = np.concatenate([[1.0, 10.0, 100.0], np.round(np.linspace(1e3, 1e4, n - 3))])
    H = np.eye(n) - 2 / n
    b = np.random.default_rng(0).integers(-9, 10, n).astype(float)
    return H @ np.diag(d) @ H, b, H @ ((H @ b) / d), H


def true_error(A, run, solution, k):
    """‖v* − v_k‖_A."""
    e = solution - run.Q[:, :k] @ tridiagonal_solve(run.alpha[:k], run.beta[: k - 1], run.start_norm * np.eye(k)[0])
    return np.sqrt(e @ A @ e)


def radau_by_mu(steps=(20, 50)):
    """{μ: (bound / error at each step)} for exercise 3; 1.001 is false."""
    A, b, solution, _ = the_matrix()
    run = lanczos(A, b, 60)
    errors = [true_error(A, run, solution, k) for k in steps]
    bounds = {
        mu: gauss_radau_upper(run.alpha, run.beta, run.start_norm, mu) for mu in (0.999, 0.9, 0.5, 0.1, 0.001, 1.001)
    }
    ratios = {mu: [bound[k] / error for k, error in zip(steps, errors, strict=True)] for mu, bound in bounds.items()}
    broken = int(np.argmax(np.isinf(bounds[1.001])))
    ritz = np.linalg.eigvalsh(run.T[:broken, :broken])[0]
    before = bounds[1.001][1:broken] / [true_error(A, run, solution, k) for k in range(1, broken)]
    return ratios, broken, ritz, before


def verify():
    # 1 (a): both ends of the inequality
    A, b, solution, H = the_matrix()
    size, kappa = np.linalg.norm, 1e4
    for right, wrong, eigenvalue, quotient in [(H[-1], H[0], 1e4, kappa), (H[0], H[-1], 1.0, 1 / kappa)]:
        v = right / eigenvalue - wrong
        error = size(right / eigenvalue - v) / size(right / eigenvalue)
        assert abs(error / (size(right - A @ v) / size(right)) / quotient - 1) < 1e-8
    # 1 (b): μ is an eigenvalue of T̃
    run, k, mu = lanczos(A, b, 60), 10, 0.5
    corner = mu + run.beta[k - 1] ** 2 * np.linalg.inv(run.T[:k, :k] - mu * np.eye(k))[-1, -1]
    extended = run.T[: k + 1, : k + 1].copy()
    extended[k, k] = corner
    assert abs(np.linalg.eigvalsh(extended)[0] - mu) < 1e-9

    # 2: the solver, also where pivoting is needed, and the bound
    rng = np.random.default_rng(0)
    for k in (1, 2, 3, 10):
        alpha, beta, r = rng.standard_normal(k), rng.standard_normal(k - 1), rng.standard_normal(k)
        T = np.diag(alpha) + np.diag(beta, 1) + np.diag(beta, -1)
        assert np.allclose(T @ tridiagonal_solve(alpha, beta, r), r, atol=1e-10)
    assert tridiagonal_solve(np.zeros(2), np.ones(1), np.array([1.0, 2.0])).tolist() == [2.0, 1.0]
    upper = gauss_radau_upper(run.alpha, run.beta, run.start_norm, mu)
    largest = np.sqrt(solution @ A @ solution)
    for k in range(1, 59):
        by_formula = gauss_radau(run.alpha, run.beta, run.start_norm, mu, k)
        if upper[k] > 2e-6 * largest:
            assert abs(by_formula / upper[k] - 1) < 1e-2, k
        if upper[k] < 1e-8 * largest:
            assert not abs(by_formula / upper[k] - 1) < 1e-1, k

    # 3
    ratios, broken, ritz, before = radau_by_mu()
    for found, claimed in zip(
        [ratios[mu][0] for mu in (0.999, 0.9, 0.5, 0.1, 0.001)], (1.04, 1.15, 1.8, 4.4, 45), strict=True
    ):
        assert abs(found / claimed - 1) < 0.05
    for mu in (0.9, 0.5, 0.1, 0.001):
        assert abs(ratios[mu][1] / ratios[0.999][1] / np.sqrt(0.999 / mu) - 1) < 0.01
    assert 50 < ratios[0.999][1] < 57
    assert broken == 31 and 1 < ritz < 1.001 and 0.5 < before.min() < 0.9


if __name__ == "__main__":
    verify()
