"""What rounding put between the derivatives in hand and those of f and g at the floats (x, y).

A certificate of ‖h − ∇φ(x)‖ must know more than how well A v = b was solved: A, J, b, c and ∇_y g are themselves
computed. With hats on what is in hand, all at one (x, y),

    |f̂ − f| ≤ ε_f,   ‖ĝ_y − ∇_y g‖ ≤ ε_g,   ‖Â − A‖ ≤ ε_A,   ‖Ĵ − J‖ ≤ ε_J,   ‖b̂ − b‖ ≤ ε_b,   ‖ĉ − c‖ ≤ ε_c.

The problems of this package know their data and prove all six (:mod:`lancbio_ref.problems.rounding`). Of a black box
nothing can be proven: :meth:`FormationErrors.bound` has a model, and what rests on it is ``estimated``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .errors import ArgumentError
from .rounding import Proven
from .status import CertificateStatus

MODEL_SAFETY = 4.0  # the model of a black box's rounding is multiplied by this; docs/decisions/0015 has the measurement
_CERTIFIED, _GIVEN = CertificateStatus.CERTIFIED, CertificateStatus.GIVEN
Lazy = float | Callable[[], float | None] | None


class Bound(NamedTuple):
    """A number with how far it can be trusted; absent is (inf, NONE)."""

    value: float
    status: CertificateStatus

    @classmethod
    def of(cls, value: float | None, absent: float = math.inf) -> Bound:
        """A `Proven` number is certified, a plain one given, None absent."""
        if value is None:
            return cls(absent, CertificateStatus.NONE)
        return cls(float(value), _CERTIFIED if isinstance(value, Proven) else _GIVEN)


class FormationErrors:
    """Bounds of the rounding inside f, ∇_y g, A, J, b and c at one point, in the 2-norm.

    Parameters
    ----------
    value, grad_y, A, J, b, c : float or callable () → float or None, optional
        ε_f, ε_g, ε_A, ε_J, ε_b, ε_c. A :class:`~lancbio_ref.Proven` number lets a certificate say ``certified``, a
        plain one ``given``; what is None is modelled, and ``estimated``. Callables are evaluated when first needed.

    Notes
    -----
    A problem whose derivatives you can bound yourself says so by overriding ``formation_errors(x, y)``.

    Examples
    --------
    >>> from lancbio_ref import Proven
    >>> from lancbio_ref.formation import FormationErrors
    >>> errors = FormationErrors(grad_y=lambda: 1e-15, A=Proven(0.0))
    >>> errors["grad_y"], errors["A"], errors["b"]
    (1e-15, Proven(0.0), None)
    """

    def __init__(
        self, *, value: Lazy = None, grad_y: Lazy = None, A: Lazy = None, J: Lazy = None, b: Lazy = None, c: Lazy = None
    ) -> None:
        self._lazy: dict[str, Lazy] = dict(value=value, grad_y=grad_y, A=A, J=J, b=b, c=c)

    def __getitem__(self, name: str) -> float | None:
        found = self._lazy[name]
        if callable(found):
            with np.errstate(over="ignore", under="ignore", invalid="ignore"):  # what overflows bounds nothing, below
                found = self._lazy[name] = found()
        return self._as_number(name, found)

    @staticmethod
    def _as_number(name: str, found: Any) -> Any:
        """What was found, or None where that bounds nothing."""
        if type(found) is Proven:
            return found if 0 <= found < math.inf else None
        if not (found is None or isinstance(found, (float, int, np.floating, np.integer))):
            raise ArgumentError(f"FormationErrors.{name}", repr(found)[:80], "a number, None or a callable of ()")
        return found if found is not None and 0 <= found < math.inf else None  # nor does NaN, or less than 0

    def __getstate__(self) -> dict[str, Any]:
        """What a copy, or a pickle, gets: all that waits here is evaluated first."""
        return {"_lazy": {name: self[name] for name in self._lazy}}

    @np.errstate(over="ignore", under="ignore", invalid="ignore")  # what overflows bounds nothing
    def known(self) -> tuple[Bound, ...] | None:
        """Those of ∇_y g, A, J, b and c, where none of them needs the model."""
        values = []
        for name in ("grad_y", "A", "J", "b", "c"):
            if callable(found := self._lazy[name]):
                found = self._lazy[name] = found()
            if (value := self._as_number(name, found)) is None:
                return None
            values.append(Bound.of(value))
        return tuple(values)

    def bound(self, name: str, size: float, terms: int, u: float) -> Bound:
        """What is known of one of them; the model 4(terms + 10)u·size where nothing is.

        Parameters
        ----------
        name : str
        size : float
            The norm of what was formed, or of the largest terms it is the sum of.
        terms : int
            The length of the sums in it.
        u : float
            Unit roundoff of the coarsest array that took part.
        """
        known = self[name]
        if known is not None:
            return Bound.of(known)
        model = MODEL_SAFETY * (terms + 10) * u * size if size else 0.0
        return (
            Bound(model, CertificateStatus.ESTIMATED) if model < math.inf else Bound(math.inf, CertificateStatus.NONE)
        )


def formation_errors(problem: Any, x: np.ndarray, y: np.ndarray) -> FormationErrors:
    """Those of `problem`; nothing is known of one that has no such method."""
    known = getattr(problem, "formation_errors", None)
    return FormationErrors() if known is None else known(x, y)
