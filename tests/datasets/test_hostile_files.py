"""Files of strangers: whatever is in them, they are read, or refused by one line that names the file and the place."""

import bz2
import gzip
import io
import lzma
import os
import struct
import subprocess
import sys
import tarfile
import zipfile

import numpy as np
import pytest
from test_idx import idx
from test_newsgroups import arrays
from test_posts import POSTS, make_archive

from lancbio_ref import ArgumentError
from lancbio_ref.datasets import count_posts, load_idx, load_libsvm, load_mnist_like, load_newsgroups
from lancbio_ref.datasets.idx import PARTS
from lancbio_ref.datasets.newsgroups import FILE
from tests.damage import damaged
from tests.thorough import sampled

IMAGES = np.arange(12, dtype=np.uint8).reshape(3, 4)
TEXT = b"+1 1:0.5 3:-2e1  # more\n-1\n+1\t2:3 4:1\n"
PACKERS = {"": bytes, "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


def tar(posts=POSTS):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as file:
        for name, text in posts.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            file.addfile(member, io.BytesIO(text.encode("latin-1")))
    return data.getvalue()


def npz(**changes):
    data = io.BytesIO()
    np.savez_compressed(data, **(arrays() | changes))
    return data.getvalue()


READERS = {"idx": load_idx, "libsvm": load_libsvm, "tar": count_posts}
CONTENTS = {"idx": idx(IMAGES), "libsvm": TEXT, "tar": tar()}


def refusal(read, *arguments, **options):
    with pytest.raises(ArgumentError) as caught:
        read(*arguments, **options)
    assert len(str(caught.value)) < 1000
    return caught.value


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("name", ["data", "data.{}", "DATA.{upper}", "data.txt"])
def test_what_packs_a_file_is_seen_in_its_first_bytes(tmp_path, kind, packer, name):
    path = tmp_path / name.format(packer, upper=packer.upper())
    path.write_bytes(PACKERS[packer](CONTENTS[kind]))
    (tmp_path / "plain").write_bytes(CONTENTS[kind])
    assert repr(READERS[kind](path)) == repr(READERS[kind](tmp_path / "plain"))


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("packer", PACKERS)
def test_no_more_is_unpacked_than_the_limit(tmp_path, kind, packer):
    content = {
        "idx": struct.pack(">4BI", 0, 0, 8, 1, 2**22) + bytes(2**22),
        "libsvm": b"1 1:1\n" * 2**20,
        "tar": tar({"20news-bydate-train/a/1": "a" * 2**22, "20news-bydate-test/a/1": "b"}),
    }[kind]
    (tmp_path / "data").write_bytes(PACKERS[packer](content))
    error = refusal(READERS[kind], tmp_path / "data", limit=2**20)
    assert "data" in error.argument and "limit=" in error.expected and str(2**20) in error.expected
    if kind != "libsvm":  # its million lines take a while
        READERS[kind](tmp_path / "data", limit=2**23)


BOMB = """
import resource, sys
import lancbio_ref
from lancbio_ref.datasets import *
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    {read}(sys.argv[1])
except lancbio_ref.ArgumentError as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="resource is a module of Unix")
@pytest.mark.parametrize("read", sampled(["load_libsvm", "load_idx", "count_posts"], 3))
def test_a_megabyte_that_unpacks_to_a_gigabyte_is_refused_by_default(tmp_path, read):
    head = struct.pack(">4BI", 0, 0, 8, 1, 2**30) if read == "load_idx" else b""
    if read == "count_posts":
        member = tarfile.TarInfo("20news-bydate-train/a/1")
        member.size = 2**30
        head = member.tobuf()
    block = gzip.compress(b"1 1:1".ljust(2**24 - 1) + b"\n" if read == "load_libsvm" else bytes(2**24))
    (tmp_path / "bomb").write_bytes(gzip.compress(head) + 64 * block)
    done = subprocess.run(
        [sys.executable, "-c", BOMB.format(read=read), tmp_path / "bomb"], capture_output=True, text=True, check=True
    )
    message, mebibytes = done.stdout.splitlines()
    assert str(tmp_path / "bomb") in message and "limit=" in message
    assert int(mebibytes) < 1000


@pytest.mark.parametrize("limit", [0, -1, 1.5, "1"])
def test_the_limit_is_a_positive_integer(tmp_path, limit):
    (tmp_path / "data").write_bytes(TEXT)
    assert refusal(load_libsvm, tmp_path / "data", limit=limit).argument == "limit"


@pytest.mark.parametrize("read", [load_idx, load_libsvm, count_posts])
def test_what_is_no_regular_file_is_refused(tmp_path, read):
    os.mkfifo(tmp_path / "pipe")  # to open it would wait for a writer
    for path in ("/dev/zero", tmp_path / "pipe", tmp_path, tmp_path / "none", tmp_path / ("x" * 300), "nul\0"):
        assert str(path) in refusal(read, path).argument
    assert refusal(read, 3.5).argument == "path"
    assert repr(read(os.fsencode(_write(tmp_path / "data", read)))) == repr(read(tmp_path / "data"))  # a name in bytes


def _write(path, read):
    path.write_bytes(next(CONTENTS[kind] for kind, reader in READERS.items() if reader is read))
    return path


@pytest.mark.parametrize(("magic", "word"), [(b"PK\3\4", "zip"), (b"\x28\xb5\x2f\xfd", "zstd")])
def test_what_packs_a_file_and_is_not_read_is_named(tmp_path, magic, word):
    (tmp_path / "data").write_bytes(magic + bytes(40))
    assert word in refusal(load_libsvm, tmp_path / "data").found


# idx


@pytest.mark.parametrize(
    ("code", "shape"), [(8, (0, 2**32 - 1, 2**32 - 1)), (14, (2**32 - 1,) * 3 + (0,)), (8, (0,) + (2,) * 63)]
)
def test_an_idx_header_that_no_array_has_is_refused(tmp_path, code, shape):
    (tmp_path / "data").write_bytes(struct.pack(f">4B{len(shape)}I", 0, 0, code, len(shape), *shape))
    error = refusal(load_idx, tmp_path / "data")
    assert error.argument == str(tmp_path / "data") and str(shape) in error.found


@pytest.mark.parametrize("ending", ["", ".gz", ".GZ", ".bz2", ".xz"])
@pytest.mark.parametrize("dot", [False, True])
def test_mnist_is_found_under_every_name_it_travels_by(tmp_path, ending, dot):
    for part, stem in PARTS.items():
        array = np.zeros((2, 3, 2) if part.endswith("images") else 2, np.uint8)
        name = (stem.replace("-idx", ".idx") if dot else stem) + ending
        (tmp_path / name).write_bytes(PACKERS[ending[1:].lower()](idx(array)))
        (tmp_path / f"._{name}").write_bytes(b"a file manager's")
    assert load_mnist_like(tmp_path).train_images.shape == (2, 3, 2)


# libsvm


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("-9223372036854775808:1", "-9223372036854775808"),
        ("1:1 -9223372036854775808:1", "-9223372036854775808"),
        ("-1:1", "-1"),
        ("2147483648:1", "2147483648"),
        ("9223372036854775807:1", "9223372036854775807"),
        ("1_0:1", "1_0:1"),
        ("1:1_0", "1:1_0"),
        ("1:0x10", "0x10"),
        ("1:infinity", "infinity"),
        ("1\0:1", "1\\x00"),
        ("1:1\0", "1\\x00"),
        ("1:" + "1" * 2**21, "(2097154 bytes)"),
        ("1" * 2**21 + ":1", "(2097154 bytes)"),
        ("1:1 : 2", ":2"),
        ("1:", "1:"),
        ("1 :2", "'1'"),
    ],
)
@pytest.mark.parametrize("n_features", [None, 5])
def test_a_libsvm_word_that_is_no_entry_is_refused_with_its_line(tmp_path, word, found, n_features):
    (tmp_path / "data").write_text("1 1:1\n\n# nothing\n" + "-1 1:1 2:1\n" * 10 + f"1 {word}\n1 1:1\n")
    error = refusal(load_libsvm, tmp_path / "data", n_features)
    assert error.argument == f"{tmp_path / 'data'}, line 14" and found in error.found


def test_the_line_is_right_in_a_file_of_many_blocks_and_a_long_line_is_refused(tmp_path):
    text = b"1 1:1 2:0.25\n\n" * 100_000
    (tmp_path / "data").write_bytes(text)
    X, labels = load_libsvm(tmp_path / "data")
    assert X.shape == (100_000, 2) and X.nnz == 200_000 and labels.size == 100_000
    (tmp_path / "data").write_bytes(text + b"1 2:1 1:1")
    assert refusal(load_libsvm, tmp_path / "data").argument.endswith("line 200001")
    (tmp_path / "data").write_bytes(b"1 1:1\n1" + b" " * 2**25)
    assert refusal(load_libsvm, tmp_path / "data").argument.endswith("line 2")


def test_a_blank_after_the_colon_is_read_as_published(tmp_path):
    (tmp_path / "data").write_bytes(b"+1 1: 0.5 3:\t2\r\n-1 2:  -1 \n")
    np.testing.assert_array_equal(load_libsvm(tmp_path / "data")[0].toarray(), [[0.5, 0, 2], [0, -1, 0]])


# tar


def test_what_file_managers_leave_behind_is_no_post(tmp_path):
    (tmp_path / "plain").write_bytes(tar())
    more = {"20news-bydate-train/a/._1": "strange words", "20news-bydate-test/a/.DS_Store": "more of them"}
    (tmp_path / "more").write_bytes(tar(POSTS | more | {"20news-bydate-train/._a": "no"}))
    assert repr(count_posts(tmp_path / "more")) == repr(count_posts(tmp_path / "plain"))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"Q"]
)
@pytest.mark.parametrize("target", ["20news-bydate-train/a/link", "/etc/passwd", "nowhere"])
def test_links_and_devices_among_the_posts_are_refused(tmp_path, kind, target):
    data = io.BytesIO(tar())
    with tarfile.open(fileobj=data, mode="a") as file:
        member = tarfile.TarInfo("20news-bydate-train/a/link")
        member.type, member.linkname = kind, target
        file.addfile(member)
    (tmp_path / "posts").write_bytes(data.getvalue())
    assert refusal(count_posts, tmp_path / "posts").argument == f"{tmp_path / 'posts'}, 20news-bydate-train/a/link"


def test_a_sparse_member_that_claims_a_gigabyte_is_refused(tmp_path):
    member = tarfile.TarInfo("20news-bydate-train/a/1")
    pax = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.map": "0,0", "GNU.sparse.size": str(2**33)}
    member.pax_headers = pax
    (tmp_path / "posts").write_bytes(member.tobuf(tarfile.PAX_FORMAT) + tar())
    assert "20news-bydate-train/a/1" in refusal(count_posts, tmp_path / "posts").argument


def test_a_tar_file_that_ends_early_or_breaks_off_between_members_is_refused(tmp_path):
    whole = tar()
    members = 2 * 512 * len(POSTS)  # a header and a block each
    for data in (whole[:members], whole[: members - 1024], whole[:1024] + b"x" * 512 + whole[1536:], whole + b"x"):
        (tmp_path / "posts").write_bytes(data)
        assert str(tmp_path / "posts") in refusal(count_posts, tmp_path / "posts").argument


@pytest.mark.parametrize("name", ["20news-bydate-train/a/1", "20news-bydate-train/../1"])
def test_a_post_that_comes_twice_or_leaves_its_folder_is_refused(tmp_path, name):
    data = io.BytesIO(tar())
    with tarfile.open(fileobj=data, mode="a") as file:
        file.addfile(tarfile.TarInfo(name))
    (tmp_path / "posts").write_bytes(data.getvalue())
    assert refusal(count_posts, tmp_path / "posts").argument == f"{tmp_path / 'posts'}, {name}"


# npz


def with_header(header, key="train_data"):
    """The sound file, but for the npy header of one array."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(npz())) as old, zipfile.ZipFile(out, "w") as new:
        for info in old.infolist():
            content = old.read(info)
            if info.filename == f"{key}.npy":
                text = header.encode() + b"\n"
                content = b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + content[128:]
            new.writestr(info.filename, content)
    return out.getvalue()


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<i8', 'fortran_order': False, 'shape': (1073741824,), }",
        "{'descr': '<i8', 'fortran_order': False, 'shape': (1000000000000000,), }",
        "{'descr': '<i8', 'fortran_order': False, 'shape': (0, 9223372036854775807), }",
        "{'descr': '<i8', 'fortran_order': False, 'shape': (-1,), }",
        "{'descr': '<U536870911', 'fortran_order': False, 'shape': (0,), }",
        "{'descr': '<i2', 'fortran_order': False, 'shape': (3,), }",
        "{'descr': '|O', 'fortran_order': False, 'shape': (3,), }",
        "{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (3,), }",
        "{'descr': '<i99', 'fortran_order': False, 'shape': (3,), }",
        "{'descr': '<i8', 'fortran_order': False, 'shape': (3L,), }",
        "{'descr': " + "(" * 500,
        "9" * 9999,
        "",
    ],
)
def test_an_npz_header_is_not_believed(tmp_path, header):
    (tmp_path / FILE).write_bytes(with_header(header))
    assert str(tmp_path / FILE) in refusal(load_newsgroups, tmp_path).argument


@pytest.mark.parametrize(
    "changes",
    [
        dict(train_shape=np.array([6, 10**15]), test_shape=np.array([4, 10**15])),
        dict(train_shape=np.array([6, 2**63], np.uint64)),
        dict(train_shape=np.array([-6, -5])),
        dict(train_shape=np.array([[6, 5]])),
        dict(train_shape=np.array([np.inf, 5.0])),
        dict(train_indptr=np.arange(7.0)),
        dict(train_target=np.full(6, 2**64 - 1, np.uint64)),
        dict(target_names=np.array(3)),
        dict(target_names=np.array([[1, 2]])),
        dict(target_names=np.array([0xFFFFFFFF], np.uint32).view("U1")),
        dict(train_data=np.array([1]), train_indices=np.array([0]), train_indptr=np.array([0, 1]),
             train_shape=np.array([1, 5]), train_target=np.array([0])),
    ],
)  # fmt: skip
def test_npz_arrays_that_make_no_counts_are_refused(tmp_path, changes):
    (tmp_path / FILE).write_bytes(npz(**changes))
    assert str(tmp_path / FILE) in refusal(load_newsgroups, tmp_path).argument


def test_an_npz_file_is_read_as_far_as_the_limit(tmp_path):
    (tmp_path / FILE).write_bytes(npz(target_names=np.zeros(2**22, "U1")))
    error = refusal(load_newsgroups, tmp_path, limit=2**20)
    assert "limit=" in error.expected and error.argument == f"{tmp_path / FILE}, target_names"
    (tmp_path / FILE).write_bytes(npz() + bytes(2**21))
    assert refusal(load_newsgroups, tmp_path, limit=2**20).argument == str(tmp_path / FILE)


def test_an_npz_file_packed_in_other_ways_is_refused(tmp_path):
    with zipfile.ZipFile(io.BytesIO(npz())) as old, zipfile.ZipFile(tmp_path / FILE, "w", zipfile.ZIP_LZMA) as new:
        for info in old.infolist():
            new.writestr(info.filename, old.read(info))
    assert "compression" in refusal(load_newsgroups, tmp_path).found


def test_no_more_of_an_npz_header_is_read_than_a_header_has(tmp_path):
    out, size = io.BytesIO(), 2**25
    with zipfile.ZipFile(io.BytesIO(npz())) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            claim = b"\x93NUMPY\2\0" + struct.pack("<I", size) + b" " * size
            new.writestr(info.filename, claim if info.filename == "train_data.npy" else old.read(info))
    (tmp_path / FILE).write_bytes(out.getvalue())
    assert f"a header of {size} bytes" in refusal(load_newsgroups, tmp_path).found


def test_a_byte_order_mark_before_the_first_label_is_read_over(tmp_path):
    (tmp_path / "data").write_bytes(b"\xef\xbb\xbf-1 2:3\n")
    X, labels = load_libsvm(tmp_path / "data")
    assert X.toarray().tolist() == [[0, 3]] and labels.tolist() == [-1]


# damage at random


def sound_files():
    for kind, content in CONTENTS.items():
        for packer, pack in PACKERS.items():
            yield f"{kind} {packer}".strip(), kind, pack(content)
            if packer:  # damage under sound packing
                yield f"{kind} in {packer}", f"{kind} {packer}", content
    yield "npz", "npz", npz()
    stored = io.BytesIO()
    np.savez(stored, **arrays())
    yield "npz stored", "npz", stored.getvalue()


@pytest.mark.parametrize(("name", "kind", "content"), [pytest.param(*f, id=f[0]) for f in sound_files()])
def test_damage_at_random_is_read_or_refused(tmp_path, name, kind, content):
    rng = np.random.default_rng([ord(letter) for letter in name])
    kind, _, packer = kind.partition(" ")
    path = tmp_path / (FILE if kind == "npz" else "data")
    read = READERS.get(kind, lambda path: load_newsgroups(path.parent))
    for _ in range(60):
        path.write_bytes(PACKERS[packer](damaged(content, rng)))
        try:
            read(path)
        except ArgumentError as error:
            assert str(path) in error.argument  # noqa: PT017
            assert len(str(error)) < 1000  # noqa: PT017


def test_an_archive_is_read_whatever_its_compression_is(tmp_path):
    path = make_archive(tmp_path / "posts.tar.gz")
    (tmp_path / "posts").write_bytes(lzma.compress(gzip.decompress(path.read_bytes())))
    assert repr(count_posts(path)) == repr(count_posts(tmp_path / "posts"))
