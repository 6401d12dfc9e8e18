"""Shared by all tests: where the real data are, how many examples a property gets."""

import importlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

importlib.import_module("lancbio_ref.kernels.compiled").PATIENCE = 0  # what is compiled is what is tested

settings.register_profile("ci", max_examples=200, deadline=None, print_blob=True)
settings.register_profile("thorough", max_examples=10_000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


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
