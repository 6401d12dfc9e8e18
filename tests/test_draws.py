"""What a module's generators draw in a test does not depend on the tests before it (`conftest.py`)."""

import numpy as np
import pytest

RNG, DRAWN = np.random.default_rng(0), []


@pytest.mark.parametrize("_", range(2))
def test_every_test_has_the_first_draws(_):
    assert RNG.random() == np.random.default_rng(0).random()
    DRAWN.append(RNG.random())
    assert len(set(DRAWN)) == 1
