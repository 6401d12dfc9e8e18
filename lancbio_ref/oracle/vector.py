"""Vectors: cases with answers that are proven, and the frozen file format that they are kept in.

Format ``lancbio-vector``, version 1
====================================
One JSON file (UTF-8, keys sorted, a list of numbers on one line) a vector, named ``<id>.json``.

*Numbers.* ``NUMBER`` is ``{"hex", "dec"}``: a float64 as a C99 hexadecimal float, which is the number, and as the
shortest decimal that reads back as it. ``VECTOR`` and ``MATRIX`` are ``{"shape", "hex", "dec"}`` with one string an
entry in C order. ``SPARSE`` is ``{"shape", "row", "col", "hex", "dec", "symmetric": true}``: the lower triangle of a
symmetric matrix, indices from 0, each place once. ``ENCLOSURE`` is ``{"shape", "mid", "rad", "float64"}``: the real
number lies in [mid − rad, mid + rad], both decimals, and float64 is the hexadecimal form of the float64 nearest to it;
a scalar has shape ``[]`` and lists of length 1.

*What every vector has*

=================  ====================================================================================================
format, version    ``"lancbio-vector"``, ``"1"``
id, family         ``quadratic-003`` is the third of family ``quadratic``
kind               ``system``: one point (A, J, b, c); ``trace``: iterations of a method
levels             what a candidate can be asked: of ``solve``, ``hypergradient``, ``lanczos``; or ``trace``
result             ``valid``: the answer is required. ``must_reject``: there is none, and a candidate must say so.
                   ``acceptable``: either the right answer or a rejection passes; a wrong answer does not
difficulty         ``easy``, ``ordinary``, ``hard``, ``extreme``
why, equations     why it exists; what its numbers satisfy, in words and symbols
rigour, routes     ``E``: exact rational arithmetic. ``A``: ball arithmetic. ``V``: floating point with a certificate.
                   ``F``: floating point; never decides. The weakest of its numbers counts. Routes: the two independent
                   computations that agreed (``fmpq``, ``arb``, ``mpmath``)
generator          recipe, parameters and version: what regenerates it; ``made_with``: the libraries that made v1
sizes              ``n_x``, ``n_y``
mu, L, kappa       ``{"value": NUMBER or null, "how"}``: μ ≤ λ_min(A), L ≥ ‖A‖₂, κ = L/μ. Of a trace: of
                   the A_1 of its sequence, or of A at (x_0, y_0)
sums               field → first 16 hexadecimal digits of the SHA-256 of its canonical text: names the field that was
                   changed. Fields are the top-level ones, and those one level down in inputs, expected, admissible
=================  ====================================================================================================

*System.* ``inputs``: MATRIX or SPARSE ``A`` (n_y × n_y), MATRIX ``J`` (n_x × n_y), VECTORs ``b``, ``c``, ``v0`` (a
start), ``q1`` (a start of the Lanczos process, which begins with q1/‖q1‖: of norm 1 up to rounding in most vectors, but
not in all; null where there is no such level) and the integer ``k``, steps asked for. ``problem`` (or null):
``{"name", "formula", "data", "x", "y"}``, the bilevel problem whose second derivatives at (x, y), rounded to float64,
are A and J, and whose gradients are b and c; ``data`` holds MATRIX, VECTOR, NUMBER, integers, strings and lists of
integers. ``expected``:

=================  ====================================================================================================
v                  A⁻¹b for the A and b of ``inputs``; null where there is none
h                  c − J A⁻¹b for those of ``inputs``
y_star, grad_phi   argmin_y g(x, y) and ∇φ(x) of ``problem``, at the real numbers of its formula; null without one.
                   h equals ∇φ(x) only at y = y*(x)
alpha, beta        α_1 … α_j and β_2 … β_{j+1} of the Lanczos process on A from q1/‖q1‖, j = min(k, breakdown)
energy_error       ‖v* − v_i‖_A, i = 0 … j, v_i the minimizer over v0 + span{r_0, …, A^{i−1} r_0}, r_0 = b − A v0
                   (conjugate gradients, Lanczos); null where A is not positive definite
breakdown          the j with β_{j+1} = 0 from q1, in exact arithmetic; null where there is none up to k
sensitivity        a number for each i = 1 … j: the largest difference from exact of α_i and β_{i+1}, relative to L,
                   over float64 runs that differ in rounding only
=================  ====================================================================================================

``admissible``: ``model`` (words), ``c``; ``solve``: largest ‖v − v*‖_A/‖v*‖_A; ``hypergradient``: largest
‖h − h*‖/‖h*‖; ``lanczos``: for each i the largest difference of α_i and of β_{i+1}, relative to L, or null where it
does not decide (sensitivity 10⁻⁶ or more). Where v* or h* is zero, the error is absolute in units of ``solve_scale``
and ``hypergradient_scale``. All are for float64; for another unit roundoff u, multiply by u/2⁻⁵³.

*Trace.* ``inputs``: ``method`` (a name of ``lancbio_ref.minimize``), ``options`` (its options, NUMBERs and integers),
``x0``, ``y0``, ``v0`` (VECTORs), ``iterations``; and either ``problem`` (as above, without x and y) or ``sequence``:
``{"A", "J", "b", "c"}``, lists of MATRIX and VECTOR, one an iteration: A_k, J_k, b_k, c_k given outright, so that x and
y play no part. ``draws`` (or null): what a random method would have drawn, such as ``{"p": [3]}``. ``expected``:
``rows``, one an iteration, each with ``k`` and, under the names of :mod:`lancbio_ref.methods`, what the method computes
(ENCLOSUREs; integers; booleans), and ``rounding``: for each row the largest relative difference between float64 runs
that differ in rounding only. ``admissible``: ``model`` and ``rows``, the largest relative 2-norm error of any quantity
of that row (α and β relative to L; others to their own norm, or to 1 if that is smaller than 1e-300).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from ..datasets.packed import LIMIT, unpacked
from ..errors import ArgumentError
from ..files import reason
from .vector_document import changed_fields, read_document
from .vector_numbers import Enclosure, numeric

__all__ = [
    "MANIFEST", "SEALS", "Enclosure", "Vector", "folder", "listed", "load", "load_folder", "manifest", "numeric",
    "vectors",
]  # fmt: skip

MANIFEST = "MANIFEST.sha256"
SEALS = {  # version → SHA-256 of its manifest, so that one with fewer lines is refused
    "v1": "54ff86fe36cebf597cd1f6457a8086947e49088221ff219133fd64d7793de5ff",
    "v1.1": "b668788b8c473ca8b0af0356eda65a6ae807fd8355bbee29404e8d90ce42a1ec",
}


@dataclass(frozen=True)
class Vector:
    """One vector, its numbers as arrays; the fields are those of the file (see the module's text).

    Attributes
    ----------
    inputs : dict
        Float64 arrays (``A`` a CSR array where the file has a sparse one), integers, strings.
    expected : dict
        :class:`Enclosure` for every real quantity; ``rows`` is a list of dicts of them.
    problem : dict or None
        ``name``, ``formula``, ``data`` (arrays and numbers), ``x``, ``y``.
    mu, L, kappa : float or None
    raw : dict
        The file as JSON has it.
    """

    id: str
    family: str
    kind: str
    levels: tuple[str, ...]
    result: str
    rigour: str
    difficulty: str
    why: str
    equations: tuple[str, ...]
    n_x: int
    n_y: int
    mu: float | None
    L: float | None
    kappa: float | None
    inputs: dict[str, Any]
    expected: dict[str, Any]
    admissible: dict[str, Any]
    problem: dict[str, Any] | None
    raw: dict[str, Any] = field(repr=False)

    @classmethod
    def from_document(cls, raw: dict[str, Any]) -> Vector:
        """From parsed and checked JSON."""
        names = ("id", "family", "kind", "result", "rigour", "difficulty", "why")
        return cls(
            **{name: raw[name] for name in names},
            levels=tuple(raw["levels"]),
            equations=tuple(raw["equations"]),
            n_x=raw["sizes"]["n_x"],
            n_y=raw["sizes"]["n_y"],
            **{name: numeric(raw[name]["value"]) for name in ("mu", "L", "kappa")},
            inputs=numeric(raw["inputs"]),
            expected=numeric(raw["expected"]),
            admissible=raw["admissible"],
            problem=numeric(raw["problem"]),
            raw=raw,
        )


def load(id_or_path: str | Path, version: str | None = None) -> Vector:
    """One vector, of this package by its id, or of a file by its path.

    Parameters
    ----------
    id_or_path : str or Path
        ``"quadratic-003"``, or a path that ends in ``.json``.
    version : str, optional
        Of the package's vectors: ``"v1"``, or ``"v1.1"`` for those added to it; by default the one that has this id.

    Raises
    ------
    ArgumentError
        No such vector, or a file that is not what was published, named with the field.

    Examples
    --------
    >>> from lancbio_ref import oracle
    >>> vector = oracle.load("quadratic-001")
    >>> vector.kind, vector.rigour, vector.inputs["A"].shape == (vector.n_y, vector.n_y)
    ('system', 'E', True)
    """
    if not str(id_or_path).endswith(".json"):
        return _packaged(str(id_or_path), version or version_of(str(id_or_path)))
    return _read(_bytes(Path(id_or_path)), Path(id_or_path).name)


def version_of(id: str) -> str:
    """The version that has a vector; the first where none has."""
    versions = list(SEALS)
    return next((version for version in versions if f"{id}.json" in manifest(version)), versions[0])


def vectors(version: str = "v1") -> list[Vector]:
    """All vectors of a version, in the order of their ids, each checked against the manifest.

    ``"v1.1"`` has what came after ``"v1"``, and nothing of that.

    Raises
    ------
    ArgumentError
        A file that is missing or not what was published, named with the field.

    Examples
    --------
    >>> from lancbio_ref import oracle
    >>> len(oracle.vectors()) >= 150
    True
    """
    return [_packaged(name.removesuffix(".json"), version) for name in sorted(manifest(version))]


def load_folder(place: Path) -> list[Vector]:
    """All vectors of a folder, in the order of their names; held to the folder's manifest where it has one.

    Raises
    ------
    ArgumentError
        A file that is no vector or not what was published, one that the manifest does not list, or lists and the folder
        lacks, an id that occurs twice.
    """
    try:
        names, sums = sorted(name for name in os.listdir(place) if name.endswith(".json")), listed(place)
    except (OSError, ValueError) as error:
        raise ArgumentError("--vectors", f"{place} ({reason(error)})", "a folder of vector files") from None
    if sums:
        _refuse_unlisted(names, sums)
        for name in sorted(set(sums) - set(names)):
            raise ArgumentError(name, "no file", f"the file that {MANIFEST} lists")
    found: dict[str, Vector] = {}
    for name in names:
        text = _bytes(place / name)
        if name in sums:
            _hold(text, name, sums[name])
        vector = _read(text, name)
        if vector.id in found:
            raise ArgumentError(f"{name}: id", f"{vector.id} a second time", "an id of its own")
        found[vector.id] = vector
    return list(found.values())


def listed(place: Path) -> dict[str, str]:
    """File name → SHA-256 of the manifest of a folder; empty where it has none."""
    return _lines(_bytes(place / MANIFEST)) if (place / MANIFEST).is_file() else {}


@lru_cache(maxsize=4)
def manifest(version: str = "v1") -> dict[str, str]:
    """File name → SHA-256 of the vectors of a version.

    Raises
    ------
    ArgumentError
        The manifest is not that of the version; a file that it does not list any more is named.
    """
    place = folder(version)
    try:
        text = (place / MANIFEST).read_bytes()
    except OSError as error:
        raise ArgumentError(MANIFEST, f"unreadable ({error})", _MANIFEST_LINES) from None
    sums = _lines(text)
    if (found := _digest(text)) != SEALS[version]:
        _refuse_unlisted(sorted(path.name for path in place.iterdir() if path.name.endswith(".json")), sums)
        raise ArgumentError(
            MANIFEST,
            f"{len(sums)} files and SHA-256 {found}",
            f"SHA-256 {SEALS[version]}, that of {version}'s manifest: lines were removed, added or changed",
        )
    return sums


_MANIFEST_LINES = "lines of 64 hexadecimal digits, two spaces and a file name"


def _lines(text: bytes) -> dict[str, str]:
    """File name → SHA-256 of the lines of a manifest."""
    try:
        lines = text.decode("ascii").splitlines()
    except UnicodeDecodeError as error:
        raise ArgumentError(MANIFEST, f"unreadable ({error})", _MANIFEST_LINES) from None
    if broken := [i for i, line in enumerate(lines, 1) if not re.fullmatch(r"[0-9a-f]{64}  [\w.-]+\.json", line)]:
        raise ArgumentError(MANIFEST, f"line {broken[0]}", _MANIFEST_LINES)
    if not lines:
        raise ArgumentError(MANIFEST, "an empty file", _MANIFEST_LINES)
    return {line[66:]: line[:64] for line in lines}


def _refuse_unlisted(names: list[str], sums: dict[str, str]) -> None:
    if unlisted := [name for name in names if name not in sums]:
        more = f" (nor {len(unlisted) - 1} others)" if len(unlisted) > 1 else ""
        raise ArgumentError(unlisted[0], f"a file that {MANIFEST} does not list{more}", "only files that it lists")


def folder(version: str = "v1") -> Any:
    """Where the files of a version are."""
    if version not in SEALS:
        raise ArgumentError("version", repr(version), "one of " + ", ".join(SEALS))
    return resources.files(__package__) / "vectors" / version


@lru_cache(maxsize=512)
def _packaged(id: str, version: str) -> Vector:
    name = f"{id}.json"
    if name not in manifest(version):
        raise ArgumentError(
            "vector", repr(id), f"an id of {version} (lancbio-ref vectors list) or a path to a .json file"
        )
    try:
        text = (folder(version) / name).read_bytes()
    except OSError as error:
        raise ArgumentError(name, error.strerror or "no file", f"the file that {MANIFEST} names") from None
    _hold(text, name, manifest(version)[name])
    return Vector.from_document(json.loads(text))


def _read(text: bytes, name: str) -> Vector:
    """The vector in the bytes of a file: the package's if a manifest lists them, else of one's own and checked."""
    if any(_digest(text) in manifest(version).values() for version in SEALS):
        return Vector.from_document(json.loads(text))
    raw = read_document(text, name)
    version = version_of(raw["id"])
    if f"{raw['id']}.json" in manifest(version):  # ours in another layout; with other numbers it needs its own id
        ours, theirs = _packaged(raw["id"], version).raw["sums"], raw["sums"]
        if differ := [key for key in sorted({*ours, *theirs}) if ours.get(key) != theirs.get(key)]:
            found = f"another value than {version}'s {raw['id']}"
            raise ArgumentError(f"{name}: {differ[0]}", found, "its value, or a new id")
    return Vector.from_document(raw)


def _hold(text: bytes, name: str, published: str) -> None:
    """Refuse a file whose SHA-256 is not what a manifest lists, with the field where the file's own sums tell it."""
    if (found := _digest(text)) == published:
        return
    try:
        changed = changed_fields(json.loads(text))
    except (ValueError, RecursionError):
        changed = []
    place = f"{name}: {changed[0]}" if changed else name
    raise ArgumentError(place, f"SHA-256 {found}", f"SHA-256 {published}, as {MANIFEST} lists")


def _bytes(path: Path) -> bytes:
    try:
        with unpacked(path, LIMIT, "a vector file", packed=False) as stream:
            return stream.read()
    except ArgumentError as error:
        raise ArgumentError("vector", f"{error.argument} ({error.found})", "a file that can be read") from None


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()
