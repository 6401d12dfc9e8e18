"""scikit-learn's own checks of an estimator: all of them on one of each base class, in ``make test`` a part on others.

``make test-thorough`` makes all checks of all four, with cheap settings and with the default ones.
"""

import pytest
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from lancbio_ref.estimators import (
    BilevelLogisticRegression,
    BilevelPoissonRegressor,
    BilevelReweighter,
    BilevelRidge,
)
from tests.thorough import THOROUGH, sampled

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

COPIES = "a row's copies have weights of their own to learn, and the search for them ends elsewhere at the tolerance"
EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": COPIES,
    "check_sample_weight_equivalence_on_sparse_data": COPIES,
}
CHEAP = dict(penalty="all", cv=2, max_iter=3)  # as scikit-learn checks its own estimators with cross-validation


def checks(*estimators):
    """(names, pairs of an estimator and a check, their ids), as scikit-learn's decorator would have them."""
    expected = lambda estimator: EXPECTED if isinstance(estimator, BilevelReweighter) else {}  # noqa: E731
    mark = parametrize_with_checks(list(estimators), expected_failed_checks=expected)
    return mark.args[0], list(mark.args[1]), mark.kwargs["ids"]


NAMES, ALL, IDS = checks(BilevelRidge(**CHEAP), BilevelLogisticRegression(**CHEAP))
_, ALIKE, _ = checks(BilevelPoissonRegressor(**CHEAP), BilevelReweighter(**CHEAP))  # the same code but for the loss
if THOROUGH:
    ALL += checks(BilevelRidge(), BilevelLogisticRegression(), BilevelPoissonRegressor(), BilevelReweighter())[1]


@pytest.mark.parametrize(NAMES, ALL + sampled(ALIKE, 4), ids=IDS)
def test_estimator_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("name", EXPECTED)
def test_learned_weights_of_copies_are_those_of_one_weighted_row_where_the_search_goes_on(name):
    """What is expected to fail at a tolerance holds at the optimum."""
    getattr(estimator_checks, name)("BilevelReweighter", BilevelReweighter(tol=1e-10, max_iter=2000))
