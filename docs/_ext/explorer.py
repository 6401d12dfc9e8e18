"""The explorer in one file: a page opened as a file may load no modules, and the site needs no server.

The built page has every module as a data: URL in an import map, under a name of its own. The sources stay as they are,
for a server and for Node.
"""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

IMPORT = re.compile(r'(?m)^(import [^;]*?from |import )"\./([^"]+)\.js";')
ENTRY = '<script type="module" src="js/main.js"></script>'


def single_file(folder: Path) -> str:
    """The page in `folder` with its modules inside."""
    modules = {}
    for path in sorted((folder / "js").rglob("*.js")):
        name = path.relative_to(folder / "js").with_suffix("").as_posix()
        text = IMPORT.sub(lambda found: f'{found[1]}"explorer/{found[2]}";', path.read_text(encoding="utf-8"))
        encoded = base64.b64encode(text.encode()).decode()
        modules[f"explorer/{name}"] = f"data:text/javascript;base64,{encoded}"
    scripts = (
        f'<script type="importmap">{json.dumps({"imports": modules})}</script>\n'
        '<script type="module">import "explorer/main";</script>'
    )
    page = (folder / "index.html").read_text(encoding="utf-8")
    if page.count(ENTRY) != 1:
        raise ValueError(f"{folder}/index.html does not have {ENTRY} once")
    return page.replace(ENTRY, scripts)


def build(app, exception):
    """Replace the copied page by the one in one file."""
    if exception is None and app.builder.format == "html":
        page = single_file(Path(app.srcdir) / "_extra" / "explorer")
        (Path(app.outdir) / "explorer" / "index.html").write_text(page, encoding="utf-8")


def setup(app):
    """Come before the check of what pages load."""
    app.connect("build-finished", build, priority=400)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
