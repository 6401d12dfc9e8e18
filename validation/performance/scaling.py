"""The matrix-free synthetic problem from n = 10⁴ to 10⁷: seconds and memory of LancBiO iterations, and a long run.

`rows`: m = 10, the Householder rotation (O(n)); time of an outer iteration and the memory that the iterations add to
what the process holds after import and a first small run. `long`: n = 10⁶, m = 10, 1000 outer iterations in one go.
"""

from common import part, peak, resident, spread

SUBSPACE, SIZES = 10, (10**4, 10**5, 10**6, 10**7)


def measure(threads: int) -> dict:
    import numpy as np

    rows = []
    run(10**4, 12)  # compiles
    for n in SIZES:
        rows.append(run(n, {10**4: 300, 10**5: 100, 10**6: 30, 10**7: 10}[n]))
    logs = np.log([row["n"] for row in rows])
    exponent = float(np.polyfit(logs, np.log([row["iteration"]["median"] for row in rows]), 1)[0])
    found = dict(rows=rows, exponent=exponent, m=SUBSPACE)
    if threads > 1:
        found["long"] = run(10**6, 1000)
    return found


def run(n: int, iterations: int) -> dict:
    import gc
    import time

    import numpy as np
    from rich.console import Console
    from rich.progress import track

    from lancbio_ref import LancBiO, problems

    gc.collect()
    before = resident()
    problem = problems.synthetic(n, 100.0, matrix_free=True, rotation="householder", rng=0)
    x, y, v = problem.initial_point(rng=1)
    held = resident()
    method = LancBiO(step_x=1e-3, step_y=1e-2, inner_steps=5, subspace=SUBSPACE)
    state = method.init(problem, x, y, v, np.random.default_rng(0))
    times, start, most = [], time.perf_counter(), held
    name, console = f"{iterations} iterations at n = {n}", Console(stderr=True)
    for _ in track(range(iterations), name, console=console, disable=iterations < 1000):
        times.append(time.perf_counter())
        state = method.step(problem, state)
        times[-1] = time.perf_counter() - times[-1]
        most = max(most, resident())
    return dict(
        n=n, iterations=iterations, iteration=spread(times[2:]), seconds=time.perf_counter() - start, before=before,
        held=held, most=most, peak=peak(),
        allowed=(SUBSPACE + 20) * 8 * n + 50e6, h_norm=float(np.linalg.norm(state.h)),
    )  # fmt: skip


if __name__ == "__main__":
    part(measure)
