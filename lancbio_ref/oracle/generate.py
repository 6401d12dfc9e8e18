"""Make the files of ``vectors/v1`` from their recipes: the same bytes every time, on every machine.

``python -m lancbio_ref.oracle.generate FOLDER [ID …]`` writes them, all where no ids are given, and the manifest.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import ArgumentError
from ..files import write_text
from .exact import require_flint
from .layout import canonical, field_sums
from .vector import MANIFEST
from .vector_document import check_document

MADE_WITH = "python-flint 0.9.0 (FLINT 3.6.0), mpmath 1.4.1"  # v1 was; other versions give the same digits or fail


@lru_cache(maxsize=1)
def recipes() -> dict[str, Callable[[], Any]]:
    """Id → a function that makes the vector's case."""
    require_flint()
    from .recipes import ALL

    found: dict[str, Callable[[], Any]] = {}
    for module in ALL:
        for id, build in module.cases():
            if id in found:
                raise ArgumentError("recipe", f"{id} twice", "each id once")
            found[id] = build
    return dict(sorted(found.items()))


def regenerate(id: str) -> bytes:
    """The bytes of ``<id>.json``, made anew.

    Raises
    ------
    ArgumentError
        No such vector, or python-flint or mpmath missing.
    """
    if id not in recipes():
        raise ArgumentError("id", repr(id), "the id of a vector that has a recipe")
    from .recipes.system import Case, system
    from .recipes.trace import trace

    case = recipes()[id]()
    document = system(case) if isinstance(case, Case) else trace(case)
    document["generator"]["made_with"] = MADE_WITH
    document["sums"] = field_sums(document)
    check_document(document, f"{id}.json")
    return canonical(document)


def manifest_text(digests: dict[str, str]) -> str:
    """The manifest: lines ``<SHA-256>  <file>``, as sha256sum reads them."""
    return "".join(f"{digests[name]}  {name}\n" for name in sorted(digests))


def write_all(target: Path, ids: list[str] | None = None) -> None:
    """Write vectors to a folder; with no ids all, stale ones removed, and the manifest."""
    target.mkdir(parents=True, exist_ok=True)
    for id in ids or list(recipes()):
        document = regenerate(id)
        write_text(target / f"{id}.json", document)
        print(f"{id}: {len(document)} bytes", flush=True)
    if not ids:
        for path in target.glob("*.json"):
            if path.stem not in recipes():
                path.unlink()
    files = sorted(target.glob("*.json"))
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    text = manifest_text(digests)
    write_text(target / MANIFEST, text)
    print(f"{MANIFEST}: SHA-256 {hashlib.sha256(text.encode()).hexdigest()}, which vector.SEALS has of the package's")


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser("python -m lancbio_ref.oracle.generate", description="Write vectors and manifest.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("id", nargs="*", help="of the vectors to write; without any, all, and what has no recipe goes")
    given = parser.parse_args(arguments)
    write_all(given.folder, given.id)


if __name__ == "__main__":
    main()
