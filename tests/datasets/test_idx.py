"""The idx reader: what it reads, and that it refuses every way in which a file can be wrong."""

import gzip
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lancbio_ref import ArgumentError
from lancbio_ref.datasets import load_idx, load_mnist_like
from lancbio_ref.datasets.idx import PARTS

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx(array):
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, CODES[array.dtype.str[1:]], array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


@given(
    st.sampled_from(sorted(CODES)).flatmap(
        lambda kind: hnp.arrays(kind, hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4))
    ),
    st.booleans(),
)
def test_reads_back_what_was_written(tmp_path_factory, array, packed):
    path = tmp_path_factory.mktemp("idx") / ("a.gz" if packed else "a")
    path.write_bytes(gzip.compress(idx(array), 1) if packed else idx(array))
    found = load_idx(path)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


SOUND = idx(np.arange(6, dtype=np.uint8).reshape(2, 3))


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "none"),
        (b"\0\0\x08", "first bytes"),
        (b"\1" + SOUND[1:], "01 00"),
        (SOUND[:2] + b"\x07" + SOUND[3:], "00 00 07"),
        (SOUND[:3] + b"\0" + SOUND[4:], "00 00 08 00"),
        (SOUND[:10], "header of 10 bytes"),
        (SOUND[:-1], "truncated: 5 bytes"),
        (SOUND + b"\0", "after the last entry"),
        (b"\0\0\x08\x04" + b"\xff" * 16, "truncated: 0 bytes"),  # a header that claims 2¹²⁸ bytes
        (b"\0\0\x08\x41" + b"\0\0\0\1" * 65 + b"\7", "00 00 08 41"),  # more dimensions than an array can have
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_unsound_files_are_refused(tmp_path, data, found, packed):
    path = tmp_path / "images"
    path.write_bytes(gzip.compress(data) if packed else data)
    with pytest.raises(ArgumentError) as caught:
        load_idx(path)
    assert caught.value.argument == str(path)
    assert found in caught.value.found


def test_a_gz_that_is_not_gzip_is_refused(tmp_path):
    path = tmp_path / "images.gz"
    path.write_bytes(SOUND)
    with pytest.raises(ArgumentError, match="1f 8b"):
        load_idx(path)


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-9], lambda b: b[:-5] + b"\0" + b[-4:], lambda b: b[:15] + b"\xff" * 9]
)
def test_a_damaged_gzip_stream_is_refused(tmp_path, damage):
    path = tmp_path / "images.gz"
    path.write_bytes(damage(gzip.compress(SOUND)))
    with pytest.raises(ArgumentError, match=r"unreadable|truncated|header|first bytes"):
        load_idx(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(ArgumentError) as caught:
            load_idx(path)
        assert caught.value.argument == str(path)


@pytest.fixture
def folder(tmp_path):
    """Four small sound files."""
    for part, stem in PARTS.items():
        count = 4 if part.startswith("train") else 2
        shape = (count, 3, 2) if part.endswith("images") else (count,)
        (tmp_path / stem).write_bytes(idx(np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)))
    return tmp_path


def test_mnist_like_is_found_here_or_in_the_named_folder(folder):
    data = load_mnist_like(folder)
    assert data.train_images.shape == (4, 3, 2)
    assert data.test_labels.tolist() == [0, 1]
    assert data.test_labels.dtype == np.int64
    np.testing.assert_array_equal(load_mnist_like(folder.parent, folder.name).train_images, data.train_images)


@pytest.mark.parametrize("part", PARTS)
def test_a_missing_part_names_all_four(folder, part):
    (folder / PARTS[part]).unlink()
    with pytest.raises(ArgumentError) as caught:
        load_mnist_like(folder, "mnist")
    assert PARTS[part] in caught.value.found
    assert all(stem in caught.value.expected for stem in PARTS.values())


@pytest.mark.parametrize(
    ("part", "array", "found"),
    [
        ("train_labels", np.zeros(3, np.uint8), "3 labels"),
        ("test_labels", np.array([0, 10], np.uint8), "label 10"),
        ("test_labels", np.array([0, 1], np.int32), "int32"),
        ("train_images", np.zeros((4, 6), np.uint8), "(4, 6)"),
        ("test_images", np.zeros((2, 3, 3), np.uint8), "(3, 3)"),
    ],
)
def test_parts_that_do_not_fit_are_refused(folder, part, array, found):
    (folder / PARTS[part]).write_bytes(idx(array))
    with pytest.raises(ArgumentError) as caught:
        load_mnist_like(folder)
    assert found in caught.value.found


def test_an_empty_set_is_refused(folder):
    (folder / PARTS["test_images"]).write_bytes(idx(np.zeros((0, 3, 2), np.uint8)))
    (folder / PARTS["test_labels"]).write_bytes(idx(np.zeros(0, np.uint8)))
    with pytest.raises(ArgumentError, match="no labels"):
        load_mnist_like(folder)


@pytest.mark.parametrize(
    ("name", "mean", "counts"),
    [
        ("mnist", 33.3184, [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]),
        ("fashion-mnist", None, [6000] * 10),
        ("kmnist", None, [6000] * 10),
    ],
)
def test_the_real_sets(data_dir, name, mean, counts):
    if not (data_dir / name).is_dir():
        pytest.skip(f"no {name} in {data_dir}")
    data = load_mnist_like(data_dir, name)
    assert data.train_images.shape == (60000, 28, 28)
    assert data.test_images.shape == (10000, 28, 28)
    assert np.bincount(data.train_labels).tolist() == counts
    if mean is not None:
        assert data.train_images.mean() == pytest.approx(mean, abs=1e-4)
