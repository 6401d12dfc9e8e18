"""What a run ends with, and how it is kept in a file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from . import html
from .certificate import Certificate
from .curves import Abscissa
from .final_check import FinalCheck
from .formation import Bound
from .hypergradient_result import HyperGradient
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
from .status import CheckVerdict, SolveStatus
from .trace import Trace

if TYPE_CHECKING:
    from matplotlib.figure import Figure

may_hold(
    *STATES, Steps, SubspaceSchedule, LanczosProcess, Basis, NoReorthogonalization, Local, Full, RecycledInverse, Gains,
    Sampler, Trace, FinalCheck, HyperGradient, SolveReport, LowerSolution, Certificate, Bound,
)  # fmt: skip


class Tree(NamedTuple):
    """What :attr:`BilevelResult.tree` gives.

    Attributes
    ----------
    x, y, v : array, or the user's own structure of arrays
        The last x, y and v.
    hypergradient : the same, or None
        h, in the structure of x.
    """

    x: Any
    y: Any
    v: Any
    hypergradient: Any


class Structure(Protocol):
    """How an x or a y of somebody else's structure is made of a vector; see :mod:`lancbio_ref.adapters`."""

    def unravel(self, vector: Any) -> Any:
        """The structure that has these numbers."""
        ...


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
        basis, a generator): then go on from x, y and v. Of samples in blocks, which a disk or a cluster may take away,
        it is there always.
    structures : (Structure, Structure) or None
        Those of x and y that an adapted problem has, for `tree`; a file does not keep them.
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
    structures: tuple[Structure, Structure] | None = field(default=None, repr=False)

    @property
    def tree(self) -> Tree:
        """x, y, v and the hyper-gradient as the problem's functions have them.

        For a problem of :mod:`lancbio_ref.adapters` these are its pytrees, dicts or tensors; for any other problem, and
        after :meth:`load`, the arrays (then ``problem.tree(result)`` has the structures).
        """
        if self.structures is None:
            return Tree(self.x, self.y, self.v, self.hypergradient)
        of_x, of_y = (structure.unravel for structure in self.structures)
        h = self.hypergradient
        return Tree(of_x(self.x), of_y(self.y), of_y(self.v), None if h is None else of_x(h))

    def plot(self, quantities: Sequence[str] | None = None, against: Sequence[Abscissa] | None = None) -> Figure:
        """:meth:`Trace.plot <lancbio_ref.Trace.plot>` of the run, and, where it was checked, ‖∇φ‖ at its end.

        Parameters
        ----------
        quantities : sequence of str, optional
            ``"h_norm"``; with ``diagnostics_every``, ``"fun"``, ``"residual"`` and ``"lower_grad_norm"``; what was
            asked for with ``trace=``, where it is a number.
        against : sequence of {"k", "n_hvp", "n_grad", "seconds"}, optional

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ArgumentError
            A quantity that this run has not recorded; no iteration finished.
        ImportError
            matplotlib is not installed.
        """
        found = self.check
        certified = None if found is None or found.hypergradient is None else (found.norm, found.bound)
        return self.trace.plot(quantities, against, title=f"{self.status}, {self.nit} iterations", certified=certified)

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
        save_object(path, replace(self, structures=None))

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

    def __repr__(self) -> str:
        h = "None" if self.hypergradient is None else f"{norm2(self.hypergradient):.6g}"
        return f"BilevelResult({self.status}, fun={self.fun:.10g}, h_norm={h}, nit={self.nit}, n_hvp={self.n_hvp})"

    def _repr_html_(self) -> str:
        """The verdict is the check's, where there was one: `success` goes by the method's own h."""
        verdict, found = f"{self.status} after " + html.counted(self.nit, "iteration"), self.check
        agrees = found is not None and found.verdict == CheckVerdict.AGREES
        if found is not None:
            verdict += f"; its h against a certified gradient of phi: {found.verdict}"
        bad = not self.success or (found is not None and found.refuted)
        kind = html.BAD if bad else html.GOOD if agrees else html.OPEN
        _, *facts = str(self).splitlines()
        folded: dict[str, html.Shown | None] = {"check": found, "trace": self.trace}
        return html.card(verdict, kind, words=[self.message, *facts, self.status.remedy], folded=folded)

    def __str__(self) -> str:
        h = "none" if self.hypergradient is None else f"{norm2(self.hypergradient):.6g}"
        return (
            f"{self.message}\n"
            f"f(x, y) = {self.fun:.10g}, hyper-gradient norm {h}\n"
            f"{self.nit} iterations: {self.n_hvp} Hessian and {self.n_cross} cross products, "
            f"{self.n_grad} lower and {self.n_grad_upper} upper gradients"
            + "".join(f"\n{name} = {words}" for name, words in self.steps.items())
        )
