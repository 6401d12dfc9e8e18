"""What a hyper-gradient comes with: the solve of A v = b, the bounds of its error, and what they rest on."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from . import html
from .certificate import NONE, Certificate
from .krylov import SolveReport
from .lower_level import LowerSolution
from .operators.noise import remedy_of
from .rounding import norm2
from .status import SolveStatus


@dataclass(frozen=True)
class HyperGradient:
    """h = c − J v and what is known of its error; absent numbers are inf.

    Attributes
    ----------
    value : ndarray, shape (n_x,)
        h.
    solve : SolveReport
        That of A v = b: v ≈ A⁻¹b, b − A v and what was learned of A on the way. `v`, `residual_norm` ‖b − A v‖₂, and
        `condition_estimate` are its own; so are `status`, MU_REFUTED where it has refuted μ, and `direction`, unless
        the lower level was solved here and failed: then they are those of `lower`, and no bound is given.
    error_bound : float
        ≥ ‖h − (c − J A⁻¹b)‖₂ for the A, J, b, c in hand, the rounding of b − A v and of c − J v included.
    lower_level_bound : float
        ≥ ‖(c − J A⁻¹b) − ∇φ(x)‖₂: what an inexact y and the rounding inside A, J, b, c and ∇_y g cost. The problems of
        this package prove the latter; of a black box it is a model, and the bound ``estimated``.
    error_estimate : float
        A sharper guess at ‖h − (c − J A⁻¹b)‖₂ from Gauss–Radau quadrature, ‖J‖‖v − A⁻¹b‖_A/√μ; not a bound; inf once
        the residual is at its rounding floor, where the recurrence knows nothing.
    certificate : Certificate
        How far each bound can be trusted, and what it rests on.
    n_hvp : int
        Hessian products, those of the lower level and of the certificate included.
    lower : LowerSolution or None
        The lower-level solve, where y was not given.
    noise : float
        With NOT_CONVERGED or STALLED: the relative rounding of the Hessian products, where it is far above that of the
        system's type and so the likely cause; else 0.
    """

    value: np.ndarray
    solve: SolveReport
    error_bound: float
    lower_level_bound: float
    error_estimate: float
    certificate: Certificate
    n_hvp: int
    lower: LowerSolution | None = field(default=None, repr=False)
    noise: float = 0.0

    @property
    def remedy(self) -> str:
        """What to do about the status, in words; empty where nothing needs doing."""
        return remedy_of(self.noise) if self.noise else self.status.remedy

    @property
    def v(self) -> np.ndarray:
        """v ≈ A⁻¹b, shape (n_y,)."""
        return self.solve.x

    @property
    def residual_norm(self) -> float:
        """‖b − A v‖₂, evaluated."""
        return norm2(self.solve.residual)

    @property
    def condition_estimate(self) -> float:
        """θ_max/θ_min of the Ritz values, a lower bound of the condition number of A."""
        return self.solve.condition_estimate

    @property
    def status(self) -> SolveStatus:
        """Of the linear system; of the lower level, where that was solved here and failed."""
        return self._decisive.status

    @property
    def direction(self) -> np.ndarray | None:
        """With INDEFINITE: a unit vector z for which zᵀA z < 0, verified (A at `lower.y`, where that is the failure).

        With MU_REFUTED: one with zᵀA z < μ.
        """
        return self._decisive.direction

    @property
    def _decisive(self) -> SolveReport | LowerSolution:
        return self.solve if self.lower is None or self.lower.status.success else self.lower

    @property
    def success(self) -> bool:
        """Whether the system was solved as asked, or as far as rounding allows."""
        return self.status.success

    def __str__(self) -> str:
        lines = [
            f"hyper-gradient of length {self.value.size}, norm {norm2(self.value):.10g}",
            f"status            {self.status}" + (f": {self.remedy}" if self.remedy else ""),
            *([] if self.lower is None else [f"lower level       {self.lower.message}"]),
            f"residual norm     {self.residual_norm:.3g}",
            f"error bound       {self.error_bound:.3g} ({self.certificate.error})",
            f"lower-level bound {self.lower_level_bound:.3g} ({self.certificate.lower_level})",
            f"error estimate    {self.error_estimate:.3g}",
            f"condition number  >= {self.condition_estimate:.3g}",
            f"Hessian products  {self.n_hvp}",
            str(self.certificate),
        ]
        return "\n".join(lines)

    def __repr__(self) -> str:
        bounds = f"error_bound={self.error_bound:.3g}, lower_level_bound={self.lower_level_bound:.3g}"
        return f"HyperGradient(n_x={self.value.size}, norm={norm2(self.value):.6g}, status={self.status}, {bounds})"

    def _repr_html_(self) -> str:
        known = self.certificate
        facts = {
            "error of the linear system": known.error.of(self.error_bound),
            "error of y, and of forming A, J, b, c": known.lower_level.of(self.lower_level_bound),
        }
        verdict = f"hyper-gradient of length {self.value.size}, norm {norm2(self.value):.6g}: {self.status}"
        kind = html.BAD if not self.success else html.GOOD if known.error > NONE else html.OPEN
        folded: dict[str, html.Shown | None] = {"lower level": self.lower}
        return html.card(verdict, kind, facts=facts, words=[self.remedy], folded=folded, detail=str(self))
