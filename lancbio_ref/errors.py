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
    """

    result: Any = None


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

    def __reduce__(self):
        return type(self), (self.argument, self.found, self.expected), self.__dict__


class CallableError(LancbioError, ValueError):
    """A user's callable or operator returned what cannot be used (wrong shape, NaN, infinity).

    Attributes
    ----------
    callable_name : str
        Which one, for example ``"lower.grad_y"`` or ``"lower.hessian(x, y) @ v"``.
    call : int
        The number of the call, counted from 1.
    """

    def __init__(self, callable_name: str, call: int, found: str, expected: str) -> None:
        self.callable_name, self.call, self.found, self.expected = callable_name, call, found, expected
        super().__init__(f"{callable_name}, call {call}: returned {found}, expected {expected}")

    def __reduce__(self):
        return type(self), (self.callable_name, self.call, self.found, self.expected), self.__dict__


class RepresentationError(LancbioError, OverflowError):
    """A result that is too large or too small for the floating-point format in use."""


class DivergenceError(LancbioError, ArithmeticError):
    """An iterate left the floating-point range: the steps are too long."""


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
        self.remedy = report.status.remedy if remedy is None else remedy
        super().__init__(f"{what}: {report.status.name}; {self.remedy}\n{report}")

    def __reduce__(self):
        return type(self), (self.what, self.report, self.remedy), self.__dict__
