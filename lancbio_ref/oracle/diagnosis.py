"""Is my hyper-gradient right, on my problem? If not, what is wrong with it?

``diagnose`` solves the problem at x as well as rounding allows, ĥ with ‖ĥ − ∇φ(x)‖ ≤ B, and compares. Where y and v are
given too, the error is taken apart,

    h − ĥ  =  [h − (c − J v)]  −  J (v − A⁻¹b)  +  [(c − J A⁻¹b)(x, y) − ĥ]
              formula              linear system    lower level

and where h is wrong, the faults of the catalogue are tried on this problem. One is named when h is nearer to its
numbers than a thousandth of the distance from the right ones, a ten-thousandth where a number in it was fitted to h
(a fault that nobody has thought of may change A much as damping does, or h much as a factor), and so near that chance
would not do it: among N faults with k fitted numbers, a fraction r of the distance in n_x dimensions has a chance of
about N r^(n_x − k), which must be below 10⁻⁴.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from .. import html
from ..arguments import as_number, as_problem, as_vector, common_type, start_y
from ..errors import ArgumentError, EvaluationError
from ..hypergradient import hypergradient
from ..hypergradient_result import HyperGradient
from ..lower_level import LowerSolution, lower_solution
from ..problem import BilevelProblem
from ..rounding import norm2, unit_roundoff
from ..status import CertificateStatus, CheckVerdict
from .faults import fault as fault_named
from .hypotheses import Hypothesis, Parts, hypotheses

ACCURACY = 1e-12  # of both solves, relative; 100u in a narrower type
MODEL = 1e-9  # of ‖c‖ + ‖J v‖, what is taken for B where none is known: a model, no bound; 1000u in a narrower type
RTOL = 1e-6  # what is called right; in a narrower type, 20 times the model
NEARLY = 1 / 50  # of the error of h: a part of it that is no more than this is not the reason
SHARE, FITTED = 1e-3, 1e-4  # of the error of h, that a fault leaves unexplained; of one with a number fitted to h
CHANCE = 1e-4  # of a false name
NEAR = 1e3  # times the share of the nearest match: farther ones are only its neighbours, such as one term more
SINGLE = 1e-5  # a relative error that rounding to float32 explains


@dataclass(frozen=True)
class Match:
    """A fault whose numbers are those of h.

    Attributes
    ----------
    fault : str
        Its id in the catalogue, or empty.
    words : str
    share : float
        ‖h − h_F‖/‖h − ∇φ‖.
    remedy : str
    """

    fault: str
    words: str
    share: float
    remedy: str

    def __str__(self) -> str:
        return f"{self.fault + ' ' if self.fault else ''}{self.words} (explains all but {self.share:.1g} of the error)"


@dataclass(frozen=True)
class Diagnosis:
    """What :func:`diagnose` found.

    Attributes
    ----------
    verdict : CheckVerdict
        AGREES: within `rtol` of ∇φ(x); DIFFERS: not; UNDECIDED: the bounds are too wide to tell.
    digits : float
        Decimal digits that are right for certain, −log₁₀ of the relative error in the 2-norm; as far as `certificate`
        says. At least 0; inf where there is no difference and no bound to speak of.
    distance, bound : float
        ‖h − ĥ‖₂ and B ≥ ‖ĥ − ∇φ(x)‖₂; inf where none is known.
    certificate : CertificateStatus
        How far B can be trusted.
    parts : dict of str to float
        ``"formula"``, ``"linear system"``, ``"lower level"``: the norms of the three errors; two of them together as
        ``"formula and linear system"`` where v was not given, none where y was not.
    matches : list of Match
        Faults that give just these numbers, the nearest first.
    hypergradient : HyperGradient
        ĥ.
    lower : LowerSolution
        y*(x).
    """

    verdict: CheckVerdict
    digits: float
    distance: float
    bound: float
    certificate: CertificateStatus
    parts: Mapping[str, float]
    matches: list[Match]
    hypergradient: HyperGradient = field(repr=False)
    lower: LowerSolution = field(repr=False)
    narrow: bool = False

    @property
    def right(self) -> bool:
        return self.verdict == CheckVerdict.AGREES

    def __repr__(self) -> str:
        names = [match.fault or match.words for match in self.matches[:1]]
        return f"Diagnosis({self.verdict}, digits={self.digits:.1f}, {self.certificate}, matches={names})"

    def _repr_html_(self) -> str:
        kind = {CheckVerdict.AGREES: html.GOOD, CheckVerdict.DIFFERS: html.BAD}.get(self.verdict, html.OPEN)
        verdict, *words = str(self).splitlines()
        folded: dict[str, html.Shown | None] = {
            "the certified hyper-gradient": self.hypergradient,
            "lower level": self.lower,
        }
        return html.card(verdict, kind, words=words, folded=folded)

    def __str__(self) -> str:
        words = {CheckVerdict.AGREES: "right", CheckVerdict.DIFFERS: "not right"}.get(self.verdict, "undecided")
        known = f"+- {self.bound:.2g}, {self.certificate}" if math.isfinite(self.bound) else "by solves without bounds"
        lines = [
            f"{words}: {self.digits:.1f} digits",
            f"||h - grad phi|| = {self.distance:.3g} ({known}), ||grad phi|| = {norm2(self.hypergradient.value):.3g}",
        ]
        if self.parts:
            lines.append("error of the " + ", ".join(f"{name}: {size:.2g}" for name, size in self.parts.items()))
        for match in self.matches[:3]:
            lines += [f"these are the numbers of: {match}", *([f"  remedy: {match.remedy}"] if match.remedy else [])]
        if self.verdict == CheckVerdict.DIFFERS and not self.matches:
            lines.append("no fault of the catalogue gives these numbers")
        if self.narrow:
            lines.append("h is made of float32 numbers: more digits need float64 all the way")
        return "\n".join(lines)


@np.errstate(under="ignore")
def diagnose(
    problem: BilevelProblem,
    x: npt.ArrayLike,
    h: npt.ArrayLike,
    *,
    y: npt.ArrayLike | None = None,
    v: npt.ArrayLike | None = None,
    rtol: float | None = None,
    mu: float | Literal["certify", "estimate"] | None = None,
) -> Diagnosis:
    """Say how many digits of h are those of ∇φ(x), where the error arises, and which fault gives just these numbers.

    Parameters
    ----------
    problem : BilevelProblem
        With right derivatives: ``problem.check`` looks at them.
    x : array_like, shape (n_x,)
    h : array_like, shape (n_x,)
        The hyper-gradient that another program computed at x.
    y, v : array_like, shape (n_y,), optional
        What that program had for y*(x) and for A⁻¹b.
    rtol : float, optional
        h is called right where ‖h − ∇φ(x)‖ ≤ rtol ‖∇φ(x)‖: 1e-6 by default, about 1e-3 where it is computed in float32.
    mu : float, "certify" or "estimate", optional
        As in :func:`lancbio_ref.hypergradient`.

    Returns
    -------
    Diagnosis

    Raises
    ------
    ArgumentError
        Arguments that cannot be used.
    EvaluationError
        ∇φ(x) itself could not be computed; its ``status`` says why.

    Examples
    --------
    >>> import numpy as np
    >>> from lancbio_ref import oracle, problems
    >>> problem, x = problems.random_ridge(20, 10, 5, rng=0), np.zeros(5)
    >>> h = problem.hypergradient(x)
    >>> oracle.diagnose(problem, x, h).verdict.name
    'AGREES'
    >>> found = oracle.diagnose(problem, x, -h)
    >>> found.verdict.name, found.matches[0].fault
    ('DIFFERS', 'H02')
    """
    as_problem(problem)
    x = as_vector("x", x, getattr(problem, "n_x", None))
    x = x.astype(common_type(problem.dtype, x), copy=False)
    given = as_vector("h", h, x.size)
    narrow = bool((given == given.astype(np.float32)).all()) and x.dtype == np.float64
    y = None if y is None else as_vector("y", y, problem.n_y)
    if v is not None and y is None:
        raise ArgumentError("y", None, "y as well, where v is given: v belongs to a y")
    v = None if v is None else as_vector("v", v, None if y is None else y.size)
    model = max(MODEL, 1000 * unit_roundoff(x.dtype))
    rtol = (
        max(RTOL, 20 * model if x.dtype != np.float64 else 0.0) if rtol is None else as_number("rtol", rtol, above=0.0)
    )
    h = given.astype(np.float64)

    lower, found = _solved(problem, x, y, mu)
    truth = found.value.astype(np.float64)
    c = problem.upper_grad_x(x, lower.y)
    bound = (found.error_bound + found.lower_level_bound) * (1 + 2.0**-50)
    slack = bound if math.isfinite(bound) else model * (norm2(c) + norm2(c - truth))
    distance, size = norm2(h - truth), norm2(truth)
    if distance + slack <= rtol * size:
        verdict = CheckVerdict.AGREES
    else:
        verdict = CheckVerdict.DIFFERS if distance - slack > rtol * (size + slack) else CheckVerdict.UNDECIDED
    matches: list[Match] = []
    parts: dict[str, float] = {}
    at_y = Parts(problem, x, lower.y, found.v)
    if y is not None:
        there = hypergradient(problem, x, y, rtol=_accuracy(x), mu=mu)
        parts = _errors(h, truth, problem, x, y, v, there)
        at_y = Parts(problem, x, y, there.v)
    if verdict == CheckVerdict.DIFFERS:
        if y is not None and norm2(h - at_y.h) <= NEARLY * distance:
            words = "the right formula at this y, which is not y*(x)"
            remedy = f"solve the lower level further: ||grad_y g(x, y)|| = {norm2(problem.lower_grad_y(x, y)):.2g}"
            matches = [Match("", words, norm2(h - at_y.h) / distance, remedy)]
        else:
            matches = _matches(at_y, h, distance)
    relative = (distance + slack) / max(size - slack, 0.0) if size > slack else math.inf
    digits = max(0.0, -math.log10(relative)) if relative > 0 else math.inf
    return Diagnosis(
        verdict,
        digits,
        distance,
        bound,
        min(found.certificate.error, found.certificate.lower_level),
        parts,
        matches,
        found,
        lower,
        narrow and 0 < distance <= SINGLE * size,
    )


def _accuracy(x: np.ndarray) -> float:
    return max(ACCURACY, 100 * unit_roundoff(x.dtype))


def _solved(
    problem: BilevelProblem, x: np.ndarray, y: np.ndarray | None, mu: float | Literal["certify", "estimate"] | None
) -> tuple[LowerSolution, HyperGradient]:
    """y*(x) and ĥ; :class:`EvaluationError` where one of the two solves fails."""
    if y is None and problem.n_y is None:
        raise ArgumentError("y", None, "y: the problem does not say its n_y, so there is no start")
    start = start_y(problem, x.dtype) if y is None else y
    scale = max(norm2(problem.lower_grad_y(x, start)), norm2(problem.lower_grad_y(x, 0 * start)))
    lower = lower_solution(problem, x, start, tol=_accuracy(x) * scale)
    if not lower.status.success and not lower.grad_norm <= 1e-6 * scale:
        raise EvaluationError("the lower level at x", lower)
    found = hypergradient(problem, x, lower.y, rtol=_accuracy(x), mu=mu)
    if not found.status.success:
        raise EvaluationError("the linear system at x", found)
    return lower, found


def _errors(
    h: np.ndarray,
    truth: np.ndarray,
    problem: BilevelProblem,
    x: np.ndarray,
    y: np.ndarray,
    v: np.ndarray | None,
    there: HyperGradient,
) -> dict[str, float]:
    """The norms of the errors of formula, linear system and lower level."""
    lower_level = norm2(there.value - truth)
    if v is None:
        return {"formula and linear system": norm2(h - there.value), "lower level": lower_level}
    own = problem.upper_grad_x(x, y) - problem.cross(x, y).matvec(v)  # c − J v with the v that was given
    return {
        "formula": norm2(h - own),
        "linear system": norm2(own - there.value),
        "lower level": lower_level,
    }


def _matches(parts: Parts, h: np.ndarray, distance: float) -> list[Match]:
    """The faults that give the numbers h, those with fitted numbers only where none without does, the nearest first."""
    tried = list(hypotheses(parts, h))
    found: list[tuple[int, float, Hypothesis]] = []
    for hypothesis in tried:
        share = norm2(h - hypothesis.numbers) / distance
        same = norm2(hypothesis.numbers - parts.h) <= NEARLY * norm2(h - parts.h)  # no fault, on this problem
        if share <= _largest_share(hypothesis, h.size, len(tried)) and not same:
            found.append((hypothesis.fitted, share, hypothesis))
    nearest = min((share for _, share, _ in found), default=0.0)
    found = [entry for entry in found if entry[1] <= NEAR * max(nearest, 1e-12)]
    fewest = min((fitted for fitted, _, _ in found), default=0)
    return [
        Match(it.fault, it.words, share, fault_named(it.fault).remedy if it.fault else "")
        for fitted, share, it in sorted(found, key=lambda entry: entry[:2])
        if fitted == fewest
    ]


def _largest_share(hypothesis: Hypothesis, n_x: int, tried: int) -> float:
    """The r with N r^(n_x − k) = CHANCE, at most SHARE; none where k numbers fit anything."""
    free = n_x - hypothesis.fitted
    largest = FITTED if hypothesis.fitted else SHARE
    return min(largest, (CHANCE / tried) ** (1 / free)) if free > 0 else -1.0
