"""The digits, stratified splits and label noise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lancbio_ref import ArgumentError
from lancbio_ref.datasets import corrupt_labels, load_digits, stratified_split

LABELS = load_digits()[1]


def test_the_digits_are_the_1797_of_the_uci_test_set():
    images, labels = load_digits()
    assert images.shape == (1797, 64)
    assert (images.min(), images.max()) == (0, 16)
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert images[0].reshape(8, 8)[0].tolist() == [0, 0, 5, 13, 9, 1, 0, 0]
    assert images.sum() == 561718


@given(st.integers(0, 2**32 - 1), st.data())
def test_blocks_are_disjoint_and_stratified(seed, data):
    labels = LABELS
    first = data.draw(st.integers(1, 1700))
    sizes = (first, data.draw(st.integers(1, 1797 - first)))
    blocks = stratified_split(labels, sizes, seed)
    assert tuple(map(len, blocks)) == sizes
    together = np.concatenate(blocks)
    assert len(np.unique(together)) == together.size
    for block, size in zip(blocks, sizes, strict=True):
        ideal = np.bincount(labels) * size / 1797
        assert np.abs(np.bincount(labels[block], minlength=10) - ideal).max() < 2


def test_the_default_split_is_always_the_same_and_others_differ():
    labels = np.arange(40) % 4
    first, again, other = (stratified_split(labels, (20, 20), *seed)[0] for seed in ((), (0,), (1,)))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@given(st.integers(0, 2**32 - 1), st.integers(1, 200), st.floats(0, 1), st.integers(2, 12))
def test_exactly_the_marked_labels_are_wrong(seed, n, fraction, classes):
    labels = np.random.default_rng(seed).integers(0, classes, n)
    before = labels.copy()
    noisy, corrupted = corrupt_labels(labels, fraction, seed, n_classes=classes)
    assert corrupted.sum() == round(fraction * n)
    np.testing.assert_array_equal(noisy != labels, corrupted)
    assert noisy.min() >= 0
    assert noisy.max() < classes
    np.testing.assert_array_equal(labels, before)


def test_every_shift_occurs_about_equally_often():
    noisy, _ = corrupt_labels(np.zeros(9000, int), 1.0, 0)
    counts = np.bincount(noisy, minlength=10)
    assert counts[0] == 0
    assert counts[1:].min() > 850


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda: stratified_split([0.5, 1.0], (1,)), "labels"),
        (lambda: stratified_split([[0, 1]], (1,)), "labels"),
        (lambda: stratified_split([], (1,)), "labels"),
        (lambda: stratified_split([0, 1], (0,)), "sizes"),
        (lambda: stratified_split([0, 1], (1.5,)), "sizes"),
        (lambda: stratified_split([0, 1], (2, 1)), "sizes"),
        (lambda: stratified_split([0, 1], (1,), "seed"), "rng"),
        (lambda: corrupt_labels([0, 1], 1.5), "fraction"),
        (lambda: corrupt_labels([0, 1], np.nan), "fraction"),
        (lambda: corrupt_labels([0, 10], 0.5), "labels"),
        (lambda: corrupt_labels([-1, 1], 0.5), "labels"),
        (lambda: corrupt_labels([0, 1], 0.5, n_classes=1), "n_classes"),
    ],
)
def test_what_cannot_be_used_is_refused(call, argument):
    with pytest.raises(ArgumentError) as caught:
        call()
    assert caught.value.argument == argument
