"""Metadata of splitters: what `fit` gets besides X and y goes to ``cv.split`` as in scikit-learn's own routers."""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import GridSearchCV, GroupKFold, LeaveOneGroupOut, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.metadata_routing import get_routing_for_object

from lancbio_ref.estimators import (
    BilevelLogisticRegression,
    BilevelPoissonRegressor,
    BilevelReweighter,
    BilevelRidge,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.standard_normal((48, 3))
PATIENTS = RNG.permutation(np.repeat(np.arange(6), 8))
NUMBERS, LABELS, COUNTS = X[:, 0] + RNG.standard_normal(48), np.where(X[:, 0] > 0, "ill", "well"), RNG.poisson(2.0, 48)
CHEAP = dict(penalty="all", tol=1e-2, max_iter=3)
ALL = [
    (BilevelRidge, NUMBERS),
    (BilevelLogisticRegression, LABELS),
    (BilevelPoissonRegressor, COUNTS),
    (BilevelReweighter, LABELS),
]


class Keeping(GroupKFold):
    """A splitter that remembers what it was given."""

    def split(self, X, y=None, groups=None):
        self.seen = np.array(groups)
        return super().split(X, y, groups)


@pytest.fixture
def routing():
    with config_context(enable_metadata_routing=True):
        yield


@pytest.mark.parametrize(("make", "y"), ALL)
def test_groups_reach_the_splitter_and_make_its_folds(make, y, routing):
    cv = Keeping(3)
    model = make(cv=cv, **CHEAP).fit(X, y, groups=PATIENTS)
    assert (cv.seen == PATIENTS).all()
    by_hand = make(cv=list(GroupKFold(3).split(X, y, PATIENTS)), **CHEAP).fit(X, y)
    assert (model.coef_ == by_hand.coef_).all() and model.validation_loss_ == by_hand.validation_loss_
    weighted = make(cv=cv, **CHEAP).fit(X, y, sample_weight=np.arange(48) + 1.0, groups=PATIENTS)
    assert (weighted.coef_ != model.coef_).any()


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of what LogisticRegressionCV will have other defaults for
@pytest.mark.parametrize(("make", "y"), ALL)
def test_errors_are_those_of_scikit_learns_own_routers(make, y):
    """LogisticRegressionCV on the same calls: the same exception, and the same words but for the names."""

    def both(cv, words, **metadata):
        for model in (make(cv=cv, **CHEAP), LogisticRegressionCV(cv=cv)):
            target = y if isinstance(model, make) else LABELS
            with pytest.raises((ValueError, TypeError), match=words) as raised:
                model.fit(X, target, **metadata)
            yield type(raised.value)

    def same(*arguments, **metadata):
        ours, theirs = both(*arguments, **metadata)
        assert ours is theirs

    same(GroupKFold(3), "enable_metadata_routing=True", groups=PATIENTS)
    same(GroupKFold(3), "'groups' parameter should not be None")
    with config_context(enable_metadata_routing=True):
        same(GroupKFold(3), "'groups' parameter should not be None")
        same(3, r"unexpected argument\(s\) {'groups'}", groups=PATIENTS)
        same(GroupKFold(3), r"unexpected argument\(s\) {'patients'}", patients=PATIENTS)
        same(GroupKFold(3).set_split_request(groups=False), "unexpected argument", groups=PATIENTS)
        same(GroupKFold(3), "inconsistent numbers of samples", groups=PATIENTS[:-1])


def test_what_a_router_says_of_itself(routing):
    metadata = {"groups", "sample_weight", "trusted", "patients"}
    for make, _ in ALL:
        own = {"sample_weight", "trusted"} if make is BilevelReweighter else {"sample_weight"}
        model = make(cv=GroupKFold(3))
        assert get_routing_for_object(model).consumes("fit", metadata) == {"groups"}
        model.set_fit_request(**dict.fromkeys(own, True))
        assert get_routing_for_object(model).consumes("fit", metadata) == {"groups"} | own
    renamed = BilevelRidge(cv=GroupKFold(3).set_split_request(groups="patients"), **CHEAP)
    assert get_routing_for_object(renamed).consumes("fit", {"groups", "patients"}) == {"patients"}
    assert renamed.fit(X, NUMBERS, patients=PATIENTS).coef_.shape == (3,)


def test_groups_go_through_pipelines_and_searches(routing):
    cv = Keeping(2)
    within = make_pipeline(StandardScaler(), BilevelLogisticRegression(cv=cv, **CHEAP))
    within.fit(X, LABELS, groups=PATIENTS)
    assert (cv.seen == PATIENTS).all()
    nested = GridSearchCV(
        BilevelRidge(cv=LeaveOneGroupOut(), **CHEAP), {"fit_intercept": [True, False]}, cv=GroupKFold(2)
    )
    assert nested.fit(X, NUMBERS, groups=PATIENTS).best_estimator_.coef_.shape == (3,)
    stratified = clone(within).set_params(bilevellogisticregression__cv=StratifiedGroupKFold(2))
    assert stratified.fit(X, LABELS, groups=PATIENTS).predict(X).shape == (48,)


def test_where_cv_is_not_used_its_metadata_are_refused(routing):
    with pytest.raises(ValueError, match="cv is not used"):
        BilevelReweighter(cv=GroupKFold(3), **CHEAP).fit(X, LABELS, groups=PATIENTS, trusted=np.arange(48) % 3 == 0)
