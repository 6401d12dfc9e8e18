"""Shared by all tests: where the real data are, how many examples a property gets, and what is compiled.

Large functions of the package are *patient* (decision 0039): where one is not on disk for the types that it is called
with, Python does the same, to the bit. Tests marked ``compiled`` have them compiled at the first call, and make the
files that all others load; these leave what is still missing to Python (decision 0046).
"""

import importlib
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from tests.compile_once import compile_once
from tests.thorough import THOROUGH

COMPILED: Any = importlib.import_module("lancbio_ref.kernels.compiled")  # `kernels` has a function of that name
COMPILED.PATIENCE = 0 if THOROUGH else math.inf  # for what modules do when they are imported
if "PYTEST_XDIST_WORKER" in os.environ:
    compile_once()

settings.register_profile("ci", max_examples=50, deadline=None, print_blob=True)
settings.register_profile("thorough", max_examples=10_000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What compiles comes first: the sooner what it compiles is on disk, the more tests run with it."""
    items.sort(key=lambda item: item.get_closest_marker("compiled") is None)


@pytest.fixture(autouse=True)
def patience(request: pytest.FixtureRequest) -> None:
    """Whether this test has patient functions compiled that are not on disk."""
    marked = request.node.get_closest_marker("compiled") is not None
    COMPILED.PATIENCE = 0 if THOROUGH or marked else math.inf


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of the real data; the test skips where there is none."""
    folder = Path(os.environ.get("LANCBIO_DATA", Path(__file__).parents[1].parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}: set LANCBIO_DATA to their folder")
    return folder


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """A test that leaves other print options or error settings would decide how the next doctest ends."""
    before = np.get_printoptions(), np.geterr()
    yield
    after = np.get_printoptions(), np.geterr()
    if after != before:
        np.set_printoptions(**before[0])
        np.seterr(**before[1])
        pytest.fail(f"left behind: {after}, found: {before}")


@pytest.fixture(scope="module", autouse=True)
def generators_of_the_module(request: pytest.FixtureRequest) -> dict[str, dict]:
    """The random generators that a module of tests holds, as its import left them."""
    named = getattr(request, "module", None)
    found = {} if named is None else vars(named)
    return {name: g.bit_generator.state for name, g in found.items() if isinstance(g, np.random.Generator)}


@pytest.fixture(autouse=True)
def the_same_draws_in_any_order(request: pytest.FixtureRequest, generators_of_the_module: dict[str, dict]) -> None:
    """A test draws what it would draw if it ran alone, whichever tests came before it in its process."""
    for name, state in generators_of_the_module.items():
        getattr(request.module, name).bit_generator.state = state
