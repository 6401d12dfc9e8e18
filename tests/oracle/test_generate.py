"""Regenerating gives the same bytes: some of every family here, all of them in the thorough profile."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lancbio_ref import oracle
from lancbio_ref.errors import ArgumentError
from lancbio_ref.oracle.layout import canonical, field_sums
from lancbio_ref.oracle.vector import SEALS, manifest, version_of
from tests.thorough import THOROUGH, sampled
from validation.vectors import generate
from validation.vectors.__main__ import main

SAMPLE = [
    "quadratic-001", "quadratic-016", "ridge-002", "ridge-007", "logistic-002", "data-cleaning-001",
    "synthetic-002", "synthetic-011", "inexact-y-004", "strakos-002", "strakos-005", "clusters-003",
    "repeated-006", "invariance-003", "invariance-006", "scalar-005", "zero-right-side-001",
    "exact-start-002", "ill-conditioned-004", "ill-conditioned-007", "scale-001", "scale-006", "scale-010",
    "indefinite-002", "indefinite-004", "indefinite-007", "singular-002", "nonsymmetric-002",
    "lancbio-sequence-005", "lancbio-sequence-011", "lancbio-sequence-012", "lancbio-sequence-013",
    "lancbio-sequence-014", "subbio-sequence-003", "subbio-sequence-005", "subbio-problem-002",
    "step-amigo-cg-001", "step-amigo-gd-001", "step-soba-001", "step-stocbio-001", "step-bsa-001",
    "step-ttsa-001", "step-stable-004", "step-f2sa-001", "step-hjfbio-004", "fault-003", "fault-stable-003",
    "recycled-problem-007",
    "tolerance-001", "nonsymmetric-005", "lancbio-sequence-019", "lancbio-sequence-024", "subbio-sequence-014",
]  # fmt: skip
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("id", [id for v in SEALS for id in generate.recipes(v)] if THOROUGH else SAMPLE)
def test_the_same_bytes(id):
    assert hashlib.sha256(generate.regenerate(id)).hexdigest() == manifest(version_of(id))[f"{id}.json"]


def test_no_hash_seed_enters():
    program = (
        "import sys; from validation.vectors.generate import regenerate as r; sys.stdout.buffer.write(r('scalar-002'))"
    )
    for seed in sampled(("1", "2"), 2):
        found = subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        )
        assert found.stdout == canonical(oracle.load("scalar-002").raw)


def test_an_unknown_id_is_refused():
    with pytest.raises(ArgumentError):
        generate.regenerate("no-such-001")


def test_missing_flint_is_said(monkeypatch):
    monkeypatch.setattr("lancbio_ref.oracle.balls.flint", None)
    generate.recipes.cache_clear()
    try:
        with pytest.raises(ArgumentError, match="python-flint"):
            generate.recipes()
    finally:
        generate.recipes.cache_clear()


def test_the_command_writes_files_and_a_manifest(tmp_path, capsys):
    assert main(["scalar-001", "scalar-002", "--out", str(tmp_path)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["MANIFEST.sha256", "scalar-001.json", "scalar-002.json"]
    assert (tmp_path / "scalar-001.json").read_bytes() == canonical(oracle.load("scalar-001").raw)
    lines = (tmp_path / "MANIFEST.sha256").read_text().splitlines()
    assert lines[0] == f"{manifest()['scalar-001.json']}  scalar-001.json"
    written = capsys.readouterr().out
    assert "scalar-002" in written and "2 of 2 vectors made anew, byte for byte the package's" in written


def test_the_whole_set_leaves_no_file_without_a_recipe(tmp_path, monkeypatch, capsys):
    few = {id: generate.recipes()[id] for id in ("scalar-001", "scalar-002")}
    monkeypatch.setattr(generate, "recipes", lambda version="v1": few)
    (tmp_path / "old-001.json").write_text("{}")
    assert main(["--out", str(tmp_path)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["MANIFEST.sha256", "scalar-001.json", "scalar-002.json"]


def test_the_command_says_what_differs(monkeypatch, capsys):
    original = generate.regenerate

    def altered(id):
        raw = json.loads(original(id))
        raw["why"] += " "
        raw["sums"] = field_sums(raw)
        return canonical(raw)

    monkeypatch.setattr(generate, "regenerate", altered)
    assert main(["scalar-001"]) == 1
    report = capsys.readouterr().out
    assert "scalar-001: " in report and "differs in why" in report and "0 of 1" in report


def test_sums_are_those_of_the_fields():
    raw = oracle.load("lancbio-sequence-014").raw
    assert field_sums(raw) == raw["sums"]
    assert {"expected.rows[0]", "inputs.sequence", "admissible.rows", "why"} <= set(raw["sums"])


def test_the_command_line_makes_no_folder_of_an_option(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0 and "FOLDER" in capsys.readouterr().out and not list(tmp_path.iterdir())
    assert main(["no-such-001", "--out", "made"]) == 2 and "no-such-001" in capsys.readouterr().err
    assert main(["scalar-001", "--out", "made"]) == 0
    assert (tmp_path / "made" / "scalar-001.json").exists()
