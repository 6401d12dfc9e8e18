"""A proven answer for a case of your own: intervals that hold v* = A⁻¹b and h = c − J v*.

The floating-point numbers in A, J, b and c are taken for what they are, and everything is computed in ball arithmetic
(Arb, through python-flint; Johansson, IEEE Trans. Comput. 66, 2017): ``arb_mat.solve`` multiplies by an approximate
inverse and bounds what is left, so the intervals are a theorem about these numbers, however ill-conditioned A is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator

from ..arguments import as_integer, as_problem, as_vector
from ..errors import ArgumentError
from ..linearization import Linearization
from ..operators import DenseOperator, SparseOperator, as_dense, structure_of
from ..operators.proofs import certify_mu
from ..rounding import nan_to_infinity
from .balls import PrecisionError, ends, flint, precision, require_flint
from .hexfloat import nearest_float


@dataclass(frozen=True)
class Intervals:
    """Real numbers t_i with lower_i ≤ t_i ≤ upper_i.

    Attributes
    ----------
    lower, upper : ndarray of float64
        Rounded outward; ±inf where a number lies beyond the largest float64.
    nearest : ndarray of float64
        The float64 nearest to the middle: to the real number itself, or its neighbour.
    """

    lower: np.ndarray
    upper: np.ndarray
    nearest: np.ndarray

    @property
    def width(self) -> np.ndarray:
        """upper − lower."""
        return self.upper - self.lower

    def contains(self, values: Any) -> bool:
        """Whether all of `values` lie inside."""
        array = as_vector("values", values, self.lower.size)
        return bool(np.all((self.lower <= array) & (array <= self.upper)))


@dataclass(frozen=True)
class EnclosedHyperGradient:
    """What :func:`enclose` proves.

    Attributes
    ----------
    v : Intervals
        A⁻¹b.
    h : Intervals
        c − J A⁻¹b: the hyper-gradient estimate at (x, y), which is ∇φ(x) where y = y*(x).
    kind : {"entries", "structure", "columns"}
        Which A and J the theorem is about. ``entries``: those of the arrays. ``structure``: the matrices that the
        package's operators stand for, rounding of their products included. ``columns``: for a black box, the matrices
        whose columns are its products with unit vectors.
    symmetric : bool
        Whether A is symmetric to the bit (structure: by what it is made of; False is "not proven" there).
    definite : bool
        Whether A is also proven positive definite (Rump's test, BIT 46, 2006); False is "not proven". Only then does y
        have a hyper-gradient.
    bits : int
        The precision that was needed.
    """

    v: Intervals
    h: Intervals
    kind: str
    symmetric: bool
    definite: bool
    bits: int


def enclose(problem_or_linearization: Any, x: Any = None, y: Any = None, *, bits: int = 192) -> EnclosedHyperGradient:
    """Prove intervals for v* = A⁻¹b and h = c − J v*.

    Parameters
    ----------
    problem_or_linearization : BilevelProblem or Linearization
    x, y : array_like, optional
        The point, for a problem; a linearization has its own.
    bits : int
        Precision to begin with, 64 or more; doubled up to four times where it does not suffice.

    Returns
    -------
    EnclosedHyperGradient

    Raises
    ------
    ArgumentError
        python-flint is not installed (``pip install python-flint``); x or y missing, or given where a
        linearization has its own; complex operators.
    PrecisionError
        A is singular, or so nearly so that no precision, or, for a structure, no bound of its rounding, tells.

    Notes
    -----
    A and J are made dense, so this is for n up to a few hundred: n = 200 takes about a second. Of structured
    operators that store no array (``XᵀDX + Λ`` and the like) every column comes with the bound γ_m |A| e_j of its
    rounding, and the balls carry it: the intervals are then about u κ wide, and still a theorem.

    Examples
    --------
    >>> from lancbio_ref import Linearization, oracle
    >>> point = Linearization([[3.0, 1.0], [1.0, 3.0]], [[1.0, 1.0]], b=[1.0, 0.0], c=[0.5])
    >>> found = oracle.enclose(point)
    >>> found.h.lower, found.h.upper, found.definite  # ½ − ¼
    (array([0.25]), array([0.25]), True)
    """
    require_flint()
    bits = as_integer("bits", bits, least=64)
    point = _linearize(problem_or_linearization, x, y)
    A, J = _Matrix(point.A, "A"), _Matrix(point.J, "J")
    with_radii = A.radii is not None
    found: tuple[Intervals, Intervals] | None = None
    for attempt in range(1 if with_radii else 5):
        used = bits << attempt
        with precision(used):
            try:
                v = A.balls().solve(_column(point.b))
                h = _column(point.c) - J.balls() * v
                found = _intervals(v), _intervals(h)
            except (ZeroDivisionError, PrecisionError):
                continue
        if with_radii or J.radii is not None or all(map(_narrow, found)):
            break
    if found is None:
        what = "its rounding" if with_radii else f"{used} bits"
        raise PrecisionError(f"A: singular, or too near to it for {what}: no interval for A⁻¹b is finite")
    kinds = {A.kind, J.kind}
    kind = next(name for name in ("columns", "structure", "entries") if name in kinds)
    structure = structure_of(point.A)
    symmetric = structure.is_symmetric() if structure is not None else bool((A.dense == A.dense.T).all())
    definite = symmetric and A.kind != "columns" and _is_definite(point.A, A.dense if A.kind == "entries" else None)
    return EnclosedHyperGradient(*found, kind=kind, symmetric=symmetric, definite=definite, bits=used)


def _linearize(given: Any, x: Any, y: Any) -> Linearization:
    if isinstance(given, Linearization):
        if x is not None or y is not None:
            raise ArgumentError("x, y", "values", "None: a linearization has its point")
        return given
    problem = as_problem(given)
    if x is None or y is None:
        raise ArgumentError("x, y", None, "the point, for a problem")
    return problem.linearize(as_vector("x", x), as_vector("y", y))


class _Matrix:
    """The entries of an operator, and, for a structure that stores none, bounds of their rounding."""

    def __init__(self, operator: LinearOperator, name: str) -> None:
        structure = structure_of(operator)
        if np.dtype(operator.dtype).kind == "c":
            raise ArgumentError(name, f"dtype {operator.dtype}", "a real operator")
        self.radii: np.ndarray | None = None
        if isinstance(structure, (DenseOperator, SparseOperator)):
            self.kind, self.dense = "entries", np.asarray(structure.toarray())
            return
        # a structure is multiplied in float64 whatever its type; a black box's columns are its own products
        self.dense = as_dense(operator, None if structure is None else np.float64)
        self.kind = "columns" if structure is None else "structure"
        if structure is not None:
            factor = structure.product_factor(np.float64)
            units = np.eye(operator.shape[1])
            absolute = np.stack([structure.abs_product(unit) for unit in units], axis=1).astype(np.float64)
            tiny = structure.terms * float(np.finfo(np.float64).smallest_normal)
            with np.errstate(over="ignore", invalid="ignore"):
                self.radii = nan_to_infinity((factor * absolute + tiny) * (1 + 2.0**-40))

    def balls(self) -> Any:
        """As an ``arb_mat``, at the precision in force."""
        entries = map(float, self.dense.ravel())
        if self.radii is None:
            return flint.arb_mat(*self.dense.shape, [flint.arb(t) for t in entries])
        pairs = zip(entries, map(float, self.radii.ravel()), strict=True)
        return flint.arb_mat(*self.dense.shape, [flint.arb(t, r) for t, r in pairs])


def _is_definite(A: LinearOperator, dense: np.ndarray | None) -> bool:
    structure = structure_of(A)
    try:
        return certify_mu(structure if dense is None else dense.astype(np.float64), 0.0)
    except ArgumentError:
        return False


def _column(values: np.ndarray) -> Any:
    return flint.arb_mat(values.size, 1, [flint.arb(float(t)) for t in values])


def _narrow(found: Intervals) -> bool:
    """No more than three float64 numbers in an interval."""
    with np.errstate(over="ignore"):
        return bool(np.all(np.nextafter(np.nextafter(found.lower, np.inf), np.inf) >= found.upper))


def _intervals(column: Any) -> Intervals:
    low, high, near = [], [], []
    for ball in column.entries():
        below, above = ends(ball)
        low.append(_toward(below, -math.inf))
        high.append(_toward(above, math.inf))
        near.append(nearest_float((below + above) / 2))
    return Intervals(np.array(low), np.array(high), np.array(near))


def _toward(value: Fraction, direction: float) -> float:
    """The float64 nearest to `value` on the side of `direction`."""
    number = nearest_float(value)
    beyond = math.isfinite(number) and (number > value if direction < 0 else number < value)
    if not math.isfinite(number) and number != direction:
        return math.copysign(float(np.finfo(np.float64).max), number)
    return math.nextafter(number, direction) if beyond else number
