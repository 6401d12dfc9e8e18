"""The vectors as a whole: every file is the one that the manifest lists, and the manifest is that of the version."""

from __future__ import annotations

import hashlib
import json

import pytest

from lancbio_ref import oracle
from lancbio_ref.errors import ArgumentError
from lancbio_ref.oracle import vector as module
from lancbio_ref.oracle.layout import canonical, field_sums
from lancbio_ref.oracle.vector import MANIFEST, SEALS, folder
from tests.oracle.documents import raw_copy, write_document


def test_the_seal_is_that_of_the_manifest():
    for version, seal in SEALS.items():
        assert hashlib.sha256((folder(version) / MANIFEST).read_bytes()).hexdigest() == seal


@pytest.fixture
def package_copy(tmp_path, monkeypatch):
    """A copy of some of the package's vectors, which `oracle` takes for the package's."""
    names = ["quadratic-001.json", "scalar-001.json"]
    for name in names:
        (tmp_path / name).write_bytes((module.folder() / name).read_bytes())
    lines = [f"{hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (tmp_path / MANIFEST).write_text("".join(lines))
    monkeypatch.setitem(module.SEALS, "v1", hashlib.sha256("".join(lines).encode()).hexdigest())
    monkeypatch.setattr(module, "folder", lambda version="v1": tmp_path)
    module.manifest.cache_clear()
    module._packaged.cache_clear()
    yield tmp_path
    module.manifest.cache_clear()
    module._packaged.cache_clear()


def test_every_changed_byte_of_a_packaged_file_is_refused(package_copy):
    path = package_copy / "scalar-001.json"
    original = path.read_bytes()
    for place in range(0, len(original), 61):
        path.write_bytes(original[:place] + bytes([original[place] ^ 1]) + original[place + 1 :])
        module._packaged.cache_clear()
        with pytest.raises(ArgumentError) as raised:
            oracle.vectors()
        assert raised.value.argument.startswith("scalar-001.json")
    path.write_bytes(original)
    assert [vector.id for vector in oracle.vectors()] == ["quadratic-001", "scalar-001"]


def test_a_packaged_field_is_named(package_copy):
    original = (package_copy / "scalar-001.json").read_bytes()
    raw = raw_copy("scalar-001")
    raw["expected"]["v"]["rad"][0] = "1e-20"
    (package_copy / "scalar-001.json").write_bytes(canonical(raw))
    module._packaged.cache_clear()
    with pytest.raises(ArgumentError) as raised:
        oracle.load("scalar-001")
    assert raised.value.argument == "scalar-001.json: expected.v"
    assert hashlib.sha256(original).hexdigest() in raised.value.expected
    raw["sums"] = field_sums(raw)
    (package_copy / "scalar-001.json").write_bytes(canonical(raw))
    with pytest.raises(ArgumentError) as raised:
        oracle.load("scalar-001")
    assert raised.value.argument == "scalar-001.json" and MANIFEST in raised.value.expected
    assert hashlib.sha256(canonical(raw)).hexdigest() in raised.value.found
    assert hashlib.sha256(original).hexdigest() in raised.value.expected
    (package_copy / "scalar-001.json").write_text(json.dumps(json.loads(original)))
    with pytest.raises(ArgumentError, match=r"scalar-001\.json: found SHA-256 .*, expected SHA-256"):
        oracle.load("scalar-001")


def test_a_packaged_file_that_is_gone_is_named(package_copy):
    (package_copy / "quadratic-001.json").unlink()
    with pytest.raises(ArgumentError) as raised:
        oracle.vectors()
    assert raised.value.argument == "quadratic-001.json"


def test_a_shortened_manifest_is_refused(package_copy):
    lines = (package_copy / MANIFEST).read_text().splitlines(keepends=True)
    (package_copy / MANIFEST).write_text(lines[1])
    module.manifest.cache_clear()
    with pytest.raises(ArgumentError) as raised:
        oracle.vectors()
    assert raised.value.argument == "quadratic-001.json" and "MANIFEST.sha256 does not list" in raised.value.found
    (package_copy / "quadratic-001.json").unlink()
    with pytest.raises(ArgumentError) as raised:
        oracle.vectors()
    assert raised.value.argument == MANIFEST and raised.value.found.startswith("1 files and SHA-256 ")
    assert "that of v1's manifest" in raised.value.expected


def test_a_folder_is_held_to_its_manifest(package_copy):
    names = [vector.id for vector in module.load_folder(package_copy)]
    assert names == ["quadratic-001", "scalar-001"]
    mine = raw_copy("quadratic-001")
    mine["id"], mine["family"] = "mine-001", "mine"
    own = write_document(package_copy, mine, sums=True)
    with pytest.raises(ArgumentError) as raised:
        module.load_folder(package_copy)
    assert raised.value.argument == "changed.json" and "does not list" in raised.value.found
    own.unlink()
    (package_copy / "scalar-001.json").unlink()
    with pytest.raises(ArgumentError) as raised:
        module.load_folder(package_copy)
    assert raised.value.argument == "scalar-001.json"
    (package_copy / MANIFEST).unlink()
    assert [vector.id for vector in module.load_folder(package_copy)] == ["quadratic-001"]
    (package_copy / "again.json").write_bytes((package_copy / "quadratic-001.json").read_bytes())
    with pytest.raises(ArgumentError) as raised:
        module.load_folder(package_copy)
    assert raised.value.argument == "quadratic-001.json: id"


@pytest.mark.parametrize("content", [None, b"", b"garbage", b"\xff\xfe", b"0" * 64 + b" one-space.json\n"])
def test_a_damaged_manifest_is_named(tmp_path, monkeypatch, content):
    if content is not None:
        (tmp_path / MANIFEST).write_bytes(content)
    monkeypatch.setattr(module, "folder", lambda version="v1": tmp_path)
    module.manifest.cache_clear()
    try:
        with pytest.raises(ArgumentError) as raised:
            oracle.vectors()
        assert raised.value.argument == MANIFEST
    finally:
        module.manifest.cache_clear()
