r"""
06 · Methods at equal budgets
=============================

Six methods tune one ridge penalty for each of 20 features from the same start, all with the same steps. An outer
iteration of one costs more than that of another, so the axis is work: Hessian products and lower-level gradients. What
to look at: the length of the *true* hyper-gradient at :math:`x_k`, known here in closed form, and how much shorter
stocBiO's own :math:`h_k` is (dotted), whose truncated series is biased. The order of the methods is that of this
problem with these steps.
"""

import matplotlib.pyplot as plt
import numpy as np

from lancbio_ref import minimize, problems

problem = problems.random_ridge(200, 200, 20, rng=0)
x0, y0 = np.zeros(20), np.zeros(20)
steps = dict(step_x=3.0, step_y=0.2)
methods = {
    "lancbio": dict(subspace=5, inner_steps=3),
    "subbio": dict(step_v=0.2, inner_steps=3),
    "amigo-cg": dict(inverse_steps=3, inner_steps=3),
    "amigo-gd": dict(step_v=0.2, inverse_steps=3, inner_steps=3),
    "stocbio": dict(step_v=0.2, inverse_steps=3, inner_steps=3),
    "soba": dict(step_v=0.2),
}

# %%
# Every method stops at the first iteration with a work of 2000 or more.

BUDGET, runs = 2000, {}


def stop_at_budget(state):
    if state.n_hvp + state.n_grad >= BUDGET:
        raise StopIteration


for name, options in methods.items():
    run = minimize(
        problem, x0, y0, method=name, maxiter=BUDGET, callback=stop_at_budget, trace=("x",), **steps, **options
    )
    work = run.trace["n_hvp"] + run.trace["n_grad"]
    true = [np.linalg.norm(problem.hypergradient(x)) for x in run.trace["x"]]
    runs[name] = work, np.array(true), run.trace["h_norm"]
    print(
        f"{name:9s} {run.nit:5d} iterations of work {work[-1] / run.nit:4.2f}: "
        f"true gradient {true[-1]:.2e}, the method's own {run.trace['h_norm'][-1]:.2e}"
    )

# %%
# Markers stand at every tenth of the budget.

fig, ax = plt.subplots(figsize=(6.8, 4), layout="constrained")
for (name, (work, true, own)), marker in zip(runs.items(), "os^vDX", strict=True):
    (line,) = ax.loglog(work, true, marker + "-", ms=5, lw=1.3, markevery=0.1, label=name)
    if name == "stocbio":
        ax.loglog(work, own, ":", color=line.get_color(), label=r"stocbio, its own $\|h_k\|$")
ax.set(xlabel=r"work: Hessian products + gradients $\nabla_y g$", ylabel=r"$\|\nabla\varphi(x_k)\|$")
ax.legend(ncols=2, fontsize="small")
plt.show()
