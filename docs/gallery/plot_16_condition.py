r"""
16 · Condition number and what accuracy to expect
=================================================

How many digits of :math:`v = A^{-1}b` can be right? About those of :math:`1/(\kappa u)`, whatever the algorithm.
Systems with growing condition numbers, each solved to the floor (``rtol=0``) by Lanczos and by Cholesky; the true
answer is known exactly, for it is made of small integers. What to look at: the errors lie below the line
:math:`\kappa u`, and the digits that are left; near the end the status is no longer FLOOR, which is a success, but
NOT_CONVERGED.
"""

import matplotlib.pyplot as plt
import numpy as np

from lancbio_ref import Linearization

rng, n = np.random.default_rng(0), 12
u = np.finfo(float).eps / 2


def system(exponent):
    """A = L D Lᵀ with integer L and powers of two in D: A, and b = A v, are exact in float64 for small exponents."""
    L = np.eye(n) + np.tril(rng.integers(-1, 2, (n, n)), -1)
    D = 2.0 ** -np.round(np.linspace(0, exponent, n))
    A = (L * D) @ L.T
    v = rng.integers(1, 10, n).astype(float)
    return A, A @ v, v


# %%
# The entries of A and b are checked to be exact by computing them with Python's integers.

records, statuses = [], []
for exponent in np.repeat(np.arange(0, 40), 3):
    A, b, v = system(exponent)
    scale = 2**exponent
    integers = [[int(a * scale) for a in row] for row in A]
    exact = [sum(a * int(w) for a, w in zip(row, v, strict=True)) for row in integers]
    assert exact == [int(e * scale) for e in b] and (A * scale == np.array(integers, float)).all()
    point = Linearization(A, np.eye(n), b, np.zeros(n))
    found = [point.hypergradient(rtol=0, inverse=inverse) for inverse in ("lanczos", "exact")]
    records.append((np.linalg.cond(A), *[np.linalg.norm(h.v - v) / np.linalg.norm(v) for h in found]))
    statuses.append(found[0].status.name)
condition, by_lanczos, by_cholesky = np.array(records).T
for name, error in (("Lanczos", by_lanczos), ("Cholesky", by_cholesky)):
    print(f"{name}: largest error/(κu) {np.max(error / condition) / u:.2f}")
for name in sorted(set(statuses)):
    at = condition[np.array(statuses) == name]
    print(f"{name}: {at.size} systems, condition {at.min():.1e} to {at.max():.1e}")

# %%
# With ``rtol=0``, CONVERGED means that the evaluated residual is exactly zero. Errors of zero are drawn at the bottom.

fig, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
ax.loglog(condition, np.maximum(by_lanczos, 1e-17), "o", ms=5, label="Lanczos")
ax.loglog(condition, np.maximum(by_cholesky, 1e-17), "x", ms=5, label="Cholesky")
kappa = np.geomspace(condition.min(), condition.max(), 50)
ax.loglog(kappa, kappa * u, "k-", lw=1, label=r"$\kappa u$")
ax.set(xlabel=r"condition number $\kappa$", ylabel=r"$\|v - A^{-1}b\| / \|A^{-1}b\|$", ylim=(5e-18, 1))
digits = ax.secondary_yaxis("right", functions=(lambda e: e, lambda e: e))
digits.set_yticks(10.0 ** -np.arange(0, 17, 4), labels=[f"{d}" for d in range(0, 17, 4)])
digits.set_ylabel("digits that are right")
ax.legend()
plt.show()
