"""What a run ends with, and how it is kept in a file."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import numpy as np

from .certificate import Certificate
from .final_check import FinalCheck
from .formation import Bound
from .hypergradient import HyperGradient
from .krylov import LanczosProcess, SolveReport
from .krylov.basis import Basis
from .krylov.recycled import RecycledInverse
from .krylov.reorthogonalization import Full, Local, NoReorthogonalization
from .lower_level import LowerSolution
from .methods import STATES, State, Steps, SubspaceSchedule
from .methods.recycled_model import Gains
from .minibatch import Draw, Sampler
from .rounding import norm2
from .saving import load_object, may_hold, save_object
from .status import SolveStatus
from .trace import Trace

may_hold(
    *STATES, Steps, SubspaceSchedule, LanczosProcess, Basis, NoReorthogonalization, Local, Full, RecycledInverse, Gains,
    Sampler, Trace, FinalCheck, HyperGradient, SolveReport, LowerSolution, Certificate, Bound,
)  # fmt: skip


@dataclass
class BilevelResult:
    """The outcome of :func:`minimize`.

    Attributes
    ----------
    x, y, v : ndarray
        x_{K+1}, y_K and v_K; the start where no iteration was finished.
    fun : float
        f(x, y) at these; NaN only where evaluating it failed, which `message` or the exception says.
    hypergradient : ndarray, shape (n_x,), or None
        h_K at (x_K, y_K); None where no iteration was finished.
    nit : int
        K, the iterations finished, those before a `state` that was gone on from included.
    n_hvp, n_cross, n_grad, n_grad_upper : int
        Hessian products, cross products, gradients ∇_y g and gradients of f; diagnostics not counted.
    status : SolveStatus
        CONVERGED and COMPLETED go by the method's own h; DIVERGING is a run whose iterates grew without bound, though
        every number stayed finite.
    message : str
    success : bool
    trace : Trace
    batches : list of Draw
        The mini-batches of the finished iterations, in their order; ``Minibatched(..., replay=result.batches)`` repeats
        the run bit for bit. Empty where nothing was drawn.
    check : FinalCheck or None
        What a certified hyper-gradient at x_K says of h_K; None where it was not asked for, or nothing was finished.
    state : State or None
        Where the run stands: ``minimize(problem, state=result.state, ...)`` goes on from here, to the same bits as a
        run that never stopped. None where an iteration ended half-way, and what it had overwritten is lost (a Lanczos
        basis, a generator): then go on from x, y and v.
    """

    x: np.ndarray
    y: np.ndarray
    v: np.ndarray
    fun: float
    hypergradient: np.ndarray | None
    nit: int
    n_hvp: int
    n_cross: int
    n_grad: int
    n_grad_upper: int
    status: SolveStatus
    message: str
    trace: Trace = field(repr=False)
    batches: list[Draw] = field(default_factory=list, repr=False)
    check: FinalCheck | None = None
    state: State | None = field(default=None, repr=False)

    @property
    def success(self) -> bool:
        return self.status.success

    @property
    def steps(self) -> dict[str, str]:
        """Of each option that was chosen by rule its last value and the rule; empty where all steps were given."""
        found: dict[str, str] = {}
        return found if self.state is None or self.state.steps is None else self.state.steps.words()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all of it to an npz file: arrays, and a text in JSON that says where they belong; nothing is pickled.

        Parameters
        ----------
        path : str or path-like
            Written beside its place and renamed: never half there.

        Raises
        ------
        ArgumentError
            A state or a traced quantity of somebody else's class; a folder that cannot be written to.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> from lancbio_ref import BilevelResult, minimize, problems
        >>> problem, steps = problems.quadratic(2, 3, rng=0), dict(step_x=0.1, step_y=0.1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     minimize(problem, [1.0, 1.0], maxiter=4, **steps).save(Path(folder) / "run.npz")
        ...     saved = BilevelResult.load(Path(folder) / "run.npz")
        >>> more = minimize(problem, state=saved.state, maxiter=2, **steps)
        >>> more.nit, bool((more.x == minimize(problem, [1.0, 1.0], maxiter=6, **steps).x).all())
        (6, True)
        """
        save_object(path, self)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, limit: int = 2**30) -> BilevelResult:
        """What :meth:`save` wrote.

        Parameters
        ----------
        path : str or path-like
        limit : int
            Bytes, unpacked, that the file may have.

        Raises
        ------
        ArgumentError
            No such file, a damaged one, one that something else wrote, one that is larger than `limit`.
        """
        return load_object(path, cls, limit)

    def __str__(self) -> str:
        h = "none" if self.hypergradient is None else f"{norm2(self.hypergradient):.6g}"
        return (
            f"{self.message}\n"
            f"f(x, y) = {self.fun:.10g}, hyper-gradient norm {h}\n"
            f"{self.nit} iterations: {self.n_hvp} Hessian and {self.n_cross} cross products, "
            f"{self.n_grad} lower and {self.n_grad_upper} upper gradients"
            + "".join(f"\n{name} = {words}" for name, words in self.steps.items())
        )
