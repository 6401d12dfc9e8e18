"""Several problems that share x: cross-validation as one bilevel problem.

    f(x, y) = Σ_k ω_k f_k(x, y_k),     g(x, y) = Σ_k g_k(x, y_k),     y = (y_1, …, y_K),  Σ ω_k = 1
    A = diag(A_1, …, A_K),     J = (J_1 … J_K),     b = (ω_k b_k),     c = Σ ω_k c_k

so that ∇φ = Σ ω_k ∇φ_k, from one lower level and one linear system. What each part proves of itself gives

    μ = min μ_k,  L = max L_k,  ‖J‖² ≤ Σ ‖J_k‖²,  L_fx² = Σ (ω_k L_fx,k)²,  L_fy = max ω_k L_fy,k,
    L_gxy = max L_gxy,k,  L_gyy = max L_gyy,k:      ‖J(y) − J(y′)‖ ≤ √Σ (L_gxy,k ‖y_k − y_k′‖)² ≤ L_gxy ‖y − y′‖

and for what rounds, ε_g² = Σ ε_g,k², ε_A = max ε_A,k, ε_J² = Σ ε_J,k², ε_b² = Σ (ω_k ε_b,k + 2u ω_k‖b_k‖)², ε_c = Σ …
likewise, where ω_k b_k is rounded once, and ω once into the type of y.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from ..arguments import as_vector, settled, start_y
from ..errors import ArgumentError
from ..formation import FormationErrors
from ..linearization import Linearization
from ..operators import BlockDiagonal, SideBySide, structure_of
from ..operators.base import StructuredOperator
from ..problem import BilevelProblem, LipschitzConstants, LowerLevel, UpperLevel
from ..rounding import ROUND_UP, Proven, norm2, unit_roundoff
from .portions import FiniteSum, Portion

U = 2.0**-53


class Folds(FiniteSum):
    """K problems in one x; a finite sum where all of them are, their samples counted one fold after the other.

    Parameters
    ----------
    problems : sequence of BilevelProblem
        Each knows its `n_x`, the same of all, and its `n_y`; μ and constants where they have them.
    weights : array_like, shape (K,), optional
        ω ≥ 0, divided by their sum; equal by default.

    Attributes
    ----------
    problems : tuple of BilevelProblem
    weights : ndarray, shape (K,)
    n_x, n_y : int
        That of each; the sum of theirs.

    Raises
    ------
    ArgumentError
        No problem, unlike n_x, an operator J of a part that has no structure, weights that are none.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref import hypergradient, problems
    >>> parts = [problems.random_ridge(9, 9, 2, rng=seed) for seed in (0, 1)]
    >>> h = hypergradient(problems.Folds(parts), [0.0, 0.0])
    >>> bool(np.allclose(h.value, np.mean([part.hypergradient([0.0, 0.0]) for part in parts], axis=0)))
    True
    """

    def __init__(self, problems: Sequence[BilevelProblem], weights: npt.ArrayLike | None = None) -> None:
        self.problems = tuple(problems)
        if not self.problems:
            raise ArgumentError("problems", "none", "at least one bilevel problem")
        known: list[tuple[Any, Any]] = [(getattr(part, "n_x", None), part.n_y) for part in self.problems]
        if any(None in pair for pair in known) or len({n_x for n_x, _ in known}) != 1:
            raise ArgumentError(
                "problems", f"(n_x, n_y) of {known[:4]}", "parts of one n_x, all of which say n_x and n_y"
            )
        K = len(self.problems)
        given = np.ones(K) if weights is None else as_vector("weights", weights, K).astype(np.float64)
        if given.min() < 0 or not given.any():
            raise ArgumentError("weights", f"{given.min()}..{given.max()}", "weights >= 0, not all of them 0")
        for part in self.problems:
            settled(part)
        self.weights = given / given.max() / (given / given.max()).sum()
        self._given = given  # of which a portion has the same weights, to the bit
        self.n_x: int = known[0][0]
        self._cuts = np.cumsum([n_y for _, n_y in known])[:-1]
        dtypes = [part.dtype for part in self.problems if part.dtype is not None]
        self.dtype = np.result_type(*dtypes) if dtypes else None
        upper = UpperLevel(value=self._f, grad_x=self._f_grad_x, grad_y=self._f_grad_y)
        lower = LowerLevel(
            value=self._g if all(part.lower.value is not None for part in self.problems) else None,
            grad_x=self._g_grad_x if all(part.lower.grad_x is not None for part in self.problems) else None,
            grad_y=self._g_grad_y,
            hessian=self._hessian,
            cross=self._cross,
            mu=partial(self._joined, "mu", min),
            smoothness=partial(self._joined, "smoothness", max),
            cross_norm=partial(self._joined, "cross_norm", _root),
        )
        super().__init__(upper, lower, n_y=sum(n_y for _, n_y in known))

    @property
    def n_samples(self) -> tuple[int, int]:  # type: ignore[override]
        """Validation and training samples of all folds together; no attribute where a part is no finite sum."""
        counts = [part.n_samples for part in self.problems if isinstance(part, FiniteSum) and part.in_memory]
        if len(counts) < len(self.problems):
            raise AttributeError("n_samples: a part of these folds is no finite sum")
        return sum(upper for upper, _ in counts), sum(lower for _, lower in counts)

    def portion(self, *, upper: Portion | None, lower: Portion | None) -> Folds:
        """Of every fold what of these rows falls to it; see `minibatch`."""
        parts, counts = [], np.zeros(2, np.int64)
        for part in self.problems:
            assert isinstance(part, FiniteSum)  # or there were no `n_samples` to draw from
            stops = counts + part.n_samples
            own = [
                None if portion is None else portion.of(start, stop)
                for portion, start, stop in zip((upper, lower), counts.tolist(), stops.tolist(), strict=True)
            ]
            parts.append(part.portion(upper=own[0], lower=own[1]))
            counts = stops
        return Folds(parts, self._given)

    def start_y(self, dtype: np.dtype) -> np.ndarray:
        """Where those of the parts start, one after the other."""
        return np.concatenate([start_y(part, dtype) for part in self.problems])

    def split(self, y: np.ndarray) -> list[np.ndarray]:
        """The y_k."""
        return np.split(np.asarray(y), self._cuts)

    def _parts(self, y: np.ndarray) -> list[tuple[Any, np.ndarray]]:
        return list(zip(self.problems, self.split(y), strict=True))

    def _each(self, function: Callable[..., Any], *columns: Sequence[Any]) -> list[Any]:
        """``function(*row)`` for every fold's row of the columns."""
        return [function(*row) for row in zip(*columns, strict=True)]

    def _of_parts(self, name: str, x: np.ndarray, y: np.ndarray) -> list[Any]:
        """What each part says at its piece of y."""
        return self._each(lambda part, piece: getattr(part, name)(x, piece), self.problems, self.split(y))

    def _diagonal(self, blocks: Sequence[Any]) -> BlockDiagonal:
        return BlockDiagonal(blocks)

    def _beside(self, parts: Sequence[StructuredOperator]) -> SideBySide:
        return SideBySide(parts)

    # -- one point -------------------------------------------------------------------------

    @np.errstate(under="ignore")
    def linearize(self, x: np.ndarray, y: np.ndarray) -> Linearization:
        """(A, J, b, c) from the linearizations of the parts."""
        x, y = self.promoted(x, y)
        points = self._of_parts("linearize", x, y)
        b = np.concatenate([y.dtype.type(w) * point.b for w, point in self._weighted(points)])
        c = sum((x.dtype.type(w) * point.c for w, point in self._weighted(points)), np.zeros_like(x))
        return Linearization(
            self._made_operator("lower.hessian", self._diagonal([point.A for point in points]), (y.size, y.size)),
            self._made_operator(
                "lower.cross", self._beside([_structured(point.J) for point in points]), (x.size, y.size)
            ),
            self._made("upper.grad_y", b, (x, y)),
            self._made("upper.grad_x", c, (x, y)),
            grad_y=lambda: self._made(
                "lower.grad_y", _concatenated(self._each(lambda point: point.grad_y, points)), (x, y)
            ),
            mu=lambda: combined(min, self._each(lambda point: point.mu, points)),
            smoothness=lambda: combined(max, self._each(lambda point: point.smoothness, points)),
            cross_norm=lambda: combined(_root, self._each(lambda point: point.cross_norm, points)),
            lipschitz=lambda: self._constants(points),
            at=(x, y),
            formation=self._formation(
                [(point.formation, point.b, point.c) for point in points], partial(self._values, x, y), y.dtype
            ),
        )

    def _weighted(self, points: list[Any]) -> list[tuple[float, Any]]:
        return list(zip(self.weights.tolist(), points, strict=True))

    def _constants(self, points: list[Linearization]) -> LipschitzConstants | None:
        known = self._each(lambda point: point.lipschitz, points)
        if any(constants is None for constants in known):
            return None
        w = (self.weights * ROUND_UP).tolist()
        found = {
            "fx": combined(_root, [_scaled(k, c.fx) for k, c in zip(w, known, strict=True) if c is not None]),
            "fy": combined(max, [_scaled(k, c.fy) for k, c in zip(w, known, strict=True) if c is not None]),
            "gxy": combined(max, [c.gxy for c in known if c is not None]),
            "gyy": combined(max, [c.gyy for c in known if c is not None]),
        }
        return None if None in found.values() else LipschitzConstants(**found)  # type: ignore[arg-type]

    def formation_errors(self, x: np.ndarray, y: np.ndarray) -> FormationErrors:
        """Those of the parts, together."""
        x, y = self.promoted(x, y)
        names = "formation_errors", "upper_grad_y", "upper_grad_x"
        parts = list(zip(*(self._of_parts(name, x, y) for name in names), strict=True))
        return self._formation(parts, partial(self._values, x, y), y.dtype)

    def _formation(
        self,
        parts: list[tuple[FormationErrors, np.ndarray, np.ndarray]],
        values: Callable[[], list[float]],
        dtype: np.dtype,
    ) -> FormationErrors:
        u = unit_roundoff(dtype)

        def together(rule: Callable[[list[float]], float], name: str) -> float | None:
            return combined(rule, self._each(lambda part: part[0][name], parts))

        def weighted(rule: Callable[[list[float]], float], name: str, vectors: list[np.ndarray]) -> float | None:
            """ω_k ε_k, and (K + 4)u ω_k of the size of what is weighted: ω's own roundings, the product, the sum."""
            sizes = [norm2(v) + math.sqrt(v.size) * float(np.finfo(dtype).tiny) for v in vectors]
            return with_sizes(rule, name, sizes, (len(parts) + 4) * u)

        def with_sizes(rule: Callable[[list[float]], float], name: str, sizes: list[float], of: float) -> float | None:
            bounds: list[float | None] = []
            found = self._each(lambda part: part[0][name], parts)
            for w, error, size in zip(self.weights.tolist(), found, sizes, strict=True):
                bounds.append(None if error is None else _scaled(w * ROUND_UP, error, of * w * size))
            return combined(rule, bounds)

        def value() -> float | None:
            """Σ ω_k ε_k, and (K + 6)u of ω_k|f_k| in float64: ω's own roundings, the product and the sum."""
            return with_sizes(math.fsum, "value", [abs(f) for f in values()], (len(parts) + 6) * U)

        return FormationErrors(
            value=value,
            grad_y=lambda: together(_root, "grad_y"),
            A=lambda: together(max, "A"),
            J=lambda: together(_root, "J"),
            b=lambda: weighted(_root, "b", [b for _, b, _ in parts]),
            c=lambda: weighted(math.fsum, "c", [c for _, _, c in parts]),
        )

    def _joined(self, name: str, rule: Callable[[list[float]], float], x: np.ndarray, y: np.ndarray) -> float | None:
        return combined(
            rule,
            self._each(lambda part, piece: part.lower_bound(name, x, piece), self.problems, self.split(y)),
        )

    # -- the two levels --------------------------------------------------------------------

    def _f(self, x: np.ndarray, y: np.ndarray) -> float:
        values = self._values(x, y)
        return math.fsum(w * value for w, value in zip(self.weights.tolist(), values, strict=True))

    def _values(self, x: np.ndarray, y: np.ndarray) -> list[float]:
        """The f_k."""
        return self._of_parts("value", x, y)

    def _f_grad_x(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        gradients = self._of_parts("upper_grad_x", x, y)
        return sum((x.dtype.type(w) * c for w, c in self._weighted(gradients)), np.zeros_like(x))

    def _f_grad_y(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        gradients = self._of_parts("upper_grad_y", x, y)
        return np.concatenate([y.dtype.type(w) * b for w, b in self._weighted(gradients)])

    def _g(self, x: np.ndarray, y: np.ndarray) -> float:
        return math.fsum(self._of_parts("lower_value", x, y))

    def _g_grad_x(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return sum(self._of_parts("lower_grad_x", x, y), np.zeros_like(x))

    def _g_grad_y(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.concatenate(self._of_parts("lower_grad_y", x, y))

    def _hessian(self, x: np.ndarray, y: np.ndarray) -> BlockDiagonal:
        return self._diagonal(self._of_parts("hessian", x, y))

    def _cross(self, x: np.ndarray, y: np.ndarray) -> SideBySide:
        return self._beside([_structured(J) for J in self._of_parts("cross", x, y)])


def _structured(J: Any) -> StructuredOperator:
    structure = structure_of(J)
    if structure is None:
        raise ArgumentError("problems", "a J that is a black box", "parts whose J is an array or a structured operator")
    return structure


def _concatenated(parts: list[np.ndarray | None]) -> np.ndarray:
    return np.concatenate([part for part in parts if part is not None])


def _root(bounds: Sequence[float]) -> float:
    """√Σ b², rounded up."""
    return math.hypot(*bounds) * ROUND_UP


def _scaled(weight: float, bound: float, more: float = 0.0) -> float:
    """weight · bound + more, `Proven` where the bound is."""
    value = (weight * bound + more) * ROUND_UP
    return Proven(value) if isinstance(bound, Proven) else value


def combined(rule: Callable[[list[float]], float], bounds: Sequence[float | None]) -> float | None:
    """What the bounds of the parts come to: `Proven` if all are, None if one is missing or the result is no number."""
    found = [bound for bound in bounds if bound is not None]
    if len(found) < len(bounds):
        return None
    value = float(rule(found))
    if not value < math.inf:
        return None
    return Proven(value) if all(isinstance(bound, Proven) for bound in found) else value
