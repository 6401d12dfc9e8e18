"""``python -m lancbio_ref.oracle.faults > docs/faults.md``: the catalogue as a document."""

from __future__ import annotations

from . import CATALOGUE, Fault

HEAD = """\
# Known faults

What programs for bilevel optimization get wrong, an entry a fault. `lancbio-ref check` names the entry whose numbers a
failing candidate gives. The lines are those of the textbook in `lancbio_ref/textbook/`, right and wrong; they
are what the catalogue runs. This file is written by `python -m lancbio_ref.oracle.faults`.
"""
SECTIONS = {
    "solve": "`solve`: A v = b",
    "hypergradient": "`hypergradient`: h = c − J A⁻¹b",
    "lanczos": "`lanczos`: α, β and Q",
    "trace": "`trace`: the methods",
}


def document() -> str:
    """The catalogue in Markdown."""
    parts = [HEAD]
    for level, title in SECTIONS.items():
        parts.append(f"## {title}\n")
        parts += [entry(fault) for fault in CATALOGUE if fault.level == level]
    return "\n".join(parts)


def entry(fault: Fault) -> str:
    """One fault in Markdown."""
    methods = f" ({', '.join(fault.methods)})" if fault.methods else ""
    lines = [f"### {fault.id} {fault.title}{methods}\n"]
    lines += [f"*{name.capitalize()}.* {sentence(getattr(fault, name))}  " for name in ("symptom", "cause", "remedy")]
    lines += ["", "```diff"]
    for correct, wrong in fault.changes():
        lines += [f"- {line}" for line in correct]
        lines += [f"+ {line}" for line in wrong]
    return "\n".join([*lines, "```", ""])


def sentence(text: str) -> str:
    """With a capital letter, unless it begins with a symbol, and a full stop."""
    word = text.split()[0]
    capital = word.isascii() and word.isalpha() and (word == "a" or len(word) > 1) and word != "rtol"
    return (text[0].upper() if capital else text[0]) + text[1:] + "."


if __name__ == "__main__":
    print(document(), end="")
