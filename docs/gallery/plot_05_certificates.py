r"""
05 · What a certificate says
============================

A hyper-gradient comes with a bound of its error in which the rounding of every operation is counted. Here are 240
random systems whose true answer is computed in exact rational arithmetic, solved to loose and to tight tolerances. What
to look at: no error lies above its bound (all marks are above the diagonal). How much larger the bound is, is printed
by condition number: it supposes that the residual points where A is least curved.
"""

from fractions import Fraction

import matplotlib.pyplot as plt
import numpy as np

from lancbio_ref import Linearization, certify_mu


def exact_solution(A, b):
    """A⁻¹b for symmetric positive definite A: Gaussian elimination with fractions, without rounding."""
    rows = [[Fraction(a) for a in row] + [Fraction(r)] for row, r in zip(A.tolist(), b.tolist(), strict=True)]
    for j, pivot in enumerate(rows):
        for row in rows[j + 1 :]:
            factor = row[j] / pivot[j]
            row[j:] = [a - factor * p for a, p in zip(row[j:], pivot[j:], strict=True)]
    v = [Fraction(0)] * len(rows)
    for j in reversed(range(len(rows))):
        v[j] = (rows[j][-1] - sum(a * w for a, w in zip(rows[j][j + 1 : -1], v[j + 1 :], strict=True))) / rows[j][j]
    return v


# %%
# ``certify_mu`` proves that the spectrum of A lies above the modulus that the bound is given.

rng, n, records = np.random.default_rng(0), 16, []
for trial in range(240):
    condition = 10 ** rng.uniform(0, 8)
    Q, _ = np.linalg.qr(rng.standard_normal((n, n)))
    A = (Q * np.geomspace(1, condition, n)) @ Q.T
    A = (A + A.T) / 2
    J, b, c = rng.standard_normal((4, n)), rng.standard_normal(n), rng.standard_normal(4)
    assert certify_mu(A, 0.99)
    h = Linearization(A, J, b, c, mu=0.99).hypergradient(rtol=[1e-2, 1e-6, 0][trial % 3], mu="certify")
    v = exact_solution(A, b)
    truth = [Fraction(c[i]) - sum(Fraction(a) * w for a, w in zip(J[i].tolist(), v, strict=True)) for i in range(4)]
    error = np.linalg.norm([float(Fraction(a) - t) for a, t in zip(h.value.tolist(), truth, strict=True)])
    records.append((condition, error, h.error_bound, trial % 3, h.certificate.error.name))
condition, error, bound, kind, status = (np.array(column) for column in zip(*records, strict=True))

# %%
# The statuses of the certificates, and the ratio of bound to error where the error is not zero.

print(f"{(bound < error).sum()} of {len(error)} bounds lie below the error; statuses: {', '.join(set(status))}")
ratio = bound[error > 0] / error[error > 0]
for low in (1, 1e2, 1e4, 1e6):
    inside = (condition[error > 0] >= low) & (condition[error > 0] < 100 * low)
    print(f"condition {low:.0e} to {100 * low:.0e}: bound/error, median {np.median(ratio[inside]):.3g}")
fig, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
for i, (marker, text) in enumerate((("o", "rtol $10^{-2}$"), ("s", "rtol $10^{-6}$"), ("^", "rtol 0, the floor"))):
    ax.loglog(error[kind == i], bound[kind == i], marker, color=f"C{i}", ms=4, alpha=0.7, label=text)
ends = np.array([error[error > 0].min(), bound.max()])
ax.loglog(ends, ends, "k-", lw=1)
ax.fill_between(ends, ends[0] / 10, ends, color="0.9")
ax.text(ends[1], ends[1] / 1e3, "a bound here\nwould be wrong  ", ha="right", va="top", color="0.3")
ax.set(xlabel=r"true error $\|\hat h - h\|$", ylabel="error_bound", ylim=(ends[0] / 10, 10 * ends[1]))
ax.legend()
plt.show()
