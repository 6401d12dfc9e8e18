"""``lancbio-ref vectors``: what it prints, writes, refuses, and its exit status."""

import argparse
import json

import numpy as np
import pytest

from lancbio_ref import oracle
from lancbio_ref.errors import ArgumentError
from lancbio_ref.oracle.commands_vectors import add_parser, run
from lancbio_ref.oracle.layout import canonical
from lancbio_ref.oracle.vector import MANIFEST, load_folder, manifest


def command(*arguments):
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers(dest="command"))
    given = vars(parser.parse_args(["vectors", *arguments]))
    del given["command"]
    return run(given)


def refused(*arguments):
    with pytest.raises(ArgumentError) as raised:
        command(*arguments)
    return raised.value


def test_list():
    code, report = command("list")
    lines = report.splitlines()
    assert code == 0 and len(lines) == len(oracle.vectors()) + 2
    assert lines[-1].startswith(f"{len(oracle.vectors())} vectors of ") and "of rigour E" in lines[-1]
    assert max(map(len, lines)) <= 100


def test_list_chooses():
    report = command("list", "--family", "ridge,scalar", "--level", "lanczos")[1]
    names = [line.split()[0] for line in report.splitlines()[1:-1]]
    assert {name.rpartition("-")[0] for name in names} == {"ridge", "scalar"}
    assert command("list", "ridge-001")[1].splitlines()[1].startswith("ridge-001")
    assert "must_reject" in command("list", "--family", "singular")[1]
    assert all(line.split()[1] == "t" for line in command("list", "--level", "trace")[1].splitlines()[1:-1])


def test_show():
    report = command("show", "quadratic-001", "lancbio-sequence-001")[1]
    for part in ("A v = b", "rigour E", "kappa = ", "expected", "admissible", "rows, k = 9", "problem quadratic"):
        assert part in report
    assert "400 entries" in command("show", "bcsstk01-001")[1]


def test_export_json(tmp_path):
    code, report = command("export", "quadratic-001", "step-bsa-001", "--out", str(tmp_path / "new"))
    assert code == 0 and "wrote 2 vectors" in report
    for id in ("quadratic-001", "step-bsa-001"):
        assert (tmp_path / "new" / f"{id}.json").read_bytes() == canonical(oracle.load(id).raw)
        assert oracle.load(tmp_path / "new" / f"{id}.json").id == id
    assert manifest()["quadratic-001.json"] in (tmp_path / "new" / MANIFEST).read_text()


def test_exports_to_one_folder_share_a_manifest(tmp_path):
    for id in ("quadratic-001", "scalar-001"):
        command("export", id, "--out", str(tmp_path))
    assert [vector.id for vector in load_folder(tmp_path)] == ["quadratic-001", "scalar-001"]
    assert (tmp_path / MANIFEST).read_text().count("\n") == 2


def test_export_npz(tmp_path):
    command(
        "export",
        "bcsstk01-001",
        "lancbio-sequence-014",
        "indefinite-006",
        "ridge-001",
        "--format",
        "npz",
        "--out",
        str(tmp_path),
    )
    with np.load(tmp_path / "bcsstk01-001.npz") as found:
        vector = oracle.load("bcsstk01-001")
        np.testing.assert_array_equal(found["inputs/A"], vector.inputs["A"].toarray())
        np.testing.assert_array_equal(found["expected/v"], vector.expected["v"].float64)
        assert json.loads(str(found["json"])) == vector.raw and int(found["inputs/k"]) == 16
    with np.load(tmp_path / "lancbio-sequence-014.npz") as found:
        vector = oracle.load("lancbio-sequence-014")
        np.testing.assert_array_equal(found["expected/rows/3/v"], vector.expected["rows"][2]["v"].float64)
        np.testing.assert_array_equal(found["inputs/sequence/A/2"], vector.inputs["sequence"]["A"][1])
        assert bool(found["expected/rows/2/singular"])
    with np.load(tmp_path / "indefinite-006.npz") as found:
        assert "expected/v" not in found
    with np.load(tmp_path / "ridge-001.npz") as found:
        np.testing.assert_array_equal(
            found["problem/data/X_train"], oracle.load("ridge-001").problem["data"]["X_train"]
        )


def test_what_is_refused(tmp_path):
    assert refused("delete").argument == "ACTION"
    assert refused("show").argument == "ID"
    assert refused("show", "no-such").argument == "vector"
    assert refused("list", "--family", "none").argument == "--family"
    assert refused("list", "--level", "x").argument == "--level"
    assert refused("list", "ridge-001", "--family", "scalar").argument == "vectors"
    assert refused("list", "--out", "x").argument == "--out"
    assert refused("show", "ridge-001", "--format", "npz").argument == "--format"
    assert "'list', 'show', 'export'" in str(refused("regenerate"))
    assert refused("export", "ridge-001", "--format", "xml", "--out", str(tmp_path)).argument == "--format"
    (tmp_path / "file").write_text("")
    assert refused("export", "ridge-001", "--out", str(tmp_path / "file")).argument == "--out"


def test_one_file_can_be_named(tmp_path):
    path = tmp_path / "mine.json"
    path.write_bytes(canonical(oracle.load("scalar-002").raw))
    assert "scalar-002" in command("show", str(path))[1]
