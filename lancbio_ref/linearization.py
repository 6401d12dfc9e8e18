"""The linearization: all that a hyper-gradient at one point (x, y) is made of."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import numpy as np
import numpy.typing as npt
from scipy.sparse.linalg import LinearOperator

from .arguments import Operator, as_number, as_options, as_point, as_vector
from .errors import ArgumentError
from .formation import Bound, FormationErrors
from .operators import CheckedOperator, as_operator, structure_of
from .rounding import Proven, gamma, norm2, unit_roundoff

if TYPE_CHECKING:
    from .hypergradient import HyperGradientOptions
    from .hypergradient_result import HyperGradient
    from .problem import LipschitzConstants

Number = float | Callable[[], float | None] | None


_UNKNOWN: dict[str, Any] = dict.fromkeys(("grad_y", "mu", "smoothness", "cross_norm", "lipschitz"))


class Known(TypedDict, total=False):
    """What may be known at a point beside A, J, b and c; see :class:`Linearization`."""

    grad_y: npt.ArrayLike | Callable[[], npt.ArrayLike] | None
    mu: Number
    smoothness: Number
    cross_norm: Number
    M: Operator | None
    lipschitz: LipschitzConstants | Callable[[], LipschitzConstants | None] | None
    at: tuple[np.ndarray, np.ndarray] | None
    formation: FormationErrors | None


class Linearization:
    """Four objects at a point (x, y), enough for the hyper-gradient h = c − J v with A v = b.

    Parameters
    ----------
    A : array_like, sparse matrix or LinearOperator, shape (n_y, n_y)
        ∇²_yy g(x, y), symmetric positive definite.
    J : array_like, sparse matrix or LinearOperator, shape (n_x, n_y)
        ∇²_xy g(x, y): maps v to ∂/∂x (∇_y g · v).
    b : array_like, shape (n_y,)
        ∇_y f(x, y).
    c : array_like, shape (n_x,)
        ∇_x f(x, y).
    grad_y : array_like, shape (n_y,), or callable () → array, optional
        ∇_y g(x, y); what it differs from zero enters `lower_level_bound`.
    mu : float or callable () → float, optional
        A lower bound of the strong-convexity modulus of g(x, ·) over all y, and of the spectrum of this A.
    smoothness : float or callable () → float, optional
        An upper bound of ‖A‖₂.
    cross_norm : float or callable () → float, optional
        An upper bound of ‖J‖₂; taken from the entries where J is an array and none is given.
    M : array_like, sparse matrix or LinearOperator, shape (n_y, n_y), optional
        A preconditioner, M ≈ A⁻¹, symmetric positive definite.
    lipschitz : LipschitzConstants or callable () → LipschitzConstants or None, optional
        With them, `mu` and `grad_y`, `lower_level_bound` is finite.
    at : (array, array), optional
        The point (x, y).
    formation : FormationErrors, optional
        What is known of the rounding inside A, J, b, c and ∇_y g; modelled where it is not.

    Notes
    -----
    What is given as a callable is evaluated when it is first needed, and once.

    Raises
    ------
    ArgumentError
        Shapes that do not fit together, or values that are not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref import Linearization
    >>> point = Linearization([[2.0, 0], [0, 4]], [[1.0, 1]], b=[2.0, 4], c=[5.0], mu=2.0)
    >>> point.hypergradient().value
    array([3.])
    """

    def __init__(
        self,
        A: Operator,
        J: Operator,
        b: npt.ArrayLike,
        c: npt.ArrayLike,
        *,
        grad_y: npt.ArrayLike | Callable[[], npt.ArrayLike] | None = None,
        mu: Number = None,
        smoothness: Number = None,
        cross_norm: Number = None,
        M: Operator | None = None,
        lipschitz: LipschitzConstants | Callable[[], LipschitzConstants | None] | None = None,
        at: tuple[np.ndarray, np.ndarray] | None = None,
        formation: FormationErrors | None = None,
    ) -> None:
        self.b, self.c = as_vector("b", b), as_vector("c", c)
        n_y, n_x = self.b.size, self.c.size
        self.A = _checked(as_operator("A", A, (n_y, n_y)), "A")
        self.J = _checked(as_operator("J", J, (n_x, n_y)), "J")
        for name, operator in (("A", self.A), ("J", self.J)):
            if operator.dtype is not None and np.dtype(operator.dtype).kind == "c":
                raise ArgumentError(name, f"dtype {operator.dtype}", "a real operator")
        dtype = np.result_type(self.b, self.c, self.A.dtype, self.J.dtype)
        self.coarsest = max(unit_roundoff(part) for part in (self.b.dtype, self.c.dtype, *_floats(self.A, self.J)))
        self.b, self.c = self.b.astype(dtype, copy=False), self.c.astype(dtype, copy=False)
        self._lazy: dict[str, Any] = {}
        self._learn(M=M, at=at, formation=formation)
        self._learn(lipschitz=lipschitz, grad_y=grad_y, mu=mu, smoothness=smoothness, cross_norm=cross_norm)

    @classmethod
    def of_parts(
        cls,
        A: CheckedOperator,
        J: CheckedOperator,
        b: np.ndarray,
        c: np.ndarray,
        *,
        at: tuple[np.ndarray, np.ndarray],
        formation: FormationErrors,
        lipschitz: LipschitzConstants | Callable[[], LipschitzConstants | None] | None,
        **lazy: Any,
    ) -> Linearization:
        """A linearization of what a problem of this package has made: finite, of one type, and of shapes that fit.

        Nothing is looked at again, but that the types are one; `lazy` are those of `grad_y`, `mu`, `smoothness` and
        `cross_norm` that there are.
        """
        if not (b.dtype == c.dtype == A.dtype == J.dtype):
            return cls(A, J, b, c, at=at, formation=formation, lipschitz=lipschitz, **lazy)
        new = object.__new__(cls)
        new.A, new.J, new.b, new.c = A, J, b, c
        new.coarsest, new.M = unit_roundoff(b.dtype), None
        new.at, new.formation = at, formation
        new._lazy = _UNKNOWN | lazy
        new._lazy["lipschitz"] = lipschitz
        return new

    M: LinearOperator | None
    at: tuple[np.ndarray, np.ndarray] | None
    formation: FormationErrors

    def _learn(self, **known: Any) -> None:
        """Take what is known beside A, J, b and c, looked at; a callable waits until it is needed."""
        for name, value in known.items():
            if name == "M":
                self.M = None if value is None else _checked(as_operator("M", value, (self.n_y, self.n_y)), "M")
            elif name == "at":
                self.at = None if value is None else as_point("at", value, self.n_x, self.n_y)
            elif name == "formation":
                if not (value is None or isinstance(value, FormationErrors)):
                    raise ArgumentError("formation", type(value).__name__, "FormationErrors or None")
                self.formation = FormationErrors() if value is None else value
            else:
                self._lazy[name] = value if callable(value) else self._validate(name, value)

    @property
    def n_x(self) -> int:
        return self.c.size

    @property
    def n_y(self) -> int:
        return self.b.size

    @property
    def dtype(self) -> np.dtype:
        return self.b.dtype

    @property
    def norms(self) -> tuple[float, float]:
        """(‖x‖₂, ‖y‖₂), 0 where the point was not given."""
        return (0.0, 0.0) if self.at is None else (norm2(self.at[0]), norm2(self.at[1]))

    @property
    def grad_y(self) -> np.ndarray | None:
        """∇_y g(x, y), or None where it was not given."""
        return self._get("grad_y")

    @property
    def lipschitz(self) -> LipschitzConstants | None:
        """Lipschitz constants in y, or None."""
        return self._get("lipschitz")

    @property
    def mu(self) -> float | None:
        """The strong-convexity modulus, or None."""
        return self._get("mu")

    @property
    def smoothness(self) -> float | None:
        """An upper bound of ‖A‖₂; proven from the entries where A is structured and none was given."""
        return self._norm("smoothness", self.A)

    @property
    def cross_norm(self) -> float | None:
        """An upper bound of ‖J‖₂; proven from the entries where J is structured and none was given."""
        return self._norm("cross_norm", self.J)

    def __getstate__(self) -> dict[str, Any]:
        """What a copy, or a pickle, gets: all that waits here is evaluated first, so that it asks nobody."""
        for name in self._lazy:
            self._get(name)
        return self.__dict__.copy()

    def replaced(self, **changes: Unpack[Known]) -> Linearization:
        """A copy that knows `changes` instead; the rest it asks of this one, where it is evaluated once for both."""
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__)
        new._lazy = {name: partial(getattr, self, name) for name in self._lazy}
        new._learn(**changes)
        return new

    def hypergradient(self, **options: Unpack[HyperGradientOptions]) -> HyperGradient:
        """h = c − J v with its certificate; options as in :func:`lancbio_ref.hypergradient`."""
        from .hypergradient import HyperGradientOptions, hypergradient_of  # a convenience: all else is below

        as_options("a hyper-gradient", options, HyperGradientOptions.__annotations__)
        return hypergradient_of(self, **options)

    def formation_bounds(self, gradient: np.ndarray, norm_A: Bound, norm_J: Bound) -> dict[str, Bound]:
        """ε_A, ε_J, ε_b, ε_c as "A", "J", "b", "c", and ‖∇_y g‖ ≤ ‖ĝ_y‖ + ε_g as "grad_y"; `gradient` is ĝ_y.

        A black box's ∇_y g is taken for a sum of terms of the sizes ‖A‖‖y‖ and ‖J‖‖x‖.
        """
        known, u = self.formation, self.coarsest
        (x_norm, y_norm), gradient_norm = self.norms, norm2(gradient)
        largest = (
            gradient_norm + (norm_A.value * y_norm if y_norm else 0.0) + (norm_J.value * x_norm if x_norm else 0.0)
        )
        terms = self.n_x + self.n_y
        error = known.bound("grad_y", largest, terms, max(u, unit_roundoff(gradient.dtype)))
        total = gradient_norm * (1 + gamma(gradient.size + 6, 2.0**-53)) + error.value
        return {
            "grad_y": Bound(math.nextafter(total, math.inf) if total else 0.0, error.status),
            "A": known.bound("A", norm_A.value, terms, u),
            "J": known.bound("J", norm_J.value, terms, u),
            "b": known.bound("b", norm2(self.b), terms, u),
            "c": known.bound("c", norm2(self.c), terms, u),
        }

    def _norm(self, name: str, operator: LinearOperator) -> float | None:
        if self._get(name) is None and (structure := structure_of(operator)) is not None:
            bound = structure.norm_bound()
            self._lazy[name] = Proven(bound) if bound < math.inf else None
        return self._lazy[name]

    def _get(self, name: str) -> Any:
        value = self._lazy[name]
        if callable(value):
            value = self._lazy[name] = self._validate(name, value())
        return value

    def _validate(self, name: str, value: Any) -> Any:
        if value is None:
            return None
        if name == "grad_y":
            return as_vector(name, value, self.n_y)
        if name == "lipschitz":
            if not all(hasattr(value, constant) for constant in ("fx", "fy", "gxy", "gyy")):
                raise ArgumentError("lipschitz", type(value).__name__, "LipschitzConstants or None")
            return value
        return as_number(name, value, above=0.0) if name == "mu" else as_number(name, value, least=0.0)


def _floats(*operators: LinearOperator) -> list[np.dtype]:
    """The types of those that have one."""
    return [np.dtype(op.dtype) for op in operators if op.dtype is not None and np.dtype(op.dtype).kind == "f"]


def _checked(operator: LinearOperator, name: str) -> CheckedOperator:
    return operator if isinstance(operator, CheckedOperator) else CheckedOperator(operator, name)
