"""Hypothesis strategies for linear systems and linearizations whose spectrum is known by construction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from validation.truths.spectra import SPECTRA, symmetric


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
