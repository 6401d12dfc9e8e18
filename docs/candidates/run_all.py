"""Every example candidate against every vector; what cannot be had is skipped, and said so (``make test-examples``).

It installs PyTorch and JAX into the environment that runs it, and compiles the C candidate with ``cc``.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from shutil import which

ROOT = Path(__file__).parents[2]
CHECK = [sys.executable, "-m", "lancbio_ref", "check"]
NUMPY = [
    ["--candidate", "docs.candidates.numpy_candidate:solve"],
    ["--candidate", "docs.candidates.numpy_candidate:hypergradient"],
    ["--candidate", "docs.candidates.numpy_candidate:lanczos"],
    ["--candidate", "docs.candidates.numpy_candidate:trace", "--family", "lancbio-sequence,subbio-sequence"],
]


def install(requirement):
    """Why it cannot be installed; empty where it is."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement]
    done = subprocess.run(pip, capture_output=True, text=True)
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["pip failed"])[-1]


def compile_c(target):
    """Why the C candidate cannot be compiled; empty where it is."""
    if which("cc") is None:
        return "no C compiler (cc)"
    source = str(ROOT / "docs" / "candidates" / "c_candidate" / "candidate.c")
    done = subprocess.run(["cc", "-std=c99", "-O2", "-o", target, source, "-lm"], capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def main():
    """Exit status 0 where every example that could be run passed."""
    os.chdir(ROOT)
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    counts = dict(passed=0, failed=0, skipped=0)
    with tempfile.TemporaryDirectory() as folder:
        program = str(Path(folder) / "candidate")
        examples = [("NumPy", "", options) for options in NUMPY]
        examples.append(("C", compile_c(program), ["--command", program]))
        for name, module, requirement in (("PyTorch", "torch", "torch==2.13.0"), ("JAX", "jax", "jax")):
            options = ["--candidate", f"docs.candidates.{module}_candidate:hypergradient", "--timeout", "120"]
            examples.append((name, install(requirement), options))
        for name, missing, options in examples:
            print(f"\n{name}: {' '.join(options)}", flush=True)
            if missing:
                print(f"skipped: {missing}")
                outcome = "skipped"
            else:
                outcome = "passed" if subprocess.run([*CHECK, *options]).returncode == 0 else "failed"
            counts[outcome] += 1
    print("\nexamples: {passed} passed, {failed} failed, {skipped} skipped".format(**counts))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
