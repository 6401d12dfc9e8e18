"""φ and ∇φ at one x, and how well they are known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from . import html
from .rounding import norm2
from .status import CertificateStatus, SolveStatus

if TYPE_CHECKING:
    from .hypergradient_result import HyperGradient
    from .lower_level import LowerSolution


@dataclass(frozen=True)
class Evaluation:
    """φ and ∇φ at one x, and what is known of their errors; absent numbers are inf.

    Attributes
    ----------
    x : ndarray, shape (n_x,)
    value : float
        φ̂ = f(x, y) − vᵀ∇_y g(x, y).
    value_bound : float
        ≥ |φ̂ − φ(x)|: ½ ρ_y² (L_fy + L_gyy‖v‖) + ρ ρ_y and the rounding inside f, ∇_y g, A and b. inf without Lipschitz
        constants or μ.
    value_certificate : CertificateStatus
        How far `value_bound` can be trusted: ``certified`` for problems of this package, ``estimated`` for black boxes.
    tolerance : float
        max(accuracy, relative · ‖h‖), what was asked of the gradient here.
    gradient_bound : float
        error_bound + lower_level_bound ≥ ‖h − ∇φ(x)‖₂; inf where one of them is.
    certificate : CertificateStatus
        How far `gradient_bound` can be trusted: the weaker of the two.
    status : SolveStatus
        CONVERGED; FLOOR where rounding allows no smaller bound, and what is known of it exceeds `tolerance`;
        NOT_CONVERGED only from an objective that is not `strict`.
    message : str
        What is guaranteed, in words.
    lower : LowerSolution
        y, with ‖∇_y g‖.
    hypergradient : HyperGradient
        h and v, with both bounds.
    n_hvp, n_grad : int
        Hessian products and gradients ∇_y g spent here.
    """

    x: np.ndarray
    value: float
    value_bound: float
    value_certificate: CertificateStatus
    tolerance: float
    gradient_bound: float
    certificate: CertificateStatus
    status: SolveStatus
    message: str
    lower: LowerSolution = field(repr=False)
    hypergradient: HyperGradient = field(repr=False)
    n_hvp: int
    n_grad: int

    @property
    def gradient(self) -> np.ndarray:
        """h, shape (n_x,)."""
        return self.hypergradient.value

    @property
    def y(self) -> np.ndarray:
        """y ≈ y*(x), shape (n_y,)."""
        return self.lower.y

    @property
    def v(self) -> np.ndarray:
        """v ≈ A⁻¹b, shape (n_y,)."""
        return self.hypergradient.v

    @property
    def guaranteed(self) -> bool:
        """Whether a certificate says that ‖h − ∇φ(x)‖₂ ≤ tolerance; an estimated bound is none."""
        return self.certificate >= CertificateStatus.GIVEN and self.gradient_bound <= self.tolerance

    def __repr__(self) -> str:
        bounds = f"value_bound={self.value_bound:.3g}, gradient_bound={self.gradient_bound:.3g}"
        return f"Evaluation(value={self.value:.10g}, norm={norm2(self.gradient):.6g}, status={self.status}, {bounds})"

    def _repr_html_(self) -> str:
        kind = html.GOOD if self.guaranteed else html.OPEN if self.status.success else html.BAD
        facts = {
            "phi(x)": f"{self.value:.15g}, wrong by {self.value_certificate.of(self.value_bound)}",
            "grad phi(x)": f"norm {norm2(self.gradient):.6g}, wrong by {self.certificate.of(self.gradient_bound)}",
            "spent": f"{self.n_hvp} Hessian products, {self.n_grad} lower gradients",
        }
        folded: dict[str, html.Shown | None] = {"hyper-gradient": self.hypergradient, "lower level": self.lower}
        return html.card(f"{self.status}: {self.message}", kind, facts=facts, folded=folded)

    def __str__(self) -> str:
        return (
            f"phi = {self.value:.15g} (error bound {self.value_bound:.3g}), ||grad phi|| = {norm2(self.gradient):.6g}\n"
            f"{self.message}\n"
            f"{self.n_hvp} Hessian products, {self.n_grad} lower gradients"
        )
