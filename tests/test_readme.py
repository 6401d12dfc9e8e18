"""The code of README and of the site's first page runs and does what they say."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_the_quick_start_runs(page, capsys):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), flags=re.S)
    assert blocks
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, page, "exec"), names)
    text = capsys.readouterr().out
    assert "failed" not in text
    assert "error bound" in text
    assert "CONVERGED: hyper-gradient norm" in text


def test_the_first_screen_has_the_two_commands_and_the_quick_start():
    screen = TEXT.splitlines()[:36]
    for command in ("make run", "make test"):
        assert any(command in line for line in screen)
    assert "```python" in screen
