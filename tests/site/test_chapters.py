"""The chapters, run whole: what is printed and quoted is the same in another order of summation (``make test-docs``).

Rounding differs between machines, since each has its own kernels of BLAS and its own vector instructions. Here one
machine plays two: OpenBLAS with the kernels of another processor, Numba compiling for one. A digit that changes says
nothing about the mathematics, and does not belong on a page.
"""

import json
import os
import re
import subprocess
import sys

import pytest

from tests.docs.pages import CHAPTERS, run_visible
from tests.docs.test_chapters import LONG
from tests.site.programs import ROOT

OTHER = {"OPENBLAS_CORETYPE": "Prescott", "NUMBA_CPU_NAME": "nehalem"}  # both without fused multiply-add
SECONDS = re.compile(r", \d+\.\d s\)")  # of the oracle's summary lines

every_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)


def texts(path, **environment):
    """What a chapter prints and quotes, computed in a process with this environment."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.site.texts", str(path)],
        cwd=ROOT,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return [SECONDS.sub(")", line) for line in json.loads(done.stdout)]


@every_chapter
def test_no_digit_depends_on_the_order_of_summation(path, tmp_path_factory):
    cache = tmp_path_factory.getbasetemp() / "kernels"  # compiled once for all chapters
    here, there = texts(path), texts(path, **OTHER, NUMBA_CACHE_DIR=str(cache))
    assert here == there


def test_the_other_order_is_another():
    program = "import numpy as np; A = np.random.default_rng(0).standard_normal((300, 300)); print((A @ A).sum().hex())"
    sums = {
        subprocess.run([sys.executable, "-c", program], env=os.environ | more, capture_output=True, text=True).stdout
        for more in ({}, OTHER)
    }
    assert len(sums) == 2


@pytest.mark.parametrize("path", [p for p in CHAPTERS if p.stem in LONG], ids=lambda path: path.stem)
def test_visible_cells_run_alone(path):
    assert run_visible(path)
