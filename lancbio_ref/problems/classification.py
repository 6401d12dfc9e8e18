"""Labelled samples and what linear classifiers make of them: losses, probabilities, residuals, gradients.

    several classes, s_i = Y x_i ∈ R^C:   CE_i = log Σ_c exp s_ic − s_{i,l_i},   r_i = softmax(s_i) − e_{l_i}
    two classes, s_i = y·x_i ∈ R:         CE_i = log(1 + exp(−t_i s_i)),         r_i = −t_i σ(−t_i s_i)

with t_i = 2l_i − 1, and in both cases ∇_Y Σ_i w_i CE_i = Σ_i w_i r_i x_iᵀ.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from ..arguments import Operator, as_array, as_integer
from ..errors import ArgumentError
from ..labels import Classes, as_label_array
from ..operators import DesignMatrix
from ..operators.csr import as_csr
from ..operators.multinomial import curvature_bound, softmax
from ..rounding import ROUND_UP
from .elementary import expit

MOST_CLASSES = 1000  # in float32: beyond, deflated rows of probabilities are not proven to sum to 1 at most


def as_classes(
    n_classes: int | None, labels_train: npt.ArrayLike, labels_val: npt.ArrayLike
) -> tuple[Classes, tuple[np.ndarray, np.ndarray]]:
    """The classes of both sets, C where `n_classes` says so, and their labels as integers; outside of 0 … C − 1 as
    they are, for the set to refuse."""
    n_classes = None if n_classes is None else as_integer("n_classes", n_classes, least=2)
    given = dict(labels_train=labels_train, labels_val=labels_val)
    classes = Classes.of(n_classes, **given)
    arrays = [as_label_array(name, labels) for name, labels in given.items()]
    if classes.values.tolist() != list(range(len(classes))):
        arrays = [classes.codes(name, array, array.size) for name, array in zip(given, arrays, strict=True)]
    return classes, (arrays[0], arrays[1])


def as_samples(X: Operator, p: int) -> np.ndarray | sp.csr_array:
    """X for ``accuracy``: p columns of finite numbers, dense or CSR."""
    X = as_csr("X", X) if sp.issparse(X) else as_array("X", X, f"shape (samples, {p})")
    if X.ndim != 2 or X.shape[1] != p or X.dtype.char not in "fd":
        raise ArgumentError("X", f"{X.dtype} of shape {X.shape}", f"real numbers of shape (samples, {p})")
    if not np.isfinite(X.data if sp.issparse(X) else X).all():
        raise ArgumentError("X", "NaN or infinity", "finite numbers")
    return X


class LabelledSet:
    """Samples, with or without a bias column, and their labels.

    Parameters
    ----------
    name : str
        ``"train"`` or ``"val"``, for messages.
    X : array_like or sparse matrix, shape (n, p)
    labels : array_like of integers, shape (n,)
        Classes 0 … C − 1, see :class:`~lancbio_ref.labels.Classes`.
    n_classes : int
        C.
    bias : bool
        Whether a column of ones is appended.

    Attributes
    ----------
    design : DesignMatrix, shape (n, p) or (n, p + 1)
    labels : ndarray, shape (n,)
    """

    def __init__(self, name: str, X: Operator, labels: npt.ArrayLike, n_classes: int, *, bias: bool = True) -> None:
        if not sp.issparse(X):
            X = as_array(f"X_{name}", X, "shape (samples, features)")
        if X.ndim != 2:
            raise ArgumentError(f"X_{name}", f"shape {X.shape}", "shape (samples, features)")
        self.design = DesignMatrix(X, name=f"X_{name}")
        n = self.design.shape[0]
        if bias:
            columns = [self.design.X, np.ones((n, 1), self.design.dtype)]
            self.design = DesignMatrix(sp.hstack(columns, format="csr") if sp.issparse(X) else np.hstack(columns))
        if n_classes > MOST_CLASSES and self.design.dtype == np.float32:
            raise ArgumentError("n_classes", n_classes, f"at most {MOST_CLASSES} in float32, for the proof of softmax")
        self.labels = as_label_array(f"labels_{name}", labels, n)
        if self.labels.min() < 0 or self.labels.max() >= n_classes:
            found = f"values {self.labels.min()}..{self.labels.max()}"
            raise ArgumentError(f"labels_{name}", found, f"0..{n_classes - 1}")
        self.labels.flags.writeable = False  # the signs come from them

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A copy, deep or through pickle, whose arrays would be writable again."""
        self.__dict__.update(state)
        for name in ("_of_type", "compiled"):
            self.__dict__.pop(name, None)
        self.labels.flags.writeable = False

    def __len__(self) -> int:
        return self.design.shape[0]

    @cached_property
    def _of_type(self) -> dict[np.dtype, tuple[np.ndarray, np.ndarray]]:
        return {}

    def equal(self, dtype: np.dtype) -> np.ndarray:
        """1/n for each sample, read-only."""
        return self.constants(dtype)[0]

    def signs(self, dtype: np.dtype) -> np.ndarray:
        """t_i = 2l_i − 1 of two classes, read-only."""
        return self.constants(dtype)[1]

    def constants(self, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
        """`equal` and `signs`."""
        if (found := self._of_type.get(dtype)) is None:
            found = np.full(len(self), 1 / len(self), dtype), np.where(self.labels == 1, 1, -1).astype(dtype)
            for array in found:
                array.flags.writeable = False
            self._of_type[dtype] = found
        return found

    @cached_property
    def compiled(self) -> dict[np.dtype, Any]:
        """What compiled code has of the samples, for each type (:mod:`.compiled_binary`)."""
        return {}

    @cached_property
    def mean_curvature(self) -> float:
        """‖Σ (diag p_i − p_i p_iᵀ) ⊗ x_i x_iᵀ‖/n for every P, rounded up: ½ min(mean ‖x_i‖², ‖X‖²/n)."""
        return curvature_bound(self.design, np.full(len(self), 1 / len(self))) * ROUND_UP

    def rows(self, indices: np.ndarray) -> LabelledSet:
        """These samples alone, copied once; the others are not touched."""
        part = object.__new__(LabelledSet)
        part.design, part.labels = self.design.rows(indices), self.labels[indices]
        return part

    def at(self, y: np.ndarray) -> Fit:
        """What multinomial parameters y, of shape (C p,), make of these samples."""
        return Fit(self, y.reshape(-1, self.design.shape[1]))


class Labelled(Protocol):
    """Samples with labels: a :class:`LabelledSet`, or those of another family of problems."""

    design: DesignMatrix
    labels: np.ndarray


class Fit:
    """Logits, probabilities and residuals of a set at one y, computed once and shared by all derivatives."""

    def __init__(self, data: Labelled, Y: np.ndarray, logits: np.ndarray | None = None) -> None:
        self.data, self.Y = data, Y
        with np.errstate(under="ignore"):
            self.logits = data.design.scores(Y) if logits is None else logits

    @cached_property
    @np.errstate(under="ignore")
    def losses(self) -> np.ndarray:
        """CE_i = log Σ_c exp(s_ic − m_i) − (s_{i,l_i} − m_i), m_i the largest logit: no overflow, nothing lost."""
        shifted = self.logits - self.logits.max(axis=1, keepdims=True)
        chosen = shifted[np.arange(len(shifted)), self.data.labels]
        return np.log(np.exp(shifted).sum(axis=1)) - chosen

    @cached_property
    def P(self) -> np.ndarray:
        return softmax(self.logits)

    @cached_property
    def R(self) -> np.ndarray:
        residual = self.P.copy()
        residual[np.arange(len(residual)), self.data.labels] -= 1
        return residual

    def gradient(self, w: np.ndarray) -> np.ndarray:
        """∇_y Σ_i w_i CE_i = vec((w ∘ R)ᵀ X)."""
        return self.data.design.sums(w[:, None] * self.R).ravel()


class BinaryFit:
    """The same for two classes and one vector y."""

    def __init__(self, data: LabelledSet, y: np.ndarray) -> None:
        self.data, self.y = data, y
        self.signs = data.signs(y.dtype)
        self.margins = self.signs * data.design.product(y)  # t_i s_i

    @cached_property
    def losses(self) -> np.ndarray:
        """CE_i = log(1 + exp(−t_i s_i))."""
        return np.logaddexp(self.margins.dtype.type(0), -self.margins)

    @cached_property
    def misfits(self) -> np.ndarray:
        """σ(−t_i s_i) = |r_i|."""
        return expit(-self.margins)

    @cached_property
    def curvatures(self) -> np.ndarray:
        """σ′(s_i) = σ(s_i)σ(−s_i)."""
        return expit(self.margins) * self.misfits

    def gradient(self, w: np.ndarray) -> np.ndarray:
        """∇_y Σ_i w_i CE_i = Xᵀ(w ∘ r), r_i = −t_i σ(−t_i s_i)."""
        return self.data.design.transposed(w * -self.signs * self.misfits)
