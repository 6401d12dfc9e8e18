"""Estimators for scikit-learn whose penalties, or sample weights, cross-validation learns: the extra ``sklearn``.

:class:`BilevelRidge`, :class:`BilevelLogisticRegression` and :class:`BilevelPoissonRegressor` minimize the mean
validation loss of K fits over one penalty in all, a group, a feature or a class, by the hyper-gradient of
:class:`~lancbio_ref.HyperObjective`, and refit on all data; :class:`BilevelReweighter` learns one weight a sample.
"""

try:
    import sklearn  # noqa: F401
except ImportError as error:  # pragma: no cover - the tests have it
    raise ImportError("lancbio_ref.estimators needs scikit-learn: pip install scikit-learn") from error

from .logistic import BilevelLogisticRegression
from .poisson import BilevelPoissonRegressor
from .reweighter import BilevelReweighter
from .ridge import BilevelRidge

__all__ = ["BilevelLogisticRegression", "BilevelPoissonRegressor", "BilevelReweighter", "BilevelRidge"]
