"""The prior on log-penalties: its limits, its count of samples, and that it keeps a search from overfitting folds."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split
from sklearn.preprocessing import StandardScaler

from lancbio_ref.estimators import (
    BilevelLogisticRegression,
    BilevelPoissonRegressor,
    BilevelReweighter,
    BilevelRidge,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 6))
Y = 3 * X[:, 0] - 2 * X[:, 1] + 2 * RNG.standard_normal(60)
LABELS, COUNTS = (Y > 0).astype(int), RNG.poisson(np.exp(0.3 * X[:, 0] + 0.5))
ALL = [
    (BilevelRidge, Y, {}),
    (BilevelLogisticRegression, LABELS, {}),
    (BilevelPoissonRegressor, COUNTS, {}),
    (BilevelReweighter, LABELS, dict(penalty="feature")),
]


@pytest.mark.parametrize(("make", "y", "more"), ALL)
def test_a_spread_of_nothing_is_one_penalty_and_a_wide_one_is_no_prior(make, y, more):
    narrow, wide, none = (make(cv=3, spread=spread, **more).fit(X, y) for spread in (1e-6, 1e6, None))
    units = narrow.log_penalties_ - np.log(np.var(X, axis=0))  # of features of variance one
    assert np.ptp(units) < 1e-6
    np.testing.assert_allclose(wide.validation_loss_, none.validation_loss_, rtol=1e-4)
    assert none.validation_loss_ < narrow.validation_loss_
    if make is BilevelReweighter:
        return  # its search ends before its end
    between = make(cv=3).fit(X, y)
    assert none.validation_loss_ * (1 - 1e-6) < between.validation_loss_ < narrow.validation_loss_


def test_the_validation_loss_is_without_the_prior_and_the_hypergradient_with_it():
    model = BilevelRidge(cv=KFold(3)).fit(X, Y)
    bounds = float(model.log_penalties_.min()) - 1, float(model.log_penalties_.max()) + 1
    assert model.validation_loss_ < model.path_[-1]["value"] and model.hypergradient_norm_ < 1e-5
    assert str(model.certificate_.error) == "certified"
    plain = BilevelRidge(cv=KFold(3), spread=None, warm_start=True, max_iter=1, bounds=bounds)
    plain.log_penalties_ = model.log_penalties_
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        plain.fit(X, Y)
    assert plain.path_[0]["value"] == pytest.approx(model.validation_loss_, rel=1e-9)
    assert plain.path_[0]["gradient_norm"] > 1e-3 * model.validation_loss_


@pytest.mark.parametrize(("make", "y"), [(make, y) for make, y, _ in ALL[:3]])
def test_weights_count_samples(make, y):
    """Each sample twice is twice the likelihood: the same as a prior whose variances are twice as large."""
    twice = make(cv=KFold(3), spread=1.0).fit(X, y, sample_weight=np.full(60, 2.0))
    wider = make(cv=KFold(3), spread=np.sqrt(2.0)).fit(X, y)
    np.testing.assert_allclose(twice.log_penalties_, wider.log_penalties_, atol=1e-3)
    assert np.abs(twice.log_penalties_ - make(cv=KFold(3)).fit(X, y).log_penalties_).max() > 1e-2


@pytest.mark.parametrize("spread", [1.0, None])
def test_units_of_a_group_change_nothing(spread):
    groups, units = [0, 1, 2, 2, 2, 2], np.array([1.0, 1e-3, 1e4, 1e4, 1e4, 1e4])
    for make, y in ((BilevelRidge, Y), (BilevelLogisticRegression, LABELS)):
        given = dict(penalty="group", groups=groups, cv=3, spread=spread)
        plain, scaled = make(**given).fit(X, y), make(**given).fit(X * units, y)
        np.testing.assert_allclose(
            scaled.log_penalties_, plain.log_penalties_ + 2 * np.log([1.0, 1e-3, 1e4]), atol=1e-4
        )
        np.testing.assert_allclose(scaled.coef_ * units, plain.coef_, rtol=1e-4, atol=1e-8)
        assert np.ptp(plain.log_penalties_) > 0.5


def test_units_of_the_target_change_nothing():
    """The likelihood of a squared loss has the variance that one penalty leaves."""
    plain, small = BilevelRidge(cv=3).fit(X, Y), BilevelRidge(cv=3).fit(X, 1e-3 * Y)
    np.testing.assert_allclose(small.log_penalties_, plain.log_penalties_, atol=1e-3)


def test_a_warm_start_keeps_the_centre_of_the_prior():
    model = BilevelRidge(cv=3, warm_start=True).fit(X, Y)
    cold, evaluations = model.log_penalties_, len(model.path_)
    model.fit(X, Y)
    np.testing.assert_allclose(model.log_penalties_, cold, atol=1e-3)
    assert len(model.path_) < evaluations / 2


@pytest.mark.parametrize("method", ["TNC", "recycled-newton"])
def test_other_methods_have_the_same_prior(method):
    auto, other = (BilevelRidge(cv=3, method=name, tol=1e-5).fit(X, Y) for name in ("auto", method))
    np.testing.assert_allclose(other.log_penalties_, auto.log_penalties_, atol=0.05)


def test_thirty_penalties_do_not_overfit_the_folds_of_400_samples():
    """Held-out loss over that of one penalty: 1.58 without a prior, 0.996 with it."""
    data, labels = load_breast_cancer(return_X_y=True)
    train, test, y, judged = train_test_split(data, labels, test_size=1 / 3, random_state=0, stratify=labels)
    scaler, losses = StandardScaler().fit(train), {}
    for name, given in (("one", dict(penalty="all")), ("free", dict(spread=None)), ("held", {})):
        cv = StratifiedKFold(5, shuffle=True, random_state=0)
        model = BilevelLogisticRegression(cv=cv, **given).fit(scaler.transform(train), y)
        losses[name] = -np.mean(model.predict_log_proba(scaler.transform(test))[np.arange(len(judged)), judged])
    assert losses["free"] > 1.3 * losses["one"] and losses["held"] < 1.02 * losses["one"]


@pytest.mark.parametrize("spread", [0.0, -1.0, np.nan, np.inf, "wide", (1.0,)])
def test_what_is_no_spread_is_refused(spread):
    with pytest.raises(ValueError, match="spread"):
        BilevelRidge(spread=spread).fit(X, Y)
