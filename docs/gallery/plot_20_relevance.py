r"""
20 · Feature relevance by a learned ridge
=========================================

One penalty :math:`e^{x_j}` for each feature, learned by five-fold cross-validation: features that help are let go, the
others are switched off. Here 5 of 60 features matter. What to look at: the penalties of those five lie orders of
magnitude below most others, and the held-out error is below that of the best of 50 penalties for all. It is not always
so: on data whose features all matter a little, as many penalties as features learn the folds by heart, and one penalty
in all does better; ``validation/estimators.py`` has both.
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
for name, found in (("one penalty, grid of 50", grid), ("one penalty a feature", model)):
    print(f"{name:24s} held-out R² {found.score(test, y_test):.3f}")

# %%
# The end of the search is certified: how wrong its hyper-gradient may be is proven, not estimated.

print(f"||grad phi|| = {model.hypergradient_norm_:.2e}, wrong by at most {model.hypergradient_bound_:.2e}")
print(model.certificate_)

# %%
# Penalties from weak to strong.

fig, ax = plt.subplots(figsize=(8, 3.6), layout="constrained")
order = np.argsort(model.penalties_)
real = order < 5
ax.semilogy(np.flatnonzero(real), model.penalties_[order][real], "C0o", label="features that matter")
ax.semilogy(np.flatnonzero(~real), model.penalties_[order][~real], "C1x", label="the others")
ax.set(xlabel="feature, from kept to switched off", ylabel="learned penalty")
ax.legend()
plt.show()
