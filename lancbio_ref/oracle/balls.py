"""Arb balls (python-flint): [m − r, m + r], and rigorous arithmetic (Johansson, IEEE Trans. Comput. 66, 2017)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from ..errors import ArgumentError, LancbioError

flint: Any
try:
    import flint
except ImportError:  # pragma: no cover - the tests install it
    flint = None


class PrecisionError(LancbioError, ArithmeticError):
    """Balls too wide to decide a digit, or two routes that disagree."""


def require_flint() -> Any:
    """The module ``flint``; a clear error where it is not installed."""
    if flint is None:
        raise ArgumentError("python-flint", "not installed", "python-flint (pip install python-flint)")
    return flint


def ends(ball: Any) -> tuple[Fraction, Fraction]:
    """The two ends of an ``arb`` ball, exactly."""
    if not ball.is_finite():
        raise PrecisionError("a ball that is not finite")
    (m, e), (r, f) = ball.mid().man_exp(), ball.rad().man_exp()
    mid, rad = Fraction(int(m)) * Fraction(2) ** int(e), Fraction(int(r)) * Fraction(2) ** int(f)
    return mid - rad, mid + rad


class precision:
    """A with-block in which ``arb`` works with that many bits."""

    def __init__(self, bits: int) -> None:
        self.bits = bits

    def __enter__(self) -> None:
        self.before = require_flint().ctx.prec
        flint.ctx.prec = self.bits

    def __exit__(self, *_: Any) -> None:
        flint.ctx.prec = self.before
