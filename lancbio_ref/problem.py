"""A bilevel problem as its users write it down: two levels, each a few callables of (x, y)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial, wraps
from types import MethodType
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt

from .arguments import Seed, as_integer, as_number, as_vector, common_type, exact_floats
from .errors import ArgumentError, CallableError, DivergenceError
from .formation import FormationErrors
from .levels import Field, LipschitzConstants, LowerLevel, UpperLevel, finite, proven_constants
from .linearization import Linearization
from .operators import CheckedOperator, StructuredOperator, as_operator
from .operators.base import as_owned, require_finite
from .operators.vectors import asked, asked_at, is_ours
from .problem_check import CheckReport, check_problem
from .ready_point import ReadyPoint
from .rounding import Proven

__all__ = ["BilevelProblem", "LipschitzConstants", "LowerLevel", "UpperLevel", "finite", "proven_constants"]

L = TypeVar("L", UpperLevel, LowerLevel)
T = TypeVar("T")
OF_A_POINT = {"value", "upper_grad_x", "upper_grad_y", "lower_value", "lower_grad_x", "lower_grad_y"} | {
    "hessian",
    "cross",
    "linearize",
    "formation_errors",
}  # methods of (x, y) that subclasses override
_DOUBLE = np.dtype(np.float64)


class BilevelProblem:
    """min_x f(x, y*(x)) subject to y*(x) = argmin_y g(x, y).

    Parameters
    ----------
    upper : UpperLevel
    lower : LowerLevel
    lipschitz : LipschitzConstants, optional
        With them, and `mu`, a hyper-gradient's `lower_level_bound` is finite.
    n_y : int, optional
        The length of y; lets the lower level start at zero where no y is given.

    Attributes
    ----------
    dtype : numpy.dtype or None
        Of the problem's data, where it has any. All arithmetic at (x, y) is done in the widest of this type and those
        of x and y: callables see both in it.
    structures : tuple or None
        Two objects whose ``unravel(vector)`` makes the user's own x and y of vectors, for ``result.tree``; problems of
        :mod:`lancbio_ref.adapters` have them.
    calls : dict
        How often each callable and each operator product was called, by name.

    Notes
    -----
    Callables get read-only views of x and y, and so do methods that a subclass overrides, and operators of the vectors
    in their products: one that writes there is a :class:`CallableError` with its name.

    Subclasses may override :meth:`linearize` to share work between derivatives; drivers call it once an iteration. They
    may override :meth:`formation_errors` to say how their derivatives round.

    The problems of this package keep what they have made of their levels and data, so that neither can be replaced:
    another f beside the same g is ``BilevelProblem(upper, problem.lower)``. The levels of a problem of callables can,
    until a :class:`~lancbio_ref.HyperObjective`, batches, folds or a prior rest on them.

    Examples
    --------
    f = ½(y − 1)², g = ½·2·y² − x y, so y*(x) = x/2 and dφ/dx = (x/2 − 1)/2:

    >>> import numpy as np
    >>> from lancbio_ref import BilevelProblem, LowerLevel, UpperLevel, hypergradient
    >>> upper = UpperLevel(
    ...     value=lambda x, y: 0.5 * float((y - 1) @ (y - 1)), grad_x=lambda x, y: 0 * x, grad_y=lambda x, y: y - 1
    ... )
    >>> lower = LowerLevel(
    ...     grad_y=lambda x, y: 2 * y - x, hessian=lambda x, y: [[2.0]], cross=lambda x, y: [[-1.0]], mu=2.0
    ... )
    >>> problem = BilevelProblem(upper, lower)
    >>> hypergradient(problem, [4.0], [2.0]).value
    array([0.5])
    """

    dtype: np.dtype | None = None
    structures: tuple[Any, Any] | None = None
    _lends: bool = True  # whether its callables are somebody else's, and get views to read
    _rests_on_ours: bool = False  # whether a class of ours has made something of its attributes
    _may_change: frozenset[str] = frozenset({"calls"})
    _settled: frozenset[str] = frozenset()  # the names of attributes that something was made of

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._lends = not is_ours(cls)
        cls._rests_on_ours = cls._rests_on_ours or is_ours(cls)
        if cls._lends:
            for name in OF_A_POINT & vars(cls).keys():
                setattr(cls, name, _reading(vars(cls)[name]))

    def __copy__(self) -> Self:
        """A problem of its own with the same data: methods among its callables are the copy's, as in a deep copy."""
        new = object.__new__(type(self))
        levels = {"upper": _rebound(self.upper, self, new), "lower": _rebound(self.lower, self, new)}
        new.__dict__.update(self.__dict__, calls=dict(self.calls), **levels)
        return new

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._settled:
            raise ArgumentError(
                f"{type(self).__name__}.{name}",
                "an assignment to a problem that is made",
                "a new problem: of other data by its own constructor, with another level or other constants by "
                "BilevelProblem(upper, lower, lipschitz=...), which takes problem.upper and problem.lower too",
            )
        object.__setattr__(self, name, value)

    def __init__(
        self,
        upper: UpperLevel,
        lower: LowerLevel,
        *,
        lipschitz: LipschitzConstants | None = None,
        n_y: int | None = None,
    ) -> None:
        if not isinstance(upper, UpperLevel):
            raise ArgumentError("upper", type(upper).__name__, "an UpperLevel")
        if not isinstance(lower, LowerLevel):
            raise ArgumentError("lower", type(lower).__name__, "a LowerLevel")
        if lipschitz is not None and not isinstance(lipschitz, LipschitzConstants):
            raise ArgumentError("lipschitz", type(lipschitz).__name__, "LipschitzConstants or None")
        self.upper, self.lower, self.lipschitz = upper, lower, lipschitz
        self.n_y = None if n_y is None else as_integer("n_y", n_y, least=1)
        self.calls: dict[str, int] = {}
        if self._rests_on_ours:
            self._settled = frozenset(name for name in vars(self) if name[0] != "_") - self._may_change

    def settle(self) -> None:
        """Let nobody replace its levels and constants any more: something that will be used again rests on them."""
        self._settled |= {"upper", "lower", "lipschitz", "n_y", "dtype"}

    # -- the callables, counted and checked ------------------------------------------------

    def value(self, x: np.ndarray, y: np.ndarray) -> float:
        """f(x, y)."""
        return self._number("upper.value", self.upper.value, x, y)

    def upper_grad_x(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """∇_x f(x, y), shape (n_x,)."""
        return self._vector("upper.grad_x", self.upper.grad_x, x, y, x.size)

    def upper_grad_y(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """∇_y f(x, y), shape (n_y,)."""
        return self._vector("upper.grad_y", self.upper.grad_y, x, y, y.size)

    def lower_value(self, x: np.ndarray, y: np.ndarray) -> float:
        """g(x, y); :class:`ArgumentError` where the lower level has no `value`."""
        if self.lower.value is None:
            raise ArgumentError("LowerLevel.value", None, "a callable: this needs g itself")
        return self._number("lower.value", self.lower.value, x, y)

    def lower_grad_x(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """∇_x g(x, y), shape (n_x,); :class:`ArgumentError` where the lower level has no `grad_x`."""
        if self.lower.grad_x is None:
            raise ArgumentError("LowerLevel.grad_x", None, "a callable: this needs the gradient of g in x")
        return self._vector("lower.grad_x", self.lower.grad_x, x, y, x.size)

    def lower_grad_y(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """∇_y g(x, y), shape (n_y,)."""
        return self._vector("lower.grad_y", self.lower.grad_y, x, y, y.size)

    def hessian(self, x: np.ndarray, y: np.ndarray) -> CheckedOperator:
        """A = ∇²_yy g(x, y), its products counted and checked."""
        return self._operator("lower.hessian", self.lower.hessian, x, y, (y.size, y.size))

    def cross(self, x: np.ndarray, y: np.ndarray) -> CheckedOperator:
        """J = ∇²_xy g(x, y), its products counted and checked."""
        return self._operator("lower.cross", self.lower.cross, x, y, (x.size, y.size))

    def lower_bound(self, name: str, x: np.ndarray, y: np.ndarray) -> float | None:
        """`mu`, `smoothness` or `cross_norm` of the lower level at (x, y); None where not given or not known."""
        bound = getattr(self.lower, name)
        return self._bound(name, bound, x, y) if callable(bound) else bound

    def _bound(self, name: str, bound: Field, x: np.ndarray, y: np.ndarray) -> float | None:
        value = self._asked(f"lower.{name}", bound, *self.promoted(x, y), self.calls.get(f"lower.{name}", 0) + 1)
        if value is None:
            return None
        number = self._number(f"lower.{name}", lambda x, y: value, x, y)
        if number < 0 or (name == "mu" and number == 0):
            expected = "a finite number > 0" if name == "mu" else "a finite number >= 0"
            raise CallableError(f"lower.{name}", self.calls[f"lower.{name}"], repr(float(number)), expected)
        return number

    # -- one point -------------------------------------------------------------------------

    def linearize(self, x: np.ndarray, y: np.ndarray) -> Linearization:
        """(A, J, b, c) at (x, y); ∇_y g, μ, L and ‖J‖ are evaluated only when asked for."""
        lower = self.lower
        x, y = self.promoted(x, y)
        make: Callable[..., Linearization] = Linearization
        if lower.preconditioner is not None:
            preconditioner = self._operator("lower.preconditioner", lower.preconditioner, x, y, (y.size, y.size))
            make = partial(make, M=preconditioner)
        elif not self._lends or type(self) is BilevelProblem:  # nobody has overridden what has checked all four
            make = Linearization.of_parts
        return make(
            self.hessian(x, y),
            self.cross(x, y),
            self.upper_grad_y(x, y),
            self.upper_grad_x(x, y),
            grad_y=lambda: self.lower_grad_y(x, y),
            mu=lambda: self.lower_bound("mu", x, y),
            smoothness=lambda: self.lower_bound("smoothness", x, y),
            cross_norm=lambda: self.lower_bound("cross_norm", x, y),
            lipschitz=self.lipschitz,
            at=(x, y),
            formation=self.formation_errors(x, y),
        )

    def together(self, *functions: Callable[[], T]) -> list[T]:
        """What these return, none of which needs another: of samples in blocks, from readings that they share.

        Examples
        --------
        >>> import numpy as np
        >>> from lancbio_ref import problems
        >>> problem, x, y = problems.quadratic(2, 3, rng=0), np.zeros(2), np.ones(3)
        >>> gradient, value = problem.together(lambda: problem.lower_grad_y(x, y), lambda: problem.value(x, y))
        """
        return [function() for function in functions]

    def ready_point(self, x: np.ndarray, y: np.ndarray) -> ReadyPoint | None:
        """All that a hyper-gradient at (x, y) takes, where this package has made every part of it; else None."""
        return None

    def formation_errors(self, x: np.ndarray, y: np.ndarray) -> FormationErrors:
        """How far f, ∇_y g, A, J, b and c at (x, y) may be from their exact values; of callables nothing is known."""
        return FormationErrors()

    def promoted(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """x and y in the type that arithmetic at (x, y) is done in: the widest of theirs and the data's."""
        if x.dtype.char == y.dtype.char == "d":
            return x, y
        dtype = common_type(self.dtype, x, y)
        return x.astype(dtype, copy=False), y.astype(dtype, copy=False)

    @np.errstate(under="ignore")
    def check(self, x: npt.ArrayLike, y: npt.ArrayLike, rng: Seed = None) -> CheckReport:
        """Probe symmetry, adjoint and every derivative at (x, y); one row each.

        Parameters
        ----------
        x, y : array_like, shape (n_x,), (n_y,)
        rng : None, int or numpy.random.Generator
            For the random directions.

        Returns
        -------
        CheckReport
            Truthy when every row passes; ``print`` shows the table.
        """
        return check_problem(self, as_vector("x", x), as_vector("y", y), rng)

    # -- plumbing --------------------------------------------------------------------------

    def _asked(self, name: str, function: Field, x: np.ndarray, y: np.ndarray, call: int) -> Any:
        """``function(x, y)``; code that is not ours gets views that it cannot write to."""
        return asked_at(function, x, y, name, call) if self._lends else function(x, y)

    def _count(self, name: str) -> int:
        self.calls[name] = self.calls.get(name, 0) + 1
        return self.calls[name]

    @np.errstate(under="ignore")
    def _vector(self, name: str, function: Field, x: np.ndarray, y: np.ndarray, size: int) -> np.ndarray:
        call = self.calls[name] = self.calls.get(name, 0) + 1
        x, y = self.promoted(x, y)
        array = as_owned(asked_at(function, x, y, name, call) if self._lends else function(x, y), name, call, size)
        require_finite(array, name, call, at=(x, y))
        return array if array.dtype.char in "fd" else as_floats(name, call, array)

    @np.errstate(under="ignore")
    def _number(self, name: str, function: Field, x: np.ndarray, y: np.ndarray) -> float:
        call, (x, y) = self._count(name), self.promoted(x, y)
        value = self._asked(name, function, x, y, call)
        try:
            return as_number(name, value)  # a Proven number stays one
        except ArgumentError as error:
            if not all(np.isfinite(a).all() for a in (x, y)):
                raise DivergenceError(f"{name}, call {call}: evaluated where its argument is not finite") from None
            raise CallableError(name, call, error.found, "a finite real number") from None

    def _operator(
        self, name: str, function: Field, x: np.ndarray, y: np.ndarray, shape: tuple[int, int]
    ) -> CheckedOperator:
        call = self.calls[name] = self.calls.get(name, 0) + 1
        x, y = self.promoted(x, y)
        value = asked_at(function, x, y, name, call) if self._lends else function(x, y)
        if not (isinstance(value, StructuredOperator) and value._is_ours and value.shape == shape):
            try:
                value = as_operator(name, value, shape)
            except ArgumentError as error:
                raise CallableError(name, call, error.found, error.expected) from None
        dtype = value.dtype
        if dtype is not None and dtype is not _DOUBLE and np.dtype(dtype).kind == "c":
            raise CallableError(name, call, f"dtype {value.dtype}", "a real operator")
        return CheckedOperator(value, f"{name}(x, y)", self.calls)

    # -- what a problem of this package has made itself: counted, and looked at once ---------

    def _made(self, name: str, array: np.ndarray, at: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """`array` as what `name` returned at this point; an exception where it is not finite."""
        call = self._count(name)
        require_finite(array, name, call, at=at)
        return array

    def _made_operator(self, name: str, operator: StructuredOperator, shape: tuple[int, int]) -> CheckedOperator:
        """`operator`, counted; an exception where x or y was not of the length that makes it one of this shape."""
        call = self._count(name)
        if operator.shape != shape:
            raise CallableError(name, call, f"shape {operator.shape}", f"shape {shape}")
        return CheckedOperator(operator, f"{name}(x, y)", self.calls)

    def _made_bound(self, name: str, bound: Proven | None) -> Proven | None:
        """A bound that is a finite number where it is one."""
        self._count(name)
        return bound


def as_floats(name: str, call: int, array: np.ndarray) -> np.ndarray:
    """What a callable returned in a type that is not ours: exactly the same numbers, or a :class:`CallableError`."""
    if array.dtype.char in "fd":
        return array
    if array.dtype.kind == "f":
        raise CallableError(name, call, f"dtype {array.dtype}", "float32 or float64")
    try:
        return exact_floats(name, array)
    except ArgumentError as error:
        raise CallableError(name, call, error.found, error.expected) from None


def _reading(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method (problem, x, y) of somebody else's subclass, which may read x and y."""

    @wraps(method)
    def reading(self: Any, *arguments: Any, **named: Any) -> Any:
        name = f"{type(self).__name__}.{method.__name__}"
        return asked(partial(method, self, **named), arguments, name, self._count(name))

    return reading


def _rebound(level: L, old: BilevelProblem, new: BilevelProblem) -> L:
    """`level`, with methods of `old` among its callables as those of `new`."""
    methods = {name: value for name, value in vars(level).items() if getattr(value, "__self__", None) is old}
    return replace(level, **{name: MethodType(method.__func__, new) for name, method in methods.items()})
