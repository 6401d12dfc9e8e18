"""Stochastic is deterministic on another problem: every gradient and every product on a mini-batch of its own.

A finite-sum problem has means over samples in it, f = mean_i f_i + …, g = mean_i g_i + …. It says how many samples
each level has, ``n_samples = (upper, lower)``, and offers ``minibatch(upper=indices, lower=indices)``: the same problem
with the means taken over these rows only. With the rows drawn uniformly without replacement,

    E (1/|B|) Σ_{i ∈ B} a_i = (1/n) Σ_i a_i,

so gradients and products of a batch have those of the whole problem as their mean.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse.linalg import LinearOperator

from .arguments import Seed, as_generator, as_integer, plain_array, settled, start_y
from .errors import ArgumentError
from .linearization import Linearization
from .operators import as_operator
from .operators.vectors import VectorOperator
from .problem import BilevelProblem, LowerLevel, UpperLevel

BatchSize = int | tuple[int | None, int | None]
LEVELS = ("upper", "lower")


class Draw(NamedTuple):
    """One batch: the outer iteration, what it was for, how often that had been asked for, and the rows, sorted."""

    k: int
    quantity: str
    call: int
    indices: np.ndarray


@dataclass
class Sampler:
    """Where batches come from: a generator, and how often each quantity has had one."""

    rng: np.random.Generator
    counts: dict[str, int] = field(default_factory=dict)


class Minibatched(BilevelProblem):
    """A finite-sum problem whose gradients and products are each made on a batch of their own.

    Parameters
    ----------
    problem : BilevelProblem
        With ``minibatch`` and ``n_samples``.
    upper, lower : int or None
        Batch sizes. The number of samples, or None, means all of them: then nothing is drawn, and what comes out is
        what `problem` itself returns.
    rng : None, int or numpy.random.Generator
    replay : iterable of Draw, optional
        The log of an earlier run: its batches are used again, in their order, and nothing is drawn.

    Attributes
    ----------
    full : BilevelProblem
        The whole problem: for diagnostics, which draw nothing.
    log : list of Draw
        All batches so far.
    k : int
        What the log calls the outer iteration; drivers set it.
    sampler : Sampler
        The generator, and how often it was asked for what.

    Raises
    ------
    ArgumentError
        A problem that is no finite sum; a batch size below 1 or above the number of samples; a `replay` that does not
        fit what is asked for.

    Notes
    -----
    ``hessian`` and ``cross`` return operators that draw a batch a product; two products are then two random matrices.
    Where that will not do (a conjugate-gradient solve, a symmetric 2 × 2 matrix),
    :func:`lancbio_ref.operators.one_batch` makes one draw of such an operator, and :func:`fixed_batch` one draw of a
    whole level. ∇_y f, ∇_x f, A, J and ∇_y g of one :meth:`linearize` are independent. f and g themselves are those of
    the whole problem. A linearization claims no bounds, for there is no one A to bound, unless both levels take all
    samples.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref import problems
    >>> from lancbio_ref.minibatch import Minibatched
    >>> problem = problems.random_ridge(20, 10, 3, rng=0)
    >>> batches = Minibatched(problem, upper=5, lower=4, rng=1)
    >>> x, y = np.zeros(3), np.ones(3)
    >>> g = batches.lower_grad_y(x, y)
    >>> batches.log[0].quantity, batches.log[0].indices.size
    ('lower.grad_y', 4)
    >>> again = Minibatched(problem, upper=5, lower=4, replay=batches.log)
    >>> bool((again.lower_grad_y(x, y) == g).all())
    True
    """

    _may_change = BilevelProblem._may_change | {"k", "log", "sampler"}

    def __init__(
        self,
        problem: BilevelProblem,
        upper: int | None,
        lower: int | None,
        rng: Seed = None,
        replay: Iterable[Draw] | None = None,
    ) -> None:
        if not (callable(getattr(problem, "minibatch", None)) and hasattr(problem, "n_samples")):
            raise ArgumentError("problem", type(problem).__name__, "a finite sum, with minibatch and n_samples")
        self.full = settled(problem)  # a finite sum, whose `minibatch` no base class knows
        self.sizes = {
            level: total if size is None else _as_batch_size(level, size, total)
            for level, size, total in zip(LEVELS, (upper, lower), self.full.n_samples, strict=True)
        }
        self.totals = dict(zip(LEVELS, self.full.n_samples, strict=True))
        self.n_x: int = self.full.n_x
        self.dtype = problem.dtype
        self.k = 0
        self.log: list[Draw] = []
        self.sampler = Sampler(as_generator(rng))
        self._replay = None if replay is None else iter(list(replay))
        whole = self.full.lower
        self._lends = getattr(self.full, "_lends", True)
        super().__init__(
            UpperLevel(
                value=problem.value,
                grad_x=self._batch_upper_grad_x,
                grad_y=self._batch_upper_grad_y,
            ),
            LowerLevel(
                value=whole.value,
                grad_y=self._batch_grad_y,
                grad_x=None if whole.grad_x is None else self._batch_grad_x,
                hessian=self._batch_hessian,
                cross=self._batch_cross,
                mu=whole.mu,
                smoothness=whole.smoothness,
                cross_norm=whole.cross_norm,
            ),
            n_y=problem.n_y,
        )

    def __copy__(self) -> Minibatched:
        """Draws the same batches from now on, from a generator and into a log of its own."""
        new = super().__copy__()
        new.log, new.sampler, new._replay = list(self.log), copy.deepcopy(self.sampler), copy.copy(self._replay)
        return new

    def start_y(self, dtype: np.dtype) -> np.ndarray:
        """Where y of the whole problem starts."""
        return start_y(self.full, dtype)

    def _batch_upper_grad_x(self, x: np.ndarray, y: np.ndarray) -> Any:
        return self.batch("upper.grad_x").upper.grad_x(x, y)

    def _batch_upper_grad_y(self, x: np.ndarray, y: np.ndarray) -> Any:
        return self.batch("upper.grad_y").upper.grad_y(x, y)

    def _batch_grad_y(self, x: np.ndarray, y: np.ndarray) -> Any:
        return self.batch("lower.grad_y").lower.grad_y(x, y)

    def _batch_hessian(self, x: np.ndarray, y: np.ndarray) -> LinearOperator:
        return self._drawing("lower.hessian", x, y, (y.size, y.size))

    def _batch_cross(self, x: np.ndarray, y: np.ndarray) -> LinearOperator:
        return self._drawing("lower.cross", x, y, (x.size, y.size))

    def _batch_grad_x(self, x: np.ndarray, y: np.ndarray) -> Any:
        grad_x = self.batch("lower.grad_x").lower.grad_x
        assert grad_x is not None  # a batch has what the whole has
        return grad_x(x, y)

    def draws(self, level: str) -> bool:
        """Whether a batch of this level, ``"upper"`` or ``"lower"``, is less than all its samples."""
        return self.sizes[level] < self.totals[level]

    def batch(self, quantity: str) -> BilevelProblem:
        """The problem on a new batch of one level, the other left whole; `full` itself where nothing is drawn.

        Parameters
        ----------
        quantity : str
            Goes into the log. What is before the first dot is the level.
        """
        level = quantity.partition(".")[0]
        if level not in LEVELS:
            raise ArgumentError("quantity", repr(quantity), "'upper' or 'lower', and more after a dot")
        if not self.draws(level):
            return self.full
        return self.full.minibatch(**{level: self._indices(level, quantity)})

    def linearize(self, x: np.ndarray, y: np.ndarray) -> Linearization:
        """(A, J, b, c) with independent batches, a fresh one a product of A or J; without bounds."""
        if not any(map(self.draws, LEVELS)):
            return self.full.linearize(x, y)
        return Linearization(
            self.hessian(x, y),
            self.cross(x, y),
            self.upper_grad_y(x, y),
            self.upper_grad_x(x, y),
            grad_y=lambda: self.lower_grad_y(x, y),
            at=self.promoted(x, y),
        )

    def _drawing(self, quantity: str, x: np.ndarray, y: np.ndarray, shape: tuple[int, int]) -> LinearOperator:
        draw = partial(self._one_batch, quantity, x, y, shape)
        return BatchedOperator(draw, np.result_type(x, y), shape) if self.draws("lower") else draw()

    def _one_batch(self, quantity: str, x: np.ndarray, y: np.ndarray, shape: tuple[int, int]) -> LinearOperator:
        derivative = getattr(self.batch(quantity).lower, quantity.partition(".")[2])
        return as_operator(quantity, derivative(x, y), shape)

    def _indices(self, level: str, quantity: str) -> np.ndarray:
        call = self.sampler.counts[quantity] = self.sampler.counts.get(quantity, 0) + 1
        size, total = self.sizes[level], self.totals[level]
        if self._replay is None:
            indices = np.sort(self.sampler.rng.choice(total, size, replace=False, shuffle=False))
        else:
            indices = self._next_of_replay(quantity, call, size, total)
        self.log.append(Draw(self.k, quantity, call, indices.astype(np.min_scalar_type(total - 1))))
        return indices

    def _next_of_replay(self, quantity: str, call: int, size: int, total: int) -> np.ndarray:
        wanted = f"call {call} of {quantity} with {size} rows below {total}"
        entry = next(self._replay, None)  # type: ignore[arg-type]
        if entry is None:
            raise ArgumentError("replay", f"{len(self.log)} batches", f"one more: {wanted}")
        indices = np.asarray(entry[3]).astype(np.intp)
        fits = indices.shape == (size,) and indices[0] >= 0 and indices[-1] < total and (np.diff(indices) > 0).all()
        if tuple(entry[1:3]) != (quantity, call) or not fits:
            raise ArgumentError("replay", f"call {entry[2]} of {entry[1]} with {indices.size} rows", wanted)
        return indices


class BatchedOperator(VectorOperator):
    """A matrix that is drawn anew for every product.

    Parameters
    ----------
    draw : callable () → LinearOperator
    dtype : numpy.dtype
    shape : tuple of int
    """

    _settled = ("one_batch",)

    def __init__(self, draw: Callable[[], LinearOperator], dtype: np.dtype, shape: tuple[int, int]) -> None:
        self.one_batch = draw
        super().__init__(dtype, shape)

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        return self.one_batch()._matvec(v)

    def _rmatvec(self, v: np.ndarray) -> np.ndarray:
        return self.one_batch()._rmatvec(v)


def fixed_batch(problem: BilevelProblem, quantity: str) -> BilevelProblem:
    """`problem` with one batch for all that is asked of it, logged as `quantity`; itself where it never draws.

    For a method that evaluates one batch at two points, such as a finite difference.

    Parameters
    ----------
    problem : BilevelProblem
    quantity : str
        ``"lower.NAME"`` or ``"upper.NAME"``: the level that is drawn.
    """
    return problem.batch(quantity) if isinstance(problem, Minibatched) else problem


def as_minibatched(problem: BilevelProblem, batch_size: BatchSize, rng: np.random.Generator) -> Minibatched:
    """`problem` in batches of ``batch_size``, one number for both levels or (upper, lower).

    The batches come from a stream of their own, so that a method draws the same numbers whatever the batches are.
    """
    if isinstance(problem, Minibatched):
        raise ArgumentError("batch_size", repr(batch_size), "None, since the problem is Minibatched already")
    sizes = batch_size if isinstance(batch_size, (tuple, list)) else (batch_size, batch_size)
    if len(sizes) != 2:
        raise ArgumentError("batch_size", repr(batch_size), "an integer, or two: (upper, lower)")
    upper, lower = sizes
    try:
        own = rng.spawn(1)[0]
    except TypeError:  # seeded as RandomState is, which has no such children
        own = np.random.default_rng(rng.integers(2**32, size=4))
    return Minibatched(problem, upper, lower, own)


def as_indices(name: str, indices: npt.ArrayLike, total: int) -> np.ndarray:
    """Rows of a batch: sorted, different, in 0 … total − 1."""
    array = plain_array(name, indices, "a 1-D array of integers")
    if array.ndim != 1 or array.size == 0 or array.dtype.kind not in "iu":
        raise ArgumentError(name, f"{array.dtype} of shape {array.shape}", "a 1-D array of integers, not empty")
    array = array.astype(np.intp)
    if array[0] < 0 or array[-1] >= total or not (np.diff(array) > 0).all():
        raise ArgumentError(name, f"{array.size} indices", f"increasing ones in 0..{total - 1}")
    return array


def _as_batch_size(level: str, size: Any, total: int) -> int:
    size = as_integer(f"{level} batch size", size, least=1)
    if size > total:
        raise ArgumentError(f"{level} batch size", str(size), f"at most {total}, the number of samples")
    return size


def run_type(problem: BilevelProblem, *vectors: np.ndarray) -> np.dtype:
    """The widest type of `vectors` and of the problem's data, where it says it."""
    own = getattr(problem.full if isinstance(problem, Minibatched) else problem, "dtype", None)
    known = [own] if isinstance(own, np.dtype) and own.char in "fd" else []
    return np.result_type(*vectors, *known)
