"""README's table of other packages is the rendering of the facts that validation/peers.py found."""

import json
import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_table_is_rendered_from_the_facts():
    peers = runpy.run_path(str(ROOT / "validation" / "peers.py"))
    facts = json.loads((ROOT / "validation" / "peers.json").read_text(encoding="utf-8"))
    assert list(facts) == list(peers["NAMES"])
    assert peers["render"](facts) in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_facts_about_this_package_still_hold():
    peers = runpy.run_path(str(ROOT / "validation" / "peers.py"))
    facts = json.loads((ROOT / "validation" / "peers.json").read_text(encoding="utf-8"))
    for package in ("lancbio_ref", "scipy"):
        for kind in ("unfinished", "indefinite", "nan"):
            assert peers["outcome"](package, kind) == facts[package][kind]
