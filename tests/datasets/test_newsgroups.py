"""20 Newsgroups: tf-idf against its definition and scikit-learn, the split, damaged files."""

import math

import numpy as np
import pytest
import scipy.sparse as sp

from lancbio_ref import ArgumentError
from lancbio_ref.datasets import load_newsgroups, tfidf
from lancbio_ref.datasets.newsgroups import FILE


def arrays():
    """Six posts to train and four to test, of five words, in two groups."""
    rng = np.random.default_rng(0)
    data = {"target_names": np.array(["a", "b"])}
    for part, n in (("train", 6), ("test", 4)):
        X = sp.csr_array(rng.integers(0, 3, (n, 5)).astype(np.int16))
        data |= {f"{part}_data": X.data, f"{part}_indices": X.indices, f"{part}_indptr": X.indptr}
        data |= {f"{part}_shape": np.array(X.shape), f"{part}_target": (np.arange(n) % 2).astype(np.int8)}
    return data


@pytest.fixture
def folder(tmp_path):
    np.savez(tmp_path / FILE, **arrays())
    return tmp_path


def test_tfidf_is_its_formula():
    counts, known = np.array([[2, 0, 1], [0, 0, 0]]), np.array([[1, 1, 0], [3, 0, 0], [0, 1, 1]])
    row = np.array([2 * (math.log(4 / 3) + 1), 0, math.log(4 / 2) + 1])
    np.testing.assert_allclose(tfidf(counts, known).toarray(), [row / np.linalg.norm(row), [0, 0, 0]], rtol=1e-15)
    for X in (sp.csr_array(counts), sp.coo_array(counts)):
        np.testing.assert_array_equal(tfidf(X, sp.csc_array(known)).toarray(), tfidf(counts, known).toarray())
    stored_zero = sp.csr_array((np.array([1, 0]), np.array([0, 1]), np.array([0, 2, 2])), shape=(2, 2))
    np.testing.assert_array_equal(tfidf(stored_zero).toarray(), [[1, 0], [0, 0]])
    with pytest.raises(ArgumentError, match="words"):
        tfidf(counts, known[:, :2])


def test_tfidf_is_that_of_scikit_learn():
    text = pytest.importorskip("sklearn.feature_extraction.text")
    rng = np.random.default_rng(1)
    counts = sp.csr_array(np.where(rng.random((40, 30)) < 0.2, rng.integers(1, 5, (40, 30)), 0))
    model = text.TfidfTransformer().fit(counts[:25])
    np.testing.assert_allclose(tfidf(counts[:25]).toarray(), model.transform(counts[:25]).toarray(), rtol=1e-14)
    np.testing.assert_allclose(
        tfidf(counts[25:], counts[:25]).toarray(), model.transform(counts[25:]).toarray(), rtol=1e-14
    )


def test_a_small_file_is_split_and_weighted(folder):
    data, again = load_newsgroups(folder), load_newsgroups(folder)
    assert data.class_names == ("a", "b")
    assert data.X_train.shape == data.X_val.shape == (3, 5) and data.X_test.shape == (4, 5)
    np.testing.assert_array_equal(data.X_train.toarray(), again.X_train.toarray())
    np.testing.assert_array_equal(data.labels_test, [0, 1, 0, 1])
    a = arrays()
    counts = {
        part: sp.csr_array((a[f"{part}_data"], a[f"{part}_indices"], a[f"{part}_indptr"]), shape=a[f"{part}_shape"])
        for part in ("train", "test")
    }
    np.testing.assert_array_equal(data.X_test.toarray(), tfidf(counts["test"], counts["train"]).toarray())
    rows = {tuple(row) for row in tfidf(counts["train"]).toarray()}
    assert {tuple(row) for row in np.vstack([data.X_train.toarray(), data.X_val.toarray()])} == rows


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (dict(train_target=None), "train_target"),
        (dict(target_names=None), "target_names"),
        (dict(train_indices=np.full(1, 9, np.int32)), "CSR"),
        (dict(test_indptr=np.array([0, 3, 1, 2, 5], np.int32)), "CSR"),
        (dict(train_data=-1), "non-negative"),
        (dict(train_data=0.5), "integers"),
        (dict(test_target=np.array([0, 1, 2, 0])), "0..1"),
        (dict(test_target=np.array([0.0, 1.0, 1.0, 0.0])), "0..1"),
        (dict(test_target=np.array([0, 1])), "4 integers"),
        (dict(test_shape=np.array([4, 6])), "same words"),
        (dict(target_names=np.array([object()])), "pickle"),
    ],
)
def test_unsound_files_are_refused(tmp_path, change, word):
    data = arrays()
    for key, value in change.items():
        if value is None:
            del data[key]
        elif np.isscalar(value):
            data[key] = np.full(data[key].shape, value)
        else:
            data[key] = value
    np.savez(tmp_path / FILE, **data)
    with pytest.raises(ArgumentError, match=word):
        load_newsgroups(tmp_path)


def test_damaged_and_missing_files_are_refused(folder):
    whole = (folder / FILE).read_bytes()
    middle = len(whole) // 3
    for content in (b"", b"no zip at all", whole[:-40], whole[:middle] + bytes(40) + whole[middle + 40 :]):
        (folder / FILE).write_bytes(content)
        with pytest.raises(ArgumentError) as caught:
            load_newsgroups(folder)
        assert FILE in caught.value.argument
    with pytest.raises(ArgumentError, match=FILE):
        load_newsgroups(folder / "none")


def test_the_real_set(data_dir):
    if not (data_dir / "20newsgroups").is_dir():
        pytest.skip(f"no 20newsgroups in {data_dir}")
    data = load_newsgroups(data_dir)
    assert data.X_train.shape == data.X_val.shape == (5657, 130107) and data.X_test.shape == (7532, 130107)
    assert data.X_train.nnz + data.X_val.nnz == 1787565 and data.X_test.nnz == 1107956
    assert len(data.class_names) == 20 and data.X_train.dtype == np.float64
    for X in (data.X_train, data.X_val, data.X_test):
        assert sp.issparse(X)
        np.testing.assert_allclose(X.power(2).sum(axis=1), 1, rtol=1e-13)
    difference = np.bincount(data.labels_train, minlength=20) - np.bincount(data.labels_val, minlength=20)
    assert np.abs(difference).max() <= 2
