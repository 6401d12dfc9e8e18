"""``lancbio-ref vectors``: list the oracle's vectors, show one, export them."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..arguments import as_choice
from ..errors import ArgumentError
from ..files import claimed, write_arrays, write_text
from .layout import canonical
from .vector import MANIFEST, SEALS, Enclosure, Vector, listed, load, vectors

DESCRIPTION = """\
The oracle's vectors: cases whose answers are proven, for "lancbio-ref check" and for tests in any language.

Actions
  list           one line a vector: id, levels, result, rigour, sizes, condition number, difficulty
  show ID        what a vector asks and what the answer is
  export         write vectors to a folder, as JSON (the files as they are, with their manifest) or as npz

What made them, and makes them again byte for byte, is in the repository: python -m validation.vectors"""

EPILOG = """\
columns of the list
  levels         s: solve, l: lanczos, h: hypergradient, t: trace
  result         valid, must_reject, acceptable (the right answer or a rejection)
  rigour         E: exact rational arithmetic, A: ball arithmetic; both by two routes that agree

npz files
  one a vector: arrays inputs/A, inputs/b, ..., expected/v (the nearest float64), expected/rows/1/v, problem/data/...; a
  sparse A is written dense. docs/oracle.md says what each is

exit status
  0    done
  2    an argument or a file cannot be used; one line on the error output says which

examples
  lancbio-ref vectors list --family ridge,synthetic
  lancbio-ref vectors show lancbio-sequence-001
  lancbio-ref vectors export --format npz --out vectors"""

LETTERS = {"solve": "s", "lanczos": "l", "hypergradient": "h", "trace": "t"}


def add_parser(
    commands: Any, formatter: type[argparse.HelpFormatter] = argparse.RawDescriptionHelpFormatter
) -> argparse.ArgumentParser:
    """Add the command to the subparsers of ``lancbio-ref``."""
    parser = commands.add_parser(
        "vectors",
        help="list, show and export the oracle's vectors",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=formatter,
    )
    parser.add_argument("action", metavar="ACTION", help="list, show or export")
    parser.add_argument("ids", nargs="*", metavar="ID", help="only these vectors")
    parser.add_argument("--family", metavar="A,B", help="only these families")
    parser.add_argument("--level", metavar="L,M", help="only vectors of these levels")
    parser.add_argument("--version", metavar="V", help="v1 (default) or v1.1: what was added to it, and nothing else")
    parser.add_argument("--out", metavar="DIR", help="export: where to write (default: lancbio-vectors)")
    parser.add_argument("--format", metavar="F", help="export: json or npz (default: json)")
    return parser


def run(given: dict[str, Any]) -> tuple[int, str]:
    """Exit status and report of ``lancbio-ref vectors``.

    Parameters
    ----------
    given : dict
        The parsed options: action, ids, family, level, version, out, format.

    Raises
    ------
    ArgumentError
        An option that cannot be used, an id or family that does not exist, a file that was changed.
    """
    action = as_choice("ACTION", given["action"], ("list", "show", "export"))
    for name in ("out", "format"):
        if given.get(name) is not None and action != "export":
            raise ArgumentError(f"--{name}", given[name], f"nothing: {action} has no such option")
    chosen = select(given["ids"], given["family"], given["level"], given.get("version"))
    if action == "list":
        return 0, list_text(chosen)
    if action == "show":
        if not given["ids"]:
            raise ArgumentError("ID", "nothing", "the vector to show")
        return 0, "\n\n".join(show_text(vector) for vector in chosen)
    return 0, export(chosen, Path(given["out"] or "lancbio-vectors"), given["format"] or "json")


def select(ids: Iterable[str] | None, family: str | None, level: str | None, version: str | None) -> list[Vector]:
    """The vectors of these ids, families and levels; all of the version where none are named."""
    every = vectors("v1" if version is None else as_choice("--version", version, SEALS))
    found = [load(id, version) for id in ids] if ids else every
    for option, text, known in (
        ("--family", family, sorted({vector.family for vector in every})),
        ("--level", level, list(LETTERS)),
    ):
        if text is None:
            continue
        wanted = [as_choice(option, part.strip(), known) for part in text.split(",")]
        found = [v for v in found if any(w in (v.family, *v.levels) for w in wanted)]
    if not found:
        raise ArgumentError("vectors", "none", "a choice that leaves at least one")
    return found


def list_text(chosen: list[Vector]) -> str:
    """A table, and the counts below it."""
    width = max(len(vector.id) for vector in chosen)
    lines = [f"{'id':{width}}  levels  result       rigour  n_x  n_y  kappa    difficulty"]
    for v in chosen:
        levels = "".join(LETTERS[name] for name in v.levels)
        kappa = "-" if v.kappa is None else f"{v.kappa:.3g}"
        lines.append(
            f"{v.id:{width}}  {levels:6}  {v.result:11}  {v.rigour:6}  {v.n_x:3}  {v.n_y:3}  {kappa:7}  {v.difficulty}"
        )
    families, rigours = len({v.family for v in chosen}), Counter(v.rigour for v in chosen)
    counted = ", ".join(f"{count} of rigour {name}" for name, count in sorted(rigours.items()))
    return "\n".join([*lines, f"{len(chosen)} vectors of {families} families: {counted}"])


def show_text(vector: Vector) -> str:
    """What a vector asks and what the answer is, for people."""
    kappa = "not positive definite" if vector.kappa is None else f"kappa = {vector.kappa:.3g}"
    lines = [
        f"{vector.id}: {vector.why}",
        f"  {vector.kind}, levels {', '.join(vector.levels)}; {vector.result}; {vector.difficulty}",
        f"  n_x = {vector.n_x}, n_y = {vector.n_y}, {kappa}",
        f"  rigour {vector.rigour} by the routes {', '.join(vector.raw['routes'])}",
        *(f"  {equation}" for equation in vector.equations),
    ]
    if vector.problem is not None:
        lines.append(f"  problem {vector.problem['name']}: {vector.problem['formula']}")
    lines += ["inputs", *_numbers(vector.inputs), "expected", *_numbers(vector.expected)]
    shown = {key: value for key, value in vector.admissible.items() if key != "model"}
    return "\n".join([*lines, f"admissible: {vector.admissible['model']}", *_numbers(shown)])


def _numbers(values: dict[str, Any], indent: str = "  ") -> list[str]:
    lines = []
    for key, value in values.items():
        if isinstance(value, dict):
            lines += [f"{indent}{key}", *_numbers(value, indent + "  ")]
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for row in value:
                lines += [f"{indent}{key}, k = {row['k']}", *_numbers(row, indent + "  ")]
        elif isinstance(value, list) and value and isinstance(value[0], np.ndarray):
            lines.append(f"{indent}{key}: {len(value)} of shape {value[0].shape}")
        else:
            lines.append(f"{indent}{key}: {_short(value)}")
    return lines


def _short(value: Any) -> str:
    if isinstance(value, Enclosure):
        value = value.float64
    if sp.issparse(value):
        return f"{value.shape[0]} x {value.shape[1]}, {value.nnz} entries"
    if isinstance(value, np.ndarray) and value.size > 1:
        text = np.array2string(value, precision=17, threshold=24, edgeitems=4, max_line_width=110)
        return text.replace("\n", "\n      ")
    return repr(value.item()) if isinstance(value, np.ndarray) else repr(value)


# -- export ----------------------------------------------------------------------------------


def export(chosen: list[Vector], out: Path, format: str) -> str:
    """Write vectors to a folder; one line about it."""
    as_choice("--format", format, ("json", "npz"))
    with claimed(out):
        digests = listed(out)
        for vector in chosen:
            if format == "json":
                text = canonical(vector.raw)
                write_text(out / f"{vector.id}.json", text)
                digests[f"{vector.id}.json"] = hashlib.sha256(text).hexdigest()
            else:
                write_arrays(out / f"{vector.id}.npz", arrays(vector))
        if format == "json":
            write_text(out / MANIFEST, manifest_text(digests))
    return f"wrote {len(chosen)} vectors to {out}, as {format}"


def manifest_text(digests: dict[str, str]) -> str:
    """The manifest: lines ``<SHA-256>  <file>``, as sha256sum reads them."""
    return "".join(f"{digests[name]}  {name}\n" for name in sorted(digests))


def arrays(vector: Vector) -> dict[str, np.ndarray]:
    """The numbers of a vector by path, such as ``inputs/A``; of enclosures the nearest float64."""
    found: dict[str, np.ndarray] = {"id": np.array(vector.id), "json": np.array(json.dumps(vector.raw))}
    for name in ("inputs", "expected", "problem", "admissible"):
        _collect(name, getattr(vector, name), found)
    return found


def _collect(path: str, value: Any, found: dict[str, np.ndarray]) -> None:
    if isinstance(value, dict):
        for key, entry in value.items():
            _collect(f"{path}/{key}", entry, found)
    elif isinstance(value, list) and any(isinstance(entry, (dict, np.ndarray)) for entry in value):
        for number, entry in enumerate(value, 1):
            _collect(f"{path}/{number}", entry, found)
    elif isinstance(value, list):
        found[path] = np.array([np.nan if entry is None else entry for entry in value])
    elif value is not None:
        if isinstance(value, Enclosure):
            value = value.float64
        found[path] = value.toarray() if sp.issparse(value) else np.asarray(value)
