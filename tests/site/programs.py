"""The explorer's modules as programs for Node, and what they print."""

import json
import subprocess
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "_extra" / "explorer"


def node(*arguments):
    """What a Node program prints."""
    done = subprocess.run(["node", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def dump(**settings):
    """What the page computes; lists as arrays."""
    found = json.loads(node("tests/site/explorer/dump.mjs", json.dumps(settings)))
    found.update({name: np.array(found[name]) for name in ("A", "b", "lambda", "alpha", "beta", "loss")})
    found["Q"] = np.array(found["Q"]).T
    return found
