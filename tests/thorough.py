"""What ``make test-thorough`` runs whole, and ``make test``, which may take five minutes, samples."""

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
