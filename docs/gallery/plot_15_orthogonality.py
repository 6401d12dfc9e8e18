r"""
15 · Loss of orthogonality, and four ways to keep it
====================================================

In floating point the Lanczos vectors lose their orthogonality as soon as a Ritz value has converged (Paige, 1971). The
package has four reorthogonalizations beside none at all. What to look at: without one, and with ``local``,
:math:`\|I - Q^\top Q\|` grows beyond 1 and copies of converged eigenvalues enter T; ``selective`` and ``partial`` hold
it below :math:`\sqrt u`, and ``full`` near :math:`u`. The vectors that each reorthogonalizes are printed.
"""

import matplotlib.pyplot as plt
import numpy as np

from lancbio_ref import lanczos

n, steps = 400, 120
spectrum = np.concatenate([np.linspace(0.01, 1, n - 4), [1.5, 2.0, 3.0, 10.0]])  # a cluster and four outliers
A, start = np.diag(spectrum), np.random.default_rng(0).standard_normal(n)
modes = {"none": "-", "local": "--", "selective": "-.", "partial": ":", "full": "-"}
runs = {}
for mode in modes:
    run = runs[mode] = lanczos(A, start, steps, reorthogonalization=mode)
    gram = np.linalg.norm(np.eye(steps) - run.Q.T @ run.Q, 2)
    copies = np.sum(np.abs(np.linalg.eigvalsh(run.T) - spectrum[-1]) < 1e-6)
    print(
        f"{mode:9s} ‖I − QᵀQ‖ = {gram:.1e}; {run.n_reorthogonalized:3d} vectors reorthogonalized; "
        f"Ritz values at the eigenvalue {spectrum[-1]:.0f}: {copies}"
    )

# %%
# The eigenvalue is simple, so every Ritz value there beyond the first is a copy, a ghost. Now the same loss, step by
# step.

fig, ax = plt.subplots(figsize=(6.8, 3.8), layout="constrained")
js = np.arange(2, steps + 1)
for (mode, style), marker in zip(modes.items(), "os^vD", strict=True):
    Q = runs[mode].Q
    loss = [np.linalg.norm(np.eye(j) - Q[:, :j].T @ Q[:, :j], 2) for j in js]
    ax.semilogy(js, loss, marker + style, ms=5, markevery=(5 + 2 * "nlspf".index(mode[0]), 15), label=mode)
u = np.finfo(float).eps / 2
for level, text in ((u, "$u$"), (np.sqrt(u), r"$\sqrt{u}$")):
    ax.axhline(level, color="0.6", lw=1, zorder=0)
    ax.text(steps + 2, level, text, va="center", color="0.3")
ax.set(xlabel="step $j$", ylabel=r"$\|I - Q_j^\top Q_j\|_2$", ylim=(1e-17, 1e3))
ax.legend(ncols=5, fontsize="small", loc="upper center")
plt.show()
