"""Bilevel problems with derivatives, proven constants and, where there are any, closed forms."""

from .data_cleaning import DataCleaning, data_cleaning
from .folds import Folds
from .generalized_linear import GeneralizedLinearProblem, generalized_linear
from .logistic import Logistic, logistic
from .prior import ExchangeablePrior, WithPrior
from .quadratic import Quadratic, quadratic, quadratic_from_arrays
from .ridge import Ridge, random_ridge, ridge
from .synthetic import Synthetic, synthetic, synthetic_from_arrays

__all__ = [
    "DataCleaning",
    "ExchangeablePrior",
    "Folds",
    "GeneralizedLinearProblem",
    "Logistic",
    "Quadratic",
    "Ridge",
    "Synthetic",
    "WithPrior",
    "data_cleaning",
    "generalized_linear",
    "logistic",
    "quadratic",
    "quadratic_from_arrays",
    "random_ridge",
    "ridge",
    "synthetic",
    "synthetic_from_arrays",
]
