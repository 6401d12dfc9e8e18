"""What is done with one block in one reading: pure functions, which go to where the block is.

Each makes the family's own :class:`~lancbio_ref.problems.generalized_linear.samples.Samples` and fit of the block, so
that no formula is here a second time; what comes back is small, and is added up over the blocks. `w` is the block's
piece of the weights where they are learned, None where they are fixed: then they are the block's own b.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from ...blocks import Block
from ...errors import ArgumentError
from ...operators import GeneralizedLinear, MultinomialCross, MultinomialHessian, StructuredOperator
from ...operators.cholesky import spectral_norm_bound
from ...operators.design import FixedOrderDesign
from ...operators.norms import row_norms
from ...operators.offset import OffsetDesign, OffsetGram, total
from ...parallel import dot
from ...rounding import ROUND_UP, SAFE_SQUARES, binary_exponent, norm2
from ..generalized_linear.losses import Loss, Multinomial
from ..generalized_linear.samples import Samples, ScalarFit, fit_of
from ..generalized_linear.sums import DataConstants, range_everywhere, train_constants, validation_constant
from . import fits
from .fits import Weights

TYPES = (np.dtype(np.float32), np.dtype(np.float64))
PIECE_BYTES = 2**20  # of a block, for what makes several float64 copies: they stay in the cache
NARROW = 300  # columns, up to which the norm of a block comes from its Gram matrix


@dataclass(frozen=True)
class Model:
    """What all blocks of a set share.

    Attributes
    ----------
    loss : Loss
    name : str
        ``""`` or ``"_val"``.
    n : int
        Samples in all.
    total, exponent : float and int
        Σ s_i 2^{−exponent}, of weights that were given.
    scale : float
        n/|B| of a batch B; else 1.
    mean : float
        What targets are less than they were given.
    """

    loss: Loss
    name: str
    n: int
    total: float = 0.0
    exponent: int = 0
    scale: float = 1.0
    mean: float = 0.0

    def targets(self, block: Block) -> np.ndarray:
        """t, less their mean where features are centred."""
        t = self.loss.targets("t", block.t, len(block))
        return t - t.dtype.type(self.mean) if self.mean else t

    def base(self, block: Block) -> np.ndarray:
        """b_i = s_i/Σ s, to three roundings."""
        if block.s is None:
            return np.full(len(block), self.scale / self.n)
        return np.ldexp(block.s.astype(np.float64), -self.exponent) / self.total * self.scale


@dataclass(frozen=True)
class Facts:
    """What one reading says about a block for good.

    Attributes
    ----------
    norm, longest : float
        ≥ ‖X_b‖₂ and max ‖x_i‖₂.
    gram, cross, adjoint : dict
        The factors of the rounding of a product, by the type of the vector: of the block's part of A, of J, of Jᵀ.
    gram_terms, cross_terms : int
    has_weights : bool
    weight, exponent : float, int
        Σ s_i 2^{−exponent} of the block, where weights were given.
    targets : numpy.dtype
        That of the targets, as the loss has them.
    """

    norm: float
    longest: float
    gram: dict[str, float]
    cross: dict[str, float]
    adjoint: dict[str, float]
    gram_terms: int
    cross_terms: int
    has_weights: bool
    weight: float
    exponent: int
    targets: np.dtype


def design_of(block: Block) -> FixedOrderDesign:
    """The samples, X uncopied."""
    design = FixedOrderDesign.of_checked(block.X)
    return design if block.offset is None else OffsetDesign(design, block.offset)


def copied(block: Block) -> Block:
    """The block with the samples in X, as :meth:`~lancbio_ref.operators.offset.OffsetOperator.copied` has them."""
    if block.offset is None:
        return block
    return replace(block, X=OffsetDesign(FixedOrderDesign.of_checked(block.X), block.offset).X, offset=None)


def survey(block: Block, rows: np.ndarray, model: Model) -> Facts:
    """What there is to know; everything that can be wrong with a block raises here.

    Raises
    ------
    ArgumentError
        Targets that the loss does not have; negative weights, NaN among them.
    """
    design, n = design_of(block), len(block)
    t = model.loss.targets(f"t{model.name}, block {block.index}", block.t, n)
    weight, exponent = 0.0, 0
    if block.s is not None:
        name, s = f"sample_weight{model.name}, block {block.index}", block.s.astype(np.float64)
        if not np.isfinite(s).all() or s.min() < 0:
            raise ArgumentError(name, f"the weight {s[~(s >= 0)][:1]}", "finite weights >= 0")
        exponent = binary_exponent(s) + 1
        weight = math.fsum(np.ldexp(s, -exponent))
    C = model.loss.n_classes if isinstance(model.loss, Multinomial) else 1
    zeros = np.zeros(n, design.dtype)
    none = (np.zeros((n, C), design.dtype), zeros) if isinstance(model.loss, Multinomial) else zeros
    gram = hessian_of(block, none, design)  # the same: its columns are counted once
    J = MultinomialCross(design, np.zeros((n, C), design.dtype), zeros)
    return Facts(
        norm=norm_of(copied(block), rows) * (1 if block.offset is None else ROUND_UP),
        longest=float(rows.max()),
        gram={dtype.char: gram.product_factor(dtype) for dtype in TYPES},
        cross={dtype.char: J.product_factor(dtype) for dtype in TYPES},
        adjoint={dtype.char: J.adjoint_factor(dtype) for dtype in TYPES},
        gram_terms=gram.terms,
        cross_terms=J.terms,
        has_weights=block.s is not None,
        weight=weight,
        exponent=exponent,
        targets=t.dtype,
    )


def squares_of(block: Block) -> np.ndarray:
    """Σ_i x_ij² of every column, float64."""
    return GeneralizedLinear(FixedOrderDesign.of_checked(block.X).operator, np.ones(len(block))).diagonal()


def survey_and_squares(block: Block, rows: np.ndarray, model: Model) -> tuple[Facts, np.ndarray]:
    """Both of one reading."""
    return survey(block, rows, model), squares_of(copied(block))


def weights_of(block: Block) -> np.ndarray | None:
    """s."""
    return block.s


def targets_of(block: Block) -> np.ndarray:
    """t, as they were given."""
    return block.t


def labels_of(block: Block) -> np.ndarray:
    """The different targets of samples with a weight."""
    return np.unique(block.t if block.s is None else block.t[block.s != 0])


def rows_of(block: Block) -> np.ndarray:
    """≥ ‖x_i‖₂; rows whose squares leave the range, or are 0, as :func:`row_norms` has them; 0 of weight 0."""
    if sp.issparse(block.X):
        rows = _rows_of_sparse(copied(block).X)
    else:
        rows = np.concatenate([_rows_of_piece(piece) for piece in _pieces(block)])
    if block.offset is not None:
        rows = rows * ROUND_UP  # a copy of samples less their means is rounded
    return rows if block.s is None else np.where(block.s == 0, 0.0, rows)


@np.errstate(over="ignore", under="ignore")
def _rows_of_piece(X: np.ndarray) -> np.ndarray:
    wide = X.astype(np.float64, copy=False)
    return _roots(np.einsum("ij,ij->i", wide, wide), X)


@np.errstate(over="ignore", under="ignore")
def _rows_of_sparse(X: sp.csr_array) -> np.ndarray:
    squares = sp.csr_array(X.shape)
    squares.data, squares.indices, squares.indptr = np.square(X.data, dtype=np.float64), X.indices, X.indptr
    return _roots(squares @ np.ones(X.shape[1]), X)


def _roots(squares: np.ndarray, X: np.ndarray | sp.csr_array) -> np.ndarray:
    bounds = np.sqrt(squares) * ROUND_UP
    odd = ~((squares > SAFE_SQUARES[0]) & (squares < SAFE_SQUARES[1]))
    if odd.any():
        bounds[odd] = row_norms(X[odd])
    return bounds


def norm_of(block: Block, rows: np.ndarray) -> float:
    """≥ ‖X_b‖₂ of samples with a weight, by ‖X_b‖_F, √(‖X_b‖₁‖X_b‖_∞) and, of few columns, the Gram matrix."""
    frobenius = norm2(rows) * ROUND_UP
    if sp.issparse(block.X):
        return min(frobenius, FixedOrderDesign.of_checked(block.X).norm)
    if block.X.shape[1] <= NARROW:  # sharp to 1e-9, so that sums of rows and columns could say no more
        return min(frobenius, spectral_norm_bound(block.X))
    columns, longest = np.zeros(block.X.shape[1]), 0.0
    with np.errstate(over="ignore"):
        for piece in _pieces(block):
            size = np.abs(piece.astype(np.float64, copy=False))
            columns += size.sum(axis=0)  # not the BLAS, whose last digits depend on its threads
            longest = max(longest, float(size.sum(axis=1).max()))
        return min(frobenius, math.sqrt(float(columns.max())) * math.sqrt(longest) * ROUND_UP)


def _pieces(block: Block) -> Iterator[Any]:
    """A few rows at a time of a dense block, all of a sparse one."""
    n, p = block.X.shape
    step = n if sp.issparse(block.X) else max(PIECE_BYTES // (8 * p), 1)
    parts = (replace(block, X=block.X[first : first + step]) for first in range(0, n, step))
    return (copied(part).X for part in parts)


def sums_of(block: Block, model: Model) -> tuple[np.ndarray, float, float]:
    """Σ s_i x_i, Σ s_i t_i and Σ s_i, for the means that features and targets are less of.

    Raises
    ------
    ArgumentError
        A sparse block, which would be none any more; targets that the loss does not have.
    """
    if sp.issparse(block.X):
        raise ArgumentError("intercept", "'centre' with sparse X", "True: centring would make it dense")
    t = model.loss.targets(f"t{model.name}, block {block.index}", block.t, len(block)).astype(np.float64)
    s = np.ones(len(block)) if block.s is None else block.s.astype(np.float64)
    return FixedOrderDesign.of_checked(block.X).operator.rmatvec(s), dot(s, t), total(s)


def samples_of(block: Block, model: Model, facts: Facts | None = None, rows: np.ndarray | None = None) -> Samples:
    """The block as the family has its samples."""
    design = design_of(block)
    if facts is not None:
        design.__dict__["norm"] = facts.norm  # what was computed once
    if rows is not None:
        design.__dict__["row_norms"] = rows
    return Samples.of_checked(design, model.targets(block), model.base(block))


def scores_of(block: Block, model: Model, y: np.ndarray) -> np.ndarray:
    """X y, or X Yᵀ; 0 for samples of weight 0, so that nothing of them overflows."""
    fit = fit_of(samples_of(block, model), model.loss, y)
    scores = fit.scores if isinstance(fit, ScalarFit) else fit.logits
    if block.s is not None and not block.s.all():
        scores[block.s == 0] = 0
    return scores


def of_fit(
    block: Block,
    function: Callable[..., Any],
    facts: Facts | None,
    rows: np.ndarray | None,
    model: Model,
    y: np.ndarray,
    scores: np.ndarray,
    *arguments: Any,
) -> Any:
    """``function(fit, *arguments)``, one of :mod:`.fits`, of what y makes of the block; `facts`, `rows` for bounds."""
    return function(fit_of(samples_of(block, model, facts, rows), model.loss, y, scores), *arguments)


def everywhere(
    block: Block,
    facts: Facts,
    rows: np.ndarray,
    model: Model,
    dtype: np.dtype,
    w: Weights,
    d: Weights,
    validation: bool,
) -> DataConstants:
    """What the samples say to the constants over all y, which nothing but the weights moves."""
    data = samples_of(block, model, facts, rows)
    found = range_everywhere(data, model.loss)
    if validation:
        return validation_constant(data, found)
    return train_constants(data, found, data.base.astype(dtype) if w is None else w, d)


# -- the block's part of A -------------------------------------------------------------------


def hessian_of(block: Block, curvatures: Any, design: FixedOrderDesign | None = None) -> StructuredOperator:
    """Of the curvatures that :func:`.fits.curvatures` made, and the samples, where they are at hand."""
    if design is None:
        design = design_of(block)
    if isinstance(curvatures, tuple):
        return MultinomialHessian(design, *curvatures)
    if isinstance(design, OffsetDesign):
        return OffsetGram(design.operator, curvatures)
    zero, p = np.zeros((), np.result_type(block.X, curvatures)), block.X.shape[1]
    ridge = np.broadcast_to(zero, p) if sp.issparse(block.X) else np.full(p, zero)  # a long one is not written
    return GeneralizedLinear.of_checked(design.operator, curvatures, ridge)


def hessian_products(block: Block, curvatures: Any, V: np.ndarray) -> tuple[np.ndarray]:
    """A_b v for the rows v of V, from one reading."""
    A = hessian_of(block, curvatures)
    if len(V) == 1:
        return (A._matvec(V[0])[None],)
    products = A._matvecs(V) if V.dtype.kind == "f" else None
    return (np.stack([A._matvec(v) for v in V]) if products is None else products,)


def product_and_gradient(
    block: Block, curvatures: Any, V: np.ndarray, model: Model, y: np.ndarray, scores: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The same, and the block's part of ∇_y g from the reading that A v costs."""
    gradient = of_fit(block, fits.gradient, None, None, model, y, scores, None)
    return hessian_products(block, curvatures, V)[0], gradient[0]


def absolute_hessian(block: Block, curvatures: Any, v: np.ndarray) -> tuple[np.ndarray]:
    """|A_b| v."""
    return (hessian_of(block, curvatures).abs_product(v),)


def hessian_diagonal(block: Block, curvatures: Any) -> tuple[np.ndarray]:
    """Of A_b."""
    return (hessian_of(copied(block), curvatures).diagonal(),)


# -- the block's rows of J, of learned weights ---------------------------------------------


def cross_product(block: Block, R: np.ndarray, d: np.ndarray, v: np.ndarray) -> np.ndarray:
    """d_i r_i·(V x_i)."""
    return MultinomialCross(design_of(block), R, d)._matvec(v)


def cross_adjoint(block: Block, R: np.ndarray, d: np.ndarray, u: np.ndarray) -> tuple[np.ndarray]:
    """Σ u_i d_i r_i ⊗ x_i."""
    return (MultinomialCross(design_of(block), R, d)._rmatvec(u),)


def absolute_cross(block: Block, R: np.ndarray, d: np.ndarray, v: np.ndarray) -> np.ndarray:
    """|J_b| v."""
    return MultinomialCross(design_of(block), R, d).abs_product(v)


def absolute_adjoint(block: Block, R: np.ndarray, d: np.ndarray, u: np.ndarray) -> tuple[np.ndarray]:
    """|J_b|ᵀu."""
    return (MultinomialCross(design_of(block), R, d).abs_adjoint_product(u),)


def cross_norm(block: Block, facts: Facts, rows: np.ndarray, R: np.ndarray, d: np.ndarray) -> float:
    """≥ ‖J_b‖."""
    design = design_of(block)
    design.__dict__.update(norm=facts.norm, row_norms=rows)
    return MultinomialCross(design, R, d).norm_bound()
