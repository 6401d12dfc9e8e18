"""The figure of README and of the site's first page.

``python docs/overview.py`` writes docs/_static/overview.svg, which is README's and tracked; ``make docs`` has the
site's drawn anew in docs/_build, so that a build changes no tracked file: last digits, and matplotlib's name for
itself, differ between machines.

Left: error against products of A for three ways to solve A v = b, κ = 10³, n = 400, uniform spectrum. Right: 300 random
systems, κ from 1 to 10¹²: the bound that comes with each hyper-gradient against its true error, which ball arithmetic
encloses.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from scipy.sparse.linalg import LinearOperator, cg

from lancbio_ref import Linearization, oracle

HERE = Path(__file__).parent


def orthogonal(n, rng):
    return np.linalg.qr(rng.standard_normal((n, n)))[0]


def convergence(n=400, kappa=1e3, products=160):
    """Relative A-norm errors after 0, 1, … products: Neumann (best η), Chebyshev, conjugate gradients."""
    rng = np.random.default_rng(0)
    values = np.linspace(1 / kappa, 1.0, n)
    Q = orthogonal(n, rng)
    A = (Q * values) @ Q.T
    b = rng.standard_normal(n)
    exact = Q @ ((Q.T @ b) / values)

    def error(v):
        e = v - exact
        return np.sqrt(e @ A @ e / (exact @ A @ exact))

    low, high = values[0], values[-1]
    neumann, v = [1.0], np.zeros(n)
    for _ in range(products):
        v = v + 2 / (low + high) * (b - A @ v)
        neumann.append(error(v))
    chebyshev, v, before, omega = [1.0], np.zeros(n), np.zeros(n), 1.0
    mid, radius = (high + low) / 2, (high - low) / 2
    for k in range(products):  # Golub and Varga 1961: v ← ω (v − v_before + r/mid) + v_before
        omega = (
            1.0
            if k == 0
            else 1 / (1 - radius**2 / (4 * mid**2) * omega)
            if k > 1
            else 1 / (1 - radius**2 / (2 * mid**2))
        )
        v, before = omega * (v - before + (b - A @ v) / mid) + before, v
        chebyshev.append(error(v))
    gradients = [1.0]
    cg(
        LinearOperator((n, n), matvec=lambda v: A @ v, dtype=float),
        b,
        rtol=0,
        maxiter=products,
        callback=lambda v: gradients.append(error(v)),
    )
    return {"Neumann series": neumann, "Chebyshev iteration": chebyshev, "conjugate gradients": gradients}


def bounds(count=300, n=10):
    """κ, true relative error and bound of `count` hyper-gradients."""
    rng, rows = np.random.default_rng(1), []
    for kappa in 10.0 ** rng.uniform(0, 12, count):
        Q = orthogonal(n, rng)
        A = (Q * np.geomspace(1 / kappa, 1.0, n)) @ Q.T
        A = (A + A.T) / 2
        J, b, c = rng.standard_normal((4, n)), rng.standard_normal(n), rng.standard_normal(4)
        point = Linearization(A, J, b, c)
        found = point.hypergradient(rtol=10.0 ** rng.uniform(-14, -2), mu="certify")
        truth = oracle.enclose(point).h
        middle = truth.nearest
        rows.append((kappa, np.linalg.norm(found.value - middle), found.error_bound, np.linalg.norm(middle)))
    return np.array(rows)


def draw(path):
    plt.style.use(HERE / "lancbio.mplstyle")
    figure, (left, right) = plt.subplots(1, 2, figsize=(10.4, 3.7))
    for (name, errors), style in zip(convergence().items(), ("--", "-.", "-"), strict=True):
        left.semilogy(errors, style, label=name)
    left.set(
        xlabel="products of A",
        ylabel="error in the A-norm, relative",
        title="$A^{-1}b$ is the bottleneck; κ = 10³, n = 400",
    )
    left.legend()
    _, error, bound, size = bounds().T
    finite = np.isfinite(bound)
    right.loglog(error[finite] / size[finite], bound[finite] / size[finite], "o", ms=3, alpha=0.6)
    ends = np.array([1e-17, 1e2])
    right.loglog(ends, ends, "k-", lw=1)
    right.text(1e-7, 2e-9, "bound = error", fontsize=9)
    right.set(
        xlabel="true error, relative", ylabel="bound, relative", xlim=(1e-17, 10), ylim=(1e-17, 1e3),
        title=f"every bound holds: {int(finite.sum())} hyper-gradients, κ to 10¹²",
    )  # fmt: skip
    assert (bound[finite] >= error[finite]).all()
    figure.savefig(path, metadata={"Date": None})
    return int(finite.sum())


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "_static" / "overview.svg"
    target.parent.mkdir(parents=True, exist_ok=True)
    print(draw(target), "bounds, all of them hold")
