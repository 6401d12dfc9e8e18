"""Vectors of balls (Arb), and the functions of them that the problems are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from flint import arb, arb_mat

Vector = list[arb]


def balls(values: Any) -> Vector:
    return [arb(float(t)) for t in np.asarray(values).ravel()]


def rows_of(X: Any) -> list[Vector]:
    dense = X.toarray() if sp.issparse(X) else np.asarray(X)
    return [balls(row) for row in dense]


def dot(a: Sequence[arb], b: Sequence[arb]) -> arb:
    return sum((s * t for s, t in zip(a, b, strict=True)), arb(0))


def norm(a: Sequence[arb]) -> arb:
    """‖a‖₂; the square root of a ball that touches 0 from above."""
    square = dot(a, a)
    return square.sqrt() if square > 0 else arb(0).union(abs(square).upper().sqrt())


def column(a: Sequence[arb]) -> arb_mat:
    return arb_mat(len(a), 1, list(a))


def diagonal(entries: Vector) -> arb_mat:
    found = arb_mat(len(entries), len(entries))
    for i, t in enumerate(entries):
        found[i, i] = t
    return found


def sigmoid(s: arb) -> arb:
    if s > 0:
        return 1 / (1 + (-s).exp())
    e = s.exp()
    return e / (1 + e)


def softmax(s: Vector) -> Vector:
    top = largest(s)
    e = [(t - top).exp() for t in s]
    total = sum(e, arb(0))
    return [t / total for t in e]


def log_sum(s: Vector, label: int) -> arb:
    """log Σ exp(s_c − s_label) = top − s_label + log1p(Σ_{c ≠ top} exp(s_c − top)): no digit is lost."""
    top = max(range(len(s)), key=lambda c: _order(s[c]))
    rest = sum(((t - s[top]).exp() for c, t in enumerate(s) if c != top), arb(0))
    return s[top] - s[label] + rest.log1p()


def largest(s: Vector) -> arb:
    return max(s, key=_order).mid()


def _order(t: arb) -> Any:
    return t.mid()
