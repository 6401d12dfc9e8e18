"""The extensions with which the site is built: what they change, and what they refuse."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

EXTENSIONS = Path(__file__).parents[2] / "docs" / "_ext"


def extension(name):
    return runpy.run_path(str(EXTENSIONS / f"{name}.py"))


@pytest.fixture
def warnings_of(tmp_path):
    """warnings_of(page.html="…") → what the check of the links says of these pages."""

    def run(**pages):
        names, said = extension("offline"), []
        for name, text in pages.items():
            (tmp_path / f"{name}.html").write_text(text, encoding="utf-8")
        names["check"].__globals__["LOGGER"] = SimpleNamespace(warning=lambda text, *of: said.append(text % of))
        builder = SimpleNamespace(format="html")
        names["check"](SimpleNamespace(builder=builder, outdir=tmp_path), None)
        return said

    return run


@pytest.mark.parametrize(
    "text, said",
    [
        ('<a href="other.html">', "a.html links to other.html, which does not exist"),
        ('<a href="#nowhere">', "a.html links to #nowhere, a place that does not exist"),
        ('<a href="b.html#there">', "a.html links to b.html#there, a place that does not exist"),
        ('<img src="missing.png">', "a.html links to missing.png, which does not exist"),
        ('<script src="https://example.org/x.js"></script>', "a.html loads https://example.org/x.js from the network"),
        ('<link rel="stylesheet" href="//example.org/x.css">', "a.html loads //example.org/x.css from the network"),
    ],
)
def test_a_page_that_misses_something_or_fetches_it_is_named(warnings_of, text, said):
    assert warnings_of(a=text, b="<p id='here'>") == [said]


def test_a_page_may_link_to_others_and_to_its_places(warnings_of):
    fine = '<p id="here"><a href="#here"><a href="b.html#there"><a href="https://example.org"><a href="b.html#n=4">'
    assert warnings_of(a=fine, b='<p id="there">') == []


def test_docstrings_keep_bars_initials_and_formulas():
    lines = [
        "|A| v, ``|x|``",
        "",
        "    |fl(A v)| ≤ γ",
        "",
        "S. Author",
        ">>> abs(-1)  # |x|",
        "",
        "x : float",
        "    |x|",
    ]
    extension("plain_docstrings")["process"](None, "function", "f", None, None, lines)
    assert lines == [
        r"\|A\| v, ``|x|``", "", "::", "", "    |fl(A v)| ≤ γ", "", r"S\. Author", ">>> abs(-1)  # |x|", "",
        "x : float", r"    \|x\|",
    ]  # fmt: skip


def test_a_class_whose_base_hides_its_signature_shows_its_own():
    class Hidden:
        def __init__(self, A: int, *, name: str = "A") -> None: ...

    signature = extension("plain_docstrings")["signature"]
    assert signature(None, "class", "Hidden", Hidden, None, "(*args, **kwargs)", None) == ("(A, *, name='A')", None)
    assert signature(None, "class", "Hidden", Hidden, None, "(A)", None) is None


def test_a_page_without_its_entry_is_no_explorer(tmp_path):
    (tmp_path / "index.html").write_text("<p>")
    with pytest.raises(ValueError, match="does not have"):
        extension("explorer")["single_file"](tmp_path)
