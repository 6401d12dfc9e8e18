r"""
14 · Checking a wrong program with the oracle
=============================================

Conjugate gradients, written twice; one of them takes :math:`r_0 = b` though it starts at :math:`v_0`. A test that
starts at zero sees no difference. What to look at: the oracle runs both over cases with proven answers, says how many
digits each answer has and how many were asked, and names the mistake from the wrong numbers alone.
"""

import matplotlib.pyplot as plt
import numpy as np

from lancbio_ref import oracle
from lancbio_ref.oracle.candidates import CallableCandidate
from lancbio_ref.oracle.check import check


def conjugate_gradients(A, b, v0, forget_start=False):
    v, r = v0.copy(), b if forget_start else b - A @ v0
    p = r
    for _ in range(10 * len(b)):
        if np.linalg.norm(r) <= 1e-15 * np.linalg.norm(b):
            break
        Ap = A @ p
        gamma = (r @ r) / (p @ Ap)
        v = v + gamma * p
        r_next = r - gamma * Ap
        delta = (r_next @ r_next) / (r @ r)
        p = r_next + delta * p
        r = r_next
    return v


A, b, zero = np.diag([1.0, 2.0, 5.0]), np.ones(3), np.zeros(3)
print("the two agree from zero:", np.allclose(conjugate_gradients(A, b, zero), conjugate_gradients(A, b, zero, True)))

# %%
# The cases are the small quadratic problems, asked at level ``solve``.

vectors = [v for v in oracle.vectors() if v.id.startswith("quadratic-0")]
results = {
    "right": check(CallableCandidate(conjugate_gradients, "right"), ["solve"], vectors),
    "wrong": check(
        CallableCandidate(lambda *a: conjugate_gradients(*a, forget_start=True), "wrong"), ["solve"], vectors
    ),
}
for name, result in results.items():
    print(f"{name}: {result.count('passed')} passed, {result.count('failed')} failed")
    for suspect in result.suspects.get("solve", []):
        print(f"  {suspect}\n  cause  {suspect.fault.cause}\n  remedy {suspect.fault.remedy}")

# %%
# One bar an answer; the line is what a backward stable method gives, with a constant to spare.

fig, axes = plt.subplots(2, 1, figsize=(7, 4.2), layout="constrained", sharex=True, sharey=True)
for ax, (name, result), color, hatch in zip(axes, results.items(), ("C0", "C1"), ("", "///"), strict=True):
    digits = np.array([v.digits for v in result.verdicts])
    place = np.arange(1, len(digits) + 1)
    ax.bar(place, digits[:, 0], color=color, hatch=hatch, edgecolor="white", label=f"{name}: digits of the answer")
    ax.step(place, digits[:, 1], "k-", where="mid", lw=1.2, label="digits asked for")
    ax.set(ylabel="digits", ylim=(0, 24))
    ax.legend(ncols=2, fontsize="small", loc="upper left")
axes[1].set(xlabel="case: quadratic-001, quadratic-002, …", xticks=place)
plt.show()
