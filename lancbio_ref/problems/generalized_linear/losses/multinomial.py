"""The multinomial logistic loss of C classes: ℓ = log Σ_c exp s_c − s_l, with C scores a sample.

∇ℓ = p − e_l, p = softmax(s), and ∇²ℓ = M(p) = diag p − p pᵀ, which is blind to s + a(1, …, 1). With Π the projection
that takes the mean away,

    (min_c p_c) Π ⪯ M(p) ⪯ ½ I:     zᵀM z = min_a Σ p_c(z_c − a)² ≥ min_c p_c ‖Πz‖², and a variance is at most ½‖z‖².

Scores that move by h change log p_c by h_c − Σ p h, at most √2‖h‖ in size: p_c ≥ p̂_c e^{−√2‖h‖}. ∇²ℓ is Lipschitz with
the constant 1/√2, the third cumulant (:func:`~lancbio_ref.problems.data_cleaning`). What rounds is derived in
:mod:`lancbio_ref.problems.rounding.classification`.
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ....arguments import as_integer
from ....errors import ArgumentError
from ....labels import as_label_array
from .base import SLACK

LARGEST, STEEPEST = 0.5, 1 / math.sqrt(2) * (1 + SLACK)  # of ‖M‖, and of its Lipschitz constant in s


class Multinomial:
    """Softmax and cross entropy.

    Parameters
    ----------
    n_classes : int
        C ≥ 2; labels are 0 … C − 1.

    Examples
    --------
    >>> from lancbio_ref.problems.generalized_linear.losses import Multinomial
    >>> Multinomial(3).targets("t", [0, 2, 1], 3)
    array([0, 2, 1])
    """

    name: ClassVar[str] = "multinomial"
    is_smooth: ClassVar[bool] = True

    def __init__(self, n_classes: int) -> None:
        self.n_classes = as_integer("n_classes", n_classes, least=2)

    def targets(self, name: str, t: npt.ArrayLike, n: int) -> np.ndarray:
        """n classes."""
        labels = as_label_array(name, t, n)
        if labels.dtype.kind == "U":
            raise ArgumentError(name, f"the text {labels[0]}", f"classes 0..{self.n_classes - 1}")
        if labels.min() < 0 or labels.max() >= self.n_classes:
            raise ArgumentError(name, f"values {labels.min()}..{labels.max()}", f"0..{self.n_classes - 1}")
        return labels
