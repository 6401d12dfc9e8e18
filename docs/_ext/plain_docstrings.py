"""Docstrings are written to be read in the source: |A| is an absolute value there, and an indented formula a formula.

For Sphinx the bars are escaped, which would be substitutions, and so are initials, which would be lists; an indented
block after a line that is not indented becomes a literal one. A class whose base hides its signature gets that of
``__init__``.
"""

from __future__ import annotations

import inspect
import re


def process(app, what, name, obj, options, lines):
    """Change the lines of one docstring in place, before numpydoc sees them."""
    out, last, literal = [], "", False
    for line in lines:
        indented = line.startswith("    ")
        if line.strip():
            if indented and out and not out[-1].strip() and not (literal or last.startswith(" ") or ">>>" in last):
                literal = True
                out += ["::", ""]
            literal = literal and indented
            last = line
        out.append(line if literal or line.lstrip().startswith((">>>", "...")) else _escaped(line))
    lines[:] = out


def _escaped(line):
    line = re.sub(r"^([A-Z])\. ", r"\1\\. ", line)
    parts = re.split(r"(``.*?``)", line)  # what is literal stays
    return "".join(part if part.startswith("``") else part.replace("|", r"\|") for part in parts)


def signature(app, what, name, obj, options, given, returns):
    """Of ``__init__``, where SciPy's LinearOperator takes anything."""
    if what == "class" and given == "(*args, **kwargs)":
        own = inspect.signature(obj.__init__)
        parameters = [p.replace(annotation=p.empty) for p in list(own.parameters.values())[1:]]
        return str(inspect.Signature(parameters)), None
    return None


def setup(app):
    """Come before numpydoc."""
    app.connect("autodoc-process-docstring", process, priority=400)
    app.connect("autodoc-process-signature", signature, priority=400)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
