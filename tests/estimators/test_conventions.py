"""scikit-learn's own checks of an estimator: all of them on one of each base class, in ``make test`` a part on others.

``make test-thorough`` makes all checks of all four, with cheap settings and with the default ones.
"""

import pytest
from sklearn.base import is_classifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from lancbio_ref.estimators import (
    BilevelLogisticRegression,
    BilevelPoissonRegressor,
    BilevelReweighter,
    BilevelRidge,
)
from tests.thorough import THOROUGH, sampled

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

FOLDS = "folds of repeated samples are not those of weighted ones, as with scikit-learn's LogisticRegressionCV"
EXPECTED = {  # the failures that scikit-learn lists for its own estimators with cross-validation
    "check_sample_weight_equivalence_on_dense_data": FOLDS,
    "check_sample_weight_equivalence_on_sparse_data": FOLDS,
}
CHEAP = dict(penalty="all", cv=2, max_iter=3)  # as scikit-learn checks its own estimators with cross-validation


def checks(*estimators):
    """(names, pairs of an estimator and a check, their ids), as scikit-learn's decorator would have them."""
    expected = lambda estimator: EXPECTED if is_classifier(estimator) else {}  # noqa: E731
    mark = parametrize_with_checks(list(estimators), expected_failed_checks=expected)
    return mark.args[0], list(mark.args[1]), mark.kwargs["ids"]


NAMES, ALL, IDS = checks(BilevelRidge(**CHEAP), BilevelLogisticRegression(**CHEAP))
_, ALIKE, _ = checks(BilevelPoissonRegressor(**CHEAP), BilevelReweighter(**CHEAP))  # the same code but for the loss
if THOROUGH:
    ALL += checks(BilevelRidge(), BilevelLogisticRegression(), BilevelPoissonRegressor(), BilevelReweighter())[1]


@pytest.mark.parametrize(NAMES, ALL + sampled(ALIKE, 4), ids=IDS)
def test_estimator_checks(estimator, check):
    check(estimator)
