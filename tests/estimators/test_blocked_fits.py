"""Fits of samples in blocks: those in memory, from a reading a Newton step for all folds, and to the same bits."""

import numpy as np
import pytest
from scipy.linalg import LinAlgError

from lancbio_ref import CertificateStatus, HyperObjective, problems
from lancbio_ref.blocks import keeping
from lancbio_ref.estimators.blocked_fits import MOST_IN_BLOCKS
from lancbio_ref.estimators.direct import DirectObjective
from tests.thorough import sampled

N, P, ROWS = 200, 4, 45
OF_ROW = np.arange(N) * 7 % 3
SPLITS = {"scattered": [(np.flatnonzero(k != OF_ROW), np.flatnonzero(k == OF_ROW)) for k in range(3)], "one": None}
MODELS = {
    "feature": dict(loss="logistic", penalty="feature", intercept=True),
    "squared": dict(loss="squared", penalty="all", intercept=True),
    "weights": dict(loss="logistic", penalty="all", weights="sigmoid", fixed=0.1),
    "simplex": dict(loss="huber", penalty="none", weights="simplex", fixed=0.1),
    "classes": dict(loss="multinomial", penalty="class", intercept=True),
    "sample_weight": dict(loss="poisson", penalty="all", sample_weight=np.arange(N) % 4),
}


def made(model, split, rows=ROWS):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, P))
    s = X[:, 0] + rng.standard_normal(N)
    loss = MODELS[model]["loss"]
    t = {"squared": s, "huber": s, "multinomial": np.digitize(s, [-1, 1]), "poisson": rng.poisson(np.exp(s / 3))}
    t = t.get(loss, (s > 0).astype(int))
    held = dict(folds=SPLITS[split]) if split != "one" else dict(validation=(X[:60], t[:60]))
    return problems.generalized_linear(X, t, **MODELS[model], **held, block_rows=rows)


CASES = [(model, split) for model in MODELS for split in SPLITS]


@pytest.mark.parametrize("model, split", sampled(CASES, 6))
def test_the_fits_are_those_in_memory_and_steps_read_once(model, split):
    problem, whole = made(model, split), made(model, split, None)
    x = np.random.default_rng(1).standard_normal(problem.n_x) / 3 - 1
    direct, before = DirectObjective(problem, np.zeros(problem.n_y), 0.5), problem.n_passes
    value, gradient = direct(x)
    passes = problem.n_passes - before
    K = len(getattr(problem, "problems", [problem]))
    assert (
        passes <= 5 + direct.n_factorizations // K
    )  # where it starts, halved steps, and ∇_y f of rows that folds share
    F = HyperObjective(whole, accuracy=1e-9)
    other, truth = F(x)
    assert abs(value - other) <= 1e-9 * (1 + abs(other)) and np.abs(gradient - truth).max() <= 1e-8
    found, h = direct.certified(x)
    assert h.certificate.error == CertificateStatus.CERTIFIED and abs(found - other) <= 1e-8 * (1 + abs(other))
    assert np.linalg.norm(h.value - truth) <= h.error_bound + h.lower_level_bound + 2e-9


def test_the_bits_are_those_of_the_blocks(monkeypatch):
    found = set()
    for kept in (keeping.KEPT_BYTES, 0):
        monkeypatch.setattr(keeping, "KEPT_BYTES", kept)
        problem = made("feature", "scattered")
        value, gradient = DirectObjective(problem, np.zeros(problem.n_y), 0.5)(np.full(P, -1.0))
        found.add((value, gradient.tobytes()))
    assert len(found) == 1


def test_it_is_for_few_coefficients_in_blocks():
    X = np.random.default_rng(0).standard_normal((80, MOST_IN_BLOCKS + 1))
    t = np.arange(80) % 2
    for p, rows, fits in (
        (MOST_IN_BLOCKS, 30, True),
        (MOST_IN_BLOCKS + 1, 30, False),
        (MOST_IN_BLOCKS + 1, None, True),
    ):
        given = dict(loss="logistic", validation=(X[:9, :p], t[:9]), block_rows=rows)
        assert DirectObjective.fits(problems.generalized_linear(X[:, :p], t, **given)) == fits


def test_a_hessian_that_is_singular_is_said_so():
    """Two columns of ones in 64 rows: Cholesky's second pivot is exactly 0, which a penalty of e⁻⁸⁰ does not move."""
    X, t = np.ones((64, 2)), np.arange(64.0)
    problem = problems.generalized_linear(X, t, loss="squared", validation=(X, t), penalty="all", block_rows=16)
    with pytest.raises(LinAlgError, match="not positive definite"):
        DirectObjective(problem, np.zeros(2), 0.5)(np.array([-80.0]))
