"""What ``make test-thorough`` runs whole, and ``make test``, which may take five minutes, samples.

By fixed rules, so that every ``make test`` asks the same, and no bound is another in the two:

* of a list of combinations, seeds, sizes or tolerances every second, third … one, from the first (`sampled`);
* of a product of dimensions so few combinations that every value of each, or every pair of values, is met (`covering`);
* of a property of which one example is a whole run, so many examples (`few`);
* by `THOROUGH` itself what takes a compilation of its own, counts all posts, or makes the same bits on more threads.

What ``make test`` compiles is in ``tests/conftest.py``; ``make test-thorough`` compiles all at the first call.

Kinds are not sampled: each operator, method, mode, status and exercise is met in some test of ``make test``.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from itertools import combinations, product
from typing import Any, TypeVar

from hypothesis import settings

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
Case = TypeVar("Case")


def sampled(cases: Iterable[Case], one_in: int) -> list[Case]:
    """All cases, or every so many of them."""
    return list(cases)[:: 1 if THOROUGH else one_in]


def covering(*dimensions: Iterable[Any], strength: int = 2) -> list[tuple[Any, ...]]:
    """All combinations, or so few that any `strength` values of as many dimensions meet in one of them.

    Of strength 2 every value meets every value of each other dimension (pairwise testing): most faults of combinations
    need no more than two values. Of strength 1 every value is met, with values of the others in turn. The next
    combination is the one with most that is not met yet, of those the one whose values were taken least, of those the
    first: always the same list.
    """
    listed = [list(dimension) for dimension in dimensions]
    if THOROUGH:
        return list(product(*listed))
    places = list(combinations(range(len(listed)), strength))
    missing = {place: set(product(*(range(len(listed[k])) for k in place))) for place in places}
    cases, taken, times = list(product(*map(range, map(len, listed)))), [], Counter[tuple[int, int]]()

    def merit(case: tuple[int, ...]) -> tuple[int, int]:
        new = sum(tuple(case[k] for k in place) in missing[place] for place in places)
        return new, -sum(times[value] for value in enumerate(case))

    while any(missing.values()):
        best = max(cases, key=merit)
        taken.append(best)
        times.update(enumerate(best))
        for place in places:
            missing[place].discard(tuple(best[k] for k in place))
    return [tuple(values[k] for values, k in zip(listed, case, strict=True)) for case in sorted(taken)]


def few(examples: int) -> settings:
    """For properties of which one example is a whole run; in ``make test`` only so many of them."""
    return settings() if THOROUGH else settings(max_examples=examples)
