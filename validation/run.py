"""Measure what the paper and this project claim, and render REPORT.md.

    python validation/run.py [--full] [--report-only] [NAME ...]

Without names, all scripts run in turn, each on two processes; 40 minutes on two cores. ``--full`` takes the
paper's sizes (a day). Data are looked for in ../shared/data or in $LANCBIO_DATA; a script without its data is left
out, and the report says so.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # two processes with one thread each; before NumPy is imported
sys.path.insert(0, str(Path(__file__).resolve().parent))

import cleaning
import core
import estimators
import from_files
import growing_batches
import inverse
import newsgroups
import own_method
import paper
import products
import rate
import report
import scale
import steps
import stochastic
import subspace
import synthetic
from common import forget, load, machine, save, save_figure

SCRIPTS = (
    core, inverse, products, rate, synthetic, subspace, cleaning, paper, stochastic, newsgroups, estimators, own_method,
    growing_batches, steps, from_files, scale,
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(script.NAME for script in SCRIPTS))
    parser.add_argument("--full", action="store_true", help="the paper's sizes")
    parser.add_argument("--report-only", action="store_true", help="render figures and report from the numbers at hand")
    options = parser.parse_args()
    known = {script.NAME: script for script in SCRIPTS}
    if unknown := [name for name in options.names if name not in known]:
        parser.error(f"unknown {', '.join(unknown)}; known: {', '.join(known)}")
    for script in SCRIPTS:
        if options.names and script.NAME not in options.names:
            continue
        if not options.report_only:
            if getattr(script, "ONLY_FULL", False) and not options.full:
                print(f"{script.NAME}: left out, --full makes it", flush=True)
                continue
            missing = script.missing_data() if hasattr(script, "missing_data") else None
            if missing:
                print(f"{script.NAME}: left out, {missing}", flush=True)
                continue
            print(f"{script.NAME}: {script.TITLE}", flush=True)
            start = time.perf_counter()
            found = script.measure(options.full)
            seconds = time.perf_counter() - start
            save(script.NAME, dict(machine=machine(), seconds=seconds, full=options.full) | found, options.full)
            forget(script.NAME)
            print(f"{script.NAME}: {seconds:.0f} s", flush=True)
        for full in (False, True):
            if (numbers := load(script.NAME, full)) is not None and hasattr(script, "figure"):
                save_figure(script.NAME, script.figure(numbers), full)
    print(report.write_report(SCRIPTS))
    return 0


if __name__ == "__main__":
    sys.exit(main())
