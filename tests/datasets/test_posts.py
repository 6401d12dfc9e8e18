"""Word counts of raw posts: by hand, against the counts at hand, damaged archives."""

import io
import tarfile

import numpy as np
import pytest
import scipy.sparse as sp

from lancbio_ref import ArgumentError
from lancbio_ref.datasets import count_posts, load_newsgroups
from lancbio_ref.datasets.newsgroups import FILE
from tests.thorough import THOROUGH

POSTS = {
    "20news-bydate-train/b/2": "Dog, dog_food! A dog",
    "20news-bydate-train/a/9": "cat dog",
    "20news-bydate-train/a/1": "cat's CAT caf\xe9",
    "20news-bydate-train/b/1": "dog",
    "20news-bydate-test/b/7": "a bird and a cat",
    "20news-bydate-test/a/7": "dog dog cat",
}


def make_archive(path, posts=POSTS):
    with tarfile.open(path, "w:gz") as file:
        for name, text in posts.items():
            content = text.encode("latin-1")
            member = tarfile.TarInfo(name)
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    return path


def matrix(arrays, part):
    return sp.csr_array(
        tuple(arrays[f"{part}_{key}"] for key in ("data", "indices", "indptr")), arrays[f"{part}_shape"]
    )


def test_words_are_counted(tmp_path):
    arrays = count_posts(make_archive(tmp_path / "posts.tar.gz"))
    # caf\xe9, cat, dog, dog_food; rows a/1, a/9, b/1, b/2: single letters are no words, nor is what is only in tests
    expected = [[1, 2, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 2, 1]]
    np.testing.assert_array_equal(matrix(arrays, "train").toarray(), expected)
    np.testing.assert_array_equal(matrix(arrays, "test").toarray(), [[0, 1, 2, 0], [0, 1, 0, 0]])
    assert arrays["train_target"].tolist() == [0, 0, 1, 1] and arrays["target_names"].tolist() == ["a", "b"]
    np.savez(tmp_path / FILE, **arrays)
    assert load_newsgroups(tmp_path).X_train.shape == (2, 4)


@pytest.mark.skipif(not THOROUGH, reason="make test-thorough: 18 846 posts are counted")
def test_the_counts_of_the_real_posts_are_those_at_hand(data_dir):
    folder = data_dir / "20newsgroups"
    if not folder.is_dir():
        pytest.skip(f"no 20newsgroups in {data_dir}")
    ours = count_posts(folder / "20news-bydate.tar.xz")
    with np.load(folder / FILE) as file:
        theirs = dict(file)
    for part in ("train", "test"):  # the same rows in another order

        def rows(arrays, part=part):
            X = matrix(arrays, part)
            X.sort_indices()
            cuts = X.indptr[1:-1]
            pieces = zip(arrays[f"{part}_target"], np.split(X.indices, cuts), np.split(X.data, cuts), strict=True)
            return sorted((int(t), tuple(i.tolist()), tuple(d.tolist())) for t, i, d in pieces)

        assert rows(ours) == rows(theirs)


@pytest.mark.parametrize(
    ("posts", "word"),
    [
        ({"20news-bydate-train/a/1": "one"}, "no posts in 20news-bydate-test"),
        ({"20news-bydate-train/a/1": "one", "20news-bydate-test/b/1": "two"}, "test posts of"),
        ({"elsewhere/a/1": "one"}, "no posts in 20news-bydate-train"),
    ],
)
def test_other_archives_are_refused(tmp_path, posts, word):
    with pytest.raises(ArgumentError) as caught:
        count_posts(make_archive(tmp_path / "posts.tar.gz", posts))
    assert word in caught.value.found


def test_damaged_archives_are_refused(tmp_path):
    path = make_archive(tmp_path / "posts.tar.gz")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ArgumentError, match="unreadable"):
        count_posts(path)
    with pytest.raises(ArgumentError, match="unreadable"):
        count_posts(tmp_path / "nothing")
