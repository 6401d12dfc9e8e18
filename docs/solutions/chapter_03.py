"""Chapter 3: five ways to solve A v = b.

1. (paper)  (a) Let A have d different eigenvalues ν₁ … ν_d. p(λ) = Π(1 − λ/ν_i) has degree d, p(0) = 1, and is 0 on
   the spectrum. By equation (1) of the chapter the error it gives is 0, and conjugate gradients are at least as good.

   (b) Let λ_i > L′ for m of the eigenvalues. Take

       p(λ) = Π_{λ_i > L′} (1 − λ/λ_i) · p_k(λ),

   p_k the Chebyshev polynomial of degree k for [μ, L′]. p has degree m + k and p(0) = 1. On the m large eigenvalues
   p = 0. On the others 0 < λ ≤ L′ < λ_i, so each factor lies in (0, 1) and |p(λ)| ≤ |p_k(λ)| ≤ 2((√κ′ − 1)/(√κ′ +
   1))^k. Conjugate gradients are at least as good as p after m + k steps.

2. (code)  `neumann` is gradient descent from ηb, Q times. `cg` stops when the residual is 0: then γ = 0/0, and the
   version of the chapter returns NaN. In floating point the residual seldom is exactly 0, but it is where b = A v0.

3. (experiment)  Let the interval be [μ′, L], z(λ) = (L + μ′ − 2λ)/(L − μ′), ζ(z) = z + √(z² − 1). T_k(z) grows as
   ζ^k/2. μ′ < μ: all eigenvalues are inside, the rate is 1/ζ(z(0)) = (√κ′ − 1)/(√κ′ + 1) with κ′ = L/μ′. For μ′ =
   μ/10 and κ = 100 this is 0.939, instead of 0.818: √10 times as many steps, about.
   μ′ > μ: the eigenvalue μ is outside, and p_k(μ) = T_k(z(μ))/T_k(z(0)) falls as (ζ(z(μ))/ζ(z(0)))^k. For μ′ = 10μ
   this is 0.968: six times as many steps. It still converges, since z(μ) < z(0). To say too small a μ is the cheaper
   mistake.
"""

import numpy as np


def neumann(A, b, eta, Q):
    """η Σ_{q=0}^{Q} (I − ηA)^q b by Horner's rule: Q products."""
    v = eta * b
    for _ in range(Q):
        v = v + eta * (b - A @ v)
    return v


def cg(A, b, v0, steps):
    """The iterate after `steps` steps of conjugate gradients from v0."""
    v = np.array(v0, dtype=float)
    r = b - A @ v
    p, rr = r, r @ r
    for _ in range(steps):
        if rr == 0:  # v solves the system
            break
        Ap = A @ p
        gamma = rr / (p @ Ap)
        v, r = v + gamma * p, r - gamma * Ap
        rr, old = r @ r, rr
        p = r + rr / old * p
    return v


def chebyshev_errors(spectrum, b, mu, L, steps):
    """‖e_k‖_A/‖e_0‖_A of Chebyshev iteration for [mu, L] on a diagonal matrix."""
    v_star = b / spectrum
    v, r, errors = 0 * b, b, []
    centre, half = (L + mu) / 2, (L - mu) / 2
    ratio, d = half / centre, b / centre
    for _ in range(steps):
        v = v + d
        errors.append(np.sqrt((v - v_star) ** 2 @ spectrum / (v_star**2 @ spectrum)))
        r = r - spectrum * d
        new = 1 / (2 * centre / half - ratio)
        d = new * ratio * d + 2 * new / half * r
        ratio = new
    return np.array(errors)


def predicted_rate(mu, L, told):
    """The rate of Chebyshev iteration that takes `told` for μ."""

    def zeta(lam):
        z = (L + told - 2 * lam) / (L - told)
        return z + np.sqrt(z * z - 1)

    return zeta(mu) / zeta(0) if told > mu else 1 / zeta(0)


def measured_rates(kappa=100.0, n=400):
    """{told: (predicted, measured)} for μ′ = μ/10, μ, 10μ."""
    spectrum, b = np.linspace(1, kappa, n), np.random.default_rng(0).standard_normal(n)
    found = {}
    for told in (0.1, 1.0, 10.0):
        steps = 80 if told == 1 else 300
        errors = chebyshev_errors(spectrum, b, told, kappa, steps)
        half = steps // 2
        found[told] = predicted_rate(1.0, kappa, told), (errors[-1] / errors[half]) ** (1 / (steps - 1 - half))
    return found


def verify():
    rng = np.random.default_rng(1)
    # 1 (a): five eigenvalues, five steps
    W = np.linalg.qr(rng.standard_normal((40, 40)))[0]
    spectrum = np.repeat([1.0, 2.0, 5.0, 7.0, 11.0], 8)
    A, b = (W * spectrum) @ W.T, rng.standard_normal(40)
    v_star = np.linalg.solve(A, b)
    errors = [np.linalg.norm(cg(A, b, 0 * b, k) - v_star) / np.linalg.norm(v_star) for k in (4, 5)]
    assert errors[0] > 1e-3 and errors[1] < 1e-13
    # 1 (b): three outliers; exact arithmetic is Lanczos with full reorthogonalization
    from lancbio_ref import lanczos

    spectrum = np.concatenate([np.linspace(1, 50, 97), [1e3, 1e4, 1e5]])
    b = rng.standard_normal(100)
    v_star = b / spectrum
    run = lanczos(np.diag(spectrum), b, 40)
    q = (np.sqrt(50) - 1) / (np.sqrt(50) + 1)
    for k in range(1, 38):
        y = np.linalg.solve(run.T[: k + 3, : k + 3], np.linalg.norm(b) * np.eye(k + 3)[0])
        e = v_star - run.Q[:, : k + 3] @ y
        assert np.sqrt(e**2 @ spectrum / (v_star**2 @ spectrum)) <= 2 * q**k

    # 2
    A = np.array([[2.0, 1.0], [1.0, 3.0]])
    b = np.array([1.0, -1.0])
    M = np.eye(2) - 0.25 * A
    assert np.allclose(neumann(A, b, 0.25, 3), 0.25 * (b + M @ b + M @ M @ b + M @ M @ M @ b), rtol=1e-15)
    assert np.array_equal(neumann(A, b, 0.25, 0), 0.25 * b)
    v0 = np.array([3.0, 4.0])
    assert np.allclose(cg(A, b, v0, 2), np.linalg.solve(A, b)) and np.array_equal(cg(A, b, v0, 0), v0)
    assert np.array_equal(cg(np.eye(2), b, b, 5), b)
    r = b - A @ v0
    assert np.allclose(cg(A, b, v0, 1), v0 + r * (r @ r) / (r @ (A @ r)), rtol=1e-14)  # a step of steepest descent

    # 3
    rates = measured_rates()
    for predicted, measured in rates.values():
        assert abs(measured - predicted) < 0.01
    assert np.allclose([rates[t][0] for t in (0.1, 1.0, 10.0)], [0.939, 0.818, 0.968], atol=1e-3)
    steps = {told: np.log(rates[1.0][0]) / np.log(rate) for told, (rate, _) in rates.items()}
    assert 3 < steps[0.1] < 3.5 and 6 < steps[10.0] < 6.5
    return dict(rates=rates, steps=steps)


if __name__ == "__main__":
    print(verify())
