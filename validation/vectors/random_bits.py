"""Random integers that are the same in every language and on every machine: SplitMix64, seeded by a text.

    state ← state + 0x9e3779b97f4a7c15;  z ← state
    z ← (z ⊕ z≫30) · 0xbf58476d1ce4e5b9;  z ← (z ⊕ z≫27) · 0x94d049bb133111eb;  z ⊕ z≫31        (all modulo 2⁶⁴)

(Steele, Lea, Flood, OOPSLA 2014.) The seed is the first eight bytes, big-endian, of the SHA-256 of the text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, TypeVar

T = TypeVar("T")
_MASK = 2**64 - 1


class Bits:
    """A stream of random integers.

    Parameters
    ----------
    seed : str

    Examples
    --------
    >>> bits = Bits("example")
    >>> [bits.below(100) for _ in range(5)]
    [0, 12, 63, 71, 99]
    """

    def __init__(self, seed: str) -> None:
        self._state = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big")

    def word(self) -> int:
        """64 bits."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        z = self._state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return z ^ (z >> 31)

    def below(self, n: int) -> int:
        """An integer in 0 … n − 1: the high half of word · n (the bias is n/2⁶⁴)."""
        return (self.word() * n) >> 64

    def between(self, low: int, high: int) -> int:
        """An integer in low … high."""
        return low + self.below(high - low + 1)

    def dyadic(self, low: int, high: int, bits: int) -> Fraction:
        """A multiple of 2^-bits in [low, high]."""
        return Fraction(self.between(low << bits, high << bits), 1 << bits)

    def dyadics(self, count: int, low: int, high: int, bits: int) -> list[Fraction]:
        """`count` of them, none of them zero."""
        found: list[Fraction] = []
        while len(found) < count:
            value = self.dyadic(low, high, bits)
            if value:
                found.append(value)
        return found

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """A permutation (Fisher and Yates)."""
        items = list(items)
        for i in range(len(items) - 1, 0, -1):
            j = self.below(i + 1)
            items[i], items[j] = items[j], items[i]
        return items


def rows_of(bits: Bits, rows: int, columns: int, low: int, high: int, fraction_bits: int) -> list[list[Any]]:
    """A matrix of dyadic numbers, a list a row."""
    return [bits.dyadics(columns, low, high, fraction_bits) for _ in range(rows)]
