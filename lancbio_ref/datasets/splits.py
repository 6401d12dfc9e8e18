"""Stratified splits and label noise, the same for the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arguments import as_generator, as_integer, as_number
from ..errors import ArgumentError
from ..labels import as_label_array


def stratified_split(labels: Any, sizes: Sequence[int], rng: Any = 0) -> tuple[np.ndarray, ...]:
    """Disjoint index sets of the given sizes, each with nearly the class frequencies of the whole.

    Every class is shuffled; its r-th member of n_c gets the place (r + ½)/n_c; all are sorted by place and cut. A block
    of size s then holds s·n_c/n members of a class, to within about one, whatever the sizes are.

    Parameters
    ----------
    labels : array_like, shape (n,)
        Integers, booleans, whole floats or texts.
    sizes : sequence of int
        Sum at most n; what is left over is in no block.
    rng : None, int or numpy.random.Generator, default 0
        The default gives the same split in every run.

    Returns
    -------
    tuple of ndarray
        Sorted indices, one array a size.

    Raises
    ------
    ArgumentError
        Labels that are none of these, sizes below 1 or more than there are labels.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref.datasets import stratified_split
    >>> labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    >>> first, second = stratified_split(labels, (4, 4))
    >>> labels[first], labels[second]
    (array([0, 0, 1, 1]), array([0, 0, 1, 1]))
    """
    labels, rng = as_label_array("labels", labels), as_generator(rng)
    sizes = [as_integer("sizes", size, least=1) for size in sizes]
    if sum(sizes) > labels.size:
        raise ArgumentError("sizes", f"{sizes}, in all {sum(sizes)}", f"at most {labels.size} in all")
    place = np.empty(labels.size)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        place[members] = (np.arange(members.size) + 0.5) / members.size
    order = np.lexsort((rng.random(labels.size), place))  # equal places in random order
    ends = np.cumsum(sizes)
    return tuple(np.sort(order[end - size : end]) for size, end in zip(sizes, ends, strict=True))


def corrupt_labels(
    labels: Any, fraction: float, rng: Any = None, *, n_classes: int = 10
) -> tuple[np.ndarray, np.ndarray]:
    """Shift the labels of a random subset by a random 1 … C − 1 modulo C: every one of them is then wrong.

    Parameters
    ----------
    labels : array_like, shape (n,), integers in 0..C−1
    fraction : float
        In [0, 1]; exactly round(fraction · n) labels change.
    rng : None, int or numpy.random.Generator
    n_classes : int, default 10
        C.

    Returns
    -------
    noisy : ndarray, shape (n,), int64
    corrupted : ndarray, shape (n,), bool
        Which labels changed.

    Raises
    ------
    ArgumentError
        A fraction outside [0, 1], labels outside 0..C−1.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref.datasets import corrupt_labels
    >>> noisy, corrupted = corrupt_labels(np.arange(10), 0.3, rng=1)
    >>> corrupted.sum(), (noisy != np.arange(10)).sum()
    (np.int64(3), np.int64(3))
    """
    labels, rng = as_label_array("labels", labels), as_generator(rng)
    if labels.dtype.kind != "i":
        raise ArgumentError("labels", "texts", "classes 0 … C − 1: np.unique(labels, return_inverse=True)[1]")
    n_classes = as_integer("n_classes", n_classes, least=2)
    fraction = as_number("fraction", fraction, least=0.0, most=1.0)
    if labels.min() < 0 or labels.max() >= n_classes:
        raise ArgumentError("labels", f"values {labels.min()}..{labels.max()}", f"0..{n_classes - 1}")
    corrupted = np.zeros(labels.size, dtype=bool)
    chosen = rng.choice(labels.size, size=round(fraction * labels.size), replace=False)
    corrupted[chosen] = True
    noisy = labels.copy()
    noisy[chosen] = (noisy[chosen] + rng.integers(1, n_classes, size=chosen.size)) % n_classes
    return noisy, corrupted
