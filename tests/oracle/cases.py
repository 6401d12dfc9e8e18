"""The vectors that the tests of faults use: some of each family, the small ones; all of them when thorough."""

from __future__ import annotations

from functools import lru_cache

from lancbio_ref import oracle
from lancbio_ref.oracle.candidates import make_reply
from lancbio_ref.oracle.judge import judge
from lancbio_ref.oracle.levels import make_case
from lancbio_ref.oracle.vector import SEALS
from tests.thorough import THOROUGH

FEW = {"solve": 2, "hypergradient": 2, "lanczos": 2, "trace": 5}  # of each family
LARGEST = 24  # n_y of those: what diverges does so for 50 n steps


@lru_cache
def at(level):
    """All vectors with this level, of every version, smallest first."""
    every = (vector for version in SEALS for vector in oracle.vectors(version))
    return sorted((v for v in every if level in v.levels), key=lambda v: (v.n_y, v.id))


@lru_cache
def some(level):
    """A few of each family."""
    if THOROUGH:
        return at(level)
    taken, kept = {}, []
    for vector in at(level):
        taken[vector.family] = taken.get(vector.family, 0) + 1
        if (vector.n_y <= LARGEST and taken[vector.family] <= FEW[level]) or vector.family.startswith("fault"):
            kept.append(vector)
    return kept


def verdict(vector, level, answer, precision="float64"):
    return judge(vector, level, make_reply(make_case(vector, level), answer), precision)


def excess(found):
    """error/admissible of a failure; infinite where there is no error to measure, as for an answer to must_reject."""
    if found.status != "failed":
        return 0.0
    return found.worst.excess if found.worst is not None else float("inf")
