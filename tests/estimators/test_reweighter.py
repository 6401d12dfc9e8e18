"""Weights of samples that are learned: what is found, with weights that are given, and from where a search begins."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lancbio_ref.estimators import BilevelReweighter


def test_learned_weights_point_at_wrong_labels_in_a_pipeline():
    rng = np.random.default_rng(0)
    features = rng.standard_normal((240, 3))
    labels = np.where(features[:, 0] > 0, "yes", "no")
    wrong, trusted = np.arange(240) < 50, np.arange(240) >= 160
    noisy = np.where(wrong, np.where(labels == "yes", "no", "yes"), labels)
    import sklearn

    with sklearn.config_context(enable_metadata_routing=True):
        model = make_pipeline(StandardScaler(), BilevelReweighter().set_fit_request(trusted=True, sample_weight=False))
        model.fit(features, noisy, trusted=trusted)
    reweighter = model[-1]
    assert reweighter.noise_auc(wrong) > 0.95 and (reweighter.sample_weight_[trusted] == 1).all()
    assert model.score(features, labels) > 0.95
    for bad in (np.ones(240, bool), np.zeros(240, bool), np.ones(3, bool), np.ones(240)):
        with pytest.raises(ValueError, match="trusted"):
            BilevelReweighter().fit(features, noisy, trusted=bad)
    with pytest.raises(ValueError, match="not trusted lack the class 'yes'"):
        BilevelReweighter().fit(features, labels, trusted=labels == "yes")
    for bad in (np.ones(3, bool), np.zeros(240, bool)):
        with pytest.raises(ValueError, match="wrong must"):
            reweighter.noise_auc(bad)


def noisy():
    rng = np.random.default_rng(1)
    features = rng.standard_normal((90, 2))
    y = (features[:, 0] + 0.3 * rng.standard_normal(90) > 0).astype(int)
    wrong, trusted = np.arange(90) < 15, np.arange(90) >= 60
    return features, np.where(wrong, 1 - y, y), trusted, rng.uniform(0.2, 3, 90)


@pytest.mark.parametrize("with_trusted", [True, False])
def test_learned_weights_multiply_those_that_are_given(with_trusted):
    """The fit of all data is scikit-learn's with s_i σ(x_i), and the folds' problem has both."""
    X, y, trusted, s = noisy()
    model = BilevelReweighter(cv=None if with_trusted else 3)
    model.fit(X, y, sample_weight=s, trusted=trusted if with_trusted else None)
    both = s / s.sum() * model.sample_weight_
    theirs = LogisticRegression(C=1 / model.penalties_[0], tol=1e-10, max_iter=5000).fit(X, y, sample_weight=both)
    np.testing.assert_allclose(model.coef_, theirs.coef_, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(model.intercept_, theirs.intercept_, rtol=1e-3, atol=1e-3)
    assert np.ptp(model.sample_weight_[~trusted]) > 0.01
    plain = BilevelReweighter(cv=model.cv).fit(X, y, trusted=trusted if with_trusted else None)
    assert not np.allclose(plain.coef_, model.coef_, rtol=1e-3)
    nothing = np.where(np.arange(90) < 15, 0.0, s)  # of these samples nothing is asked, and nothing learned
    without = BilevelReweighter(cv=model.cv).fit(X, y, sample_weight=nothing, trusted=trusted if with_trusted else None)
    assert (without.sample_weight_[:15] == 0.5).all()


def test_a_warm_start_has_penalties_and_weights():
    X, y, trusted, _ = noisy()
    model = BilevelReweighter(warm_start=True).fit(X, y, trusted=trusted)
    first, loss = len(model.path_), model.validation_loss_
    model.fit(X, y, trusted=trusted)
    assert len(model.path_) < first and model.validation_loss_ <= loss * (1 + 1e-6)
    assert model.path_[0]["value"] == pytest.approx(loss, rel=1e-6)  # it begins where the first ended
    model.fit(X[5:], y[5:], trusted=trusted[5:])  # other samples: the penalty alone
    assert model.sample_weight_.shape == (85,) and len(model.path_) < first
    cold = BilevelReweighter().fit(X, y, trusted=trusted)
    again = len(cold.path_)
    assert len(cold.fit(X, y, trusted=trusted).path_) == again == first
    with pytest.raises(ValueError, match="warm_start"):
        BilevelReweighter(warm_start="yes").fit(X, y)


def test_trusted_samples_are_the_split():
    X, y, trusted, _ = noisy()
    for cv in (3, [(np.arange(45), np.arange(45, 90))]):
        with pytest.raises(ValueError, match="cv is not used"):
            BilevelReweighter(cv=cv).fit(X, y, trusted=trusted)
