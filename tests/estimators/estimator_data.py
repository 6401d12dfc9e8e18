"""Small data that tests of the estimators share, and the losses they are judged by."""

import numpy as np


def regression(seed=0, n=60, p=8, noise=0.5):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) + 2.0
    return X, 3 * X[:, 0] - 2 * X[:, 1] + 5 + noise * rng.standard_normal(n)


def classes(seed=0, n=90, p=5, C=3, noise=1.0):
    rng = np.random.default_rng(seed)
    centres, labels = 1.5 * rng.standard_normal((C, p)), np.arange(n) % C
    return centres[labels] + noise * rng.standard_normal((n, p)), labels


def squared_loss(model, X, y):
    return 0.5 * np.mean((y - model.predict(X)) ** 2)


def log_loss(model, X, y):
    return -np.mean(model.predict_log_proba(X)[np.arange(len(y)), np.searchsorted(model.classes_, y)])


def poisson_loss(model, X, y):
    mean = model.predict(X)
    return np.mean(mean - y * np.log(mean))


X, Y = regression()
CX, CY = classes()
COUNTS = np.random.default_rng(1).poisson(np.exp(0.5 + 0.8 * (X[:, 0] - 2)))
