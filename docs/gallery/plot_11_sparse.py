r"""
11 · Sparse data: logistic regression on word counts
====================================================

1200 made-up texts in 3000 words, two classes, 30 words a text; a few words are planted that tell the classes apart. One
penalty :math:`e^{x_j}` for each word is learned on validation texts. The data stay a CSR matrix; no matrix of words by
words is ever made. What to look at: the memory printed, and that the penalties of the planted words become smaller than
those of the other words.
"""

import matplotlib.pyplot as plt
import numpy as np
import scipy.sparse as sp

from lancbio_ref import lower_solution, minimize, problems

rng, n_texts, n_words, planted = np.random.default_rng(0), 1200, 3000, 20


def texts(labels):
    """Counts of 30 words a text, by Zipf's law, 3 of them planted ones of the text's class on average."""
    common = 1 / np.arange(1, n_words - 2 * planted + 1)
    rows = []
    for label in labels:
        own = rng.binomial(30, 0.1)
        words = rng.choice(n_words - 2 * planted, 30 - own, p=common / common.sum()) + 2 * planted
        rows.append(np.concatenate([words, rng.integers(0, planted, own) + planted * label]))
    indices = np.concatenate(rows)
    counts = sp.csr_array(
        (np.ones(indices.size), (np.repeat(np.arange(len(labels)), 30), indices)), (len(labels), n_words)
    )
    counts.sum_duplicates()
    return counts / 30


labels = rng.integers(0, 2, n_texts)
X = texts(labels)
half = n_texts // 2
problem = problems.logistic(X[:half], labels[:half], X[half:], labels[half:])
stored = X.data.nbytes + X.indices.nbytes + X.indptr.nbytes
print(f"{X.nnz} entries, {stored / 2**20:.2f} MiB; a dense Hessian would have {8 * n_words**2 / 2**20:.0f} MiB")

# %%
# 150 iterations of SubBiO from equal penalties :math:`e^0`. Both classifiers are solved to a gradient of
# :math:`10^{-8}`.

x0, y0 = np.zeros(n_words), np.zeros(n_words)
steps = dict(step_x=100.0, step_y=100.0, step_v=100.0, inner_steps=10)
run = minimize(problem, x0, y0, method="subbio", maxiter=150, **steps)
print(run)
for text, x in (("equal penalties", x0), ("penalties learned", run.x)):
    y = lower_solution(problem, x, tol=1e-8).y
    accuracy = problem.accuracy(y, X[half:], labels[half:])
    print(f"{text:17s} validation loss {problem.value(x, y):.3f}, validation accuracy {accuracy:.3f}")

# %%
# Words by their number of occurrences; a word that never occurs keeps its penalty.

occurrences = X[:half].sum(axis=0) * 30
fig, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
ax.semilogx(occurrences[2 * planted :], run.x[2 * planted :], ".", color="0.6", ms=4, label="other words")
ax.semilogx(occurrences[: 2 * planted], run.x[: 2 * planted], "C1^", label="planted words")
ax.set(xlabel="occurrences in the training texts", ylabel="$x_j$, logarithm of the penalty")
ax.legend()
plt.show()
