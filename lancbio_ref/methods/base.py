"""What every outer loop has in common: its state, the inner gradient steps, the checks of its options."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from ..status import StepStatus


@dataclass
class State:
    """Everything that an iteration of a method computed, under its name in the mathematics.

    Attributes
    ----------
    k : int
        The iteration that is done; 0 before the first.
    x : ndarray, shape (n_x,)
        x_k, at which y, v and h were formed.
    x_next : ndarray, shape (n_x,)
        x_{k+1}.
    y : ndarray, shape (n_y,)
        y_k, after the inner steps.
    v : ndarray, shape (n_y,)
        v_k ≈ A_k⁻¹b_k.
    h : ndarray, shape (n_x,), or None before the first iteration
        h_k = c_k − J_k v_k.
    b, c : ndarray or None
        ∇_y f and ∇_x f at (x_k, y_k).
    status : StepStatus
    n_hvp, n_cross, n_grad, n_grad_upper : int
        Used since the start: Hessian products, cross products, gradients ∇_y g, gradients of f (b and c are one).
    """

    k: int
    x: np.ndarray
    x_next: np.ndarray
    y: np.ndarray
    v: np.ndarray
    h: np.ndarray | None = None
    b: np.ndarray | None = None
    c: np.ndarray | None = None
    status: StepStatus = field(default=StepStatus.REGULAR)
    n_hvp: int = 0
    n_cross: int = 0
    n_grad: int = 0
    n_grad_upper: int = 0


class Method(Protocol):
    """A frozen dataclass of options with these two functions."""

    def init(self, problem: Any, x0: np.ndarray, y0: np.ndarray, v0: np.ndarray, rng: np.random.Generator) -> State:
        """The state before the first iteration."""

    def step(self, problem: Any, state: Any) -> State:
        """One outer iteration; may reuse the arrays of `state`."""


def gradient_steps(problem: Any, x: np.ndarray, y: np.ndarray, step: float, count: int) -> np.ndarray:
    """y ← y − θ∇_y g(x, y), `count` times; a new array."""
    for _ in range(count):
        y = y - y.dtype.type(step) * problem.lower_grad_y(x, y)
    return y
