"""Arguments of other times and other shapes: RandomState, generators without children, data without columns."""

import numpy as np
import pytest
import scipy.sparse as sp

from lancbio_ref import ArgumentError, minimize, problems
from lancbio_ref.operators import SparseOperator

STEPS = dict(method="soba", step_x=0.01, step_y=0.01, step_v=0.01, maxiter=5)


def of_random_state(seed):
    return np.random.Generator(np.random.RandomState(seed)._bit_generator)


def of_twister(seed):
    return np.random.Generator(np.random.MT19937(seed))


@pytest.mark.parametrize("make", [np.random.RandomState, of_random_state, of_twister])
def test_every_generator_draws_batches_and_the_same_seed_the_same(make):
    ridge = problems.random_ridge(40, 40, 5, rng=make(0))
    first, again, other = (
        minimize(ridge, np.zeros(5), np.zeros(5), batch_size=8, rng=make(seed), **STEPS).x for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("make", [sp.csr_array, sp.csc_array, sp.coo_array, sp.dok_array, np.zeros])
def test_data_without_columns_are_refused(make):
    X, labels = make((30, 0)), np.arange(30) % 3
    for call in (
        lambda: problems.data_cleaning(np.zeros((30, 0)), labels, np.zeros((30, 0)), labels, n_classes=3),
        lambda: problems.logistic(X, labels, X, labels),
        lambda: problems.ridge(X, labels * 1.0, X, labels * 1.0),
        lambda: SparseOperator(sp.csr_array(X)),
    ):
        with pytest.raises(ArgumentError) as caught:
            call()
        assert "0)" in caught.value.found
