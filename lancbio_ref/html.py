"""Reports as they look in a notebook: the verdict first, numbers as a table, the rest folded; light and dark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

GOOD, BAD, OPEN = "good", "bad", "open"  # what a verdict is
STYLE = """<style>
.lancbio{font:14px/1.45 system-ui,sans-serif;color:#1c1c1c;border-left:4px solid #5f5f5f;padding:.35em .9em;
max-width:60em}
.lancbio.good{border-color:#009e73}.lancbio.bad{border-color:#d55e00}.lancbio.open{border-color:#e69f00}
.lancbio b{font-weight:600}.lancbio table{border-collapse:collapse;margin:.4em 0}
.lancbio th,.lancbio td{text-align:left;padding:.1em .9em .1em 0;font-variant-numeric:tabular-nums;vertical-align:top;
background:none;border:0}.lancbio th{font-weight:500;color:#5f5f5f}.lancbio pre{margin:.3em 0;white-space:pre-wrap;
background:none;color:inherit}.lancbio summary{cursor:pointer;color:#0072b2}
@media (prefers-color-scheme:dark){.lancbio{color:#e8e8e8}.lancbio th{color:#a8a8a8}.lancbio summary{color:#56b4e9}}
[data-jp-theme-light=false] .lancbio,[data-theme=dark] .lancbio,.vscode-dark .lancbio{color:#e8e8e8}
</style>"""


def card(
    verdict: str,
    kind: str = OPEN,
    *,
    facts: Mapping[str, str] | None = None,
    table: Sequence[Sequence[str]] = (),
    words: Iterable[str] = (),
    detail: str = "",
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
    parts += [f"<div>{escape(text)}</div>" for text in words if text]
    if detail:
        parts.append(f"<details><summary>more</summary><pre>{escape(detail)}</pre></details>")
    return "".join([*parts, "</div>"])


def _row(cell: str, values: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<{cell}>{escape(value)}</{cell}>" for value in values) + "</tr>"
