r"""
04 · float32 against float64
============================

The same hyper-gradient of data cleaning on digits in both types. The type of the features is the type of all
arithmetic, and the certificate counts the rounding of the type. What to look at: the error follows the tolerance that
was asked for until it reaches the floor of its type; beyond, the status says FLOOR, and asking for more changes
nothing. Every bound lies above its error (which the code asserts).
"""

import matplotlib.pyplot as plt
import numpy as np

from lancbio_ref import hypergradient, lower_solution, problems
from lancbio_ref.datasets import load_digits, stratified_split

images, labels = load_digits()
train, val = stratified_split(labels, (300, 300))
X = images / 16


def cleaning(dtype):
    X_train, X_val = X[train].astype(dtype), X[val].astype(dtype)
    return problems.data_cleaning(X_train, labels[train], X_val, labels[val], regularization=1e-3)


x = np.random.default_rng(0).standard_normal(300).astype(np.float32)  # pixels / 16, x and y are exact in both types
y = lower_solution(cleaning(np.float32), x, tol=1e-4).y

# %%
# The truth of the linear algebra at this (x, y) is a dense Cholesky solve in float64, whose own certified error is
# printed first.

truth = hypergradient(cleaning(np.float64), x.astype(float), y.astype(float), inverse="exact", rtol=0)
length = np.linalg.norm(truth.value)
print(f"reference: error at most {truth.error_bound / length:.1e} of the length ({truth.certificate.error})")
tolerances = 10.0 ** -np.arange(1, 15)
found = {}
for dtype in (np.float32, np.float64):
    problem = cleaning(dtype)
    found[dtype] = [hypergradient(problem, x.astype(dtype), y.astype(dtype), rtol=r) for r in tolerances]
    floor = next((r for r, h in zip(tolerances, found[dtype], strict=True) if h.status.name == "FLOOR"), None)
    print(f"{dtype.__name__}: {found[dtype][-1].status.name} at the last rtol; FLOOR first at rtol = {floor:.0e}")

# %%
# A status carries a remedy: what to do at the floor.

print(found[np.float32][-1].status.remedy)
fig, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
for (dtype, results), marker, color in zip(found.items(), "os", ("C1", "C0"), strict=True):
    error = [np.linalg.norm(h.value.astype(float) - truth.value) / length for h in results]
    bound = [h.error_bound / length for h in results]
    assert all(e <= b + truth.error_bound / length for e, b in zip(error, bound, strict=True))
    ax.loglog(tolerances, error, marker + "-", color=color, ms=4, label=f"{dtype.__name__}, error")
    ax.loglog(tolerances, bound, marker + ":", color=color, ms=4, mfc="white", label=f"{dtype.__name__}, bound")
ax.axhline(truth.error_bound / length, color="0.5", lw=1, ls="--", label="bound of the reference")
ax.set(xlabel="rtol asked of the residual", ylabel="error relative to the length")
ax.invert_xaxis()
ax.legend(fontsize="small", ncols=2)
plt.show()
