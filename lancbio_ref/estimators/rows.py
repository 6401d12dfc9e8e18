"""Samples of several folds as arrays (fold, sample, feature), and the products that fits make with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from ..problems.generalized_linear.samples import Samples

SPARSE = 60


class Rows:
    """Samples of K folds: X of shape (K, n, q), or sparse where K = 1; t and weights of shape (K, n)."""

    def __init__(self, folds: list[Samples]) -> None:
        n, X = max(len(fold) for fold in folds), [as_it_multiplies_fastest(fold.design.X) for fold in folds]
        self.t, self.base = np.empty((len(folds), n)), np.zeros((len(folds), n))
        for k, fold in enumerate(folds):
            self.t[k], self.base[k, : len(fold)] = fold.t[0], fold.base
            self.t[k, : len(fold)] = fold.t
        self.labels = self.t.astype(np.int64)[..., None]  # of several classes
        self.X: Any = X[0] if sp.issparse(X[0]) else np.zeros((len(folds), n, X[0].shape[1]))
        if not sp.issparse(self.X):
            for k, own in enumerate(X):
                self.X[k, : own.shape[0]] = own

    def scores(self, Y: np.ndarray) -> np.ndarray:
        """X_k Y_kᵀ, shape (K, n, C)."""
        return (self.X @ Y[0].T)[None] if sp.issparse(self.X) else self.X @ Y.transpose(0, 2, 1)

    def transposed(self, R: np.ndarray) -> np.ndarray:
        """R_kᵀ X_k, shape (K, C, q)."""
        return (self.X.T @ R[0]).T[None] if sp.issparse(self.X) else R.transpose(0, 2, 1) @ self.X

    def gram(self, d: np.ndarray) -> np.ndarray:
        """X_kᵀ diag(d_k) X_k, shape (K, q, q); where all d have one sign, of √|d| X in half the multiplications."""
        if sp.issparse(self.X):
            scaled = sp.csr_array((self.X.data * np.repeat(d, np.diff(self.X.indptr)), self.X.indices, self.X.indptr))
            scaled.resize(self.X.shape)
            return np.asarray((self.X.T @ scaled).toarray())[None]
        if d.min() >= 0 or d.max() <= 0:  # the second: −w p_c p_d, between two classes
            half = np.sqrt(np.abs(d))[..., None] * self.X
            found = half.transpose(0, 2, 1) @ half
            return found if d.max() > 0 else -found
        return self.X.transpose(0, 2, 1) @ (d[..., None] * self.X)


def as_it_multiplies_fastest(X: Any) -> Any:
    """X, dense where Xᵀ diag(d) X then takes less time."""
    if not sp.issparse(X):
        return X
    n, p = X.shape
    dense, sparse = n * p * p, SPARSE * int(np.square(np.diff(X.indptr).astype(np.int64)).sum())
    return X.toarray() if dense <= sparse else X
