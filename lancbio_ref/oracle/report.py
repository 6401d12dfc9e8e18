"""What a conformance run says: for people, as JSON, as JUnit XML, and in one line for CI."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

from .. import __version__
from .check import CheckResult, Tally
from .judge import Verdict

SHOWN = 20  # failures that the text names; the files have all
SHOWN_SUSPECTS = 3
_SELF_EVIDENT = ("accepted", "rejected", "not asked", "missing", "error")  # kinds that their reason says already

_INVALID_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


# -- for people -------------------------------------------------------------------------------


def text_report(result: CheckResult) -> str:
    """Tables, failures, suspects, and the summary line last."""
    lines = [f"{result.candidate}: {', '.join(result.levels)}, {result.precision}, vectors {result.source}", ""]
    lines += [_table(result), ""]
    lines += _failures(result)
    for level in result.levels:
        lines += _suspects(level, result)
    return "\n".join([*lines, summary_line(result)])


def summary_line(result: CheckResult) -> str:
    """The line that CI shows."""
    counts = f"{result.count('passed')} passed, {result.count('failed')} failed, {result.count('undecided')} undecided"
    line = f"lancbio-ref check: {'PASS' if result.passed else 'FAIL'}: {', '.join(result.levels)}: {counts}"
    if result.failures:
        line += f"; first {result.failures[0].id}"
    named = [found[0] for found in result.suspects.values() if found]
    if named:
        line += f"; suspect {named[0].fault.id}"
    return f"{line} ({result.source}, {result.seconds:.1f} s)"


def _table(result: CheckResult) -> str:
    """One row a level and family; the digits are those of the case that is nearest to, or furthest beyond, failing."""
    rows: list[tuple[str, ...]] = [
        ("level", "family", "passed", "failed", "undecided", "digits", "needed", "worst case", "quantity")
    ]
    rows += [_row(tally) for tally in result.tallies()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    aligned = ["  ".join(_cell(i, text, widths[i]) for i, text in enumerate(row)).rstrip() for row in rows]
    return "\n".join(aligned)


def _cell(column: int, text: str, width: int) -> str:
    return text.rjust(width) if 2 <= column <= 6 else text.ljust(width)


def _row(tally: Tally) -> tuple[str, ...]:
    counts = [str(tally.count(status)) for status in ("passed", "failed", "undecided")]
    worst = tally.worst
    if worst is None or worst.worst is None or worst.digits is None:
        return (tally.level, tally.family, *counts, "-", "-", "-", "-")
    achieved, needed = worst.digits
    return (tally.level, tally.family, *counts, _digits(achieved), _digits(needed), worst.id, worst.worst.quantity)


def _digits(value: float) -> str:
    return "none" if value == -math.inf else f"{value:.1f}" if value < 17 else "all"


def _failures(result: CheckResult) -> Iterator[str]:
    if not result.failures:
        return
    yield "failures"
    for verdict in result.failures[:SHOWN]:
        yield f"  {verdict.id}, {verdict.level}: {_reason(verdict)}"
        if verdict.stderr and verdict.kind in ("crash", "error"):
            yield f"    its error output ends: {verdict.stderr.splitlines()[-1][:200]}"
    left = len(result.failures) - SHOWN
    if left > 0:
        yield f"  and {left} more (--json FILE has all)"
    yield ""


def _reason(verdict: Verdict) -> str:
    """What is wrong, the first quantity that diverges first."""
    reason = " ".join(verdict.reason.split())
    if verdict.kind != "wrong" or verdict.first is None:
        return f"{verdict.kind}: {reason}" if verdict.kind not in _SELF_EVIDENT else reason
    others = [measure for measure in verdict.measures if not measure.passed][1:]
    first = "" if len(verdict.measures) == 1 else "first "
    more = f"; {len(others)} more quantities" if others else ""
    return f"{first}{reason}{more}"


def _suspects(level: str, result: CheckResult) -> Iterator[str]:
    found = result.suspects.get(level, ())
    if not found:
        return
    yield f"suspects at level {level}"
    for suspect in found[:SHOWN_SUSPECTS]:
        fault = suspect.fault
        yield f"  {suspect}"
        for label, words in (("symptom", fault.symptom), ("cause", fault.cause), ("remedy", fault.remedy)):
            yield f"    {label:<8}{words}"
    yield ""


# -- for programs -----------------------------------------------------------------------------


def json_report(result: CheckResult) -> dict[str, Any]:
    """Everything, for `lancbio_ref.files.write_json`; the layout is in docs/oracle.md."""
    return dict(
        format="lancbio-check",
        version="1",
        lancbio_ref=__version__,
        candidate=result.candidate,
        levels=result.levels,
        vectors=result.source,
        precision=result.precision,
        passed=result.passed,
        summary=summary_line(result),
        counts={status: result.count(status) for status in ("passed", "failed", "undecided")},
        seconds=result.seconds,
        families=[
            dict(
                level=tally.level,
                family=tally.family,
                **{status: tally.count(status) for status in ("passed", "failed", "undecided")},
                worst_case=None if tally.worst is None else tally.worst.id,
            )
            for tally in result.tallies()
        ],
        cases=[_json_case(verdict) for verdict in result.verdicts],
        suspects=[
            dict(
                level=level,
                fault=suspect.fault.id,
                title=suspect.fault.title,
                cause=suspect.fault.cause,
                remedy=suspect.fault.remedy,
                matches=suspect.matches,
                of=suspect.of,
                against=suspect.against,
                alike=suspect.alike,
            )
            for level, found in result.suspects.items()
            for suspect in found
        ],
    )


def _json_case(verdict: Verdict) -> dict[str, Any]:
    """One case; an infinite error is null, with what is wrong in `note`."""
    worst, digits = verdict.worst, verdict.digits
    return dict(
        id=verdict.id,
        family=verdict.family,
        level=verdict.level,
        status=verdict.status,
        kind=verdict.kind,
        reason=verdict.reason,
        digits=None if digits is None else digits[0],
        digits_needed=None if digits is None else digits[1],
        worst=None if worst is None else worst.quantity,
        first_divergence=None if verdict.first is None else verdict.first.quantity,
        measures=[
            dict(quantity=m.quantity, error=m.error, admissible=m.admissible, passed=m.passed, note=m.note)
            for m in verdict.measures
        ],
        seconds=verdict.seconds,
        stderr=verdict.stderr,
    )


def junit_report(result: CheckResult) -> bytes:
    """JUnit XML: one suite a level and family, one test case a vector; undecided ones are skipped."""
    root = ET.Element("testsuites", _attributes(result.verdicts, name="lancbio-ref check"))
    for tally in result.tallies():
        suite = ET.SubElement(root, "testsuite", _attributes(tally.verdicts, name=f"{tally.level}.{tally.family}"))
        for verdict in tally.verdicts:
            case = ET.SubElement(
                suite,
                "testcase",
                classname=f"lancbio.{tally.level}.{tally.family}",
                name=verdict.id,
                time=f"{verdict.seconds:.6f}",
            )
            if verdict.status == "failed":
                message = _clean(verdict.reason)
                failure = ET.SubElement(case, "failure", type=verdict.kind, message=message)
                failure.text = _clean("\n".join(str(m) for m in verdict.measures if not m.passed) or verdict.reason)
                if verdict.stderr:
                    ET.SubElement(case, "system-err").text = _clean(verdict.stderr)
            elif verdict.status == "undecided":
                ET.SubElement(case, "skipped", message=_clean(verdict.reason))
    ET.indent(root)
    return ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def _attributes(verdicts: tuple[Verdict, ...], name: str) -> dict[str, str]:
    count = {status: sum(verdict.status == status for verdict in verdicts) for status in ("failed", "undecided")}
    return dict(
        name=name,
        tests=str(len(verdicts)),
        failures=str(count["failed"]),
        errors="0",
        skipped=str(count["undecided"]),
        time=f"{sum(verdict.seconds for verdict in verdicts):.6f}",
    )


def _clean(text: str) -> str:
    """`text` without the characters that XML cannot have."""
    return _INVALID_XML.sub("�", text)
