"""The README's code runs and does what the README says; its links lead somewhere."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_quick_start_runs(capsys):
    blocks = re.findall(r"```python\n(.*?)```", TEXT, flags=re.S)
    assert blocks
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    text = capsys.readouterr().out
    assert "failed" not in text
    assert "error bound" in text
    assert "CONVERGED: hyper-gradient norm" in text


def test_the_first_screen_has_the_two_commands_and_the_quick_start():
    screen = TEXT.splitlines()[:36]
    for command in ("make run", "make test"):
        assert any(command in line for line in screen)
    assert "```python" in screen


def test_local_links_exist():
    targets = re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT)
    assert targets
    for target in targets:
        assert (ROOT / target).exists(), target
