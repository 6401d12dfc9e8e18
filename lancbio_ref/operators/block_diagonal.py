"""A = diag(A_1, …, A_K): the Hessian of several lower levels that share x and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from ..arguments import Operator
from ..errors import ArgumentError
from .base import StructuredOperator, diagonal_of, diagonal_part, structure_of
from .convert import as_square


class BlockDiagonal(StructuredOperator):
    """(A v)_k = A_k v_k for v = (v_1, …, v_K).

    Parameters
    ----------
    blocks : sequence of array_like, sparse matrices or operators, shapes (n_k, n_k)

    Attributes
    ----------
    has_bounds : bool
        False where one of the blocks is a black box.

    Raises
    ------
    ArgumentError
        No block, or one that is not square, not finite or complex.

    Notes
    -----
    No entry of A v meets another block: it has the rounding of its own block's product, so that the factor is the
    largest of theirs. λ_min(A) = min λ_min(A_k) and ‖A‖ = max ‖A_k‖.

    Examples
    --------
    >>> from lancbio_ref.operators import BlockDiagonal
    >>> A = BlockDiagonal([[[2.0]], [[3.0, 1.0], [1.0, 3.0]]])
    >>> A.toarray()
    array([[2., 0., 0.],
           [0., 3., 1.],
           [0., 1., 3.]])
    >>> round(A.norm_bound(), 6)
    4.0
    """

    _settled = ("blocks", "has_bounds", "terms")

    def __init__(self, blocks: Sequence[Operator]) -> None:
        if len(blocks) == 0:
            raise ArgumentError("blocks", "none", "at least one square matrix")
        self.blocks = tuple(as_square(f"blocks[{k}]", block) for k, block in enumerate(blocks))
        dtypes = [block.dtype for block in self.blocks if block.dtype is not None]
        dtype = np.result_type(*dtypes) if dtypes else np.dtype(np.float64)
        if dtype.kind == "c":
            raise ArgumentError("blocks", f"dtype {dtype}", "real operators")
        n = sum(block.shape[0] for block in self.blocks)
        super().__init__(dtype, (n, n))
        structures = [structure_of(block) for block in self.blocks]
        self._structures = [structure for structure in structures if structure is not None]
        self.has_bounds = len(self._structures) == len(self.blocks)
        self.terms = max((structure.terms for structure in self._structures), default=0)
        self._cuts = np.cumsum([block.shape[0] for block in self.blocks])[:-1]

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        return self._by_blocks([block.matvec for block in self.blocks], self._promoted(v))

    def _rmatvec(self, u: np.ndarray) -> np.ndarray:
        return self._by_blocks([block.rmatvec for block in self.blocks], self._promoted(u))

    def abs_product(self, v: np.ndarray) -> np.ndarray:
        return self._by_blocks([structure.abs_product for structure in self._structures], v)

    def abs_adjoint_product(self, u: np.ndarray) -> np.ndarray:
        return self._by_blocks([structure.abs_adjoint_product for structure in self._structures], u)

    def _by_blocks(self, products: Sequence[Callable[[np.ndarray], np.ndarray]], v: np.ndarray) -> np.ndarray:
        pieces = np.split(v.ravel(), self._cuts)
        return np.concatenate([product(piece) for product, piece in zip(products, pieces, strict=True)])

    def _promoted(self, v: np.ndarray) -> np.ndarray:
        return v.ravel().astype(self.result_type(v.dtype), copy=False)

    def product_factor(self, dtype: npt.DTypeLike) -> float:
        result = self.result_type(dtype)
        return max(structure.product_factor(result) for structure in self._structures)

    def adjoint_factor(self, dtype: npt.DTypeLike) -> float:
        result = self.result_type(dtype)
        return max(structure.adjoint_factor(result) for structure in self._structures)

    def is_symmetric(self) -> bool:
        return self.has_bounds and all(structure.is_symmetric() for structure in self._structures)

    def diagonal_part(self) -> np.ndarray | None:
        """d of A = B + diag(d), shape (n,): those of the blocks, 0 where one shows none; None where none does."""
        parts = [diagonal_part(block) for block in self.blocks]
        if all(part is None for part in parts):
            return None
        sizes = (block.shape[0] for block in self.blocks)
        return np.concatenate([np.zeros(n) if d is None else d for d, n in zip(parts, sizes, strict=True)])

    def diagonal(self) -> np.ndarray:
        """The diagonals of the blocks, one after another."""
        return np.concatenate([diagonal_of(block) for block in self.blocks]).astype(self.dtype, copy=False)

    def norm_bound(self) -> float:
        return max(structure.norm_bound() for structure in self._structures)
