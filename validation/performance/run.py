"""Every benchmark, with one thread and with all, in one go; writes results.json, a figure and REPORT.md.

    python validation/performance/run.py [--report-only] [PART ...]

The peers (jaxopt, lineax, torchopt, PyTorch) are those of the extra ``bench``; what is missing is left out.
Half an hour to an hour on two cores, with all peers. Run it on a machine that does nothing else. Where only some parts
are run, the report says of the others on which machine they were.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import report

HERE = Path(__file__).resolve().parent
PARTS = ("bandwidth", "operators", "lanczos_step", "hypergradient", "outer_iteration", "scaling", "startup")
PACKAGES = ("numpy", "scipy", "numba", "jax", "jaxopt", "lineax", "torch", "torchopt")
RESULTS = HERE / "results.json"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--report-only", action="store_true", help="render the report from the numbers at hand")
    options = parser.parse_args()
    if unknown := [name for name in options.parts if name not in PARTS]:
        parser.error(f"unknown {', '.join(unknown)}; known: {', '.join(PARTS)}")
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if not options.report_only:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        found["machine"] = machine(cores)
        for name in options.parts or PARTS:
            for threads in sorted({1, cores}):
                print(f"{name}, {threads} thread{'s' * (threads > 1)}", flush=True)
                command = [sys.executable, str(HERE / f"{name}.py"), str(threads)]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True)  # the rest is for the terminal
                if done.returncode:
                    return 1
                found.setdefault(name, {})[str(threads)] = json.loads(done.stdout.splitlines()[-1])
            found.setdefault("machines", {})[name] = found["machine"]
            write(RESULTS, json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    report.figure(found, HERE / "performance.png")
    write(HERE / "REPORT.md", report.render(found))
    print("wrote REPORT.md")
    return 0


def write(path: Path, text: str) -> None:
    beside = path.with_suffix(path.suffix + ".part")
    beside.write_text(text)
    beside.replace(path)


def machine(cores: int) -> dict[str, object]:
    model = platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        model = next(
            (line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line), model
        )
    packages = {}
    for name in PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = "absent"
    return dict(
        processor=model, cores=cores, python=platform.python_version(), system=platform.system(), packages=packages
    )


if __name__ == "__main__":
    sys.exit(main())
