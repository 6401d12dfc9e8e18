"""Data that are hard, and input that cannot be fitted: what the estimators do, and what they say."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.linalg import LinAlgError
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold

from lancbio_ref import ArgumentError
from lancbio_ref.estimators import (
    BilevelLogisticRegression,
    BilevelPoissonRegressor,
    BilevelReweighter,
    BilevelRidge,
)
from lancbio_ref.estimators.direct import DirectObjective
from lancbio_ref.problems import generalized_linear
from tests.estimators.estimator_data import COUNTS, CX, CY, X, Y


def test_separable_classes_say_that_penalties_vanish():
    rng = np.random.default_rng(0)
    x = np.r_[rng.uniform(1, 2, 30), rng.uniform(-2, -1, 30)]
    with pytest.warns(ConvergenceWarning, match="lower bound"):
        model = BilevelLogisticRegression(penalty="all").fit(x[:, None], x > 0)
    assert model.score(x[:, None], x > 0) == 1.0


def test_features_of_unlike_sizes_are_named_where_they_stop_a_search():
    rng = np.random.default_rng(0)
    X = np.c_[rng.standard_normal((200, 3)), 1e5 * rng.standard_normal(200)]
    y = X[:, :3] @ [1.0, -1.0, 0.5] + rng.standard_normal(200) > 0
    with pytest.warns(ConvergenceWarning, match="unlike sizes .* StandardScaler"):
        BilevelLogisticRegression(penalty="all").fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        BilevelLogisticRegression().fit(X, y)
        BilevelLogisticRegression(penalty="all").fit(X / X.std(axis=0), y)


def test_noise_says_that_no_feature_helps():
    noise = np.random.default_rng(0).standard_normal((40, 1))
    y, halves = np.r_[noise[:20, 0], -noise[20:, 0]], (np.arange(20), np.arange(20, 40))
    with pytest.warns(ConvergenceWarning, match="upper bound"):
        model = BilevelRidge(bounds=(-3.0, 3.0), penalty="all", cv=halves).fit(noise, y)
    assert model.log_penalties_[0] == 3.0


def test_imbalanced_constant_and_wide_data_are_fitted_without_an_argument():
    rng = np.random.default_rng(5)
    rare = (rng.random(120) < 0.08).astype(int)
    features = rng.standard_normal((120, 3)) + 2 * rare[:, None]
    features = np.hstack([features, np.ones((120, 1)), np.zeros((120, 1)), 1e6 * features[:, :1]])
    model = BilevelLogisticRegression().fit(features, rare)
    assert np.isfinite(model.coef_).all() and model.coef_[0, 4] == 0 and model.score(features, rare) > 0.9
    wide = rng.standard_normal((20, 60))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        assert BilevelRidge(max_iter=10).fit(wide, wide[:, 0]).score(wide, wide[:, 0]) > 0.5


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("value", [0.1, 1.0, 1 / 3, -1e6, 1e-30])
def test_a_constant_column_has_no_coefficient(value):
    """Its mean rounds; what is left of it, scaled to a variance of one, had a coefficient of 1e9."""
    features = np.hstack([X, np.full((60, 1), value), np.full((60, 1), value)])
    features[::7, -1] *= 1 + 2.0**-52  # but for rounding
    weights = np.random.default_rng(0).uniform(0.1, 3, 60)
    for make, y in ((BilevelRidge, Y), (BilevelLogisticRegression, Y > 0), (BilevelPoissonRegressor, COUNTS)):
        for penalty in ("feature", "all"):
            model = make(penalty=penalty, cv=3, max_iter=5, tol=1e-2).fit(features, y, sample_weight=weights)
            assert (np.ravel(model.coef_)[-2:] == 0).all()
            changed = np.where(np.arange(10) >= 8, 5.0, features[:4])
            assert (model.predict(changed) == model.predict(features[:4])).all()


HOSTILE = [
    (BilevelRidge(), np.array([[np.nan], [1.0], [2.0]]), [1.0, 2.0, 3.0], "NaN"),
    (BilevelRidge(), np.ones((1, 2)), [1.0], "1 sample"),
    (BilevelRidge(), np.ones((4, 2)), [1.0, 2.0], "inconsistent"),
    (BilevelRidge(cv=9), np.ones((4, 2)), [1.0, 2.0, 3.0, 4.0], "n_splits=9"),
    (BilevelRidge(penalty="class"), X, Y, "penalty"),
    (BilevelRidge(bounds=(1.0, 0.0)), X, Y, "bounds"),
    (BilevelRidge(tol=0.0), X, Y, "tol"),
    (BilevelRidge(max_iter=0), X, Y, "max_iter"),
    (BilevelRidge(groups=[0] * 8), X, Y, "groups"),
    (BilevelLogisticRegression(), CX, np.zeros(90), "1 class"),
    (BilevelLogisticRegression(penalty="class"), CX, CY > 0, "penalty"),
    (
        BilevelLogisticRegression(cv=[(np.flatnonzero(CY < 2), np.flatnonzero(CY == 2))]),
        CX,
        CY,
        "fold 0 lack the class 2",
    ),
    (BilevelPoissonRegressor(), X, -COUNTS - 1, ">= 0"),
    (BilevelPoissonRegressor(), X, 0 * COUNTS, "not all 0"),
    (BilevelPoissonRegressor(), X, 1e20 * (COUNTS + 1), "at most"),
    (BilevelLogisticRegression(), CX, np.where(np.arange(90) == 0, "rare", "usual"), "lack the class 'rare'"),
    (BilevelRidge(), 1e200 * X, Y, "scale the features"),
    (BilevelRidge(bounds=3.0), X, Y, "bounds"),
    (BilevelRidge(bounds=(-np.inf, 1.0)), X, Y, "bounds"),
    (BilevelRidge(penalty="group", groups=[None, *"aaaaaaa"]), X, Y, "groups"),
    (BilevelRidge(penalty="group", groups=[np.nan, 1, 1, 1, 1, 1, 1, 1]), X, Y, "groups"),
    (BilevelRidge(fit_intercept="no"), X, Y, "fit_intercept"),
    (BilevelRidge(method="L-BFGS-B", method_options={"steps": 5}), X, Y, "steps"),
    (BilevelRidge(penalty="all", method_options={"steps": 5}), X, Y, "steps"),
    (BilevelRidge(method_options={"steps": 5}), X, Y, "steps"),
]


@pytest.mark.filterwarnings("ignore:The least populated class")  # scikit-learn's own word on the rare one
@pytest.mark.parametrize(("model", "features", "y", "words"), HOSTILE)
def test_what_cannot_be_fitted_is_refused_in_words(model, features, y, words):
    with pytest.raises(ValueError, match=words):
        clone(model).fit(features, y)


def test_weights_that_are_none_are_refused():
    for weights, words in ((np.zeros(60), "weight"), (-np.ones(60), "egative"), (np.ones(3), "sample_weight")):
        with pytest.raises(ValueError, match=words):
            BilevelRidge().fit(X, Y, sample_weight=weights)
    with pytest.raises(ValueError, match=r"cv: folds\[0\]\[1\]: found samples whose weights are all 0"):
        BilevelRidge(cv=KFold(5)).fit(X, Y, sample_weight=np.arange(60) >= 12)


# -- penalties that are too small for a factorization ---------------------------------------

RNG = np.random.default_rng(4)
PLAIN = RNG.standard_normal((40, 3))
NUMBERS = PLAIN[:, 0] + 0.5 * RNG.standard_normal(40)
THREE = np.digitize(NUMBERS, [-0.5, 0.5])
COPIES = np.hstack([PLAIN] * 5)  # of twelve pivots that are rounding, some are below 0
SINGULAR = {
    "copies": (BilevelRidge, COPIES, NUMBERS),
    "sparse copies": (BilevelRidge, sp.csr_array(COPIES), NUMBERS),
    "copies of two classes": (BilevelLogisticRegression, COPIES, (NUMBERS > 0).astype(int)),
    "three classes": (BilevelLogisticRegression, COPIES, THREE),
    "unlike sizes": (BilevelLogisticRegression, COPIES * np.resize([1.0, 1e6, 1e-6], 15), THREE),
    "few of a class": (BilevelLogisticRegression, COPIES, (np.arange(40) < 4).astype(int)),
    "counts": (BilevelPoissonRegressor, COPIES, np.exp(PLAIN[:, 0]).round()),
    "learned weights": (BilevelReweighter, COPIES, (NUMBERS > 0).astype(int)),
    "many": (BilevelLogisticRegression, np.hstack([PLAIN] * 50), (NUMBERS > 0).astype(int)),  # kept factors
    "float32": (BilevelRidge, COPIES.astype(np.float32), NUMBERS),
    "wide": (BilevelRidge, RNG.standard_normal((20, 60)), RNG.standard_normal(20)),
}
CHEAP = dict(cv=2, max_iter=4, tol=1e-2)


@pytest.mark.parametrize("name", SINGULAR)
@pytest.mark.parametrize("penalty", ["all", "feature"])
def test_penalties_without_a_factor_are_left_out_and_named(name, penalty):
    """The lower end of the bounds is where no Hessian has a Cholesky factor: a search ends above, a fit is finite."""
    make, features, y = SINGULAR[name]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model = make(penalty=penalty, bounds=(-500.0, 10.0), **CHEAP).fit(features, y)
    assert "were left out: there a Hessian is not positive definite" in model.message_
    assert np.isfinite(model.coef_).all() and np.isfinite(model.intercept_).all() and model.penalties_.min() > 1e-100
    assert model.hypergradient_norm_ >= 0 and str(model.certificate_.error) in ("certified", "none")
    if "at the lower bound" in model.message_:
        assert any("below a Hessian is not positive definite" in str(w.message) for w in told)


@pytest.mark.parametrize("name", ["copies", "three classes", "counts", "learned weights"])
def test_bounds_without_any_factor_are_refused(name):
    make, features, y = SINGULAR[name]
    with pytest.raises(ArgumentError, match=r"bounds: found .* not positive definite, .* larger") as got:
        make(penalty="all", bounds=(-500.0, -400.0), **CHEAP).fit(features, y)
    assert "copies" in str(got.value) and "StandardScaler" in str(got.value)


def test_a_fit_of_all_data_without_a_factor_is_iterative():
    """Where folds have fitted: two copies of a feature, and a penalty that all but vanishes, leave no factor."""
    features = np.hstack([PLAIN, PLAIN])
    whole = generalized_linear(features, NUMBERS, validation=(features, NUMBERS), penalty="all")
    x = np.array([-80.0])
    with pytest.raises(LinAlgError):
        DirectObjective(whole, np.zeros(6), 1.0).solve(x)
    y = BilevelRidge._solved(whole, x, np.zeros(6), 1.0)
    best = np.linalg.lstsq(PLAIN, NUMBERS)[0]
    np.testing.assert_allclose(y[:3] + y[3:], best, rtol=1e-6)
