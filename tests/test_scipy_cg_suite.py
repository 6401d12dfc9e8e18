"""SciPy's own tests for ``cg``, unchanged, on ``lanczos_solve``: the file in SciPy's wheel, with the name rebound."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_scipys_tests_of_cg_pass_on_lanczos_solve(tmp_path):
    (tmp_path / "rebind_cg.py").write_text(
        textwrap.dedent(
            """
            import scipy._lib._array_api as array_api
            import scipy.sparse.linalg._isolve as isolve
            from lancbio_ref import lanczos_solve

            known = getattr(array_api, "xp_capabilities_table", {})  # what 1.18 asks before it parametrizes
            if isolve.cg in known:
                known[lanczos_solve] = known[isolve.cg]
            isolve.cg = lanczos_solve


            def pytest_collection_modifyitems(items):
                # one test goes through all solvers of SciPy: of these, ours
                solvers = items[0].module._SOLVERS
                solvers[:] = [solver for solver in solvers if solver is lanczos_solve]
                assert len(solvers) == 1
            """
        )
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]), "PYTEST_ADDOPTS": ""}
    suite = ["--pyargs", "scipy.sparse.linalg._isolve.tests.test_iterative", "-k", "lanczos_solve or precond_inverse"]
    options = ["-v", "-p", "rebind_cg", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *suite],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    # the rebinding took: the tests that passed carry our name
    assert len(re.findall(r"lanczos_solve\S* PASSED", run.stdout)) >= 30
