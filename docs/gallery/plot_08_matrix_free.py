r"""
08 · A million variables, no matrix
===================================

The synthetic problem with :math:`n = 10^6` upper and lower variables. Its Hessian is a product of fast cosine
transforms, a diagonal and a rank-one term, so nothing of size :math:`n^2` exists. What to look at: the memory printed,
a few vectors, beside that of one dense Hessian; and the time of a product, which grows hardly faster than :math:`n`.
"""

import time
import tracemalloc

import matplotlib.pyplot as plt
import numpy as np

from lancbio_ref import minimize, problems

sizes, seconds = [10**3, 10**4, 10**5, 10**6], []
for n in sizes:
    problem = problems.synthetic(n, 100.0, matrix_free=True, rng=0)
    x0, y0, v0 = problem.initial_point(rng=1)
    A = problem.hessian(x0, y0)
    A.matvec(v0)
    laps = []
    for _ in range(3):
        start = time.perf_counter()
        A.matvec(v0)
        laps.append(time.perf_counter() - start)
    seconds.append(min(laps))
    print(f"n = {n:7d}: {1e3 * seconds[-1]:8.3f} ms a Hessian product")

# %%
# Twelve outer iterations of LancBiO at :math:`n = 10^6`, subspaces of four vectors, two inner steps each.

tracemalloc.start()
start = time.perf_counter()
run = minimize(problem, x0, y0, v0=v0, maxiter=12, step_x=1.0, step_y=0.01, inner_steps=2, subspace=4)
wall = time.perf_counter() - start
peak = tracemalloc.get_traced_memory()[1]
tracemalloc.stop()
print(run)
print(f"{wall:.1f} s; {peak / 2**20:.0f} MiB at most, {peak / (8 * n):.0f} vectors of length n")
print(f"one dense Hessian: {8 * n**2 / 2**40:.1f} TiB")

# %%
# Dotted: time in proportion to :math:`n` and to :math:`n^2`, from the first point on.

fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
left.loglog(sizes, seconds, "o-", label="measured")
for power, style in ((1, ":"), (2, "-.")):
    line = seconds[0] * (np.array(sizes) / sizes[0]) ** power
    left.loglog(sizes, line, style, color="0.4", lw=1, label=f"proportional to $n{'^2' if power == 2 else ''}$")
left.set(xlabel="$n$", ylabel="seconds a Hessian product", ylim=(None, 1e3 * seconds[-1]))
left.legend()
right.semilogy(run.trace["seconds"], run.trace["h_norm"], "s-", ms=4)
right.set(xlabel="seconds", ylabel=r"$\|h_k\|$", title="$n = 10^6$, 12 outer iterations")
plt.show()
