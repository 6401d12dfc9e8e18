"""Every script of the gallery has its form and compiles; the fastest run as they stand, in a process of their own."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.thorough import sampled

ROOT = Path(__file__).parents[2]
GALLERY = ROOT / "docs" / "gallery"
SCRIPTS = sorted(GALLERY.glob("plot_*.py"))
FASTEST = ("plot_07_negative_curvature", "plot_12_scipy", "plot_15_orthogonality")
ALLOWED = {"numpy", "scipy", "matplotlib", "lancbio_ref"} | set(sys.stdlib_module_names)
ALSO = {"jax": {"jax"}, "torch": {"torch"}, "dask": {"dask", "distributed"}}  # what these are about
ALSO |= {"relevance": {"sklearn"}, "pipeline": {"sklearn"}}

every_script = pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)


def test_numbers_sort_and_leave_no_gap():
    numbers = [re.fullmatch(r"plot_(\d\d)_[a-z0-9_]+", script.stem)[1] for script in SCRIPTS]
    assert numbers == [f"{i:02d}" for i in range(1, len(SCRIPTS) + 1)]
    assert len(SCRIPTS) >= 14


@every_script
def test_form(script):
    text = script.read_text(encoding="utf-8")
    tree = ast.parse(text, script.name)
    compile(tree, script.name, "exec")
    assert 25 <= len(text.splitlines()) <= 70
    title, rule, blank, *body = ast.get_docstring(tree).splitlines()
    assert re.match(rf"{script.stem[5:7]} · \S", title)
    assert rule == "=" * len(title)
    assert blank == ""
    sentences = re.split(r"(?<=[.:;])\s+(?=[A-Z])", " ".join(body))
    assert 2 <= len(sentences) <= 6, sentences
    assert "What to look at:" in " ".join(body)
    assert 1 <= len(re.findall(r"^# %%$", text, re.M)) <= 3  # two blocks or more, with text between
    assert len(re.findall(r"^# %%\n# \S", text, re.M)) == len(re.findall(r"^# %%$", text, re.M))
    assert text.endswith("plt.show()\n")
    assert text.count("plt.subplots(") + text.count("plt.figure(") == 1  # one figure, the thumbnail
    assert "style" not in re.findall(r"plt\.(\w+)", text)  # conf.py sets it


@every_script
def test_imports(script):
    allowed = ALLOWED | ALSO.get(script.stem[8:], set())
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) else []
        assert {name.partition(".")[0] for name in names} <= allowed


@pytest.mark.parametrize("name", sampled(FASTEST, 3))
def test_runs_as_it_stands(name, tmp_path):
    environment = {k: v for k, v in os.environ.items() if k != "LANCBIO_DATA"} | {"MPLBACKEND": "template"}
    command = [sys.executable, "-W", "error", str(GALLERY / f"{name}.py")]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert not list(tmp_path.iterdir())  # nothing left behind
