r"""
25 · More than one machine
==========================

Samples that no machine holds are blocks of rows on the workers of a Dask cluster: X stays there, and vectors travel.
The cluster of this program is on one machine, and an address in ``Client`` is all that another one needs. What to look
at: the hyper-gradient has the bits of NumPy with the same blocks, its bound is proven as ever, and a product costs one
round trip and a little for every block, which is why blocks want to be large.
"""

import time

import dask.array as da
import matplotlib.pyplot as plt
import numpy as np
from distributed import Client

from lancbio_ref import hypergradient, minimize, problems

client = Client(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0")  # or Client("tcp://…:8786")
rng, n, p = np.random.default_rng(0), 120_000, 12
X, X_val = rng.standard_normal((n, p)), rng.standard_normal((n // 4, p))
truth = np.r_[rng.standard_normal(4), np.zeros(p - 4)]
t, t_val = (Z @ truth + rng.logistic(size=len(Z)) > 0 for Z in (X, X_val))


def cut(array, rows):
    return [array[first : first + rows] for first in range(0, len(array), rows)]


lazy, lazy_val = da.from_array(X, chunks=(20_000, p)), da.from_array(X_val, chunks=(10_000, p))
there = problems.logistic(lazy, da.from_array(t, chunks=20_000), lazy_val, t_val)
here = problems.logistic(cut(X, 20_000), t, cut(X_val, 10_000), t_val)

# %%
# One hyper-gradient, twice; and a few steps on mini-batches, which are drawn inside the blocks:
found = hypergradient(there, np.zeros(p))
print(found)
print("the same bits:", np.array_equal(found.value, hypergradient(here, np.zeros(p)).value))
print("passes over X:", there.n_passes)
run = minimize(there, np.zeros(p), maxiter=10, batch_size=(500, 500), rng=1, step_x=1.0, step_y=0.5)
print(run.message)

# %%
# Three folds of whole blocks, an intercept in each: every round trip serves all of them.
labels = da.from_array(t, chunks=20_000)
folds = problems.generalized_linear(lazy, labels, loss="logistic", folds=3, penalty="all", intercept=True)
before = folds.n_passes
print(hypergradient(folds, [-4.0]))
print("passes over X for three folds:", folds.n_passes - before)

# %%
# What a product costs, by the number of blocks that the same rows are cut into:
blocks, seconds = 2 ** np.arange(7), []
for m in blocks:
    train = da.from_array(X, chunks=(-(-n // int(m)), p)), da.from_array(t, chunks=-(-n // int(m)))
    A = problems.logistic(*train, lazy_val, t_val).lower.hessian(np.zeros(p), np.zeros(p))
    A.matvec(np.ones(p))  # blocks are loaded, curvatures made
    times = []
    for _ in range(5):
        start = time.perf_counter()
        A.matvec(np.ones(p))
        times.append(time.perf_counter() - start)
    seconds.append(min(times))
client.close()

fig, ax = plt.subplots(figsize=(7, 3.2))
ax.loglog(blocks, 1e3 * np.array(seconds), "o-")
ax.set(xlabel="blocks of the same 120 000 rows", ylabel="$A v$ [ms]", title="a task a block: scheduling, not computing")
plt.show()
