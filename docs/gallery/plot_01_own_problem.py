r"""
01 · Your own problem in twenty lines
=====================================

A signal was measured twice. The lower level smooths the first measurement :math:`t` with a penalty :math:`e^x` on
second differences, :math:`g = \frac12\|y - t\|^2 + \frac12 e^x\|Dy\|^2`; the upper level asks which :math:`x` comes
nearest to the second one, :math:`f = \frac1{2n}\|y - s\|^2`. What to look at: the tangents drawn with the
hyper-gradients fit the curve of :math:`\varphi`, which was computed without them, and ``problem.check`` finds the
factor that a wrong version forgets.
"""

import matplotlib.pyplot as plt
import numpy as np

from lancbio_ref import BilevelProblem, LowerLevel, UpperLevel, hypergradient

rng, n = np.random.default_rng(0), 100
time = np.linspace(0, 1, n)
truth = np.sin(2 * np.pi * time**2 * 2)
t, s = truth + 0.3 * rng.standard_normal((2, n))  # the two measurements
D = np.diff(np.eye(n), 2, axis=0)
DtD = D.T @ D

upper = UpperLevel(
    value=lambda x, y: 0.5 * np.mean((y - s) ** 2), grad_x=lambda x, y: 0 * x, grad_y=lambda x, y: (y - s) / n
)
lower = LowerLevel(
    value=lambda x, y: 0.5 * np.sum((y - t) ** 2) + 0.5 * np.exp(x[0]) * np.sum((D @ y) ** 2),
    grad_y=lambda x, y: y - t + np.exp(x[0]) * (DtD @ y),
    hessian=lambda x, y: np.eye(n) + np.exp(x[0]) * DtD,
    cross=lambda x, y: np.exp(x[0]) * (DtD @ y)[None, :],  # one row for each entry of x
    mu=1.0,
)
problem = BilevelProblem(upper, lower, n_y=n)
print(problem.check(np.array([1.0]), t, rng=0))

# %%
# Every row is a comparison with finite differences, with a transposed product or with a Rayleigh quotient. Here is the
# same problem with the factor :math:`e^x` forgotten in one place.

wrong = LowerLevel(grad_y=lower.grad_y, hessian=lower.hessian, cross=lambda x, y: (DtD @ y)[None, :])
for row in BilevelProblem(upper, wrong, n_y=n).check(np.array([1.0]), t, rng=0).failed:
    print(f"{row.name}: error {row.error:.2g}, allowed {row.tolerance:.0e}; {row.note}")

# %%
# The curve is :math:`\varphi(x) = f(x, y^*(x))` with :math:`y^*(x)` from a dense solve; each tangent has the slope that
# ``hypergradient`` returns.


def smoothed(x):
    return np.linalg.solve(lower.hessian(x, t), t)


grid = np.linspace(-4, 14, 200)
phi = [upper.value(p, smoothed([p])) for p in grid]
best = grid[np.argmin(phi)]
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
left.plot(time, t, ".", color="0.6", label="first measurement $t$")
left.plot(time, smoothed([best]), "C0-", label=f"$y^*(x)$ at the best $x = {best:.1f}$")
left.plot(time, truth, "C1--", label="truth")
left.set(xlabel="time (s)", ylabel="signal", ylim=(-2, 3.2))
left.legend(fontsize="small")
right.plot(grid, phi, "C0-", label=r"$\varphi(x)$")
for p in (-2.0, 1.5, 5.0, 8.5, 12.0):
    slope, middle = hypergradient(problem, [p]).value[0], upper.value(p, smoothed([p]))
    right.plot([p - 1.2, p, p + 1.2], [middle - 1.2 * slope, middle, middle + 1.2 * slope], "C1-o", lw=3, markevery=[1])
right.lines[-1].set_label(r"slope $\nabla\varphi$ of hypergradient()")
right.legend(fontsize="small")
right.set(xlabel="$x$, logarithm of the penalty", ylabel=r"$\varphi$, half the mean squared error")
plt.show()
