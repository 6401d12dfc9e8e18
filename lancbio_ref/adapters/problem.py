"""A bilevel problem whose derivatives come from a framework of automatic differentiation.

The framework sees x and y in the user's own structure, this package as vectors. At one point (x, y)

    A v = ∂/∂t ∇_y g(x, y + t v),    J v = ∂/∂t ∇_x g(x, y + t v),    Jᵀu = ∂/∂t ∇_y g(x + t u, y)      at t = 0,

each a linear map that the framework makes once a point and applies to many vectors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from ..arguments import as_integer
from ..errors import ArgumentError
from ..krylov.own_cycle import Own
from ..minibatch import as_indices
from ..operators.vectors import VectorOperator, of_both_parts
from ..problem import BilevelProblem, LipschitzConstants, LowerLevel, UpperLevel
from ..problem_check import FAILED, CheckReport, CheckRow
from ..rounding import unit_roundoff
from .last_point import LastPoint
from .verification import Verification

Product = Callable[[np.ndarray], np.ndarray]
Tree = Any  # the user's own structure of arrays
Batch = Any  # an array of rows in the framework's type; None where the problem is no finite sum
Constant = float | Callable[[Tree, Tree], float | None] | None
NO_VARIABLE = "; what is no variable is captured, or one of args"


class Structure(Protocol):
    """How one of x and y goes from the user's structure to a vector, and back.

    Attributes
    ----------
    start : ndarray, shape (n,)
        The structure that the problem was made with, as a vector.
    """

    start: np.ndarray

    def ravel(self, tree: Tree) -> np.ndarray:
        """The vector, shape (n,); :class:`ArgumentError` where `tree` is another structure."""
        ...

    def unravel(self, vector: Any) -> Tree:
        """The tree of a vector, NumPy's or the framework's own."""
        ...


class Finding(NamedTuple):
    """Something in the text of f or g that bears on its derivatives.

    Attributes
    ----------
    function : str
        ``"f"`` or ``"g"``.
    kind : str
        ``"narrow"``: a float64 is rounded to fewer digits on its way; ``"cut"``: no derivative passes here; ``"own"``:
        a rule of differentiation that neither the framework nor this package has made.
    where : str
        The operation, and the line where the framework knows it.
    """

    function: str
    kind: str
    where: str


class Derivatives(Protocol):
    """What a framework gives at (x, y), vectors of the problem's type; `rows` are those of the two levels' batches."""

    def upper(self, x: np.ndarray, y: np.ndarray, rows: Batch) -> tuple[float, np.ndarray, np.ndarray]:
        """f, ∇_x f and ∇_y f."""
        ...

    def lower(self, x: np.ndarray, y: np.ndarray, rows: Batch) -> tuple[float, np.ndarray]:
        """g and ∇_y g."""
        ...

    def lower_grad_x(self, x: np.ndarray, y: np.ndarray, rows: Batch) -> np.ndarray:
        """∇_x g."""
        ...

    def hessian(self, x: np.ndarray, y: np.ndarray, rows: Batch) -> Product:
        """v → A v."""
        ...

    def cross(self, x: np.ndarray, y: np.ndarray, rows: Batch) -> Product:
        """v → J v."""
        ...

    def cross_adjoint(self, x: np.ndarray, y: np.ndarray, rows: Batch) -> Product:
        """u → Jᵀu."""
        ...

    def rows(self, indices: np.ndarray) -> Batch:
        """Rows of a batch in the framework's type."""
        ...


class DerivedOperator(VectorOperator):
    """A or J at one point: its linear maps are made when the first vector comes.

    They take and return vectors of type `taken`, of which no more than the digits of `dtype` count.
    """

    _settled = ("taken",)

    def __init__(
        self,
        shape: tuple[int, int],
        dtype: np.dtype,
        taken: np.dtype,
        make: Callable[[], Product],
        make_adjoint: Callable[[], Product],
        norm: Callable[[Product], float] | None = None,
    ) -> None:
        super().__init__(dtype, shape)
        if norm is not None:
            self.norm_bound = lambda: norm(self._product)
        self.taken, self._make, self._make_adjoint = taken, make, make_adjoint

    @cached_property
    def _product(self) -> Product:
        return self._make()

    @cached_property
    def _adjoint_product(self) -> Product:
        return self._product if self._make_adjoint is self._make else self._make_adjoint()

    @property
    def conjugate_gradients(self) -> Own | None:
        """The framework's own steps, where it makes many in one call; see :mod:`lancbio_ref.krylov.own_cycle`."""
        return getattr(self._product, "conjugate_gradients", None) if self.dtype == self.taken else None

    def ask_ahead(self) -> None:
        """‖J‖ will be asked for after a product, which may bring it."""
        if (ask := getattr(self._product, "ask_ahead", None)) is not None:
            ask()

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        return self._of(self._product, v)

    def _rmatvec(self, u: np.ndarray) -> np.ndarray:
        return self._of(self._adjoint_product, u)

    def _of(self, linear: Product, v: np.ndarray) -> np.ndarray:
        if v.dtype.kind == "c":  # a real map, of both parts
            return of_both_parts(partial(self._of, linear), v)
        # a copy: the framework's own memory is not ours to keep
        return linear(v.astype(self.taken, copy=False)).astype(self.dtype)


class AdaptedProblem(BilevelProblem):
    """What :func:`lancbio_ref.adapters.jax.problem` and :func:`lancbio_ref.adapters.torch.problem` return.

    Attributes
    ----------
    n_x, n_y : int
    x0, y0 : ndarray, shape (n_x,), (n_y,)
        What the problem was made with, as vectors.
    dtype : numpy.dtype
        float64 or float32: what f and g are computed in.
    n_samples : (int, int)
        Of the upper and the lower level; only where `n_samples` was given.
    """

    n_samples: tuple[int, int]
    structures: tuple[Structure, Structure]

    def __init__(
        self,
        derivatives: Derivatives,
        x: Structure,
        y: Structure,
        *,
        findings: tuple[Finding, ...] = (),
        constants: Mapping[str, Constant] | None = None,
        lipschitz: LipschitzConstants | None = None,
        n_samples: int | tuple[int, int] | None = None,
        batches: Mapping[str, np.ndarray] | None = None,
        verification: Verification | None = None,
    ) -> None:
        self.derivatives, self.structures, self.findings = derivatives, (x, y), findings
        self._verification = verification
        self._made_with: dict[str, Any] = dict(
            findings=findings, constants=constants, lipschitz=lipschitz, n_samples=n_samples, verification=verification
        )
        self.x0, self.y0 = x.start.copy(), y.start.copy()
        self.n_x = self.x0.size
        self.dtype: np.dtype = self.x0.dtype
        self._rows: dict[str, Batch] = dict(upper=None, lower=None)
        if n_samples is not None:
            self.n_samples = as_samples(n_samples)
            for level, total in zip(self._rows, self.n_samples, strict=True):
                indices = (batches or {}).get(level)
                self._rows[level] = derivatives.rows(np.arange(total) if indices is None else indices)
        narrow = {finding.function for finding in findings if finding.kind == "narrow"}
        self._types = {
            name: np.dtype(np.float32) if name in narrow else self.dtype for name in "fg"
        }  # its digits, no more
        self._upper: LastPoint[Any] = LastPoint()
        self._lower: LastPoint[Any] = LastPoint()
        super().__init__(
            UpperLevel(value=self._value, grad_x=self._upper_grad_x, grad_y=self._upper_grad_y),
            LowerLevel(
                grad_y=self._lower_grad_y,
                hessian=self._hessian,
                cross=self._cross,
                value=self._lower_value,
                grad_x=self._lower_grad_x,
                **{name: self._of_vectors(constant) for name, constant in (constants or {}).items()},
            ),
            lipschitz=lipschitz,
            n_y=self.y0.size,
        )

    def start_y(self, dtype: np.dtype) -> np.ndarray:
        """y0: the parameters of a network, say, of which zeros are a saddle point."""
        return self.y0.astype(dtype)

    # -- the user's structure ---------------------------------------------------------------

    def ravel_x(self, tree: Tree) -> np.ndarray:
        """The vector of an x in the user's structure; :class:`ArgumentError` where it is another structure."""
        return self.structures[0].ravel(tree)

    def ravel_y(self, tree: Tree) -> np.ndarray:
        """The vector of a y in the user's structure."""
        return self.structures[1].ravel(tree)

    def unravel_x(self, x: npt.ArrayLike) -> Tree:
        """An x, or a hyper-gradient, in the user's structure."""
        return self.structures[0].unravel(np.asarray(x))

    def unravel_y(self, y: npt.ArrayLike) -> Tree:
        """A y, or a v, in the user's structure."""
        return self.structures[1].unravel(np.asarray(y))

    def tree(self, result: Any) -> tuple[Tree, Tree]:
        """(x, y) of a :class:`~lancbio_ref.BilevelResult` in the user's structure."""
        return self.unravel_x(result.x), self.unravel_y(result.y)

    # -- a part of the sums -----------------------------------------------------------------

    def minibatch(self, *, upper: np.ndarray | None = None, lower: np.ndarray | None = None) -> AdaptedProblem:
        """The problem with the means over these rows only; a level that is not named is left whole."""
        if not hasattr(self, "n_samples"):
            raise ArgumentError("problem", "f and g without batches", "one made with n_samples=")
        batches = {
            level: as_indices(level, indices, total)
            for level, indices, total in zip(("upper", "lower"), (upper, lower), self.n_samples, strict=True)
            if indices is not None
        }
        return AdaptedProblem(self.derivatives, *self.structures, **self._made_with, batches=batches)

    # -- callables --------------------------------------------------------------------------

    def promoted(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """x and y in the problem's type; :class:`ArgumentError` where float32 has no such number."""
        return self._as_own("x", x), self._as_own("y", y)

    def _as_own(self, name: str, z: np.ndarray) -> np.ndarray:
        own = z.astype(self.dtype, copy=False)
        if own is not z and not np.array_equal(own, z, equal_nan=True):
            raise ArgumentError(
                name,
                f"{z.dtype} numbers that {self.dtype} has not",
                f"{self.dtype} arrays, for f and g compute in it; a problem made with float64 x0 and y0 has more",
            )
        return own

    def _of_vectors(self, constant: Constant) -> Any:
        """A constant that is a function of the user's structures, as one of vectors."""
        if not callable(constant):
            return constant
        return lambda x, y: constant(self.unravel_x(x), self.unravel_y(y))

    def _all_upper(self, x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        x, y, _ = self._upper.at(x, y)
        return self._upper.once("f", x, y, lambda: self.derivatives.upper(x, y, self._rows["upper"]))

    def _all_lower(self, x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
        x, y, _ = self._lower.at(x, y)
        return self._lower.once("g", x, y, lambda: self.derivatives.lower(x, y, self._rows["lower"]))

    def _value(self, x: np.ndarray, y: np.ndarray) -> float:
        return self._all_upper(x, y)[0]

    def _upper_grad_x(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        value, gradient, _ = self._all_upper(x, y)
        return self._back("f", _of_a_number(value, gradient))

    def _upper_grad_y(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        value, _, gradient = self._all_upper(x, y)
        return self._back("f", _of_a_number(value, gradient))

    def _lower_value(self, x: np.ndarray, y: np.ndarray) -> float:
        return self._all_lower(x, y)[0]

    def _lower_grad_y(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self._back("g", _of_a_number(*self._all_lower(x, y)))

    def _lower_grad_x(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self._back("g", self.derivatives.lower_grad_x(x, y, self._rows["lower"]))

    def _hessian(self, x: np.ndarray, y: np.ndarray) -> DerivedOperator:
        A = partial(self._linear, "hessian", *self._lower.at(x, y)[:2])
        return DerivedOperator((y.size, y.size), self._types["g"], self.dtype, A, A)

    def _cross(self, x: np.ndarray, y: np.ndarray) -> DerivedOperator:
        x, y, _ = self._lower.at(x, y)
        J, Jt = (partial(self._linear, name, x, y) for name in ("cross", "cross_adjoint"))
        norm = getattr(self.derivatives, "cross_norm", None)
        if norm is not None:
            norm = partial(norm, x=x, y=y, rows=self._rows["lower"])
        return DerivedOperator((x.size, y.size), self._types["g"], self.dtype, J, Jt, norm)

    def _linear(self, name: str, x: np.ndarray, y: np.ndarray) -> Product:
        """The linear map of this name, made when it is first asked for at this point; x and y are those kept of it."""
        if self._verification is not None:
            self._lower.once("verified", x, y, partial(self._verified, self._verification, x, y))
        return self._lower.once(name, x, y, lambda: getattr(self.derivatives, name)(x, y, self._rows["lower"]))

    def _verified(self, verification: Verification, x: np.ndarray, y: np.ndarray) -> None:
        u = max(unit_roundoff(dtype) for dtype in self._types.values())
        verification.look(self.derivatives, x, y, self._rows, u)

    def _back(self, function: str, array: np.ndarray) -> np.ndarray:
        return array.astype(self._types[function])  # a copy: the framework's own memory is not ours to keep

    # -- are the derivatives meant? ---------------------------------------------------------

    def check(self, x: npt.ArrayLike, y: npt.ArrayLike, rng: Any = None) -> CheckReport:
        """As :meth:`BilevelProblem.check`, with what the framework shows of f and g themselves.

        A row a function that rounds to fewer digits on its way; and where a derivative fails, the places where the
        function cuts derivatives off (``stop_gradient``, ``detach``) or has a rule of somebody's own.
        """
        kept, self._verification = self._verification, None  # a check tells more, and raises nothing
        try:
            report = super().check(x, y, rng)
        finally:
            self._verification = kept
        rows = []
        for row in report:
            about = [finding for finding in self.findings if _concerns(finding, row)]
            for kind, words in (("cut", "it is cut by"), ("own", "it has the rule")):
                places = ", ".join(finding.where for finding in about if finding.kind == kind)
                if row.verdict == FAILED and places:
                    row = replace(row, note=f"{row.note}; {words} {places}")
            rows.append(row)
        for finding in self.findings:
            if finding.kind == "narrow":
                note = f"{finding.where}: its numbers have no more digits"
                rows.append(CheckRow(f"{finding.function} in {self.dtype}", np.nan, np.nan, FAILED, note))
        return CheckReport(rows)


def _of_a_number(value: float, gradient: np.ndarray) -> np.ndarray:
    """The gradient of `value`: where that is none, as log(y) for y < 0, neither is 1/y its derivative, but NaN."""
    return gradient if math.isfinite(value) else np.full_like(gradient, math.nan)


def _concerns(finding: Finding, row: CheckRow) -> bool:
    """Rows of f name it; the others, A v and J v among them, are of g."""
    return row.name.endswith(" f") == (finding.function == "f")


def as_samples(n_samples: int | tuple[int, int]) -> tuple[int, int]:
    """The number of terms of the upper and the lower sum."""
    pair = n_samples if isinstance(n_samples, (tuple, list)) else (n_samples, n_samples)
    if len(pair) != 2:
        raise ArgumentError("n_samples", repr(n_samples), "an integer, or two: (upper, lower)")
    upper, lower = (as_integer("n_samples", total, least=1) for total in pair)
    return upper, lower


def require_functions(f: Any, g: Any) -> None:
    """:class:`ArgumentError` unless both can be called."""
    for name, function in (("f", f), ("g", g)):
        if not callable(function):
            raise ArgumentError(name, type(function).__name__, "a callable of (x, y)")
