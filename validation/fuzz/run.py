"""Attack the package's own claims: exact truth, seeded cases, exit code 1 where one of them is false.

    python validation/fuzz/run.py [--minutes M | --cases N] [--seed S] [--only NAME,NAME] [--save | --report-only]
    python validation/fuzz/run.py --only NAME --seed S --case I       one case again, with all that it claims

A violation is printed with lines that run alone. ``--save`` writes results.json and REPORT.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # products are tiny; before NumPy is imported
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent.parent), str(HERE.parent)]

from fuzz import checks, report  # noqa: E402
from fuzz.harness import Case, Check, dumps, fuzz  # noqa: E402

RESULTS = HERE / "results.json"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0, help="shared by the checks (5)")
    parser.add_argument("--cases", type=int, help="of each check, instead of minutes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default=",".join(checks.NAMES), metavar="NAMES", help=", ".join(checks.NAMES))
    parser.add_argument("--case", type=int, help="this case of one check alone")
    parser.add_argument("--save", action="store_true", help="write results.json and REPORT.md")
    parser.add_argument("--report-only", action="store_true", help="render REPORT.md from results.json")
    options = parser.parse_args(arguments)
    names = options.only.split(",")
    if unknown := [name for name in names if name not in checks.NAMES]:
        parser.error(f"unknown {', '.join(unknown)}; known: {', '.join(checks.NAMES)}")
    if options.report_only:
        print(report.write(HERE))
        return 0
    chosen = checks.make(names)
    if options.case is not None:
        return one_case(chosen[0], options.seed, options.case)
    started = time.perf_counter()
    fuzz(chosen, options.seed, minutes=options.minutes, cases=options.cases)
    found = report.results(chosen, options.seed, time.perf_counter() - started)
    print(report.summary(found))
    for check in chosen:
        for label, reproducers in check.found.items():
            for number, reproducer in enumerate(reproducers, 1):
                print(f"\n--- {check.name}: {label} ({number})\n{reproducer}")
    if options.save:
        RESULTS.write_text(dumps(found))
        print(report.write(HERE))
    return int(any(check.violations for check in chosen))


def one_case(check: Check, seed: int, index: int) -> int:
    case: Case = check.run(seed, index)
    print(case.reproducer())
    for s in case.statements:
        state = "undecided" if s.holds is None else "holds" if s.holds else "VIOLATED" if s.promised else "below"
        print(f"{state}: {s.label}: {s.what}")
    print(f"refused: {case.refused}")
    return int(check.violations > 0)


if __name__ == "__main__":
    sys.exit(main())
