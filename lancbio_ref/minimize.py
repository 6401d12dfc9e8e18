"""The driver of every method: iterations, stopping, trace, callbacks; nothing finished is lost."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, Unpack

import numpy as np
import numpy.typing as npt

from .arguments import Seed, as_callable, as_flag, as_generator, as_integer, as_number, as_problem, as_vector, start_y
from .errors import ArgumentError
from .final_check import checked, final_check
from .memory import Pages
from .methods import Automatic, Method, MethodName, MethodOptions, State, build, choose
from .methods.base import ended, require_representable
from .minibatch import BatchSize, Minibatched, as_minibatched, run_type
from .operators.vectors import asked
from .result import BilevelResult
from .run import Run, columns_of
from .status import SolveStatus
from .watching import Watch

if TYPE_CHECKING:
    from .problem import BilevelProblem

UNFINISHED = (SolveStatus.INTERRUPTED, SolveStatus.DIVERGING)


@np.errstate(under="ignore")  # what underflows is in every bound; and after Ctrl-C the caller has its settings back
def minimize(
    problem: BilevelProblem,
    x0: npt.ArrayLike | None = None,
    y0: npt.ArrayLike | None = None,
    *,
    v0: npt.ArrayLike | None = None,
    state: State | None = None,
    method: MethodName | Literal["auto"] | Method[Any] = "lancbio",
    maxiter: int = 1000,
    tol: float = 0.0,
    rng: Seed = None,
    callback: Callable[[State], object] | None = None,
    trace: Sequence[str] = (),
    diagnostics_every: int = 0,
    batch_size: BatchSize | None = None,
    check: bool = False,
    verbose: bool | int = False,
    **options: Unpack[MethodOptions],
) -> BilevelResult:
    """Run a method of bilevel optimization from (x0, y0), or from where another run stands.

    Parameters
    ----------
    problem : BilevelProblem
    x0 : array_like, shape (n_x,)
    y0 : array_like, shape (n_y,), optional
        Zeros by default where the problem says its `n_y`, or the y0 that a problem of JAX or PyTorch was made with.
    v0 : array_like, shape (n_y,), optional
        Zeros by default. The run is made in the widest type among the three and the problem's own data.
    state : State, optional
        ``result.state`` of an earlier run, as it is, or pickled, or saved and loaded, in place of a start. With the
        same problem, method, options and batch size the two runs are one, to the bit. It is not changed; `rng` has
        no say, for the state holds the generators. `maxiter` counts the iterations that are added.
    method : str or method object
        A name (:func:`lancbio_ref.methods.names`), with `options` building it, or for example
        ``LancBiO(step_x=1.0, step_y=0.1)``. ``"auto"`` is ``"recycled-newton"``, which has no step to choose, and
        ``"soba"`` on mini-batches: :func:`lancbio_ref.methods.choose` is the rule.
    maxiter : int
        Outer iterations.
    tol : float
        Stop when ‖h_k‖₂ ≤ tol. With 0, the run never stops early, and making `maxiter` iterations is a success; with
        more, it is not.
    rng : None, int or numpy.random.Generator
        For methods that draw, and for batches.
    callback : callable (state) → anything, optional
        After each iteration; may raise StopIteration. What it keeps of the state it must copy; the arrays of the state
        are read-only while it looks at them.
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
    verbose : bool or int
        A line every so many iterations, to the logger ``"lancbio_ref"`` at level INFO (to stderr where no handler is
        set); on a terminal with rich installed a bar. True is ten lines a run.
    **options
        Of the method, where `method` is a name. A step that is given is used as it is; one that is missing, None or
        ``"auto"`` is chosen by rule, and so are then `inner_steps`, `subspace`, `difference` and `penalty`, where they
        are not given: see :mod:`lancbio_ref.methods.automatic`. ``result.steps`` says which and why, and the trace has
        a column of each step.

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

    All of these carry ``.result``, the last finite one, and so does any exception of the problem's or the callback's
    own that leaves here as it was raised.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref import minimize, problems
    >>> problem = problems.quadratic(3, 4, rng=0)
    >>> result = minimize(problem, np.zeros(3), np.zeros(4), maxiter=2000, tol=1e-8, step_x=1.0, step_y=0.1)
    >>> result.success, bool(np.allclose(result.x, problem.stationary_point(), atol=1e-6))
    (True, True)
    >>> minimize(problem, np.zeros(3), tol=1e-8).success  # y_0 = 0, and no step is given
    True
    """
    as_problem(problem)
    x0, y0, v0, dtype = _start(problem, x0, y0, v0, state)
    maxiter = as_integer("maxiter", maxiter, least=1)
    tol = as_number("tol", tol, least=0.0)
    as_callable("callback", callback, optional=True, of="state")
    every = as_integer("diagnostics_every", diagnostics_every)
    if isinstance(method, str) and method == "auto":
        method = choose(problem, batched=batch_size is not None)
    method, rng = build(method, options), as_generator(rng)
    require_representable(method, dtype)
    check = as_flag("check", check)
    every_line = (max(1, maxiter // 10) if verbose else 0) if isinstance(verbose, bool) else verbose
    every_line = as_integer("verbose", every_line)
    if batch_size is not None:
        problem = as_minibatched(problem, batch_size, rng)
    first = method.init(problem, x0, y0, v0, rng)
    if state is not None:
        first = _gone_on(state, first)
        y0, v0 = first.y, first.v
        first.steps = first.steps if isinstance(method, Automatic) else None
    first.tol = tol
    if batch_size is not None:
        assert isinstance(problem, Minibatched)
        problem.sampler = first.sampler = first.sampler or problem.sampler
    run = Run(problem, method, first, columns_of(trace, first), every)

    status, message = SolveStatus.COMPLETED, f"all {maxiter} iterations made, as asked (tol = 0)"
    if tol > 0:
        status = SolveStatus.NOT_CONVERGED
        message = f"the hyper-gradient norm is still above tol = {tol:.3g} after {maxiter} iterations; raise maxiter"
    try:
        with Pages(), Watch(every_line, maxiter) as watch:
            for _ in range(maxiter):
                run.take()
                watch.update(len(run.trace), run.state.k, run.h_norm, run.state.n_hvp, run.seconds)
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
        if found is not None or run.state.ended is None:  # who ends by itself has said what its end is worth
            status, message = checked(status, message, found, tol)
        return run.result(status, message, fun, found)
    except KeyboardInterrupt:
        return run.interrupted()
    except Exception as error:
        failed = f"failed after {run.finished.k} finished iterations: {error}"
        with suppress(AttributeError, TypeError):  # an exception that takes no attributes goes without
            error.result = run.result(  # type: ignore[attr-defined]
                SolveStatus.NOT_CONVERGED, failed, run.value_if_possible()
            )
        raise


def _asks_to_stop(callback: Callable[[State], object], state: State) -> bool:
    """Call it; whether it raised StopIteration (which out of a callable of the problem is an error like any other)."""
    arrays = [a for a in vars(state).values() if isinstance(a, np.ndarray) and a.flags.writeable]
    for array in arrays:
        array.flags.writeable = False
    try:
        asked(callback, (state,), "callback", state.k)
    except StopIteration:
        return True
    finally:
        for array in reversed(arrays):
            array.flags.writeable = True
    return False


def _start(
    problem: BilevelProblem,
    x0: npt.ArrayLike | None,
    y0: npt.ArrayLike | None,
    v0: npt.ArrayLike | None,
    state: State | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.dtype]:
    """x_0, y_0 and v_0, our own, in the type of the run, which they are followed by."""
    n_y = getattr(problem, "n_y", None)
    if state is not None:
        if not isinstance(state, State):
            raise ArgumentError("state", type(state).__name__, "result.state of an earlier run")
        for name, given in (("x0", x0), ("y0", y0), ("v0", v0)):
            if given is not None:
                raise ArgumentError(name, "a start beside state=", "None: the state says where the run goes on")
        x0, y0, v0 = state.x_next, state.y, state.v
    if x0 is None:
        raise ArgumentError("x0", None, "a start, or state=result.state of an earlier run")
    x = as_vector("x0", x0, getattr(problem, "n_x", None))
    if y0 is None:
        if n_y is None:
            raise ArgumentError("y0", None, "a start: this problem does not say its n_y")
        y0 = start_y(problem, x.dtype)
    y = as_vector("y0", y0, n_y)
    v = np.zeros_like(y) if v0 is None else as_vector("v0", v0, y.size)
    dtype = run_type(problem, x, y, v)
    return x.astype(dtype), y.astype(dtype), v.astype(dtype), dtype


def _gone_on(state: State, fresh: State) -> State:
    """A copy of `state` to go on from, if it is of the kind that the method makes."""
    if type(state) is not type(fresh):
        raise ArgumentError("state", type(state).__name__, f"a {type(fresh).__name__}, which this method makes")
    if state.x_next.dtype != fresh.x_next.dtype:
        raise ArgumentError("state", f"dtype {state.x_next.dtype}", f"{fresh.x_next.dtype}, that of the problem")
    return copy.deepcopy(state)
