r"""
07 · Negative curvature found
=============================

The lower level is a chain of double wells, :math:`g = \sum_i \frac14(y_i^2 - 1)^2 + \frac14\|Dy\|^2 - x\,w^\top y`.
Near :math:`y = 0` its Hessian is indefinite: there is no :math:`y^*(x)` that the hyper-gradient formula could speak of.
What to look at: the status is INDEFINITE and not a number that looks like an answer; the direction it returns goes
downhill in :math:`g`; at a minimum of :math:`g` the same call succeeds.
"""

import matplotlib.pyplot as plt
import numpy as np

from lancbio_ref import BilevelProblem, LowerLevel, UpperLevel, hypergradient, lower_solution

n = 40
D = np.diff(np.eye(n), axis=0)
w = np.sin(np.linspace(0, 3 * np.pi, n))
upper = UpperLevel(value=lambda x, y: 0.5 * np.mean(y**2), grad_x=lambda x, y: 0 * x, grad_y=lambda x, y: y / n)
lower = LowerLevel(
    value=lambda x, y: 0.25 * np.sum((y**2 - 1) ** 2) + 0.25 * np.sum((D @ y) ** 2) - x[0] * (w @ y),
    grad_y=lambda x, y: y**3 - y + 0.5 * (D.T @ (D @ y)) - x[0] * w,
    hessian=lambda x, y: np.diag(3 * y**2 - 1) + 0.5 * D.T @ D,
    cross=lambda x, y: -w[None, :],
)
problem = BilevelProblem(upper, lower, n_y=n)
x = np.array([0.1])
y_flat = 0.1 * w + 0.05

found = hypergradient(problem, x, y_flat)
print(found.status, "-", found.status.remedy)
z = found.direction
curvature = z @ lower.hessian(x, y_flat) @ z
print(f"curvature along the direction: {curvature:.3f}; error bound {found.error_bound}")

# %%
# The solver for the lower level says the same from that start. Gradient steps go on downhill to a minimum, from which
# Newton's method finishes, and there A is positive definite.

print("lower_solution:", lower_solution(problem, x, y_flat, tol=1e-10).status)
y = y_flat
for _ in range(200):
    y = y - 0.2 * lower.grad_y(x, y)
solution = lower_solution(problem, x, y, tol=1e-10)
at_minimum = hypergradient(problem, x, solution.y, mu="certify")
print(f"at a minimum: {at_minimum.status}, hyper-gradient {at_minimum.value[0]:.6f}")
print(at_minimum.certificate)

# %%
# Left, :math:`g` along the direction, with the parabola of the curvature found; right, what the vectors are.

fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
t = np.linspace(-4, 4, 200)
g0, slope = lower.value(x, y_flat), z @ lower.grad_y(x, y_flat)
left.plot(t, [lower.value(x, y_flat + s * z) for s in t], label="$g(x, y + tz)$")
left.plot(t, g0 + slope * t + 0.5 * curvature * t**2, "--", label="second order, $z^TAz < 0$")
left.plot(0, g0, "ko", ms=5)
left.set(xlabel="$t$ along the direction $z$", ylabel="$g$", ylim=(g0 - 7, g0 + 4))
left.legend()
right.plot(y_flat, "k-", lw=1, label="$y$, where A is indefinite")
right.plot(z, "C1--", label="direction $z$")
right.plot(solution.y, "C0.-", label="a minimum of $g$")
right.set(xlabel="index $i$", ylabel="entry", ylim=(-1.4, 2.2))
right.legend(fontsize="small")
plt.show()
