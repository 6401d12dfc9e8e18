"""The vector work of a Lanczos step at n = 10⁶, the product excluded, beside that of SciPy's conjugate gradients.

The operator is diagonal and measures its own time, which is taken off. `none`: the process alone (a Lanczos step), and
the whole solve, which also updates x as conjugate gradients do. `selective`: 100 steps of a solve with its correction.
"""

from common import part, spread

STEPS = 100


def measure(threads: int) -> dict:
    import numpy as np

    rng = np.random.default_rng(0)
    rows = [row("linear, κ = 1e4", np.linspace(1e-4, 1.0, 10**6))]
    rows.append(row("lognormal", np.exp(rng.normal(0.0, 2.0, 10**6)) + 1e-3))
    rows.append(row("linear, κ = 1e4", np.linspace(1e-4, 1.0, 4 * 10**6), stored=False))  # out of any cache
    return dict(rows=rows, least_bytes=72)


def row(name, values, stored=True):
    import time

    import numpy as np
    from scipy.sparse.linalg import LinearOperator, cg

    from lancbio_ref import LanczosProcess, lanczos_solve

    n, spent = values.size, [0.0]
    b = np.ones(n)

    def product(v):
        start = time.perf_counter()
        out = values * v
        spent[0] += time.perf_counter() - start
        return out

    A = LinearOperator((n, n), product, dtype=float)

    def process():
        run = LanczosProcess(b, store=False)
        for _ in range(STEPS):
            run.step(A)

    def solve(mode):
        return lambda: lanczos_solve(A, b, rtol=0.0, maxiter=STEPS, reorthogonalization=mode)

    works = {
        "scipy cg": lambda: cg(A, b, rtol=0.0, maxiter=STEPS),
        "Lanczos process, none": process,
        "lanczos_solve, none": solve("none"),
    }
    if stored:
        works["lanczos_solve, selective"] = solve("selective")
    times: dict[str, list[float]] = {label: [] for label in works}
    for repeat in range(7):
        for label, work in works.items():
            spent[0] = 0.0
            start = time.perf_counter()
            work()
            if repeat:  # the first round compiles and warms up
                times[label].append((time.perf_counter() - start - spent[0]) / STEPS)
    return dict(spectrum=name, n=n, steps=STEPS, **{label: spread(t) for label, t in times.items()})


if __name__ == "__main__":
    part(measure)
