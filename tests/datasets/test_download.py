"""Downloads: the sums are those of the real files, a wrong file is refused, a missing extra is named."""

import functools
import hashlib
import http.server
import sys
import threading

import pytest

from lancbio_ref import ArgumentError
from lancbio_ref.datasets import download, fetch, load_newsgroups
from lancbio_ref.datasets.idx import PARTS
from tests.datasets.test_posts import make_archive


@pytest.fixture
def server(tmp_path):
    """A web server of this machine, with what lies in ``tmp_path / "public"``."""
    (tmp_path / "public").mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            """Tests print nothing."""

    handler = functools.partial(Quiet, directory=tmp_path / "public")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}/"
        running.shutdown()
        thread.join()


IMAGES = ("mnist", "fashion-mnist", "kmnist")


def test_every_set_has_its_files_and_an_address():
    assert download.ADDRESSES.keys() == download.SUMS.keys() == {*IMAGES, "20newsgroups"}
    for name, sums in download.SUMS.items():
        assert name not in IMAGES or set(sums) == {f"{stem}.gz" for stem in PARTS.values()}
        assert all(len(bytes.fromhex(checksum)) == 32 for checksum in sums.values())
    assert len({checksum for sums in download.SUMS.values() for checksum in sums.values()}) == 13


def test_the_sums_are_those_of_the_real_files(data_dir):
    for name in IMAGES:
        sums = download.SUMS[name]
        if not (data_dir / name).is_dir():
            pytest.skip(f"no {name} in {data_dir}")
        for file, checksum in sums.items():
            assert hashlib.sha256((data_dir / name / file).read_bytes()).hexdigest() == checksum


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ArgumentError) as caught:
        fetch("kmnist")
    assert "kmnist" in caught.value.argument
    assert "pip install pooch" in caught.value.expected and "--data-dir" in caught.value.expected


def test_unknown_sets_are_refused():
    with pytest.raises(ArgumentError, match="fashion-mnist"):
        fetch("cifar")


def test_files_are_fetched_once_and_checked(server, tmp_path, monkeypatch):
    pytest.importorskip("pooch")
    sums = {}
    for file in ("one.gz", "two.gz"):
        (tmp_path / "public" / file).write_bytes(file.encode())
        sums[file] = hashlib.sha256(file.encode()).hexdigest()
    monkeypatch.setitem(download.ADDRESSES, "mnist", server)
    monkeypatch.setitem(download.SUMS, "mnist", sums)
    folder = fetch("mnist", tmp_path / "cache")
    assert sorted(path.name for path in folder.iterdir()) == ["one.gz", "two.gz"]
    assert (folder / "two.gz").read_bytes() == b"two.gz"

    monkeypatch.setitem(download.ADDRESSES, "mnist", "http://127.0.0.1:9/")  # where nobody listens
    assert fetch("mnist", tmp_path / "cache") == folder  # all is there: nobody is asked
    (folder / "one.gz").write_bytes(b"damaged")
    with pytest.raises(ArgumentError) as caught:
        fetch("mnist", tmp_path / "cache")
    assert caught.value.argument == "http://127.0.0.1:9/one.gz"

    monkeypatch.setitem(download.ADDRESSES, "mnist", server)
    (tmp_path / "public" / "one.gz").write_bytes(b"something else")
    with pytest.raises(ArgumentError, match="SHA-256"):
        fetch("mnist", tmp_path / "cache")
    (tmp_path / "public" / "one.gz").write_bytes(b"one.gz")
    assert (fetch("mnist", tmp_path / "cache") / "one.gz").read_bytes() == b"one.gz"  # repaired


def test_posts_are_counted_once(server, tmp_path, monkeypatch):
    pytest.importorskip("pooch")
    archive = make_archive(tmp_path / "public" / download.POSTS)
    checksum = hashlib.sha256(archive.read_bytes()).hexdigest()
    monkeypatch.setitem(download.ADDRESSES, "20newsgroups", server)
    monkeypatch.setitem(download.SUMS, "20newsgroups", {download.POSTS: checksum})
    posts = load_newsgroups(fetch("20newsgroups", tmp_path / "cache"))
    assert posts.class_names == ("a", "b") and posts.X_test.shape == (2, 4)
    monkeypatch.setattr(download, "count_posts", None)  # not asked again
    assert load_newsgroups(fetch("20newsgroups", tmp_path / "cache")).X_train.nnz == posts.X_train.nnz
