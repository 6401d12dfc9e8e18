"""Hypothesis strategies for linear systems and linearizations whose spectrum is known by construction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st


@dataclass(frozen=True)
class System:
    """A symmetric positive definite A (to the bit), b, and J, c around it."""

    A: np.ndarray
    J: np.ndarray
    b: np.ndarray
    c: np.ndarray
    kappa: float
    kind: str

    @property
    def n(self) -> int:
        return self.b.size


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


@st.composite
def systems(draw, max_n: int = 16, max_log_kappa: float = 12.0, zero_b: bool = True) -> System:
    """κ up to 1e12, clustered and repeated spectra, n from 1; b random, an eigenvector, a unit vector or 0."""
    n = draw(st.integers(1, max_n))
    kind = draw(st.sampled_from(sorted(SPECTRA)))
    log_kappa = draw(st.floats(0, max_log_kappa))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    A = symmetric(SPECTRA[kind](n, log_kappa, rng), rng)
    choices = ["random", "eigenvector", "unit"] + (["zero"] if zero_b else [])
    right = draw(st.sampled_from(choices))
    values, vectors = np.linalg.eigh(A)
    if values[0] < 1e-13 * values[-1]:  # rounding of the construction: keep the condition number as promised
        A = A + np.eye(n) * (1e-12 * values[-1])
        values = np.linalg.eigvalsh(A)
    b = {
        "random": rng.standard_normal(n),
        "eigenvector": vectors[:, rng.integers(n)],
        "unit": np.eye(n)[0],
        "zero": np.zeros(n),
    }[right]
    n_x = draw(st.integers(1, 4))
    return System(
        A, rng.standard_normal((n_x, n)), b, rng.standard_normal(n_x), values[-1] / values[0], kind + "/" + right
    )
