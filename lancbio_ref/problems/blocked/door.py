"""Which X comes in blocks, and the problems of it: what the family's own doors call."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from ...arguments import BlockRows, Operator, Seed, as_array, as_flag, as_generator, as_number, as_vector
from ...blocks import Block, Blocks, LocalBlocks, added
from ...blocks.base import ones_column
from ...blocks.from_dask import dask_blocks, is_dask
from ...blocks.rows import RowsOfBlocks
from ...blocks.sizing import rechunked
from ...blocks.source import is_large, is_lazy
from ...blocks.together import Readings, Shared
from ...errors import ArgumentError
from ...labels import Classes, as_label_array
from ...operators.csr import as_csr
from ...watching import Watch
from ..classification import as_classes, as_samples
from ..elementary import FUNCTION_UNITS
from ..generalized_linear.losses import Loss, Multinomial, Squared, as_loss
from ..generalized_linear.penalty import Penalty, make_penalty
from ..generalized_linear.weighting import Weighting
from ..splits import require_classes
from . import passes
from .folds import BlockedFolds, rows_of_folds
from .passes import Model
from .problem import BlockedProblem
from .samples import BlockedSamples

Centre = tuple[np.ndarray, float]
MOST = 1000  # classes in float32, for the proof of softmax


def comes_in_blocks(block_rows: BlockRows, *matrices: Any) -> bool:
    """Whether somebody asks for blocks, has blocks, or has a matrix that is not in memory and larger than a block."""
    kinds = is_blocks, is_dask, is_large, is_list_of_blocks
    return block_rows is not None or any(kind(X) for kind in kinds for X in matrices)


def is_blocks(X: Any) -> bool:
    """Whether X is made into blocks already, with its targets."""
    return all(hasattr(X, name) for name in ("rows", "map", "keep", "take", "with_offset"))


def is_list_of_blocks(X: Any) -> bool:
    """Whether X is a list of 2-D arrays or sparse matrices, which no array is."""
    return isinstance(X, (list, tuple)) and len(X) > 0 and all(len(getattr(part, "shape", ())) == 2 for part in X)


def blocks_of(name: str, X: Any, t: Any, s: Any, block_rows: BlockRows) -> Blocks:
    """X with its targets and weights as blocks.

    Raises
    ------
    ArgumentError
        See :class:`~lancbio_ref.blocks.LocalBlocks`.
    """
    if is_blocks(X):
        if t is not None or s is not None:
            raise ArgumentError(name, "blocks beside targets or weights", "None for these: blocks have their own")
        return cast(Blocks, X)
    if is_dask(X):
        if block_rows == "auto":
            X = rechunked(name, X)
        elif block_rows is not None:
            expected = "'auto', or None: what Dask has is in blocks, X.rechunk({0: rows}) cuts it"
            raise ArgumentError("block_rows", block_rows, expected)
        return dask_blocks(X, t, s, name=name)
    if sp.issparse(X) and X.format != "csr":
        X = as_csr(name, X)
    elif not (sp.issparse(X) or isinstance(X, np.ndarray) or is_large(X) or is_lazy(X) or is_list_of_blocks(X)):
        X = as_array(name, X, "shape (samples, features)")
    rows = None if block_rows == "auto" or is_list_of_blocks(X) else block_rows
    return LocalBlocks(X, t, s, block_rows=rows, name=name)


class _Watched:
    """Shows how far a pass is, where that is asked for."""

    def __init__(self, progress: bool) -> None:
        self.progress = as_flag("progress", progress)

    def __call__(self, results: Iterable[Any], blocks: int) -> Iterator[Any]:
        every = max(1, blocks // 10) if self.progress else 0
        with Watch(every, blocks) as watch:
            for k, result in enumerate(results, 1):
                watch.say(k, "block %d of %d read and looked at", k, blocks)
                yield result


def _both(
    loss: Loss, train: Blocks, validation: Blocks, progress: bool, *, ones: bool, centre: Centre | None = None
) -> tuple[BlockedSamples, BlockedSamples]:
    """Both sets, looked at."""
    if validation.shape[1] != train.shape[1]:
        raise ArgumentError("X_val", f"{validation.shape[1]} features", f"{train.shape[1]}, as many as X has")
    if isinstance(loss, Multinomial) and loss.n_classes > MOST and np.float32 in (train.dtype, validation.dtype):
        raise ArgumentError("n_classes", loss.n_classes, f"at most {MOST} in float32: the proof of softmax")
    if ones:
        train, validation = (data.with_offset(ones_column(data.shape[1], data.dtype)) for data in (train, validation))
    mean = 0.0
    if centre is not None:
        train, validation = (data.with_offset(-centre[0].astype(data.dtype)) for data in (train, validation))
        mean = centre[1]
    train, validation = (data if hasattr(data, "readings") else Shared(data) for data in (train, validation))
    watched = _Watched(progress)
    return BlockedSamples("", train, loss, watched, mean), BlockedSamples("_val", validation, loss, watched, mean)


def blocked(
    X: Any,
    t: Any,
    *,
    loss: str | Loss,
    validation: Any,
    folds: Any,
    penalty: str,
    groups: npt.ArrayLike | None,
    fixed: npt.ArrayLike,
    unpenalized: npt.ArrayLike | None,
    weights: str,
    sample_weight: Any,
    intercept: Any,
    intercept_ridge: float,
    n_classes: int | None,
    fold_weights: npt.ArrayLike | None,
    block_rows: BlockRows,
    progress: bool,
) -> BlockedProblem | BlockedFolds:
    """:func:`~lancbio_ref.problems.generalized_linear` of samples in blocks.

    Raises
    ------
    ArgumentError
        As there.
    """
    if not isinstance(intercept, (bool, np.bool_)) and intercept != "centre":
        raise ArgumentError("intercept", repr(intercept), "True, False or 'centre'")
    train = blocks_of("X", X, t, sample_weight, block_rows)
    if n_classes is None and loss == Multinomial.name:
        n_classes = _count_in_blocks(train) if is_dask(X) or is_blocks(X) else _count(t)
    made_loss = as_loss(loss, 2 if n_classes is None else n_classes)
    C = made_loss.n_classes if isinstance(made_loss, Multinomial) else 1
    if penalty == "class" and C == 1:
        raise ArgumentError("penalty", "'class' with one vector of coefficients", "'all' or 'feature'")
    centred = intercept == "centre"
    column = not centred and bool(intercept)
    if centred and not (isinstance(made_loss, Squared) and weights == "fixed"):
        found = f"'centre' with loss {made_loss.name!r}, weights {weights!r}"
        raise ArgumentError("intercept", found, "True: centring is exact for the squared loss and fixed weights")
    ridge = as_number("intercept_ridge", intercept_ridge, above=0.0) if column else None
    shape = (C, train.shape[1] + column)
    made = make_penalty(penalty, shape, groups=groups, fixed=fixed, unpenalized=unpenalized, intercept_ridge=ridge)
    if made.n == 0 and weights == "fixed":
        raise ArgumentError("penalty", "'none' with fixed weights", "something to learn: a penalty, or weights")

    def member(
        train: Blocks, held_out: Blocks, progress: bool, rows: np.ndarray | None = None, n: int | None = None
    ) -> BlockedProblem:
        centre = _means(made_loss, train, held_out) if centred else None
        own, other = _both(made_loss, train, held_out, progress, ones=column, centre=centre)
        learned = _weighting(weights, own, rows, n)
        return BlockedProblem(own, other, made_loss, made, learned, intercept=column, centre=centre)

    if folds is None:
        if not isinstance(validation, (tuple, list)) or len(validation) not in (2, 3):
            raise ArgumentError("validation", type(validation).__name__, "(X_val, t_val) or with their sample_weight")
        X_val, t_val, s_val = (*validation, None)[:3]
        return member(train, blocks_of("X_val", X_val, t_val, s_val, block_rows), progress)
    readings = Readings(train)

    def fold(k: int, rows: np.ndarray, held_out: np.ndarray) -> BlockedProblem:
        own = RowsOfBlocks(readings, rows, alone=weights != "fixed")
        other = RowsOfBlocks(readings, held_out)
        require_classes(made_loss, np.concatenate(list(own.map(passes.labels_of))), k)
        return member(own, other, progress and k == 0, rows, train.shape[0])

    pairs = rows_of_folds(folds, train)
    parts = readings.together(fold, range(len(pairs)), *zip(*pairs, strict=True))
    return BlockedFolds(parts, fold_weights, readings=readings)


def _means(loss: Loss, train: Blocks, validation: Blocks) -> Centre:
    """Of features and targets of the training data, from a pass of its own; numbers that both sets' types have."""
    sums, of_t, weight = added(train.map(passes.sums_of, Model(loss, "", train.shape[0])))
    if not 0 < weight < math.inf:
        raise ArgumentError(
            "sample_weight", f"weights with the sum {weight}", "at least one weight > 0, none of them infinite"
        )
    narrow = min((train.dtype, validation.dtype), key=lambda dtype: dtype.itemsize)
    with np.errstate(over="ignore"):
        means = (sums / weight).astype(narrow)
    if not np.isfinite(means).all():
        raise ArgumentError("X", "features whose sum is no number", "smaller ones: scale them")
    return means, of_t / weight


def _weighting(weights: str, train: BlockedSamples, rows: np.ndarray | None = None, n: int | None = None) -> Weighting:
    """With the b of all samples where weights are learned: x has as many entries, or n where these are `rows` of n."""
    return Weighting("fixed", np.empty(0)) if weights == "fixed" else Weighting(weights, train.base, rows, n)


def _count_in_blocks(train: Blocks) -> int:
    """The same of labels that are nowhere together."""
    return max(2, max(train.map(_largest)) + 1)


def _largest(block: Block) -> int:
    """The largest target, if they are integers; else 0."""
    return int(block.t.max()) if block.t.dtype.kind in "iu" else 0


def _count(t: Any) -> int:
    """One more than the largest label; what are no labels is refused where it is looked at."""
    parts = t if isinstance(t, (list, tuple)) and all(hasattr(part, "shape") for part in t) else [t]
    arrays = [np.asarray(part) for part in parts]
    if all(part.dtype.kind in "iu" and part.size for part in arrays):
        return max(2, max(int(part.max()) for part in arrays) + 1)
    return 2


def blocked_ridge(
    X_train: Any, t_train: Any, X_val: Any, t_val: Any, block_rows: BlockRows, progress: bool
) -> BlockedProblem:
    """:func:`~lancbio_ref.problems.ridge` of samples in blocks: the squared loss with a penalty a feature."""
    made = blocked(
        X_train, t_train, loss="squared", validation=(X_val, t_val), folds=None, penalty="feature", groups=None,
        fixed=0.0, unpenalized=None, weights="fixed", sample_weight=None, intercept=False, intercept_ridge=1.0,
        n_classes=None, fold_weights=None, block_rows=block_rows, progress=progress,
    )  # fmt: skip
    assert isinstance(made, BlockedProblem)
    return made


class BlockedClassifier(BlockedProblem):
    """Logistic regression or data cleaning, as their functions return it for X in blocks.

    Attributes
    ----------
    classes : Classes
    n_classes : int
    """

    classes: Classes
    n_classes: int
    _bias: bool

    def predict(self, y: npt.ArrayLike, X: Operator) -> np.ndarray:
        """The labels that parameters y give the samples X (without bias column), in memory, shape (samples,)."""
        return self.classes.values[self._scored(y, as_samples(X, self.shape[1] - self._bias))]

    def accuracy(self, y: npt.ArrayLike, X: Operator, labels: npt.ArrayLike) -> float:
        """The fraction of the samples X (without bias column) that parameters y put into their class."""
        X = as_samples(X, self.shape[1] - self._bias)
        return float(np.mean(self._scored(y, X) == self.classes.codes("labels", labels, X.shape[0])))

    def initial_point(self, rng: Seed = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """x_0 = 0, y_0 ~ N(0, 2/C) (the variance) and v_0 ~ U(0, 1), as the paper starts data cleaning."""
        rng = as_generator(rng)
        y = math.sqrt(2 / self.n_classes) * rng.standard_normal(self.n_y)
        return np.zeros(self.n_x, self.dtype), y.astype(self.dtype), rng.random(self.n_y).astype(self.dtype)

    def _scored(self, y: npt.ArrayLike, X: Any) -> np.ndarray:
        Y = as_vector("y", y, self.n_y).reshape(self.shape)
        scores = X @ Y[:, :-1].T + Y[:, -1] if self._bias else X @ Y.T
        return (scores[:, 0] > 0).astype(np.int64) if self.n_scores == 1 else np.argmax(scores, axis=1)


class SharedPenalty(Penalty):
    """exp(x_k)/(Cp): the penalty of :func:`~lancbio_ref.problems.logistic`, two roundings more."""

    share: float = 1.0

    def exponentials(self, x: np.ndarray) -> np.ndarray:
        return super().exponentials(x) * x.dtype.type(self.share)

    @staticmethod
    def error(u: float) -> float:
        return (FUNCTION_UNITS + 5) * u


def blocked_logistic(
    X_train: Any,
    labels_train: npt.ArrayLike,
    X_val: Any,
    labels_val: npt.ArrayLike,
    weights: str,
    n_classes: int | None,
    block_rows: BlockRows,
    progress: bool,
) -> BlockedClassifier:
    """:func:`~lancbio_ref.problems.logistic` of samples in blocks."""
    classes, train, validation = _labelled(X_train, labels_train, X_val, labels_val, n_classes, block_rows)
    if weights == "class" and len(classes) == 2:
        raise ArgumentError("weights", "'class' with two classes", "'all' or 'feature': two classes share one vector y")
    C = 1 if len(classes) == 2 else len(classes)
    loss = as_loss("logistic" if C == 1 else "multinomial", len(classes))
    shape = (C, train.shape[1])
    plain = make_penalty(weights, shape, groups=None, fixed=0.0, unpenalized=None, intercept_ridge=None)
    penalty = SharedPenalty(plain.block, plain.n, plain.fixed, weights)
    penalty.share = 1 / math.prod(shape)
    own, other = _both(loss, train, validation, progress, ones=False)
    return _classifier(own, other, loss, penalty, _weighting("fixed", own), classes, bias=False)


def blocked_cleaning(
    X_train: Any,
    labels_train: npt.ArrayLike,
    X_val: Any,
    labels_val: npt.ArrayLike,
    regularization: float,
    n_classes: int | None,
    block_rows: BlockRows,
    progress: bool,
) -> BlockedClassifier:
    """:func:`~lancbio_ref.problems.data_cleaning` of samples in blocks: the bias is a feature like others, of ones."""
    classes, train, validation = _labelled(X_train, labels_train, X_val, labels_val, n_classes, block_rows)
    ridge = 2 * as_number("regularization", regularization, above=0.0)
    loss = Multinomial(len(classes))
    own, other = _both(loss, train, validation, progress, ones=True)
    size = len(classes) * own.design.shape[1]
    narrow = float(np.result_type(own.design.dtype, other.design.dtype).type(ridge))
    if not 0 < narrow < math.inf:
        raise ArgumentError("regularization", repr(regularization), "a number whose double is a normal one of X's type")
    penalty = Penalty(np.full(size, -1), 0, np.full(size, narrow), "none")
    return _classifier(own, other, loss, penalty, _weighting("sigmoid", own), classes, bias=True)


def _labelled(
    X_train: Any, labels_train: Any, X_val: Any, labels_val: Any, n_classes: int | None, block_rows: BlockRows
) -> tuple[Classes, Blocks, Blocks]:
    """The classes of both sets, and these in blocks, their labels as classes; Dask's labels stay where they are."""
    if not (is_dask(X_train) or is_dask(X_val)):
        classes, labels = as_classes(n_classes, labels_train, labels_val)
        matrices = ("X_train", X_train), ("X_val", X_val)
        train, validation = (
            blocks_of(name, X, t, None, block_rows) for (name, X), t in zip(matrices, labels, strict=True)
        )
        return classes, train, validation
    from ...blocks.dask import coded, distinct

    sets = dict(labels_train=("X_train", X_train, labels_train), labels_val=("X_val", X_val, labels_val))
    held: dict[str, Any] = {
        own: blocks_of(name, X, labels, None, block_rows) for own, (name, X, labels) in sets.items() if is_dask(X)
    }
    given = {
        own: np.unique(np.concatenate(list(held[own].map(distinct, own))))
        if own in held
        else as_label_array(own, labels)
        for own, (_, _, labels) in sets.items()
    }
    classes = Classes.of(n_classes, **given)
    are_codes = classes.values.tolist() == list(range(len(classes)))

    def in_blocks(own: str) -> Blocks:
        name, X, _ = sets[own]
        if own in held:
            return held[own] if are_codes else held[own].made_over(coded, own, classes)
        labels = given[own] if are_codes else classes.codes(own, given[own], given[own].size)
        return blocks_of(name, X, labels, None, block_rows)

    return classes, in_blocks("labels_train"), in_blocks("labels_val")


def _classifier(
    train: BlockedSamples,
    validation: BlockedSamples,
    loss: Loss,
    penalty: Penalty,
    weighting: Weighting,
    classes: Classes,
    *,
    bias: bool,
) -> BlockedClassifier:
    made = BlockedClassifier(train, validation, loss, penalty, weighting, intercept=False)
    made.classes, made.n_classes, made._bias = classes, len(classes), bias
    return made
