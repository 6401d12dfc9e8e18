"""Is what a framework differentiates twice the derivative of what it differentiates once?

A rule of somebody's own (``torch.autograd.Function``, ``jax.custom_jvp``) may be right in its first derivative and lose
the second in silence: where it keeps detached tensors, is once differentiable, or stops a gradient. So where f or g has
such a rule, or cuts derivatives off, its derivatives near the first, second, fourth, eighth, … point of a problem are
compared with differences along random v and u, ‖v‖ = √n_y, ‖u‖ = √n_x, t = ∛u max(1, ‖z‖/√n). Near these, and not at
them, for at y = 0, say, where many runs begin, J may be 0 whatever is cut:

    (f(x + tu, y + tv) − f(x − tu, y − tv)) / 2t  =  uᵀ∇_x f + vᵀ∇_y f + O(t²) + O(u|f|/t)
    (g(x, y + tv) − g(x, y − tv)) / 2t            =  vᵀ∇_y g + …
    (∇_y g(x, y + tv) − ∇_y g(x, y − tv)) / 2t    =  A v + …
    vᵀ(∇_y g(x + tu, y) − ∇_y g(x − tu, y)) / 2t  =  uᵀ(J v) + …        (u with a part along J v, not to cancel)

A kink (of a ReLU) or rounding makes a difference too. But these change with t: a derivative is refuted only where the
differences of t, t/2 and t/4 agree with each other ten times better than with it, and none of it can be rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError
from ..rounding import norm2, unit_roundoff

if TYPE_CHECKING:
    from .problem import Batch, Derivatives, Finding, Tree

    Made = Callable[
        [Tree, Tree, Sequence[Tree]], tuple[Derivatives, tuple[Finding, ...], tuple[np.ndarray, np.ndarray]]
    ]

LEAST = 1e-3  # of the larger of derivative and difference: a disagreement that counts
APART = 10.0  # the disagreement over that of two differences
ROUNDINGS = 1e3  # in F
REMEDY = (
    "derivatives that are those of its values: own rules that can be differentiated again (no detached or saved copies,"
    " no once_differentiable), no stop_gradient or detach; or verify=False, where that is meant"
)


class Verification:
    """What is verified of f and g, and how often they were asked for; see :mod:`lancbio_ref.adapters.verification`.

    Parameters
    ----------
    findings : tuple of Finding
        Functions with a finding of the kind ``"own"`` or ``"cut"`` are verified; without any, nothing is evaluated.
    """

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        self.why = {
            name: [finding.where for finding in findings if finding.function == name and finding.kind in ("own", "cut")]
            for name in "fg"
        }
        self.points = 0
        self.refused: tuple[str, str] | None = None

    def look(self, derivatives: Derivatives, x: np.ndarray, y: np.ndarray, rows: dict[str, Batch], u: float) -> None:
        """Compare at (x, y), if it is the turn of this point. Evaluations here are not in ``problem.calls``.

        Raises
        ------
        ArgumentError
            Of f or g: a derivative that differences refute, here or at an earlier point.
        """
        if not any(self.why.values()):
            return
        self.points += 1
        if not self.refused and self.points & (self.points - 1) == 0:  # a power of two
            self.refused = self._refused(_Probe(*_beside(x, y, derivatives, rows), u), derivatives, rows)
        if self.refused:
            raise ArgumentError(*self.refused, REMEDY)

    def _refused(self, probe: _Probe, derivatives: Derivatives, rows: dict[str, Batch]) -> tuple[str, str] | None:
        """The function, and what is wrong with it; None where nothing is."""
        for function, compare, batch in (("f", probe.of_f, rows["upper"]), ("g", probe.of_g, rows["lower"])):
            if not self.why[function]:
                continue
            for name, off in compare(derivatives, batch).items():
                if off:
                    places = "; ".join(dict.fromkeys(self.why[function]))
                    return function, f"a {name} that is {100 * off:.2g} % away from differences, beside {places}"
        return None


class FirstVerification:
    """That of the g of an implicit function: what it needs is made in its first backward pass.

    Parameters
    ----------
    made : callable (x, y, args) → (Derivatives, tuple of Finding, (ndarray, ndarray))
        Of the user's structures; the arrays are x and y as vectors.
    """

    def __init__(self, made: Made) -> None:
        self.made: Made | None = made

    def look(self, x: Tree, y: Tree, args: Sequence[Tree]) -> None:
        """Compare, the first time."""
        if self.made is not None:
            derivatives, findings, (x_flat, y_flat) = self.made(x, y, args)
            rows: dict[str, Batch] = dict(upper=None, lower=None)
            Verification(findings).look(derivatives, x_flat, y_flat, rows, unit_roundoff(y_flat.dtype))
            self.made = None


def _beside(
    x: np.ndarray, y: np.ndarray, derivatives: Derivatives, rows: dict[str, Batch]
) -> tuple[np.ndarray, np.ndarray]:
    """A point near (x, y) where nothing is zero by chance; (x, y) where f or g has no value there."""
    near = nudged(x, 1), nudged(y, 2)
    try:
        values = derivatives.upper(*near, rows["upper"])[0], derivatives.lower(*near, rows["lower"])[0]
    except Exception:  # whatever a function says outside of its domain
        return x, y
    return near if np.isfinite(values).all() else (x, y)


def nudged(z: np.ndarray, seed: int) -> np.ndarray:
    """z + max(1, ‖z‖/√n)/16 times a random vector."""
    away = np.random.default_rng(seed).standard_normal(z.size) * (max(1.0, norm2(z) / z.size**0.5) / 16)
    near: np.ndarray = z + away.astype(z.dtype)
    return near


class _Probe:
    """The point and its two directions."""

    def __init__(self, x: np.ndarray, y: np.ndarray, u: float) -> None:
        rng = np.random.default_rng(0)
        self.x, self.y, self.u = x, y, u
        self.along_x, self.along_y = (rng.standard_normal(z.size).astype(z.dtype) for z in (x, y))
        size = max(1.0, *(norm2(z) / z.size**0.5 for z in (x, y)))
        self.steps = [x.dtype.type(u ** (1 / 3) * size * share) for share in (1.0, 0.5, 0.25)]

    def of_f(self, derivatives: Derivatives, rows: Batch) -> dict[str, float]:
        """How far (∇_x f, ∇_y f) is refuted."""
        x, y, u, v = self.x, self.y, self.along_x, self.along_y
        _, grad_x, grad_y = derivatives.upper(x, y, rows)
        slope, size = float(grad_x @ u) + float(grad_y @ v), float(np.hypot(norm2(grad_x), norm2(grad_y)))
        return {"gradient": self._off(slope, lambda t: derivatives.upper(x + t * u, y + t * v, rows)[0], size)}

    def of_g(self, derivatives: Derivatives, rows: Batch) -> dict[str, float]:
        """How far ∇_y g, A and J are refuted."""
        x, y, u, v = self.x, self.y, self.along_x, self.along_y
        gradient = np.array(derivatives.lower(x, y, rows)[1])
        Av, Jv = derivatives.hessian(x, y, rows)(v), derivatives.cross(x, y, rows)(v)
        u = (u + Jv / (norm2(Jv) or 1.0) * x.size**0.5).astype(x.dtype)

        @cache
        def along_y(t: Any) -> tuple[float, np.ndarray]:
            value, slope = derivatives.lower(x, y + t * v, rows)
            return value, np.array(slope, np.float64)

        def along_x(t: Any) -> float:
            return float(derivatives.lower(x + t * u, y, rows)[1] @ v)

        return {
            "gradient in y": self._off(float(gradient @ v), lambda t: along_y(t)[0], norm2(gradient)),
            "product A v": self._off(Av, lambda t: along_y(t)[1]),
            "product J v": self._off(float(u @ Jv), along_x, noise=norm2(gradient) * norm2(v) / v.size**0.5),
        }

    def _off(self, claimed: Any, F: Callable[[Any], Any], size: float = 0.0, noise: float = 0.0) -> float:
        """The relative disagreement of a derivative with differences of F, where it is refuted; else 0.

        A part of F that cancels, and rounds as any, has the size `noise`; a derivative the size `size`, if not its own.
        """
        claimed, found, off, scale = np.asarray(claimed, np.float64), [], 0.0, 1.0
        for t in self.steps:
            above, below = (np.asarray(F(s), np.float64) for s in (t, -t))
            difference = (above - below) / (2 * float(t))
            found.append(difference)
            off, scale = _norm(difference - claimed), max(size, _norm(difference), _norm(claimed))
            rounding = ROUNDINGS * self.u * (_norm(above) + _norm(below) + noise) / float(t)
            if not off > max(LEAST * scale, rounding):  # nor is NaN, which is told where it is asked for
                return 0.0
        spread = max(_norm(found[0] - found[1]), _norm(found[1] - found[2]), _norm(found[0] - found[2]))
        return off / scale if off > APART * spread else 0.0


def _norm(z: Any) -> float:
    return norm2(np.atleast_1d(z))
