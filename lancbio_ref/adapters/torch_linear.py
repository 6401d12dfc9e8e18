"""Products of a graph that is there, and conjugate gradients on them.

A product is one backward pass; what a step costs beside it counts at n of a few thousand. So the steps are made here,
with tensors and in the plain recurrence; what they come to is looked at outside (:mod:`lancbio_ref.krylov.own_cycle`).
"""

from __future__ import annotations

import math

import numpy as np
import torch

from ..errors import ArgumentError
from ..krylov.own_cycle import OwnSteps
from ..rounding import unit_roundoff

TWICE = (
    "operations that PyTorch differentiates twice (of attention, under torch.nn.attention.sdpa_kernel, SDPBackend.MATH)"
)
SELDOM = 8  # steps between two looks at ‖x‖


def refused(function: str, error: RuntimeError) -> ArgumentError:
    """What is said of an f or g that PyTorch does not differentiate: compiled ones, checkpoints, sparse gradients."""
    return ArgumentError(function, "".join(str(error).splitlines()[:1]) or type(error).__name__, TWICE)


class LinearMap:
    """w → ∂/∂z (s · w) for a vector s with its graph.

    Parameters
    ----------
    slope : torch.Tensor, shape (m,)
        s.
    z : torch.Tensor, shape (n,)
    """

    def __init__(self, slope: torch.Tensor, z: torch.Tensor) -> None:
        self.slope, self.z = slope, z

    def __call__(self, vector: np.ndarray) -> np.ndarray:
        product: np.ndarray = self.product(torch.from_numpy(np.array(vector))).numpy()
        return product

    def product(self, w: torch.Tensor) -> torch.Tensor:
        """∂/∂z (s · w); zeros where s does not depend on z."""
        if not self.slope.requires_grad:
            return torch.zeros_like(self.z)
        try:
            (found,) = torch.autograd.grad(
                self.slope, self.z, w, retain_graph=True, allow_unused=True, materialize_grads=True
            )
        except RuntimeError as error:
            raise refused("g", error) from error
        return found

    def conjugate_gradients(
        self, x0: np.ndarray, r0: np.ndarray, tolerance: float, norm_A: float, most: int
    ) -> OwnSteps:
        """As :mod:`lancbio_ref.krylov.own_cycle` asks for it."""
        x, r = torch.from_numpy(x0.copy()), torch.from_numpy(r0.copy())
        p, square, u, sound = r.clone(), float(r @ r), unit_roundoff(x0.dtype), True
        gammas, squares = list[float](), [square]
        while len(gammas) < most and math.sqrt(square) > tolerance:
            if len(gammas) % SELDOM == 0 and math.sqrt(square) <= u * norm_A * float(x.norm()):
                break  # rounding x leaves as much
            Ap = self.product(p)
            curvature = float(p @ Ap)
            if not curvature > 0:  # nor is NaN
                sound = False
                break
            gamma = square / curvature  # γ_j = ‖r_j‖²/p_jᵀA p_j ≥ 1/‖A‖
            x.add_(p, alpha=gamma)
            r.sub_(Ap, alpha=gamma)
            after = float(r @ r)
            gammas.append(gamma)
            squares.append(after)
            if not math.isfinite(after):
                sound = False
                break
            p = torch.add(r, p, alpha=after / square)  # δ_{j+1} = ‖r_{j+1}‖²/‖r_j‖²; p may be what Ap is
            square, norm_A = after, max(norm_A, 1 / gamma if gamma else math.inf)
        found = np.array(gammas, x0.dtype), np.array(squares, x0.dtype)
        return OwnSteps(x.numpy(), self.product(x).numpy(), *found, sound)
