"""scikit-learn's own checks of an estimator, on all of ours."""

import pytest
from sklearn.base import is_classifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from lancbio_ref.estimators import (
    BilevelLogisticRegression,
    BilevelPoissonRegressor,
    BilevelReweighter,
    BilevelRidge,
)
from tests.thorough import THOROUGH

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

FOLDS = "folds of repeated samples are not those of weighted ones, as with scikit-learn's LogisticRegressionCV"
EXPECTED = {  # the failures that scikit-learn lists for its own estimators with cross-validation
    "check_sample_weight_equivalence_on_dense_data": FOLDS,
    "check_sample_weight_equivalence_on_sparse_data": FOLDS,
}


MODELS = [BilevelRidge, BilevelLogisticRegression, BilevelPoissonRegressor, BilevelReweighter]
CHEAP = dict(penalty="all", cv=2, max_iter=3)  # as scikit-learn checks its own estimators with cross-validation


@parametrize_with_checks(
    [model(**CHEAP) for model in MODELS] + ([model() for model in MODELS] if THOROUGH else []),
    expected_failed_checks=lambda estimator: EXPECTED if is_classifier(estimator) else {},
)
def test_estimator_checks(estimator, check):
    check(estimator)
