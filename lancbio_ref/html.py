"""Reports as they look in a notebook: the verdict first, numbers as a table, the rest folded; light and dark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Protocol

GOOD, BAD, OPEN = "good", "bad", "open"  # what a verdict is
STYLE = """<style>
.lancbio{font:14px/1.45 system-ui,sans-serif;color:inherit;border-left:4px solid #8a8a8a;padding:.35em .9em;
margin:.2em 0;max-width:60em}
.lancbio.good{border-color:#009e73}.lancbio.bad{border-color:#d55e00}.lancbio.open{border-color:#e69f00}
.lancbio b{font-weight:600}.lancbio table{border-collapse:collapse;margin:.4em 0;font-size:inherit;color:inherit}
.lancbio tr,.lancbio th,.lancbio td{background:none!important;border:0}
.lancbio th,.lancbio td{text-align:left!important;padding:.1em .9em .1em 0;font-variant-numeric:tabular-nums;
vertical-align:top;white-space:pre-wrap;max-width:none}.lancbio th{font-weight:500;opacity:.72}
.lancbio pre{margin:.3em 0;padding:0;white-space:pre-wrap;background:none;color:inherit;font-size:12.5px;border:0;
word-break:normal!important;overflow-wrap:break-word;
font-family:ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace!important}
.lancbio summary{cursor:pointer;text-decoration:underline dotted;opacity:.85}
.lancbio details>div{margin-left:.3em}.lancbio p{margin:.3em 0}
</style>"""


class Shown(Protocol):
    """Something that a notebook shows as HTML."""

    def _repr_html_(self) -> str: ...


def card(
    verdict: str,
    kind: str = OPEN,
    *,
    facts: Mapping[str, str] | None = None,
    table: Sequence[Sequence[str]] = (),
    words: Iterable[str] = (),
    detail: str = "",
    folded: Mapping[str, Shown | None] | None = None,
) -> str:
    """One report as HTML; all text is escaped.

    Parameters
    ----------
    verdict : str
        The first line.
    kind : {"good", "bad", "open"}
        Its colour.
    facts : mapping of str to str, optional
        Shown as two columns.
    table : sequence of rows
        The first one is the head.
    words : iterable of str
        Paragraphs.
    detail : str
        Folded.
    folded : mapping of str to a report of its own, optional
        Folded, each under its name; None is left out.

    Notes
    -----
    Text has the colour of what is around it, whether the theme of a notebook is light or dark, and the colours of the
    verdicts are seen on both.

    Examples
    --------
    >>> from lancbio_ref.html import card
    >>> "<b>a &lt; b</b>" in card("a < b", "good")
    True
    """
    parts = [STYLE, f'<div class="lancbio {kind}"><b>{escape(verdict)}</b>']
    if facts:
        lines = [f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in facts.items()]
        parts.append(f"<table>{''.join(lines)}</table>")
    if table:
        head, *body = table
        lines = [_row("th", head), *(_row("td", row) for row in body)]
        parts.append(f"<table>{''.join(lines)}</table>")
    parts += [f"<p>{escape(text)}</p>" for text in words if text]
    for name, thing in (folded or {}).items():
        if thing is not None:
            inner = thing._repr_html_().removeprefix(STYLE)
            parts.append(f"<details><summary>{escape(name)}</summary>{inner}</details>")
    if detail:
        parts.append(f"<details><summary>all numbers</summary><pre>{escape(detail)}</pre></details>")
    return "".join([*parts, "</div>"])


def counted(number: int, thing: str) -> str:
    """A number of things in words.

    Examples
    --------
    >>> from lancbio_ref.html import counted
    >>> counted(1, "probe"), counted(2, "probe")
    ('1 probe', '2 probes')
    """
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _row(cell: str, values: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<{cell}>{escape(value)}</{cell}>" for value in values) + "</tr>"
