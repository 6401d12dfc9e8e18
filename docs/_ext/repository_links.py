"""Links of the repository's Markdown to files outside of the site become names of these files.

``docs/`` is read in two places: in the repository, where ``../validation/REPORT.md`` is a link, and on the site, which
does not have that file. A link whose target lies outside of ``docs/`` and exists becomes its path; one that does not
is an error.
"""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)


class RepositoryLinks(SphinxTransform):
    """Resolve links that leave ``docs/`` before the references are."""

    default_priority = 1

    def apply(self) -> None:
        """Replace them."""
        docs = Path(self.env.srcdir)
        here = Path(self.env.doc2path(self.env.docname)).parent
        for node in list(self.document.findall(nodes.Element)):
            target = (node.get("reftarget") or node.get("refuri") or "").split("#")[0]
            path = (here / target).resolve()  # MyST resolves Markdown files itself, and takes their suffix off
            if "://" in target or not target.startswith(("..", f"{docs.parent}/")) or path.is_relative_to(docs):
                continue
            if not path.exists() and not (path := path.with_name(path.name + ".md")).exists():
                LOGGER.warning("link to %s, which does not exist", target, location=node)
            name = path.relative_to(docs.parent).as_posix() if path.is_relative_to(docs.parent) else path.name
            node.replace_self(nodes.literal(name, name))


def setup(app):
    """Register the transform."""
    app.add_transform(RepositoryLinks)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
