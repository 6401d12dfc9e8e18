"""Fits of several folds in one stack are those of each fold alone, and its derivatives those of the problem."""

import numpy as np
import pytest
import scipy.sparse as sp

from lancbio_ref import hypergradient
from lancbio_ref.estimators import rows, stack
from lancbio_ref.estimators.direct import DirectObjective
from lancbio_ref.problems import Folds, generalized_linear

RNG = np.random.default_rng(7)
N, P = 41, 4
X = RNG.standard_normal((N, P)) * [1.0, 0.1, 3.0, 1.0]
SCORES = X @ [1.0, -2.0, 0.3, 0.0]
TARGETS = {
    "squared": SCORES + RNG.standard_normal(N),
    "logistic": (SCORES + RNG.standard_normal(N) > 0).astype(int),
    "poisson": RNG.poisson(np.exp(np.clip(SCORES, -2, 2))),
    "huber": SCORES + 3 * RNG.standard_normal(N),
    "squared_hinge": (SCORES + RNG.standard_normal(N) > 0).astype(int),
    "multinomial": np.resize([0, 1, 2], N),
}
ROWS = np.arange(N)
FOLDS = [(ROWS[k != ROWS % 5], ROWS[k == ROWS % 5]) for k in (0, 1)] + [(ROWS[:17], ROWS[17:])]  # of 33, 33, 17 samples
CASES = [(loss, penalty, "fixed") for loss in TARGETS for penalty in ("all", "feature")]
CASES += [("multinomial", "class", "fixed"), ("logistic", "all", "sigmoid"), ("multinomial", "feature", "simplex")]


def problems(loss, penalty, weights, X=X):
    """The folds, and each of them alone."""
    given = dict(loss=loss, penalty=penalty, weights=weights, intercept=True, sample_weight=1.0 + ROWS % 3, n_classes=3)
    whole = generalized_linear(X, TARGETS[loss], folds=FOLDS, fold_weights=[1.0, 2.0, 5.0], **given)
    return whole, [Folds([part]) for part in whole.problems]


@pytest.mark.parametrize(("loss", "penalty", "weights"), CASES)
def test_a_stack_is_its_fits_and_their_weighted_mean(loss, penalty, weights):
    whole, alone = problems(loss, penalty, weights)
    x = 0.5 * np.random.default_rng(1).standard_normal(whole.n_x) - 2
    stacked = DirectObjective(whole, np.zeros(whole.n_y), 1.0)
    assert [len(one.parts) for one in stacked._stacks] == [3]
    value, gradient = stacked(x)
    single = [DirectObjective(part, np.zeros(part.n_y), 1.0) for part in alone]
    found = [one(x) for one in single]
    assert value == pytest.approx(whole.weights @ [f for f, _ in found], rel=1e-11)
    np.testing.assert_allclose(gradient, whole.weights @ [g for _, g in found], rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(stacked.y, np.concatenate([one.y for one in single]), rtol=1e-7, atol=1e-9)
    end, certified = stacked.certified(x)
    assert end == pytest.approx(value, rel=1e-10)
    np.testing.assert_allclose(gradient, certified.value, rtol=1e-6, atol=1e-10)
    theirs = hypergradient(whole, x)  # Newton-Krylov and Lanczos, of the operators
    np.testing.assert_allclose(gradient, theirs.value, rtol=1e-5, atol=1e-7)


def test_sparse_and_large_folds_are_stacks_of_their_own(monkeypatch):
    thin = np.where(np.abs(X) > 1, X, 0.0)
    for loss in ("logistic", "multinomial"):
        dense, _ = problems(loss, "feature", "fixed", thin)
        sparse, _ = problems(loss, "feature", "fixed", sp.csr_array(thin))
        x, answers = np.full(P, -3.0), []
        for problem, entries, cost in ((dense, 2**18, 60), (dense, 1, 60), (sparse, 2**18, 60), (sparse, 2**18, 0)):
            monkeypatch.setattr(stack, "ENTRIES", entries)
            monkeypatch.setattr(rows, "SPARSE", cost)  # at 0 sparse products cost nothing, and X stays sparse
            objective = DirectObjective(problem, np.zeros(problem.n_y), 1.0)
            answers.append((len(objective._stacks), sp.issparse(objective._stacks[0].train.X), objective(x)))
        assert [answer[:2] for answer in answers] == [(1, False), (3, False), (3, False), (3, True)]
        for _, _, (value, gradient) in answers[1:]:
            assert value == pytest.approx(answers[0][2][0], rel=1e-11)
            np.testing.assert_allclose(gradient, answers[0][2][1], rtol=1e-8, atol=1e-12)


def test_one_fold_that_needs_shorter_steps_leaves_the_others_alone():
    """Poisson: a full step of the second fold from a score of −8 multiplies what it predicts by e^1000 and more."""
    x, t = np.array([[1.0], [2.0], [3.0], [1.5]]), np.array([1.0, 3.0, 8.0, 2.0])
    problem = generalized_linear(x, t, loss="poisson", folds=[(ROWS[:3], ROWS[3:4]), (ROWS[1:4], ROWS[:1])])
    ends = [
        DirectObjective(problem, start, 1.0)(np.array([-6.0]))
        for start in (np.zeros(2), np.array([0.5, -8.0]), np.array([-8.0, 0.5]))
    ]
    for value, gradient in ends[1:]:
        assert value == pytest.approx(ends[0][0], rel=1e-10) and gradient == pytest.approx(ends[0][1], rel=1e-7)
