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

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

FOLDS = "folds of repeated samples are not those of weighted ones, as with scikit-learn's LogisticRegressionCV"
EXPECTED = {  # the failures that scikit-learn lists for its own estimators with cross-validation
    "check_sample_weight_equivalence_on_dense_data": FOLDS,
    "check_sample_weight_equivalence_on_sparse_data": FOLDS,
}


@parametrize_with_checks(
    [BilevelRidge(), BilevelLogisticRegression(), BilevelPoissonRegressor(), BilevelReweighter()],
    expected_failed_checks=lambda estimator: EXPECTED if is_classifier(estimator) else {},
)
def test_estimator_checks(estimator, check):
    check(estimator)
