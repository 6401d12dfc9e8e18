r"""
18 · A PyTorch module's parameters as y
=======================================

A network's last layer is trained on random features, and the upper level chooses its weight decay, one for the weights
and one for the offset: y is the dict of the module's parameters, used through ``torch.func.functional_call``. What to
look at: y comes back in the module's own structure, and ``problem.check`` names the line where a ``detach`` cuts a
derivative off.
"""

import matplotlib.pyplot as plt
import torch
from scipy.optimize import minimize as scipy_minimize

from lancbio_ref import HyperObjective, hypergradient
from lancbio_ref.adapters.torch import problem

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
X, more = torch.rand(2, 60, 1) * 6 - 3
t, other = (torch.sin(Z[:, 0]) + 0.3 * torch.randn(60) for Z in (X, more))
features = torch.nn.Sequential(torch.nn.Linear(1, 30), torch.nn.Tanh()).requires_grad_(False)
last = torch.nn.Linear(30, 1)


def predicted(y, X):
    return torch.func.functional_call(last, y, (features(X),))[:, 0]


def f(x, y):
    return ((predicted(y, more) - other) ** 2).mean()


def g(x, y):
    decay = x[0].exp() * (y["weight"] ** 2).sum() + x[1].exp() * (y["bias"] ** 2).sum()
    return ((predicted(y, X) - t) ** 2).mean() + decay


ours = problem(f, g, torch.tensor([-2.0, -2.0]), last, mu=lambda x, y: 2 * float(x.exp().min()))
print(ours.check(ours.x0, ours.y0, rng=0))

# %%
# φ and ∇φ for an optimizer of SciPy's; x, and y at the end, in the structures that they were given in.
found = scipy_minimize(HyperObjective(ours), ours.x0, jac=True, method="L-BFGS-B")
end = hypergradient(ours, found.x)
print(end)
x, y = ours.unravel_x(found.x), ours.unravel_y(end.lower.y)
print(x, {name: tuple(part.shape) for name, part in y.items()})

# %%
# And what a forgotten ``detach`` does:
print(problem(f, lambda x, y: g(x.detach(), y), x, y).check(found.x, end.lower.y, rng=0))

grid = torch.linspace(-3, 3, 200)[:, None]
fig, ax = plt.subplots(figsize=(7, 3.2))
ax.plot(X[:, 0].numpy(), t.numpy(), "o", label="training data")
ax.plot(grid[:, 0].numpy(), predicted(y, grid).numpy(), label="y at the end")
ax.plot(grid[:, 0].numpy(), torch.sin(grid[:, 0]).numpy(), "--", label="truth")
ax.legend()
plt.show()
