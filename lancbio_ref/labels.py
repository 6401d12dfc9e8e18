"""Labels as people have them: integers, booleans, ±1, floats that are whole, texts; as classes 0 … C − 1, and back.

Non-negative whole numbers with a 0 among them, or with a C that somebody gave, are classes as they stand. All others,
−1 and 1, numbers counted from 1 and texts, are mapped to 0 … C − 1 in their order, as scikit-learn's ``classes_``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .arguments import plain_array
from .errors import ArgumentError

EXPECTED = "integers, booleans, whole floats or texts, 1-D"


def as_label_array(name: str, labels: Any, n: int | None = None) -> np.ndarray:
    """`labels` as int64 or as texts, of shape (n,).

    Raises
    ------
    ArgumentError
        Another shape, none at all, a masked array; fractions, NaN, integers beyond int64, a mixture.
    """
    array = plain_array(name, labels, EXPECTED)
    if array.dtype.kind == "U" and not isinstance(labels, np.ndarray):  # of texts and numbers NumPy makes texts
        array = np.array(labels, dtype=object)
    if array.dtype.kind == "O" and array.ndim == 1:
        array = _of_one_kind(name, array)
    if array.dtype.kind == "f":
        array = array.astype(np.float64)
    wanted = EXPECTED if n is None else f"{EXPECTED}, of shape ({n},)"
    if array.ndim != 1 or array.size == 0 or (n is not None and array.size != n) or array.dtype.kind not in "biufUST":
        raise ArgumentError(name, f"{array.dtype} of shape {array.shape}", wanted)
    if array.dtype.kind in "UST":
        return array.astype(str)
    if array.dtype.kind == "f" and not (np.isfinite(array) & (array == np.rint(array)) & (abs(array) <= 2**53)).all():
        odd = array[~(array == np.rint(array)) | ~(abs(array) <= 2**53)][0]
        raise ArgumentError(name, f"the label {odd}", wanted)
    if array.dtype.kind == "u" and array.max() > np.iinfo(np.int64).max:
        raise ArgumentError(name, f"the label {array.max()}", "labels that int64 has")
    return array.astype(np.int64)


def _of_one_kind(name: str, array: np.ndarray) -> np.ndarray:
    """An array of objects, such as pandas makes of texts, as one of texts or of numbers."""
    texts = sum(isinstance(label, str) for label in array)
    if texts == array.size:
        return array.astype(str)
    if texts or not all(isinstance(label, (int, float, np.integer, np.floating, np.bool_)) for label in array):
        odd = next(label for label in array if not isinstance(label, str))
        raise ArgumentError(name, f"the label {odd!r} among others", EXPECTED)
    return np.array(array.tolist())


@dataclass(frozen=True)
class Classes:
    """The labels of the classes 0 … C − 1.

    Attributes
    ----------
    values : ndarray, shape (C,)
        In increasing order; int64 or texts.

    Examples
    --------
    >>> from lancbio_ref.labels import Classes
    >>> classes = Classes.of(None, labels_train=["no", "yes"], labels_val=["yes"])
    >>> classes.codes("labels", ["yes", "no"], 2), classes.values[[1, 0]]
    (array([1, 0]), array(['yes', 'no'], dtype='<U3'))
    """

    values: np.ndarray

    def __post_init__(self) -> None:
        self.values.flags.writeable = False

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A copy, deep or through pickle, whose array would be writable again."""
        self.__dict__.update(state)
        self.values.flags.writeable = False

    @classmethod
    def of(cls, n_classes: int | None, **labels: Any) -> Classes:
        """The classes of these labels, by their arguments' names; of `n_classes`, where that is given.

        Raises
        ------
        ArgumentError
            No labels, texts beside numbers, as many different texts as there are no classes, a largest number that is
            no class.
        """
        arrays = [as_label_array(name, part) for name, part in labels.items()]
        names = ", ".join(labels)
        if len({array.dtype.kind for array in arrays}) > 1:
            raise ArgumentError(names, "texts and numbers", "labels of one kind")
        distinct = np.unique(np.concatenate(arrays))
        is_text = distinct.dtype.kind == "U"
        if is_text or distinct.tolist() in ([-1], [-1, 1]) or (distinct[0] > 0 and n_classes is None):
            if distinct.tolist() == [-1]:
                distinct = np.array([-1, 1])
            if len(distinct) == (n_classes or max(len(distinct), 2)):
                return cls(distinct)
            if is_text or n_classes is None:
                expected = "at least two" if n_classes is None else f"n_classes = {n_classes}"
                raise ArgumentError(names, f"{len(distinct)} different labels", expected)
        count = int(distinct[-1]) + 1 if n_classes is None else n_classes
        if count > max(1000, sum(map(len, arrays))) and n_classes is None:  # an identifier that was taken for a class
            raise ArgumentError(names, f"a label {count - 1}", "classes 0 … C − 1, or n_classes=C")
        return cls(np.arange(max(count, 2)))

    def __len__(self) -> int:
        return len(self.values)

    def codes(self, name: str, labels: Any, n: int) -> np.ndarray:
        """n labels as classes; −1, which is none, for a label that no class has.

        Raises
        ------
        ArgumentError
            See :func:`as_label_array`; texts where classes are numbers, numbers where they are texts, not one of them a
            label of any class.
        """
        array = as_label_array(name, labels, n)
        if array.dtype.kind != self.values.dtype.kind:
            raise ArgumentError(name, f"labels of dtype {array.dtype}", f"labels such as {self.values[-1]!r}")
        place = np.minimum(np.searchsorted(self.values, array), len(self) - 1)
        found = np.where(self.values[place] == array, place, -1)
        if (found < 0).all():
            raise ArgumentError(name, f"{array[0]!r}, and no label of any class", f"labels such as {self.values[-1]!r}")
        return found
