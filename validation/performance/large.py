"""LancBiO with a full basis of m = 30 vectors from n = 10⁴ to 10⁷: processor time, memory, and what a solve costs.

    python validation/performance/large.py [--sizes 1e4,1e5] [--fresh]

One process, one thread; after each size `large.json` is written, and sizes that it has are not measured again. Time is
that of the processor, the least of some cycles of m iterations, so that a machine that others use too says nearly the
same. Memory is the most that was resident (VmHWM, begun anew at each size) above what was before the problem was made.
A is diag(d) + u uᵀ, the lower level quadratic, J = −I: its products cost the least that a product can, so what is seen
is what the package adds.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from pathlib import Path

from common import HERE, bind, resident

SUBSPACE = 30
SIZES = (10**4, 3 * 10**4, 10**5, 3 * 10**5, 10**6, 3 * 10**6, 10**7)
RESULTS = HERE / "large.json"
EXPONENT = 1.03


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--fresh", action="store_true", help="measure every size again")
    options = parser.parse_args()
    bind(1)
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() and not options.fresh else {}
    run(10**4)  # compiles
    for n in (int(float(size)) for size in options.sizes.split(",")):
        if str(n) not in found:
            found[str(n)] = run(n)
            beside = RESULTS.with_suffix(".part")
            beside.write_text(json.dumps(found, indent=1) + "\n")
            beside.replace(RESULTS)
        print(line(found[str(n)]), flush=True)
    rows = [found[key] for key in sorted(found, key=int)]
    for name, part in (("all sizes", rows), ("bases out of the cache", [r for r in rows if basis(r["n"]) > cache()])):
        if len(part) > 1:
            exponent, constant = fit([r["n"] for r in part], [r["seconds"] for r in part])
            verdict = "met" if exponent <= EXPONENT else "missed"
            print(f"{name}: exponent {exponent:.3f} ({verdict}: at most {EXPONENT}), {1e9 * constant:.3g} ns at n = 1")
    return 0


def line(r: dict) -> str:
    within = "met" if r["added"] <= r["allowed"] else "missed"
    return (
        f"n = {r['n']:8d}: {1e3 * r['seconds']:9.3f} ms of processor an iteration, "
        f"{1e9 * r['seconds'] / r['n']:6.1f} ns an entry; "
        f"{r['added'] / 1e6:7.0f} MB of {r['allowed'] / 1e6:.0f} ({within}); {r['faults']} pages touched first in "
        f"{r['iterations']} iterations; load {r['load']:.0f}"
    )


def run(n: int) -> dict:
    """The least processor time of an iteration, over cycles that fill the basis, and memory."""
    import gc

    import numpy as np

    from lancbio_ref import LancBiO

    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = resident()
    problem = quadratic(n)
    x, y, v = np.linspace(-1.0, 1.0, n), np.zeros(n), np.zeros(n)
    method = LancBiO(step_x=0.05, step_y=0.3, inner_steps=1, subspace=SUBSPACE)
    state = method.init(problem, x, y, v, np.random.default_rng(0))
    del x, y, v
    cycles, times, iterations = 2 if n >= 10**6 else 6, [], 0
    for cycle in range(1 + cycles):  # the first touches the pages
        faults, start = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, time.process_time()
        for _ in range(SUBSPACE):
            state.let_go()  # as a run does
            state = method.step(problem, state)
        iterations = SUBSPACE
        if cycle:
            times.append((time.process_time() - start) / SUBSPACE)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
    assert np.isfinite(state.h).all()
    return dict(
        n=n, seconds=min(times), all=times, added=peak() - before, allowed=(SUBSPACE + 20) * 8 * n + 50e6,
        faults=faults, iterations=iterations, load=os.getloadavg()[0],
    )  # fmt: skip


def quadratic(n: int):
    """f = ½‖y − t‖² + 0.05‖x‖², g = ½yᵀAy − xᵀy, in arrays of its own: they count in what is added."""
    import numpy as np

    from lancbio_ref import BilevelProblem, LowerLevel, UpperLevel
    from lancbio_ref.operators import DiagonalLowRank

    d, u, t = np.linspace(1.0, 2.0, n), np.full((n, 1), n**-0.5), np.linspace(1.0, 0.0, n)
    A, J = DiagonalLowRank(d, U=u, s=np.ones(1)), DiagonalLowRank(np.broadcast_to(-1.0, n))
    upper = UpperLevel(value=lambda x, y: 0.0, grad_x=lambda x, y: 0.1 * x, grad_y=lambda x, y: np.subtract(y, t))
    lower = LowerLevel(
        grad_y=lambda x, y: np.subtract(A.matvec(y), x), hessian=lambda x, y: A, cross=lambda x, y: J, mu=1.0
    )
    return BilevelProblem(upper, lower)


def peak() -> float:
    """Bytes that the process held at most since the last size began."""
    for entry in Path("/proc/self/status").read_text().splitlines():
        if entry.startswith("VmHWM:"):
            return 1024.0 * int(entry.split()[1])
    raise OSError("no VmHWM in /proc/self/status")


def basis(n: int) -> int:
    return (SUBSPACE + 1) * 8 * n


def cache() -> int:
    """Bytes of the last level of cache, 32 MB where the system does not say."""
    last = Path("/sys/devices/system/cpu/cpu0/cache/index3/size")
    return 1024 * int(last.read_text().strip().rstrip("K")) if last.exists() else 2**25


def fit(sizes: list[int], seconds: list[float]) -> tuple[float, float]:
    """The exponent e and the constant c of c nᵉ, by least squares of the logarithms."""
    import numpy as np

    slope, level = np.polyfit(np.log(sizes), np.log(seconds), 1)
    return float(slope), float(np.exp(level))


if __name__ == "__main__":
    sys.exit(main())
