"""The driver of every method: iterations, stopping, trace, callbacks; nothing finished is lost."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, Unpack

import numpy as np
import numpy.typing as npt

from .arguments import Seed, as_callable, as_flag, as_generator, as_integer, as_number, as_problem, as_vector
from .divergence import SHOWING, Growth, describe_sizes, diverged, judged, largest, too_long
from .errors import ArgumentError, LancbioError, RepresentationError
from .final_check import FinalCheck, checked, final_check
from .methods import Method, MethodName, MethodOptions, State, build
from .methods.base import ended, require_representable
from .minibatch import BatchSize, Draw, Minibatched, as_minibatched, run_type
from .rounding import norm2
from .status import SolveStatus
from .trace import COLUMNS, Trace

if TYPE_CHECKING:
    from .problem import BilevelProblem

DIAGNOSTICS = ("k", "fun", "residual", "lower_grad_norm", "n_hvp", "n_grad")
UNFINISHED = (SolveStatus.INTERRUPTED, SolveStatus.DIVERGING)


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
        K, the iterations finished.
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

    @property
    def success(self) -> bool:
        return self.status.success

    def __str__(self) -> str:
        h = "none" if self.hypergradient is None else f"{norm2(self.hypergradient):.6g}"
        return (
            f"{self.message}\n"
            f"f(x, y) = {self.fun:.10g}, hyper-gradient norm {h}\n"
            f"{self.nit} iterations: {self.n_hvp} Hessian and {self.n_cross} cross products, "
            f"{self.n_grad} lower and {self.n_grad_upper} upper gradients"
        )


@np.errstate(under="ignore")  # what underflows is in every bound; and after Ctrl-C the caller has its settings back
def minimize(
    problem: BilevelProblem,
    x0: npt.ArrayLike,
    y0: npt.ArrayLike,
    *,
    v0: npt.ArrayLike | None = None,
    method: MethodName | Method[Any] = "lancbio",
    maxiter: int = 1000,
    tol: float = 0.0,
    rng: Seed = None,
    callback: Callable[[State], object] | None = None,
    trace: Sequence[str] = (),
    diagnostics_every: int = 0,
    batch_size: BatchSize | None = None,
    check: bool = False,
    **options: Unpack[MethodOptions],
) -> BilevelResult:
    """Run a method of bilevel optimization from (x0, y0).

    Parameters
    ----------
    problem : BilevelProblem
    x0, y0 : array_like, shape (n_x,), (n_y,)
    v0 : array_like, shape (n_y,), optional
        Zeros by default. The run is made in the widest type among the three and the problem's own data.
    method : str or method object
        A name (:func:`lancbio_ref.methods.names`), with `options` building it, or for example
        ``LancBiO(step_x=1.0, step_y=0.1)``.
    maxiter : int
        Outer iterations.
    tol : float
        Stop when ‖h_k‖₂ ≤ tol. With 0, the run never stops early, and making `maxiter` iterations is a success; with
        more, it is not.
    rng : None, int or numpy.random.Generator
        For methods that draw, and for batches.
    callback : callable (state) → anything, optional
        After each iteration; may raise StopIteration. What it keeps of the state it must copy.
    trace : sequence of str
        Quantities of the state to copy into the trace besides the standard ones, for example ``("x", "v")``.
    diagnostics_every : int
        Every so many iterations, f, ‖A_kv_k − b_k‖ and ‖∇_y g‖ go into ``result.trace.diagnostics``; they count apart
        and change no iterate. 0 means never.
    batch_size : int or (int or None, int or None), optional
        Of the upper and of the lower level (None: all samples): every gradient and every product is made on a
        mini-batch of its own, see :class:`~lancbio_ref.Minibatched`. Diagnostics and ``result.fun`` are those of the
        whole problem.
    check : bool
        Whether the last h_K is compared with a certified hyper-gradient at x_K, of the whole problem: ``result.check``,
        and in words in ``result.message``. Its products count apart. Where it refutes h_K, the run is not CONVERGED.
    **options
        Of the method, where `method` is a name.

    Returns
    -------
    BilevelResult
        On Ctrl-C, the last finished iteration, with status INTERRUPTED; during the check, the whole run, with that
        status too.

    Raises
    ------
    ArgumentError
        Arguments that cannot be used; an unknown option names the valid ones.
    DivergenceError
        A step is too long: iterates left the floating-point range or what the problem can be evaluated at, and what
        happened there is the exception's ``__cause__``. It names the step, if need be by trying which of them grows by
        itself (some 50 gradients ∇_y g, and products, which count nowhere).
    CallableError
        A callable that returned NaN or infinity though nothing has grown; with the iteration, and the number of the
        call in this run.
    RepresentationError
        Numbers that leave the floating-point range at the start already.

    All of these carry ``.result``, the last finite one.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref import minimize, problems
    >>> problem = problems.quadratic(3, 4, rng=0)
    >>> result = minimize(problem, np.zeros(3), np.zeros(4), maxiter=2000, tol=1e-8, step_x=1.0, step_y=0.1)
    >>> result.success, bool(np.allclose(result.x, problem.stationary_point(), atol=1e-6))
    (True, True)
    """
    as_problem(problem)
    x0 = as_vector("x0", x0, getattr(problem, "n_x", None))
    y0 = as_vector("y0", y0, getattr(problem, "n_y", None))
    v0 = np.zeros_like(y0) if v0 is None else as_vector("v0", v0, y0.size)
    dtype = run_type(problem, x0, y0, v0)
    x0, y0, v0 = (a.astype(dtype) for a in (x0, y0, v0))
    maxiter = as_integer("maxiter", maxiter, least=1)
    tol = as_number("tol", tol, least=0.0)
    as_callable("callback", callback, optional=True, of="state")
    every = as_integer("diagnostics_every", diagnostics_every)
    method, rng = build(method, options), as_generator(rng)
    require_representable(method, dtype)
    check = as_flag("check", check)
    if batch_size is not None:
        problem = as_minibatched(problem, batch_size, rng)
    state = method.init(problem, x0, y0, v0, rng)
    state.tol = tol
    run = _Run(problem, method, state, _columns(trace, state), every)

    status, message = SolveStatus.COMPLETED, f"all {maxiter} iterations made, as asked (tol = 0)"
    if tol > 0:
        status = SolveStatus.NOT_CONVERGED
        message = f"the hyper-gradient norm is still above tol = {tol:.3g} after {maxiter} iterations; raise maxiter"
    try:
        for _ in range(maxiter):
            run.take()
            if callback is not None and _asks_to_stop(callback, run.state):
                status, message = SolveStatus.STOPPED, f"stopped by the callback after {run.state.k} iterations"
                break
            if over := ended(method, run.state, run.h_norm, (y0, v0)):
                status, message = over
                break
        fun = run.value()
        if run.state.ended is None:
            status, message = run.growing(status, message)
        found = final_check(run.full, *run.last(), y0=y0, tol=tol) if check and status not in UNFINISHED else None
        return run.result(*checked(status, message, found, tol), fun, found)
    except KeyboardInterrupt:
        return run.interrupted()
    except LancbioError as error:
        failed = f"failed after {run.finished.k} finished iterations: {error}"
        error.result = run.result(SolveStatus.NOT_CONVERGED, failed, run.value_if_possible())
        raise


def _asks_to_stop(callback: Callable[[State], object], state: State) -> bool:
    """Call it; whether it raised StopIteration (which out of a callable of the problem is an error like any other)."""
    try:
        callback(state)
    except StopIteration:
        return True
    return False


@dataclass
class _Finished:
    """References to what the last finished iteration made; methods make these anew, so they stay."""

    k: int
    x: np.ndarray
    y: np.ndarray
    v: np.ndarray
    h: np.ndarray | None
    formed_at: np.ndarray
    counts: tuple[int, int, int, int]

    @classmethod
    def of(cls, s: State) -> _Finished:
        return cls(s.k, s.x_next, s.y, s.v, s.h, s.x, (s.n_hvp, s.n_cross, s.n_grad, s.n_grad_upper))


class _Run:
    """One run: the state, the trace, and what is safe to return."""

    def __init__(
        self, problem: BilevelProblem, method: Method[Any], state: State, columns: tuple[str, ...], every: int
    ) -> None:
        self.problem, self.method, self.state, self.columns, self.every = problem, method, state, columns, every
        self.minibatched = problem if isinstance(problem, Minibatched) else None
        self.full = problem if self.minibatched is None else self.minibatched.full  # what draws nothing
        self.diagnostics = Trace(DIAGNOSTICS)
        self.trace = Trace(COLUMNS + columns, self.diagnostics if every else None)
        self.finished, self.seconds, self.h_norm = _Finished.of(state), 0.0, np.inf
        self.growth = Growth.of(state)
        self.calls = [dict(getattr(p, "calls", {})) for p in (self.problem, self.full)]

    def take(self) -> None:
        """One iteration, and its row."""
        k = self.state.k + 1
        if self.minibatched is not None:
            self.minibatched.k = k  # for its log
        start = time.perf_counter()
        try:
            with np.errstate(all="ignore"):  # all that comes out is checked, and named in an exception
                state = self.method.step(self.problem, self.state)
        except SHOWING as error:
            self.fail(error, k, self.problem, self.calls[0])
        self.seconds += time.perf_counter() - start
        self._require_finite(state)
        assert state.h is not None  # each iteration forms it
        self.h_norm = norm2(state.h)
        extra = {name: copy.deepcopy(getattr(state, name)) for name in self.columns}
        self.trace.append(
            k=state.k,
            h_norm=self.h_norm,
            n_hvp=state.n_hvp,
            n_cross=state.n_cross,
            n_grad=state.n_grad,
            n_grad_upper=state.n_grad_upper,
            seconds=self.seconds,
            status=int(state.status),
            **extra,
        )
        self.state, self.finished = state, _Finished.of(state)
        self.growth.add(state, self.h_norm)
        if self.every and state.k % self.every == 0:
            try:
                with np.errstate(all="ignore"):
                    self._diagnose(state)
            except SHOWING as error:
                self.fail(error, k, self.full, self.calls[1])

    def fail(self, error: Exception, k: int, problem: BilevelProblem, calls: dict[str, int]) -> NoReturn:
        """Raise `error`, which iteration `k` met, or the divergence that it shows."""
        found = judged(problem, self.method, self.growth, k, error, calls)
        if found is error:
            raise error
        raise found from error

    def _require_finite(self, state: State) -> None:
        """:class:`DivergenceError` where an iterate is infinite, :class:`RepresentationError` where no step is why."""
        h_is_finite = largest(state.h) < math.inf  # type: ignore[arg-type]
        for name in ("x_next", "y", "v", "h"):
            value = getattr(state, name)
            if largest(value) < math.inf:
                continue
            shown, last = f"{name} is not finite", {} if name == "h" else {name[0]: value}
            # at the first iteration x has left the start only where λh is too long, h being finite
            x_moved = self.growth.x_moved or (name == "x_next" and h_is_finite)
            if found := diverged(self.problem, self.method, self.growth, state.k, shown, last, x_moved=x_moved):
                raise found
            sizes = describe_sizes(self.growth.sizes(last))
            raise RepresentationError(
                f"{shown} at iteration {state.k}, with {sizes}, and no step is to blame: rescale the problem"
            )

    def _diagnose(self, state: State) -> None:
        point = self.full.linearize(state.x, state.y)
        count = len(self.diagnostics["k"]) + 1
        self.diagnostics.append(
            k=state.k,
            fun=self.full.value(state.x, state.y),
            residual=norm2(point.A.matvec(state.v) - point.b),
            lower_grad_norm=norm2(self.full.lower_grad_y(state.x, state.y)),
            n_hvp=count,
            n_grad=count,
        )

    def value(self) -> float:
        """f at what is finished."""
        try:
            with np.errstate(all="ignore"):
                return self.full.value(self.finished.x, self.finished.y)
        except SHOWING as error:
            self.fail(error, self.finished.k, self.full, self.calls[1])

    def growing(self, status: SolveStatus, message: str) -> tuple[SolveStatus, str]:
        """Status and message, if the iterates grew beyond all bounds and yet are finite: that, and by which step."""
        words = self.growth.lasting()
        if words and (blame := too_long(self.problem, self.method, self.growth, self.growth.is_swollen)[2]):
            return SolveStatus.DIVERGING, f"{message}, but {words}: {blame}"
        if words := self.growth.far():
            message += f"; {words}"
        return status, message

    def last(self) -> tuple[Any, ...]:
        """x_K, y_K, v_K and h_K, which belong together."""
        return self.finished.formed_at, self.finished.y, self.finished.v, self.finished.h

    def value_if_possible(self) -> float:
        """The same, NaN where it fails: beside an exception, which matters more."""
        try:
            return self.value()
        except SHOWING:
            return math.nan

    def interrupted(self) -> BilevelResult:
        """What is finished, after Ctrl-C; a second one while f is evaluated leaves that out."""
        message = f"interrupted after {self.finished.k} finished iterations"
        try:
            return self.result(SolveStatus.INTERRUPTED, message, self.value())
        except (KeyboardInterrupt, *SHOWING) as error:
            without = f"{message}; f(x, y) was not evaluated ({type(error).__name__})"
            return self.result(SolveStatus.INTERRUPTED, without, math.nan)

    def result(self, status: SolveStatus, message: str, fun: float, check: FinalCheck | None = None) -> BilevelResult:
        done = self.finished
        self.trace.truncate(done.k)  # an interrupt may fall between a row and its iteration's end
        return BilevelResult(
            done.x,
            done.y,
            done.v,
            fun,
            done.h,
            done.k,
            *done.counts,
            status,
            f"{status.name}: {message}",
            self.trace,
            [] if self.minibatched is None else [draw for draw in self.minibatched.log if draw.k <= done.k],
            check,
        )


def _columns(trace: Sequence[str], state: State) -> tuple[str, ...]:
    """The extra columns of the trace; each must be a quantity of the state."""
    if isinstance(trace, str) or not isinstance(trace, Iterable):
        raise ArgumentError("trace", repr(trace), "a sequence of names, such as ('x', 'v')")
    names = [name for name in dir(state) if not name.startswith("_")]
    for name in trace:
        if name not in names:
            raise ArgumentError("trace", repr(name), "quantities of the state: " + ", ".join(names))
    return tuple(name for name in dict.fromkeys(trace) if name not in COLUMNS)
