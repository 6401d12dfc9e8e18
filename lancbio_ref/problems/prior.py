"""A prior on x: what few data can say of many parameters, held against what is likely before them.

The upper level gets −log p(x)/N, of parameters that are normal about a level m, itself normal about a centre c,

    x_j | m ~ N(m, s²),   m ~ N(c, τ²):      r(x) = (1/2N) [ Σ_j (x_j − x̄)²/s² + n (x̄ − c)²/(s² + n τ²) ]
    ∂r/∂x_j = (1/N) [ (x_j − x̄)/s² + (x̄ − c)/(s² + n τ²) ],      x̄ = Σ_j x_j/n

for without m the covariance of x is s² I + τ² 1 1ᵀ, whose inverse is 1/s² on vectors of mean zero and 1/(s² + nτ²) on
constant ones (exchangeable parameters: D. V. Lindley and A. F. M. Smith, J. R. Statist. Soc. B 34, 1972). Where N f is
a negative log-likelihood, the least f + r is the posterior mode. r is no function of y: A, J, b and all that is proven
of the lower level stay what they are, and c = ∇_x f gets ∇r.

*Rounding*, in float64 with u = 2⁻⁵³ and M = max_j |x_j| + |c|. x̄ is off by 2uM, x_j − x̄ and x̄ − c by 4uM then, the two
precisions by a relative 5u, and an entry of ∇r, with two products and a sum, by (n + 12)uM(2/s² + 1/(s² + nτ²))/N; r,
of n + 1 squares of at most 4M² and their sums, by 4(n + 12)uM²n(2/s² + 1/(s² + nτ²))/N. f + r is rounded once; ∇r and
∇_x f + ∇r are, in the type of x.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np

from ..arguments import as_integer, as_number, settled, start_y
from ..errors import ArgumentError
from ..formation import FormationErrors
from ..linearization import Linearization
from ..problem import BilevelProblem, UpperLevel
from ..rounding import ROUND_UP, Proven, norm2, unit_roundoff
from .portions import FiniteSum, Portion

U = 2.0**-53


@dataclass(frozen=True)
class ExchangeablePrior:
    """r and ∇r of exchangeable normal parameters, the formulas at the head of :mod:`lancbio_ref.problems.prior`.

    Parameters
    ----------
    n : int
        The first n entries of x have the prior.
    centre : float
        c.
    spread, level_spread : float
        s and τ, both > 0.
    count : float
        N > 0: how many observations f is the mean of, in nats; where f is half a mean square, their number over the
        variance.

    Raises
    ------
    ArgumentError
        Numbers outside of these ranges.
    """

    n: int
    centre: float
    spread: float
    level_spread: float
    count: float

    def __post_init__(self) -> None:
        as_integer("n", self.n, least=1)
        as_number("centre", self.centre)
        for name in ("spread", "level_spread", "count"):
            as_number(name, getattr(self, name), above=0.0)

    @property
    def precisions(self) -> tuple[float, float]:
        """1/(N s²) and 1/(N(s² + nτ²))."""
        square = self.spread**2
        return 1 / square / self.count, 1 / (square + self.n * self.level_spread**2) / self.count

    def value(self, x: np.ndarray) -> float:
        """r(x)."""
        own, shared = self.precisions
        mean, apart = self._apart(x)
        return 0.5 * (own * float(apart @ apart) + shared * self.n * (mean - self.centre) ** 2)

    def gradient(self, x: np.ndarray) -> np.ndarray:
        """∇r(x), float64, shape (n_x,); 0 beyond the first n."""
        own, shared = self.precisions
        mean, apart = self._apart(x)
        out = np.zeros(x.size)
        out[: self.n] = own * apart + shared * (mean - self.centre)
        return out

    def coloured(self, z: np.ndarray) -> np.ndarray:
        """L z, L = s(I + (α/n) 1 1ᵀ), (1 + α)² = 1 + nτ²/s²: then L Lᵀ = s²I + τ² 1 1ᵀ, and r(c + L z) is ‖z‖²/2N.

        Entries beyond the first n stay as they are.
        """
        alpha = math.sqrt(1 + self.n * (self.level_spread / self.spread) ** 2) - 1
        out = np.array(z, np.float64)
        out[: self.n] = self.spread * (out[: self.n] + alpha * out[: self.n].mean())
        return out

    def _apart(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """x̄, and x_j − x̄."""
        own = np.asarray(x[: self.n], np.float64)
        mean = math.fsum(own) / self.n
        return mean, own - mean

    def _size(self, x: np.ndarray) -> tuple[float, float]:
        """M, and 2/s² + 1/(s² + nτ²) over N with the error that one unit roundoff makes of it."""
        own, shared = self.precisions
        largest = float(np.abs(x[: self.n]).max()) + abs(self.centre)
        return largest * ROUND_UP, (self.n + 12) * U * (2 * own + shared) * (1 + 2.0**-40)

    def value_error(self, x: np.ndarray) -> float:
        """≥ |fl(r) − r|."""
        largest, factor = self._size(x)
        return 4 * factor * largest**2 * self.n * ROUND_UP + 2.0**-1000

    def gradient_error(self, x: np.ndarray) -> float:
        """≥ ‖fl(∇r) − ∇r‖, in float64."""
        largest, factor = self._size(x)
        return factor * largest * math.sqrt(self.n) * ROUND_UP + 2.0**-1000


class WithPrior(FiniteSum):
    """A problem whose f has a prior added.

    Parameters
    ----------
    problem : BilevelProblem
        Its derivatives, operators, constants and batches are what they are; so is its count of calls.
    prior : ExchangeablePrior
        Of its first ``prior.n`` parameters.

    Raises
    ------
    ArgumentError
        What is no problem, or no prior; a prior of more parameters than the problem says it has.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref import hypergradient, problems
    >>> plain = problems.random_ridge(9, 9, 2, rng=0)
    >>> prior = problems.ExchangeablePrior(2, centre=0.0, spread=1.0, level_spread=2.0, count=9)
    >>> shrunk = problems.WithPrior(plain, prior)
    >>> x = np.array([1.0, -1.0])
    >>> difference = hypergradient(shrunk, x).value - hypergradient(plain, x).value
    >>> np.round(9 * difference, 12)
    array([ 1., -1.])
    """

    def __init__(self, problem: BilevelProblem, prior: ExchangeablePrior) -> None:
        self.problem, self.prior = settled(problem), prior
        if not isinstance(prior, ExchangeablePrior):
            raise ArgumentError("prior", type(prior).__name__, "an ExchangeablePrior")
        self.dtype, self.structures = problem.dtype, problem.structures
        if (n_x := getattr(problem, "n_x", None)) is not None:
            self.n_x: int = n_x
            if prior.n > n_x:
                raise ArgumentError("prior", f"{prior.n} parameters", f"at most {n_x}, which the problem has")
        upper = UpperLevel(value=self._f, grad_x=self._f_grad_x, grad_y=problem.upper_grad_y)
        super().__init__(upper, problem.lower, lipschitz=problem.lipschitz, n_y=problem.n_y)
        self.calls = problem.calls

    @property
    def n_samples(self) -> tuple[int, int]:  # type: ignore[override]
        """Those of the problem; no attribute where it has none."""
        found: tuple[int, int] = self.problem.n_samples
        return found

    def start_y(self, dtype: np.dtype) -> np.ndarray:
        """Where y of the problem starts."""
        return start_y(self.problem, dtype)

    @property
    def in_memory(self) -> bool:  # type: ignore[override]
        return bool(getattr(self.problem, "in_memory", True))

    def portion(self, *, upper: Portion | None, lower: Portion | None) -> WithPrior:
        """The problem on these rows, and all of the prior."""
        assert isinstance(self.problem, FiniteSum)  # or there were no `n_samples` to draw from
        return WithPrior(self.problem.portion(upper=upper, lower=lower), self.prior)

    @np.errstate(under="ignore")
    def linearize(self, x: np.ndarray, y: np.ndarray) -> Linearization:
        """That of the problem, with c + ∇r."""
        point = self.problem.linearize(x, y)
        x, y = self.promoted(x, y)
        lazy = {name: partial(getattr, point, name) for name in ("grad_y", "mu", "smoothness", "cross_norm")}
        c = point.c + self.prior.gradient(x).astype(point.c.dtype)
        return Linearization(
            point.A,
            point.J,
            point.b,
            c,
            M=point.M,
            lipschitz=lambda: point.lipschitz,
            at=(x, y) if point.at is None else point.at,
            formation=self._formation(point.formation, x, y, c),
            **lazy,
        )

    def formation_errors(self, x: np.ndarray, y: np.ndarray) -> FormationErrors:
        """Those of the problem, more in f and c."""
        x, y = self.promoted(x, y)
        return self._formation(self.problem.formation_errors(x, y), x, y, self._f_grad_x(x, y))

    def _formation(self, known: FormationErrors, x: np.ndarray, y: np.ndarray, c: np.ndarray) -> FormationErrors:
        u = unit_roundoff(c.dtype)

        def more(name: str, by: float) -> float | None:
            before = known[name]
            if before is None:
                return None
            total = (before + by) * ROUND_UP
            return Proven(total) if isinstance(before, Proven) else total

        def c_error() -> float | None:
            rounded = 2 * u * (norm2(self.prior.gradient(x)) + norm2(c))
            return more("c", self.prior.gradient_error(x) + rounded + c.size * float(np.finfo(c.dtype).tiny))

        def value_error() -> float | None:
            return more("value", self.prior.value_error(x) + 2 * U * abs(self._f(x, y)))

        kept = {name: partial(known.__getitem__, name) for name in ("grad_y", "A", "J", "b")}
        return FormationErrors(c=c_error, value=value_error, **kept)

    def _f(self, x: np.ndarray, y: np.ndarray) -> float:
        return self.problem.value(x, y) + self.prior.value(x)

    def _f_grad_x(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self.problem.upper_grad_x(x, y) + self.prior.gradient(x).astype(x.dtype)
