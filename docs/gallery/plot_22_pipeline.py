r"""
22 · Wrong labels, cleaned in a Pipeline
========================================

A quarter of the labels of the breast cancer data are flipped; 80 samples are known to be right.
``BilevelReweighter`` learns one weight a sample, so that the fit does well on those 80, behind a scaler and with
scikit-learn's metadata routing. What to look at: small weights point at the flipped labels, and the test accuracy is
above that of a plain fit of the noisy labels.
"""

import matplotlib.pyplot as plt
import numpy as np
import sklearn
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lancbio_ref.estimators import BilevelReweighter

sklearn.set_config(enable_metadata_routing=True)
X, y = load_breast_cancer(return_X_y=True)
labels = np.array(["malignant", "benign"])[y]
train, test, clean, y_test = train_test_split(X, labels, test_size=0.4, random_state=0, stratify=labels)
rng = np.random.default_rng(0)
trusted = np.arange(len(train)) < 80
wrong = ~trusted & (rng.random(len(train)) < 0.25)
noisy = np.where(wrong, np.where(clean == "benign", "malignant", "benign"), clean)

reweighter = BilevelReweighter().set_fit_request(trusted=True, sample_weight=False)
model = make_pipeline(StandardScaler(), reweighter)
model.fit(train, noisy, trusted=trusted)
for name, given in (("clean labels", clean), ("noisy labels", noisy)):
    plain = make_pipeline(StandardScaler(), LogisticRegression(C=1.0)).fit(train, given)
    print(f"plain fit, {name:14s} test accuracy {plain.score(test, y_test):.3f}")
print(f"learned weights          test accuracy {model.score(test, y_test):.3f}")
print(f"area under the curve of small weights against wrong labels: {model[-1].noise_auc(wrong):.3f}")

sklearn.set_config(enable_metadata_routing=False)

# %%
# Weights of right and of wrong labels.

weights = model[-1].sample_weight_
fig, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
bins = np.linspace(0, 1, 26)
ax.hist(weights[~wrong & ~trusted], bins, alpha=0.7, label="right label")
ax.hist(weights[wrong], bins, histtype="step", hatch="///", lw=1.5, label="wrong label")
ax.set(xlabel=r"weight $\sigma(x_i)$", ylabel="training samples")
ax.legend(loc="upper center")
plt.show()
