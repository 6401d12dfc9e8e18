r"""
19 · What is wrong with my hyper-gradient?
==========================================

Six programs for one problem, five of them wrong in ways that are seen in the wild. What to look at: each mistake is
named, since the numbers it gives on this very problem are those of the program; the one that nobody has catalogued is
called wrong and is not named.
"""

import matplotlib.pyplot as plt
import numpy as np

from lancbio_ref import oracle, problems

problem = problems.random_ridge(40, 40, 10, rng=0)
x = np.zeros(10)
y = problem.solution(x)
A, J = (operator @ np.eye(10) for operator in (problem.hessian(x, y), problem.cross(x, y)))
b, c = problem.upper_grad_y(x, y), problem.upper_grad_x(x, y)
solve = np.linalg.solve
programs = {
    "right": c - J @ solve(A, b),
    "no solve": c - J @ b,
    "ten terms": c - J @ (0.05 * sum(np.linalg.matrix_power(np.eye(10) - 0.05 * A, q) @ b for q in range(10))),
    "damped": c - J @ solve(A + 0.1 * np.eye(10), b),
    "A of another x": c - J @ solve(problem.hessian(x + np.linspace(0, 1, 10), y) @ np.eye(10), b),
    "float32": (c - J @ solve(A, b)).astype(np.float32),
}
digits = []
for name, h in programs.items():
    found = oracle.diagnose(problem, x, h)
    digits.append(found.digits)
    print(f"--- {name}\n{found}\n")

# %%
# The digits count what is right for certain: the distance, and the bound of the certified gradient beside it.
fig, ax = plt.subplots(figsize=(7, 3))
ax.barh(list(programs), digits)
ax.set(xlabel="digits that are right for certain")
ax.invert_yaxis()
plt.show()
