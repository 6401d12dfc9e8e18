"""After the build: every page works with no network, and every link on it to the site leads somewhere.

A page may link to other sites; it may not load anything from them. A fragment with an equals sign is a state of the
explorer, not a place.
"""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
LOADED = {"link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src"}


class Page(HTMLParser):
    """What a page links to, what it loads, and the places in it that can be linked to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links, self.loads, self.places = set(), set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.places.update(found[name] for name in ("id", "name") if found.get(name))
        if tag == "a" and found.get("href"):
            self.links.add(found["href"])
        if tag in LOADED and found.get(LOADED[tag]) and "canonical" not in (found.get("rel") or ""):
            self.loads.add(found[LOADED[tag]])


def check(app, exception):
    """Warn of what is missing, and of what would be fetched."""
    if exception is not None or app.builder.format != "html":
        return
    site = Path(app.outdir)
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    for path, page in pages.items():
        here = path.relative_to(site)
        for target in page.loads:
            if urlsplit(target).netloc:
                LOGGER.warning("%s loads %s from the network", here, target)
        for target in page.links | page.loads:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            there = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not there.exists():
                LOGGER.warning("%s links to %s, which does not exist", here, target)
            elif (
                parts.fragment
                and "=" not in parts.fragment
                and there in pages
                and unquote(parts.fragment) not in pages[there].places
            ):
                LOGGER.warning("%s links to %s, a place that does not exist", here, target)


def setup(app):
    """Check when all is written."""
    app.connect("build-finished", check)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
