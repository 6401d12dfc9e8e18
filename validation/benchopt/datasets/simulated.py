"""Gaussian features, half of which do not matter."""

import numpy as np
from benchopt import BaseDataset

SIZES = {"small": (100, 20), "large": (1000, 200)}  # samples and features


class Dataset(BaseDataset):
    name = "simulated"
    parameters = {"size": list(SIZES), "seed": [0]}
    requirements: list[str] = []

    def get_data(self):
        rng, (n, p) = np.random.default_rng(self.seed), SIZES[self.size]
        truth = rng.standard_normal(p) * (np.arange(p) % 2 == 0)
        X, X_val = rng.standard_normal((2, n, p))
        t, t_val = (Z @ truth + 0.5 * rng.standard_normal(n) for Z in (X, X_val))
        return dict(X=X, t=t, X_val=X_val, t_val=t_val)
