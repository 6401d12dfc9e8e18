"""The package's exceptions: every one names what was wrong, what was found and what was expected."""

from __future__ import annotations

from typing import Any


class LancbioError(Exception):
    """Base class of every exception that this package raises on purpose.

    Attributes
    ----------
    result : object or None
        In an exception out of :func:`lancbio_ref.minimize`: the last finite
        :class:`~lancbio_ref.BilevelResult`, so that no finished iteration is lost.
    where : str
        In an exception out of :func:`lancbio_ref.minimize`: the iteration, and how large the iterates were; part of the
        message.
    at : tuple of ndarray
        What was evaluated there, as far as it is known: (x, y), or the one vector of a product.
    """

    result: Any = None
    where: str = ""
    at: tuple[Any, ...] = ()

    def __str__(self) -> str:
        return super().__str__() + (f"; {self.where}" if self.where else "")


class ArgumentError(LancbioError, ValueError):
    """An argument that cannot be used.

    Attributes
    ----------
    argument, found, expected : str
        The argument's name, the value or shape found, and what would have been accepted.
    """

    def __init__(self, argument: str, found: Any, expected: str) -> None:
        self.argument, self.found, self.expected = argument, str(found), expected
        super().__init__(f"{argument}: found {self.found}, expected {expected}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.argument, self.found, self.expected), self.__dict__


class DomainError(ArgumentError):
    """An x at which the problem is not defined, or not in this floating-point type; callables may raise it.

    To :class:`~lancbio_ref.HyperObjective`, φ is infinite there.
    """


class CallableError(LancbioError, ValueError):
    """A user's callable or operator returned what cannot be used (wrong shape, NaN, infinity).

    Attributes
    ----------
    callable_name : str
        Which one, for example ``"lower.grad_y"`` or ``"lower.hessian(x, y) @ v"``.
    call : int
        The number of the call, counted from 1: since the problem was made, and out of
        :func:`lancbio_ref.minimize` since the run began.
    """

    def __init__(self, callable_name: str, call: int, found: str, expected: str) -> None:
        self.callable_name, self.call, self.found, self.expected = callable_name, call, found, expected
        super().__init__(f"{callable_name}, call {call}: returned {found}, expected {expected}")

    def recount(self, before: int) -> None:
        """Count the call from later on: `before` calls were made earlier."""
        CallableError.__init__(self, self.callable_name, self.call - before, self.found, self.expected)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.callable_name, self.call, self.found, self.expected), self.__dict__


class RepresentationError(LancbioError, OverflowError):
    """A result that is too large or too small for the floating-point format in use."""


class DivergenceError(LancbioError, ArithmeticError):
    """The iterates grew without bound, or left what can be represented: a step is too long.

    What showed it, such as a callable that overflowed at such an iterate, is the exception's ``__cause__``.

    Attributes
    ----------
    iteration : int or None
        The outer iteration in which it showed; None outside of a run.
    step : str or None
        The option of the method that is too long, such as ``"step_x"``; None where no step is to blame, and the message
        says what is.
    value : float or None
        Of that option.
    sizes : dict of str to (float, float)
        ‖x‖₂, ‖y‖₂ and ‖v‖₂ by name: at the start and when it showed.
    """

    def __init__(
        self,
        message: str,
        *,
        iteration: int | None = None,
        step: str | None = None,
        value: float | None = None,
        sizes: dict[str, tuple[float, float]] | None = None,
    ) -> None:
        self.iteration, self.step, self.value, self.sizes = iteration, step, value, sizes or {}
        super().__init__(message)


class EvaluationError(LancbioError, ArithmeticError):
    """φ(x) could not be evaluated, because one of the two solves behind it failed.

    Attributes
    ----------
    what : str
        Which one.
    report : LowerSolution or HyperGradient
        All that the failed solve found; with INDEFINITE and MU_REFUTED, its ``direction`` is the verified one.
    status : SolveStatus
        The report's.
    remedy : str
        What to do, in the words of the caller's own arguments; by default the status's.
    """

    def __init__(self, what: str, report: Any, remedy: str | None = None) -> None:
        self.what, self.report, self.status = what, report, report.status
        self.remedy = getattr(report, "remedy", report.status.remedy) if remedy is None else remedy
        super().__init__(f"{what}: {report.status.name}; {self.remedy}\n{report}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.what, self.report, self.remedy), self.__dict__


class ClusterError(LancbioError, RuntimeError):
    """A cluster that holds the data no longer answers, or lost what nobody can make again.

    Attributes
    ----------
    what, remedy : str
        What ceased, and what to do.
    """

    def __init__(self, what: str, remedy: str) -> None:
        self.what, self.remedy = what, remedy
        super().__init__(f"{what}; {remedy}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.what, self.remedy), self.__dict__
