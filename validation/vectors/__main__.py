"""Make vectors anew and compare them, byte for byte, with those of the package.

    python -m validation.vectors [--version V] [--out FOLDER] [ID ...]

Run it in the root of the repository. Without ids all of v1 are made, in five minutes, or those that ``--version v1.1``
added to it, in two; with ``--out`` they are written there with a manifest, and, where all are made, files that have no
recipe go. Exit status 1 where a file differs. It needs python-flint and mpmath: pip install '.[oracle]'.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

from lancbio_ref.errors import ArgumentError
from lancbio_ref.files import write_text
from lancbio_ref.oracle.commands_vectors import manifest_text
from lancbio_ref.oracle.vector import MANIFEST, SEALS, load, manifest, version_of

from . import generate


def main(arguments: list[str] | None = None) -> int:
    """The command line; its exit status."""
    summary, _, rest = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        "python -m validation.vectors", description=summary, epilog=rest, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("id", nargs="*", help="of the vectors to make; without any, all")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where to write them")
    parser.add_argument("--version", choices=SEALS, default="v1", help="v1 (default), or v1.1: what was added to it")
    given = parser.parse_args(arguments)
    try:
        different = remake(given.id or list(generate.recipes(given.version)), given.out)
        if given.out is not None:
            finish(given.out, given.version, everything=not given.id)
    except ArgumentError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return int(bool(different))


def remake(ids: list[str], out: Path | None) -> list[str]:
    """Make vectors, write them where `out` is given, say of each whether it is the package's; returns those not."""
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    sums, different = {name: sum for version in SEALS for name, sum in manifest(version).items()}, []
    for id in ids:
        text = generate.regenerate(id)
        if out is not None:
            write_text(out / f"{id}.json", text)
        same = hashlib.sha256(text).hexdigest() == sums.get(f"{id}.json")
        print(f"{id}:", "the same" if same else f"differs in {', '.join(changes(id, text))}", flush=True)
        if not same:
            different.append(id)
    print(f"{len(ids) - len(different)} of {len(ids)} vectors made anew, byte for byte the package's")
    return different


def changes(id: str, text: bytes) -> list[str]:
    """The fields whose sums are not the package's; of a vector that the package does not have, all."""
    ours = load(id).raw["sums"] if f"{id}.json" in manifest(version_of(id)) else {}
    theirs = json.loads(text)["sums"]
    return [key for key in sorted({*ours, *theirs}) if ours.get(key) != theirs.get(key)] or ["sums"]


def finish(out: Path, version: str, *, everything: bool) -> None:
    """The manifest of a folder; files without a recipe go where everything was made."""
    for path in out.glob("*.json") if everything else ():
        if path.stem not in generate.recipes(version):
            path.unlink()
    text = manifest_text({path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in out.glob("*.json")})
    write_text(out / MANIFEST, text)
    print(f"{MANIFEST}: SHA-256 {hashlib.sha256(text.encode()).hexdigest()}, which vector.SEALS has of the package's")


if __name__ == "__main__":
    sys.exit(main())
