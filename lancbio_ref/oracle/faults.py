"""Faults by name: known ways to be wrong, each an edit of the textbook, with symptom, cause and remedy.

``faults.md`` beside this file is the catalogue, and the page that people read; here it is read by the program.

>>> from lancbio_ref.oracle.faults import CATALOGUE, fault
>>> len(CATALOGUE) >= 30
True
>>> print(fault("L03").describe())
L03 β_j q_{j−1} not subtracted
  symptom: α_1, β_2 and α_2 are right (q_1 ⊥ q_2); β_3 is the first that is wrong, and all that follows
  cause: A q − β q_{j−1} is computed into a variable that nobody uses: two terms instead of three
  remedy: u_j = A q_j − β_j q_{j−1}, and go on with u_j
  correct: u = A @ q - beta * q_before  # u_j = A q_j − β_j q_{j−1}
  wrong:   u = A @ q  # u_j = A q_j − β_j q_{j−1}
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from importlib import resources

from ..arguments import as_choice
from ..errors import ArgumentError
from .correct import CORRECT, METHODS
from .edits import MODULES, Edit, Edits, Fault, filled

__all__ = ["CATALOGUE", "SETTINGS", "Fault", "fault", "read"]
LETTERS = {"S": "solve", "H": "hypergradient", "L": "lanczos", "T": "trace"}
FIELDS = ("Symptom", "Cause", "Remedy", "Program", "Methods", "Compared", "Also")
CONSTANT = re.compile(r"`([^`]+)` as (`[^`]+`(?:, `[^`]+`)*)")
Lines = Iterator[tuple[int, str]]


@dataclass
class _Entry:
    """What stands under a heading; a setting has no level."""

    place: str
    level: str
    id: str
    title: str
    fields: dict[str, str] = field(default_factory=dict)
    also: list[tuple[str, str]] = field(default_factory=list)  # place, text
    diffs: list[Edits] = field(default_factory=list)


def read(text: str, file: str = "faults.md") -> tuple[tuple[Fault, ...], dict[str, Edits]]:
    """The faults of a page, and the settings that programs may have them in.

    Raises
    ------
    ArgumentError
        What is no catalogue: named by file and line, with what was found and what was expected.
    """
    entries: dict[str, _Entry] = {}
    section: str | None = None
    entry: _Entry | None = None
    lines = enumerate(text.splitlines(), 1)
    for number, line in lines:
        place = f"{file}, line {number}"
        if line.startswith("## "):
            section, entry = _section(line, place), None
        elif line.startswith("### "):
            entry = _heading(line, section, place)
            if entry.id in entries:
                raise ArgumentError(place, f"{entry.id} again", f"an id of its own: {entries[entry.id].place} has it")
            entries[entry.id] = entry
        elif entry is not None and line == "```diff":
            entry.diffs.append(_diff(lines, file))
        elif entry is not None and (line.startswith("- *") or (line and entry.level)):
            _field(line, entry, place)
    settings = {entry.id: _only(entry) for entry in entries.values() if not entry.level}
    return tuple(_fault(entry, entries, settings) for entry in entries.values() if entry.level), settings


def _section(line: str, place: str) -> str:
    found = re.match(r"## (?:`(\w+)`: .+|Settings$)", line)
    if found is None or (found[1] and found[1] not in LETTERS.values()):
        raise ArgumentError(place, repr(line), f"## `{'`, `'.join(LETTERS.values())}` with a colon, or ## Settings")
    return found[1] or ""


def _heading(line: str, section: str | None, place: str) -> _Entry:
    if section == "":
        return _Entry(place, "", line[4:], line[4:])
    found = re.fullmatch(r"### ([SHLT])(\d\d) (\S.*)", line)
    if found is None or LETTERS[found[1]] != section:
        letter = next((letter for letter, level in LETTERS.items() if level == section), "a section first, and then S")
        raise ArgumentError(place, repr(line), f"### {letter}, two digits and a title")
    return _Entry(place, LETTERS[found[1]], found[1] + found[2], found[3])


def _field(line: str, entry: _Entry, place: str) -> None:
    found = re.fullmatch(r"- \*(\w+):\* (\S.*)", line)
    if found is None or found[1] not in FIELDS:
        raise ArgumentError(place, repr(line), f"a diff, or - *Name:* with one of {', '.join(FIELDS)}")
    name, value = found.groups()
    if name in entry.fields:
        raise ArgumentError(place, f"{name} again", f"one {name} in {entry.id}")
    if name == "Also":
        entry.also.append((place, value))
    else:
        entry.fields[name] = value


def _diff(lines: Lines, file: str) -> Edits:
    """The hunks of a diff, from the line after its fence to the one that closes it."""
    hunks: list[tuple[str, str, list[str]]] = []  # place, function, lines
    for number, line in lines:
        place = f"{file}, line {number}"
        if line == "```":
            return tuple(_edit(*hunk) for hunk in hunks)
        if found := re.fullmatch(r"@@(?: (\w+(?:\.\w+)*) @@)?", line):
            hunks.append((place, found[1] or (hunks[-1][1] if hunks else ""), []))
        elif hunks and (not line or line[0] in " -+"):
            hunks[-1][2].append(line or " ")
        else:
            raise ArgumentError(place, repr(line), "a line of a diff that begins with @@ module.function @@")
    raise ArgumentError(file, "its end within a diff", "a line ``` that closes it")


def _edit(place: str, where: str, lines: list[str]) -> Edit:
    module, _, within = where.partition(".")
    if module not in MODULES:
        raise ArgumentError(place, f"{module!r}", f"@@ module.function @@, the module one of {', '.join(MODULES)}")
    correct, wrong = ([line[1:] for line in lines if line[0] != sign] for sign in "+-")
    if correct == wrong or not correct:
        raise ArgumentError(place, "no line that is changed" if correct else "no line of the textbook", "both")
    return Edit(module, "\n".join(["", *correct, ""]), "\n".join(["", *wrong, ""]), within, place)


def _only(entry: _Entry) -> Edits:
    if len(entry.diffs) != 1:
        raise ArgumentError(entry.place, f"{len(entry.diffs)} diffs under {entry.id}", "one")
    return entry.diffs[0]


def _fault(entry: _Entry, entries: dict[str, _Entry], settings: dict[str, Edits]) -> Fault:
    where = "Methods" if entry.level == "trace" else "Program"
    needed = [*FIELDS[:3], where]
    if missing := [name for name in needed if name not in entry.fields] or ["a diff"] * (not entry.diffs):
        raise ArgumentError(entry.place, f"{entry.id} without {missing[0]}", f"{', '.join(needed)} and a diff")
    known: Collection[str] = METHODS if entry.level == "trace" else CORRECT[entry.level]
    programs = entry.fields[where].split(", ")
    if unknown := [program for program in programs if program not in known]:
        raise ArgumentError(entry.place, f"{where} {unknown[0]!r} of {entry.id}", f"one of {', '.join(known)}")
    if entry.fields.get("Compared", "by size") != "by size":
        raise ArgumentError(entry.place, f"Compared {entry.fields['Compared']!r} of {entry.id}", "by size")
    others = [_also(*text, entry, entries, settings) for text in entry.also]
    constant = CONSTANT.fullmatch(entry.also[0][1]) if entry.also else None
    return Fault(
        id=entry.id,
        title=entry.title,
        level=entry.level,
        symptom=entry.fields["Symptom"],
        cause=entry.fields["Cause"],
        remedy=entry.fields["Remedy"],
        edits=entry.diffs[0],
        base="dense" if entry.level == "trace" else programs[0],
        others=(*entry.diffs[1:], *itertools.chain(*others)),
        constant=constant[1] if constant else "",
        rounding="Compared" in entry.fields,
        methods=tuple(programs) if entry.level == "trace" else (),
    )


def _also(
    place: str, text: str, entry: _Entry, entries: dict[str, _Entry], settings: dict[str, Edits]
) -> Iterator[Edits]:
    """The programs of an *Also*: of several constants, each value of the first with each of the others."""
    edits, choices = entry.diffs[0], dict[str, list[str]]()
    for part in text.split("; "):
        if found := CONSTANT.fullmatch(part):
            choices[found[1]] = re.findall(r"`(.+?)`", found[2])
        elif part in settings:
            edits += settings[part]
        elif (other := entries.get(part.removeprefix("with "))) and other.diffs:
            edits += other.diffs[0]
        else:
            raise ArgumentError(place, repr(part), f"{', '.join(settings)}, with an id, or `constant` as `another`")
    for constant in choices:
        if (times := sum(edit.wrong.count(constant) for edit in edits)) != 1:
            raise ArgumentError(place, f"`{constant}` {times} times in the wrong lines", "a constant there once")
    for values in itertools.product(*choices.values()):
        yield filled(edits, dict(zip(choices, values, strict=True)))


# -- the catalogue --------------------------------------------------------------------------

CATALOGUE, SETTINGS = read((resources.files("lancbio_ref.oracle") / "faults.md").read_text(encoding="utf-8"))
_BY_ID = {entry.id: entry for entry in CATALOGUE}


def fault(id: str) -> Fault:
    """The fault with this id; :class:`~lancbio_ref.errors.ArgumentError` where there is none."""
    return _BY_ID[as_choice("fault", id, _BY_ID)]
