"""What the numbers of a vector file mean: floats, arrays, sparse arrays and enclosures (the format: `vector`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import scipy.sparse as sp

from .hexfloat import from_decimal, from_hex


@dataclass(frozen=True)
class Enclosure:
    """Real numbers, each known to lie in [mid − rad, mid + rad].

    Attributes
    ----------
    mid, rad : list of str
        Decimal numbers, one an entry in C order.
    float64 : ndarray
        The float64 numbers nearest to the real ones; the shape is that of the quantity.
    """

    mid: list[str]
    rad: list[str]
    float64: np.ndarray

    def fractions(self) -> Iterator[tuple[Fraction, Fraction]]:
        """(mid, rad) of each entry, exactly."""
        for mid, rad in zip(self.mid, self.rad, strict=True):
            yield from_decimal(mid), from_decimal(rad)


def numeric(value: Any) -> Any:
    """What a value of the file means: arrays, :class:`Enclosure`, floats; dicts and lists of them."""
    if isinstance(value, list):
        return [numeric(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    if "mid" in value:
        numbers = np.array([from_hex(text) for text in value["float64"]]).reshape(value["shape"])
        return Enclosure(value["mid"], value["rad"], numbers)
    if "row" in value:
        return _sparse(value)
    if "shape" in value:
        return np.array([from_hex(text) for text in value["hex"]]).reshape(value["shape"])
    if "hex" in value:
        return from_hex(value["hex"])
    return {key: numeric(entry) for key, entry in value.items()}


def _sparse(value: dict[str, Any]) -> sp.csr_array:
    """Both triangles from the lower one."""
    row, col = np.array(value["row"], dtype=np.int64), np.array(value["col"], dtype=np.int64)
    data = np.array([from_hex(text) for text in value["hex"]])
    below = row != col
    return sp.coo_array(
        (
            np.concatenate([data, data[below]]),
            (np.concatenate([row, col[below]]), np.concatenate([col, row[below]])),
        ),
        shape=tuple(value["shape"]),
    ).tocsr()
