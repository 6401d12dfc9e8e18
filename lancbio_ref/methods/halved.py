"""Steps that are halved once, as in the paper's stochastic experiments (Yang, Gao, Yuan, ICLR 2025)."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import as_integer
from ..errors import ArgumentError
from .base import Method, State

if TYPE_CHECKING:
    from ..problem import BilevelProblem

HALVED = ("step_x", "step_y", "step_z")


@dataclass(frozen=True)
class HalvedSteps:
    """`method`, with λ and θ (and F2SA's γ) halved from iteration `start` on.

    A state does not know the steps that led to it, so one method goes on where the other stopped: the subspace of
    LancBiO, for one, is kept.

    Parameters
    ----------
    method : Method
    start : int
        The first iteration with halved steps.

    Examples
    --------
    >>> from lancbio_ref import minimize, problems
    >>> from lancbio_ref.methods import SOBA, HalvedSteps
    >>> problem = problems.quadratic(2, 3, rng=0)
    >>> method = HalvedSteps(SOBA(step_x=0.1, step_y=0.1, step_v=0.1), start=50)
    >>> minimize(problem, [1.0, 1.0], [0.0, 0.0, 0.0], method=method, maxiter=100).nit
    100
    """

    method: Method[Any]
    start: int

    def __post_init__(self) -> None:
        if isinstance(self.method, type) or not hasattr(self.method, "step_x"):
            raise ArgumentError("method", repr(self.method), "a method object such as LancBiO(step_x=…, step_y=…)")
        if hasattr(self.method, "tolerance"):  # HOAG and MAID
            raise ArgumentError("method", repr(self.method), "a method that keeps its steps: this one adapts them")
        as_integer("start", self.start, least=1)

    @cached_property
    def halved(self) -> Method[Any]:
        """The method from iteration `start` on."""
        method: Any = self.method  # a dataclass, which no protocol can ask for
        steps = {f.name: getattr(method, f.name) for f in fields(method) if f.name in HALVED}
        return replace(method, **{name: step / 2 for name, step in steps.items() if step is not None})

    def init(
        self, problem: BilevelProblem, x0: np.ndarray, y0: np.ndarray, v0: np.ndarray, rng: np.random.Generator
    ) -> State:
        """The state before the first iteration."""
        return self.method.init(problem, x0, y0, v0, rng)

    def step(self, problem: BilevelProblem, state: State) -> State:
        """One outer iteration."""
        return (self.method if state.k + 1 < self.start else self.halved).step(problem, state)
