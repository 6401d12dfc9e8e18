"""Symmetric matrices whose spectrum is known by construction."""

from __future__ import annotations

import numpy as np


def symmetric(eigenvalues: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Q diag(λ) Qᵀ, symmetric to the bit."""
    n = eigenvalues.size
    if np.ptp(eigenvalues) == 0:
        return np.eye(n) * eigenvalues[0]
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    A = (Q * eigenvalues) @ Q.T
    return np.tril(A) + np.tril(A, -1).T


SPECTRA = {
    "geometric": lambda n, k, rng: np.logspace(-k, 0, n),
    "linear": lambda n, k, rng: np.linspace(10.0**-k, 1, n),
    "clustered": lambda n, k, rng: np.where(rng.random(n) < 0.5, 10.0**-k, 1.0) * (1 + 1e-10 * rng.random(n)),
    "repeated": lambda n, k, rng: rng.choice([10.0**-k, 0.3, 1.0], n),
    "outlier": lambda n, k, rng: np.concatenate([[10.0**-k], 0.9 + 0.1 * rng.random(n - 1)]),
    "identity": lambda n, k, rng: np.full(n, 2.0**3),
}
