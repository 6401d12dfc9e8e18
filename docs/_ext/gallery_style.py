"""The site's figure style for every script of the gallery, which then needs no line for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

STYLE = Path(__file__).parent.parent / "lancbio.mplstyle"


def use_style(gallery_conf: dict[str, Any], fname: str) -> None:
    """Called before each script, after Matplotlib's own reset (``reset_modules`` in conf.py)."""
    import matplotlib.pyplot as plt

    plt.style.use(STYLE)
