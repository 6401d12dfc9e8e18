"""Compiled loops: what one step does to vectors, what one product does to a matrix, and nothing else.

Conventions, for every kernel here:

* arrays are C-contiguous, float32 or float64; a dense matrix is m × n, a vector or a row of a matrix has n entries
  where nothing else is said, and a basis `Q` holds one vector a *row*, k × n;
* the caller owns every array and keeps it; nothing is allocated (but n/2 numbers by `sparse_gram` of a wide matrix),
  and nothing is kept. What a docstring does not name as written is read only. What is written must not overlap what
  is read, but for the pairs that are named as one;
* kernels over vectors accumulate sums in float64 whatever the type of the vectors (the square of a float32
  overflows at 1e19). Kernels over dense matrices sum in the type of their result, float32 in pieces of `PIECE` terms
  that are added in float64; kernels over sparse ones in float64 (conversions are free beside the gathers).

A kernel that begins with ``first, last`` works on those blocks, first … last − 1, of a fixed partition, of `BLOCK`
entries of a vector or of some rows of a matrix, and leaves what it sums in ``partial[block]``: `partial` has a number,
or a vector, for each block of the whole. Nobody else writes there, so threads can share the blocks
(:mod:`lancbio_ref.parallel`); `sum_in_order` and `add_in_order` add them up, first to last.

*Moves* says how often n entries come from memory and go to it, where vectors are too long for the cache.

A complex vector is passed to the kernels with real coefficients as its real view of length 2n: Re(qᴴu) is
then a real dot product. Kernels with `conj` take real and complex rows alike.

Only sums may be reassociated, for vector instructions, and only loops that write nothing are such sums: a
loop that writes has a second, scalar version for arrays that may overlap, and which of the two runs depends on where
the arrays lie. What writes keeps the order of its operations; a b + c may be fused, in both versions alike (tested). So
a run repeats to the bit.

Every kernel runs as plain Python under ``NUMBA_DISABLE_JIT=1``.
"""

from .compiled import JIT, compiled
from .compiling import BLOCK, FIRST, PIECE, exact, loop, reduction
from .dense import (
    EIGHT,
    dense_absolute_gram,
    dense_absolute_product,
    dense_gram,
    dense_gram_and_absolute,
    dense_gram_by_columns,
    dense_gram_with_ridge,
    dense_grams,
    dense_product,
    dense_product_in_pieces,
    dense_products,
    dense_transposed,
    dense_weighted_squares,
)
from .multinomial import multinomial_gram
from .some_rows import coefficients_of, combine_into, subtract_some
from .sparse import (
    sparse_absolute_gram,
    sparse_gram,
    sparse_grams,
    sparse_product,
    sparse_products,
    sparse_transposed,
)
from .updates import difference_and_step, largest_finite, short_descent, short_difference, short_step, step_along
from .vectors import (
    add_in_order,
    coefficients,
    descend,
    divide,
    dot,
    dot_after,
    entries,
    extremes,
    largest_size,
    next_in_place,
    next_vector,
    scaled_to_one,
    short_dot,
    squares_with_errors,
    subtract_rows,
    sum_entries,
    sum_in_order,
    weighted_squares,
)

__all__ = [
    "BLOCK",
    "EIGHT",
    "FIRST",
    "JIT",
    "PIECE",
    "add_in_order",
    "coefficients",
    "coefficients_of",
    "combine_into",
    "compiled",
    "dense_absolute_gram",
    "dense_absolute_product",
    "dense_gram",
    "dense_gram_and_absolute",
    "dense_gram_by_columns",
    "dense_gram_with_ridge",
    "dense_grams",
    "dense_product",
    "dense_product_in_pieces",
    "dense_products",
    "dense_transposed",
    "dense_weighted_squares",
    "descend",
    "difference_and_step",
    "divide",
    "dot",
    "dot_after",
    "entries",
    "exact",
    "extremes",
    "largest_finite",
    "largest_size",
    "loop",
    "multinomial_gram",
    "next_in_place",
    "next_vector",
    "reduction",
    "scaled_to_one",
    "short_descent",
    "short_difference",
    "short_dot",
    "short_step",
    "sparse_absolute_gram",
    "sparse_gram",
    "sparse_grams",
    "sparse_product",
    "sparse_products",
    "sparse_transposed",
    "squares_with_errors",
    "step_along",
    "subtract_rows",
    "subtract_some",
    "sum_entries",
    "sum_in_order",
    "weighted_squares",
]
