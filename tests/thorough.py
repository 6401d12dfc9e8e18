"""What ``make test-thorough`` runs whole, and ``make test``, which may take five minutes, samples.

By fixed rules, so that every ``make test`` asks the same, and no bound is another in the two:

* of a list of combinations, seeds, sizes or tolerances every second, third … one, from the first (`sampled`);
* of a property of which one example is a whole run, so many examples (`few`);
* by `THOROUGH` itself what takes a compilation of its own, counts all posts, or makes the same bits on more threads.

What ``make test`` compiles is in ``tests/conftest.py``; ``make test-thorough`` compiles all at the first call.

Kinds are not sampled: each operator, method, mode, status and exercise is met in some test of ``make test``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TypeVar

from hypothesis import settings

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
Case = TypeVar("Case")


def sampled(cases: Iterable[Case], one_in: int) -> list[Case]:
    """All cases, or every so many of them."""
    return list(cases)[:: 1 if THOROUGH else one_in]


def few(examples: int) -> settings:
    """For properties of which one example is a whole run; in ``make test`` only so many of them."""
    return settings() if THOROUGH else settings(max_examples=examples)
