"""The digits 0 to 4 against 5 to 9, 8 × 8 pixels, which this package brings along."""

import numpy as np
from benchopt import BaseDataset

from lancbio_ref.datasets import load_digits, stratified_split


class Dataset(BaseDataset):
    name = "digits"
    parameters = {"n_train": [600]}
    requirements = ["pip::lancbio_ref"]

    def get_data(self):
        images, labels = load_digits()
        train, validation = stratified_split(labels, (self.n_train, 600, len(labels) - 600 - self.n_train))[:2]
        X, t = images / 16.0, np.where(labels < 5, -1.0, 1.0)
        return dict(X=X[train], t=t[train], X_val=X[validation], t_val=t[validation])
