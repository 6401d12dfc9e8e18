r"""
13 · A stochastic run, logged and replayed bit for bit
======================================================

Every gradient and every product of a run with ``batch_size`` is made on a mini-batch of its own. The run keeps the
indices of all of them, so it can be repeated without its random numbers: in another process, in another language, or to
look at one iteration again. What to look at: the replay (dots) lies on the first run and is equal to the last bit,
while another seed gives another path.
"""

import matplotlib.pyplot as plt
import numpy as np

from lancbio_ref import Minibatched, minimize, problems

problem = problems.random_ridge(200, 200, 10, rng=0)
start = np.zeros(10), np.zeros(10)
options = dict(method="soba", step_x=0.5, step_y=0.1, step_v=0.1, maxiter=200, trace=("x",))
run = minimize(problem, *start, batch_size=4, rng=1, **options)
other = minimize(problem, *start, batch_size=4, rng=2, **options)
full = minimize(problem, *start, **options)
print(f"{len(run.batches)} batches in {run.nit} iterations; the first four:")
for draw in run.batches[:4]:
    print(f"  k = {draw.k}, {draw.quantity}, call {draw.call}: rows {draw.indices}")

# %%
# The log is plain data: it goes into a file as four arrays and comes back. The replay needs no seed.

columns = [np.array(column) for column in zip(*run.batches, strict=True)]
rows = list(zip(*(column.tolist() for column in columns), strict=True))
replay = minimize(Minibatched(problem, 4, 4, replay=rows), *start, **options)
print("replayed: x equal to the bit:", run.x.tobytes() == replay.x.tobytes())
print(f"another seed: x differs by {np.linalg.norm(run.x - other.x) / np.linalg.norm(run.x):.1%}")

# %%
# The length of the true hyper-gradient at the iterates, from its closed form.


def true_lengths(result):
    return [np.linalg.norm(problem.hypergradient(x)) for x in result.trace["x"]]


fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
ks = np.arange(1, 201)
ax.semilogy(ks, true_lengths(run), "C0-", label="seed 1")
ax.semilogy(ks[::8], true_lengths(replay)[::8], "ko", ms=4, mfc="none", label="replayed from the log of seed 1")
ax.semilogy(ks, true_lengths(other), "C1--", label="seed 2")
ax.semilogy(ks, true_lengths(full), "C2:", label="all samples, no batches")
ax.set(xlabel="outer iteration $k$", ylabel=r"$\|\nabla\varphi(x_k)\|$")
ax.legend()
plt.show()
