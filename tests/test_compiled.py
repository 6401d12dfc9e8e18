"""Compiled functions where nothing can be kept, and where what was kept is damaged."""

import math
import os
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from lancbio_ref.kernels.compiled import JIT, NotCompiledError, compiled
from tests.thorough import THOROUGH, sampled

ROOT = Path(__file__).parents[1]

USE = "import numpy as np\nfrom lancbio_ref import parallel\nprint(parallel.dot(np.arange(100.0), np.arange(100.0)))\n"
NOWHERE = "from numba.core import caching\ncaching.CacheImpl._locator_classes = []\n"  # as without a writable folder
FULL = """
import errno
from numba.core import caching
def save(*_):
    raise OSError(errno.ENOSPC, "No space left on device")
caching.IndexDataCacheFile.save = save
"""


def run(script, **environment):
    command = [sys.executable, "-W", "always", "-c", script]
    return subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=120, env=os.environ | environment
    )


@pytest.mark.parametrize("trouble", [NOWHERE, FULL])
def test_without_a_place_for_a_cache_the_package_works_and_says_so_once(tmp_path, trouble):
    done = run(trouble + USE, NUMBA_CACHE_DIR=str(tmp_path))
    assert done.stdout == "328350.0\n"
    assert done.stderr.count("RuntimeWarning") == 1 and "set NUMBA_CACHE_DIR" in done.stderr


@pytest.fixture(scope="module")
def whole_cache(tmp_path_factory):
    """A folder with all that `USE` compiles."""
    folder = tmp_path_factory.mktemp("whole")
    run(USE, NUMBA_CACHE_DIR=str(folder))
    return folder


@pytest.mark.parametrize("ending, keep", sampled(product(["nbi", "nbc"], [0, 40, -9]), 4))
def test_a_truncated_cache_is_compiled_again(tmp_path, whole_cache, ending, keep):
    environment = dict(NUMBA_CACHE_DIR=str(tmp_path))
    shutil.copytree(whole_cache, tmp_path, dirs_exist_ok=True)
    files = sorted(tmp_path.rglob(f"*.{ending}"))
    sizes = [path.stat().st_size for path in files]
    assert files
    for path in files:
        path.write_bytes(path.read_bytes()[:keep])
    done = run(USE, **environment)
    assert (done.stdout, done.stderr) == ("328350.0\n", "")
    assert [path.stat().st_size for path in files] == sizes  # mended


@pytest.mark.skipif(not JIT, reason="nothing is compiled")
def test_a_patient_function_is_compiled_when_it_has_been_asked_for_often_enough(monkeypatch):
    module = sys.modules[compiled.__module__]
    monkeypatch.setattr(module, "_said", True)  # this function has no file, and so nowhere to be kept
    monkeypatch.setattr(module, "PATIENCE", 3)
    names = dict(__name__="somewhere")
    exec("def double(x):\n    return 2 * x\n", names)
    double = compiled(patient=True)(names["double"])
    for _ in range(3):
        with pytest.raises(NotCompiledError, match=r"somewhere\.double"):
            double(1.5)
    assert double(1.5) == 3.0
    with pytest.raises(NotCompiledError):  # the next types are counted by themselves
        double(1)
    assert double(1.5) == 3.0


@pytest.mark.skipif(THOROUGH, reason="everything is compiled")
@pytest.mark.parametrize("calls", [math.inf, pytest.param(0, marks=pytest.mark.compiled)])
def test_what_compiles_is_marked(calls):
    found = sys.modules[compiled.__module__].PATIENCE
    assert found == calls


AT_ONCE = """
import sys, time
from pathlib import Path
import numpy as np
from lancbio_ref import kernels
from tests.compile_once import compile_once

compile_once()
here, other = Path(sys.argv[1]), Path(sys.argv[2])
here.touch()
while not other.exists():
    time.sleep(0.01)
kernels.sum_entries(np.ones(3))
print(sum(kernels.sum_entries.stats.cache_misses.values()), sum(kernels.sum_entries.stats.cache_hits.values()))
"""


@pytest.mark.skipif(not JIT or sys.platform == "win32", reason="nothing is compiled, or each compiles for itself")
def test_of_two_workers_one_compiles(tmp_path):
    places = [str(tmp_path / name) for name in "ab"]
    started = [
        subprocess.Popen(
            [sys.executable, "-c", AT_ONCE, *order],
            env=os.environ | dict(NUMBA_CACHE_DIR=str(tmp_path)),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for order in (places, places[::-1])
    ]
    assert sorted(process.communicate(timeout=120)[0].strip() for process in started) == ["0 1", "1 0"]


def test_what_is_compiled_keeps_its_name_and_text():
    @compiled(nogil=True)
    def double(x):
        """2x."""
        return 2 * x

    assert (double.__name__, double.__doc__, double(2.0)) == ("double", "2x.", 4.0)
