r"""
20 · Feature relevance by a learned ridge
=========================================

One penalty :math:`e^{x_j}` for each feature, learned by five-fold cross-validation: features that help are let go, the
others held back. Here 5 of 60 features matter. What to look at: the held-out error is below that of the best of 50
penalties for all, with the prior that keeps penalties together and without it. With it (``spread=1``, the default)
predictions are better; without it the features that do not matter are switched off, which shows what matters best, and
on data whose features all matter a little learns the folds by heart: ``validation/estimators.py`` has both.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import train_test_split

from lancbio_ref.estimators import BilevelRidge

rng = np.random.default_rng(0)
X = rng.standard_normal((400, 60))
y = X[:, :5] @ [3.0, -2.0, 1.0, 1.0, 0.5] + 2 * rng.standard_normal(400)
train, test, y_train, y_test = train_test_split(X, y, test_size=0.4, random_state=0)
grid = RidgeCV(alphas=np.logspace(-2, 5, 50)).fit(train, y_train)
model = BilevelRidge().fit(train, y_train)
free = BilevelRidge(spread=None).fit(train, y_train)
for name, found in (("one penalty, grid of 50", grid), ("one a feature", model), ("one a feature, no prior", free)):
    print(f"{name:24s} held-out R² {found.score(test, y_test):.3f}")

# %%
# The end of the search is certified: how wrong its hyper-gradient may be is proven, not estimated.

print(f"||grad phi|| = {model.hypergradient_norm_:.2e}, wrong by at most {model.hypergradient_bound_:.2e}")
print(model.certificate_)

# %%
# Penalties from weak to strong: the prior has them within some spreads of each other.

fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained", sharex=True)
for ax, (title, found) in zip(axes, (("spread=1", model), ("spread=None", free)), strict=True):
    order = np.argsort(found.penalties_)
    real = order < 5
    ax.semilogy(np.flatnonzero(real), found.penalties_[order][real], "C0o", label="features that matter")
    ax.semilogy(np.flatnonzero(~real), found.penalties_[order][~real], "C1x", label="the others")
    ax.set(title=title, xlabel="feature, from weak to strong")
axes[0].set(ylabel="learned penalty")
axes[0].legend()
plt.show()
