"""The LIBSVM reader: every way a file can be right or wrong, the line named; the real sets."""

import bz2
import gzip

import numpy as np
import pytest

from lancbio_ref import ArgumentError
from lancbio_ref.datasets import load_libsvm

TEXT = b"# a comment\n+1 1:0.5 3:-2e1  # more\r\n\n-1\n+1\t2:3 4:1\n"


@pytest.mark.parametrize(("suffix", "pack"), [("", bytes), (".bz2", bz2.compress), (".gz", gzip.compress)])
def test_plain_and_packed(tmp_path, suffix, pack):
    path = tmp_path / f"data{suffix}"
    path.write_bytes(pack(TEXT))
    X, labels = load_libsvm(path)
    np.testing.assert_array_equal(X.toarray(), [[0.5, 0, -20, 0], [0, 0, 0, 0], [0, 3, 0, 1]])
    np.testing.assert_array_equal(labels, [1, -1, 1])
    assert labels.dtype == np.int64 and X.dtype == np.float64
    assert load_libsvm(path, 7)[0].shape == (3, 7)


def test_labels_that_are_no_integers_stay_what_they_are(tmp_path):
    (tmp_path / "data").write_bytes(b"0.5 1:1\n2 1:1\n")
    np.testing.assert_array_equal(load_libsvm(tmp_path / "data")[1], [0.5, 2.0])


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        (b"1 1:2\n2 x:3\n", 2, "x:3"),
        (b"1 1:2\n2 2\n", 2, "2"),
        (b"1 1:2\n\n#\n2 1:2:3 4\n", 4, "1:2:3"),
        (b"1 1:\n", 1, "1:"),
        (b"1 :1\n", 1, ":1"),
        (b"1 1.5:1\n", 1, "1.5:1"),
        (b"1 1:nan\n", 1, "1:nan"),
        (b"inf 1:1\n", 1, "inf"),
        (b"2:3 5\n", 1, "2:3"),
        (b"1 qid:3 1:2\n", 1, "qid:3"),
        (b"1 0:1\n", 1, "0"),
        (b"1 1:1\n1 3:1 2:1\n", 2, "2"),
        (b"1 1:1\n-1\n1 2:1 2:1\n", 3, "2"),
        (b"1 1:1 9:1\n", 1, "9"),
        (b"1 1:1 99999999999999999999:1\n", 1, "99999999999999999999:1"),
        (b"\xff\xfe 1:1\n", 1, "\ufffd"),
    ],
)
def test_a_bad_line_is_named(tmp_path, text, line, found):
    (tmp_path / "data").write_bytes(text)
    with pytest.raises(ArgumentError) as caught:
        load_libsvm(tmp_path / "data", 8)
    assert caught.value.argument.endswith(f"data, line {line}")
    assert found in caught.value.found


@pytest.mark.parametrize("text", [b"", b"\n \n# nothing\n"])
def test_a_file_without_samples_is_refused(tmp_path, text):
    (tmp_path / "data").write_bytes(text)
    with pytest.raises(ArgumentError, match="no samples"):
        load_libsvm(tmp_path / "data")


@pytest.mark.parametrize(("suffix", "pack"), [(".bz2", bz2.compress), (".gz", gzip.compress)])
def test_damaged_files_are_refused(tmp_path, suffix, pack):
    for number, content in enumerate((TEXT, pack(TEXT * 100)[:-9], b"")):
        path = tmp_path / f"{number}{suffix}"
        path.write_bytes(content)
        with pytest.raises(ArgumentError) as caught:
            load_libsvm(path)
        assert caught.value.argument == str(path)


def test_what_is_no_file_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(ArgumentError) as caught:
            load_libsvm(path)
        assert caught.value.argument == str(path)
    with pytest.raises(ArgumentError, match="n_features"):
        load_libsvm(tmp_path, 0)


@pytest.mark.parametrize(
    ("name", "shape", "nnz", "negative"),
    [
        ("a9a.t", (16281, 123), 225731, 12435),
        ("mushrooms", (8124, 112), 170604, 4208),
        ("heart_scale", (270, 13), None, None),
        ("reuters-money-fx.tst", (3299, 8315), 136821, 3120),
    ],
)
def test_the_real_sets(data_dir, name, shape, nnz, negative):
    path = data_dir / "libsvm" / f"{name}.bz2"
    if not path.is_file():
        pytest.skip(f"no {path}")
    X, labels = load_libsvm(path, shape[1])
    assert X.shape == shape and (np.unique(labels) == [-1, 1]).all()
    if nnz is not None:
        assert (X.nnz, int((labels == -1).sum())) == (nnz, negative)
    sklearn = pytest.importorskip("sklearn.datasets")
    theirs, their_labels = sklearn.load_svmlight_file(str(path), n_features=shape[1])
    assert (theirs != X).nnz == 0 and (labels == their_labels).all()
