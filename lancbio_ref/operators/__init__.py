"""Linear operators made for Hessians: their products, and bounds of their rounding."""

from .base import (
    CheckedOperator,
    StructuredOperator,
    coarsest,
    diagonal_of,
    diagonal_part,
    one_batch,
    structure_of,
)
from .convert import as_operator, as_square
from .dense import DenseOperator
from .diagonal_low_rank import DiagonalLowRank, jacobi
from .generalized_linear import GeneralizedLinear
from .multinomial import DesignMatrix, MultinomialCross, MultinomialHessian
from .scattered import ScatteredRows
from .sparse import SparseOperator
from .spectrum import PrescribedSpectrum

__all__ = [
    "CheckedOperator",
    "DenseOperator",
    "DesignMatrix",
    "DiagonalLowRank",
    "GeneralizedLinear",
    "MultinomialCross",
    "MultinomialHessian",
    "PrescribedSpectrum",
    "ScatteredRows",
    "SparseOperator",
    "StructuredOperator",
    "as_operator",
    "as_square",
    "coarsest",
    "diagonal_of",
    "diagonal_part",
    "jacobi",
    "one_batch",
    "structure_of",
]
