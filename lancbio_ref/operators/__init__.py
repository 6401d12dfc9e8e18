"""Linear operators made for Hessians: their products, and bounds of their rounding."""

from .base import (
    CheckedOperator,
    StructuredOperator,
    as_dense,
    coarsest,
    diagonal_of,
    diagonal_part,
    one_batch,
    structure_of,
)
from .block_diagonal import BlockDiagonal
from .convert import as_operator, as_square
from .dense import DenseOperator
from .design import DesignMatrix
from .diagonal_low_rank import DiagonalLowRank, jacobi
from .generalized_linear import GeneralizedLinear
from .grouped_rows import GroupedRows
from .multinomial import MultinomialCross, MultinomialHessian
from .scattered import ScatteredRows
from .sparse import SparseOperator
from .spectrum import PrescribedSpectrum
from .stacked import SideBySide, StackedRows

__all__ = [
    "BlockDiagonal",
    "CheckedOperator",
    "DenseOperator",
    "DesignMatrix",
    "DiagonalLowRank",
    "GeneralizedLinear",
    "GroupedRows",
    "MultinomialCross",
    "MultinomialHessian",
    "PrescribedSpectrum",
    "ScatteredRows",
    "SideBySide",
    "SparseOperator",
    "StackedRows",
    "StructuredOperator",
    "as_dense",
    "as_operator",
    "as_square",
    "coarsest",
    "diagonal_of",
    "diagonal_part",
    "jacobi",
    "one_batch",
    "structure_of",
]
