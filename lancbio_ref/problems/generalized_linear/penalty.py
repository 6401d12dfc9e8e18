"""The penalty ½ Σ_j D_j y_j², D_j = exp(x_{k(j)}) + f_j: one parameter in all, a group, a feature, a class.

    k(c, j) = 0, group of j, j, c or (c, j);   −1 where a coefficient has no parameter: f_j ≥ 0 is then all its penalty

    ∇_y = D ∘ y,      ∂/∂x_k ∇_y = E over block k, E = exp(x_k) y,      ∇_x = ½ Σ_{block k} exp(x_k) y_j²

exp(x_k) is off by `FUNCTION_UNITS` u, the sum and the rounded f by 2u more: nothing cancels.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...arguments import as_choice, as_vector
from ...errors import ArgumentError
from ...operators import GroupedRows
from ...rounding import ROUND_UP, unit_roundoff
from ..elementary import FUNCTION_UNITS, exponential

PENALTIES = ("all", "group", "feature", "class", "each", "none")


class Penalty:
    """Which parameter penalizes which coefficient.

    Parameters
    ----------
    block : ndarray of int, shape (C q,)
        k, −1 for none.
    n : int
        Parameters, 0 where nothing is learned.
    fixed : ndarray, shape (C q,), float32
        f ≥ 0; float32 numbers, that all types have.

    Attributes
    ----------
    names : str
        ``"all"``, ``"group"``, ``"feature"``, ``"class"``, ``"each"`` or ``"none"``.
    """

    def __init__(self, block: np.ndarray, n: int, fixed: np.ndarray, names: str) -> None:
        self.block, self.n, self.fixed, self.names = block, n, fixed, names
        self._learned = block >= 0

    def exponentials(self, x: np.ndarray) -> np.ndarray:
        """exp(x_{k(j)}), 0 where there is no parameter, shape (C q,)."""
        if not self.n:
            return np.zeros(self.block.size, x.dtype)
        return np.where(self._learned, exponential(x)[self.block], x.dtype.type(0))

    def diagonal(self, x: np.ndarray, dtype: npt.DTypeLike) -> np.ndarray:
        """D, shape (C q,)."""
        return self.exponentials(x).astype(dtype, copy=False) + self.fixed.astype(dtype)

    @staticmethod
    def error(u: float) -> float:
        """≥ |fl(D_j) − D_j|/D_j."""
        return (FUNCTION_UNITS + 3) * u

    def cross(self, x: np.ndarray, y: np.ndarray) -> GroupedRows:
        """(J v)_k = Σ_{block k} exp(x_k) y_j v_j."""
        return GroupedRows(self.exponentials(x) * y, self.block, self.n)

    def grad_x(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """½ Σ_{block k} exp(x_k) y_j², shape (n,)."""
        return 0.5 * GroupedRows(self.exponentials(x) * y, self.block, self.n).matvec(y)

    def least(self, D: np.ndarray, among: np.ndarray | slice = slice(None)) -> float:
        """A lower bound of min D over these coefficients, the exponential's error included; may be 0."""
        smallest = float(D[among].min())
        return max(smallest * (1 - 2 * self.error(unit_roundoff(D.dtype))) - float(np.finfo(D.dtype).tiny), 0.0)

    def largest(self, D: np.ndarray) -> float:
        """An upper bound of max D."""
        return float(D.max()) * (1 + 2 * self.error(unit_roundoff(D.dtype))) * ROUND_UP + float(np.finfo(D.dtype).tiny)


def make_penalty(
    penalty: str,
    shape: tuple[int, int],
    *,
    groups: npt.ArrayLike | None,
    fixed: npt.ArrayLike,
    unpenalized: npt.ArrayLike | None,
    intercept_ridge: float | None,
) -> Penalty:
    """The penalty of (C, q) coefficients; the last column holds intercepts where `intercept_ridge` is given.

    Raises
    ------
    ArgumentError
        An unknown name; groups that are missing, not wanted, of the wrong length or not 0 … m − 1; a fixed part that
        is negative or of the wrong length; unpenalized features that are not there.
    """
    as_choice("penalty", penalty, PENALTIES)
    C, q = shape
    p = q if intercept_ridge is None else q - 1
    feature, row = np.broadcast_to(np.arange(p), (C, p)), np.broadcast_to(np.arange(C)[:, None], (C, p))
    if (groups is None) == (penalty == "group"):
        expected = f"one label a feature, shape ({p},)" if penalty == "group" else "None: only penalty='group' has them"
        raise ArgumentError("groups", "None" if groups is None else "labels", expected)
    if penalty == "group":
        labels = _groups(groups, p)
        k, n = np.broadcast_to(labels, (C, p)), int(labels.max()) + 1
    elif penalty == "each":
        k, n = row * p + feature, C * p
    else:
        k, n = {
            "all": (np.zeros((C, p), np.int64), 1),
            "feature": (feature, p),
            "class": (row, C),
            "none": (np.full((C, p), -1), 0),
        }[penalty]
    k = np.array(k, np.int64)
    f = np.zeros(p) if np.ndim(fixed) else np.full(p, float(as_vector("fixed", [fixed])[0]))
    f = as_vector("fixed", fixed, p).astype(np.float64) if np.ndim(fixed) else f
    if f.min() < 0:
        raise ArgumentError("fixed", f"the penalty {f.min()}", "penalties >= 0")
    if unpenalized is not None:
        index = np.asarray(unpenalized)
        if index.ndim != 1 or index.dtype.kind not in "iu" or not np.isin(index, np.arange(p)).all():
            raise ArgumentError("unpenalized", repr(unpenalized)[:60], f"indices of features, 0..{p - 1}")
        k[:, index], f[index] = -1, 0.0
    full = np.broadcast_to(f, (C, p))
    if intercept_ridge is not None:
        k = np.hstack([k, np.full((C, 1), -1)])
        full = np.hstack([full, np.full((C, 1), intercept_ridge)])
    with np.errstate(over="ignore", under="ignore"):
        narrow = full.astype(np.float32).ravel()
    if not np.isfinite(narrow).all():
        raise ArgumentError("fixed", f"the penalty {full.max()}", "penalties that float32 has")
    return Penalty(k.ravel(), n, narrow, penalty)


def _groups(groups: npt.ArrayLike | None, p: int) -> np.ndarray:
    labels = np.asarray(groups)
    if labels.shape != (p,) or labels.dtype.kind not in "iu":
        raise ArgumentError("groups", f"{labels.dtype} of shape {labels.shape}", f"integers of shape ({p},)")
    if labels.min() < 0 or np.unique(labels).size != labels.max() + 1:
        raise ArgumentError("groups", f"labels {np.unique(labels)[:5]}…", "labels 0 … m − 1, each of them used")
    return labels.astype(np.int64)
