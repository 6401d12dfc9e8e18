"""Dask arrays, DataFrames, and lists of delayed objects or futures, as blocks that the workers hold.

Two rounds: the pieces of X are loaded, each where the scheduler puts it, and looked at: rows, columns, bytes and type.
Then every piece becomes a :class:`~lancbio_ref.blocks.Block`, with its number, its first row and its targets, checked
where it lies. So rows that Dask does not know are counted on the way, for X is needed anyway; pieces without rows, as a
filter leaves them in a DataFrame, are left out.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import __version__
from ..arguments import plain_array
from ..errors import ArgumentError
from .base import starts_of
from .cluster import client_of, gathered, quiet_about_size, require_room, sent

if TYPE_CHECKING:
    from distributed import Client, Future

    from .dask import DaskBlocks, Look

LIBRARIES = ("dask", "distributed")
KINDS = "a Dask array or DataFrame, or a list of delayed objects or futures of row blocks"
COUNTED = "X.compute_chunk_sizes() and t.rechunk({0: X.chunks[0]}) make the same blocks of rows"


def is_dask(value: object) -> bool:
    """Whether this is a Dask array or DataFrame, or a list of delayed objects or futures; imports nothing."""
    if isinstance(value, (list, tuple)):
        return bool(value) and all(_library(part) in LIBRARIES and hasattr(part, "key") for part in value)
    return _library(value) in LIBRARIES and hasattr(value, "__dask_graph__") and not hasattr(value, "key")


def _library(value: object) -> str:
    return type(value).__module__.partition(".")[0]


def dask_blocks(
    X: Any, t: Any = None, sample_weight: Any = None, *, client: Client | None = None, name: str = "X"
) -> DaskBlocks:
    """Samples that Dask has, loaded once and held by its workers.

    Parameters
    ----------
    X : dask.array.Array, dask.dataframe.DataFrame, or list of Delayed or Future, shape (n, p), float32 or float64
        A block of rows each: NumPy arrays, SciPy's sparse matrices, or DataFrames of pandas. Column chunks are joined.
        Rows need not be known. In a list, each may be a tuple (X, t) or (X, t, sample_weight) instead.
    t : the same of shape (n,), or array_like, optional
        Targets: in the blocks of X, which known chunks are cut to; left out where the list has them.
    sample_weight : as t, optional
    client : distributed.Client, optional
        That of the futures, or the one Dask would take, by default.
    name : str
        What messages call X.

    Returns
    -------
    DaskBlocks

    Raises
    ------
    ArgumentError
        No client, or one that is closed or has no worker; a block that the memory of no worker holds, or more in all
        than they have; blocks of different columns or types, NaN or infinity, with the block and the row; targets in
        other blocks than X; columns that are no numbers.
    ClusterError
        The cluster ceased while the data were loaded.

    Examples
    --------
    >>> import dask.array as da  # doctest: +SKIP
    >>> from distributed import Client  # doctest: +SKIP
    >>> client = Client()  # doctest: +SKIP
    >>> X = da.random.random((10**6, 20), chunks=(10**5, 20))  # doctest: +SKIP
    >>> dask_blocks(X, X[:, 0] > 0.5).rows[:2]  # doctest: +SKIP
    (100000, 100000)
    """
    from .dask import DaskBlocks, block_of, waited_for

    listed = isinstance(X, (list, tuple))
    client = client_of(client, X if listed else ())
    own = listed and t is None
    if t is None and not own:
        raise ArgumentError(f"the targets of {name}", None, "a vector of Dask or of NumPy")
    pieces = _pieces_of_X(client, name, X)
    looks = _looks(client, name, pieces)
    rows = [look.rows for look in looks]
    _, p, dtype, _ = first = next((look for look in looks if look.rows), looks[0])
    if not first.rows:
        raise ArgumentError(name, f"{len(rows)} blocks without rows", "at least one row")
    targets = None if own else _pieces_of_vector(client, f"the targets of {name}", t, rows)
    weights = (
        None
        if sample_weight is None
        else _pieces_of_vector(client, f"the sample weights of {name}", sample_weight, rows)
    )
    full = [number for number, size in enumerate(rows) if size]
    starts = starts_of(rows)[full].tolist()
    m, none = len(full), [None] * len(rows)
    parts = [[column[number] for number in full] for column in (pieces, targets or none, weights or none)]
    blocks = sent(client, "block", block_of, *parts, full, range(m), starts, [name] * m, [p] * m, [dtype] * m)
    for _ in gathered(client, sent(client, "checked", waited_for, blocks)):
        pass
    return DaskBlocks(client, blocks, tuple(rows[number] for number in full), p, np.dtype(dtype))


def _pieces_of_X(client: Client, name: str, X: Any) -> list[Future]:
    """Futures of the row blocks, on their way."""
    if isinstance(X, (list, tuple)):
        return _loaded(client, list(X))
    if hasattr(X, "to_dask_array"):  # a DataFrame
        if len(getattr(X, "shape", ())) != 2:
            raise ArgumentError(name, f"a {type(X).__name__}", f"{KINDS}, of shape (samples, features)")
        wrong = [str(column) for column, dtype in zip(X.columns, X.dtypes, strict=True) if dtype.kind not in "fbiu"]
        if wrong:
            raise ArgumentError(name, f"columns that are no numbers: {', '.join(wrong[:5])}", "float32 or float64")
        X = X.to_dask_array()
    if not hasattr(X, "to_delayed") or X.ndim != 2 or X.shape[1] == 0:
        found = f"a {type(X).__name__}" + (f" of shape {X.shape}" if hasattr(X, "ndim") else "")
        raise ArgumentError(name, found, f"{KINDS}, of shape (samples, features)")
    if math.isnan(X.shape[1]) or (math.isnan(X.shape[0]) and X.numblocks[1] > 1):
        raise ArgumentError(name, f"unknown sizes {X.chunks}", "sizes that are known: X.compute_chunk_sizes()")
    if X.numblocks[1] > 1:
        X = X.rechunk({1: -1})
    if not math.isnan(X.shape[0]):
        sizes = [size * X.shape[1] * X.dtype.itemsize for size in X.chunks[0]]
        if not hasattr(X._meta, "nnz"):  # of a sparse one nobody knows yet
            require_room(client, name, max(sizes), sum(sizes), max(X.chunks[0]))
    return _loaded(client, X.to_delayed().ravel().tolist())


def _looks(client: Client, name: str, pieces: list[Future]) -> list[Look]:
    """What the pieces are; :class:`ArgumentError` where they are too large to be held."""
    from .dask import look_at

    m = len(pieces)
    looks = list(gathered(client, sent(client, "look", look_at, pieces, [name] * m, range(m), [__version__] * m)))
    largest = max(looks, key=lambda look: look.nbytes)
    require_room(client, name, largest.nbytes, sum(look.nbytes for look in looks), largest.rows)
    return looks


def _pieces_of_vector(client: Client, name: str, vector: Any, rows: list[int]) -> list[Any]:
    """Futures of a Dask vector in the blocks of X, or the pieces of an array that is here."""
    if isinstance(vector, (list, tuple)) and is_dask(vector):
        if len(vector) != len(rows):
            raise ArgumentError(name, f"{len(vector)} blocks", f"{len(rows)}, as X has")
        return _loaded(client, list(vector))
    if not is_dask(vector):
        array = plain_array(name, vector, f"one number a row, shape ({sum(rows)},)")
        if array.shape != (sum(rows),):
            raise ArgumentError(name, f"shape {array.shape}", f"one number a row, shape ({sum(rows)},)")
        return list(np.split(array, np.cumsum(rows)[:-1]))
    if hasattr(vector, "to_dask_array"):
        vector = vector.to_dask_array()
    if vector.ndim == 2 and vector.shape[1] == 1:
        vector = vector[:, 0]
    if vector.ndim != 1:
        raise ArgumentError(name, f"shape {vector.shape}", f"one number a row, shape ({sum(rows)},)")
    if not math.isnan(vector.shape[0]):
        if vector.shape[0] != sum(rows):
            raise ArgumentError(name, f"shape {vector.shape}", f"one number a row, shape ({sum(rows)},)")
        vector = vector.rechunk((tuple(rows),))
    elif vector.numblocks[0] != len(rows):
        raise ArgumentError(name, f"{vector.numblocks[0]} blocks of unknown sizes", f"{len(rows)}, as X has: {COUNTED}")
    return _loaded(client, vector.to_delayed().ravel().tolist())


def _loaded(client: Client, pieces: list[Any]) -> list[Future]:
    """Futures of delayed objects, in one message; what is a future already stays it."""
    delayed = [number for number, piece in enumerate(pieces) if hasattr(piece, "__dask_graph__")]
    with quiet_about_size():
        made = client.compute([pieces[number] for number in delayed])
    for number, future in zip(delayed, made, strict=True):
        pieces[number] = future
    return pieces
