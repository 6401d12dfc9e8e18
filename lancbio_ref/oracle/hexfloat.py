"""Numbers as text: C99 hexadecimal floats, shortest decimals, and decimals with a proven radius.

A vector's inputs are float64 numbers and are written twice: as the C99 hexadecimal float, which is the number, and as
the shortest decimal that reads back as it, which is for people. Its outputs are real numbers and are written as
``mid ± rad``, two decimal numbers with rad rounded up, beside the float64 nearest to the real number.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction

from ..errors import ArgumentError

_HEX = re.compile(r"-?0x(?:1(?:\.[0-9a-f]*[1-9a-f])?|0|0\.[0-9a-f]*[1-9a-f])p[+-][0-9]{1,4}")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:e-?[0-9]{1,5})?")


def to_hex(number: float) -> str:
    """The C99 hexadecimal form of a finite float64, without trailing zeros.

    Examples
    --------
    >>> to_hex(3.0), to_hex(-0.1), to_hex(0.0)
    ('0x1.8p+1', '-0x1.999999999999ap-4', '0x0p+0')
    """
    if not math.isfinite(number):
        raise ArgumentError("number", repr(number), "a finite number")
    mantissa, exponent = float(number).hex().split("p")
    head, dot, digits = mantissa.partition(".")
    digits = digits.rstrip("0")
    return f"{head}.{digits}p{exponent}" if dot and digits else f"{head}p{exponent}"


def from_hex(text: str) -> float:
    """The float64 that a string in the form of :func:`to_hex` denotes.

    Raises
    ------
    ArgumentError
        Any other string, also one that denotes a number between two float64 ones.

    Examples
    --------
    >>> from_hex("0x1.8p+1")
    3.0
    """
    if not isinstance(text, str) or not _HEX.fullmatch(text):
        raise ArgumentError("hex", repr(text)[:60], "a C99 hexadecimal float such as '0x1.8p+1'")
    try:
        number = float.fromhex(text)
    except OverflowError:
        raise ArgumentError("hex", repr(text), "a number in the range of float64") from None
    if to_hex(number) != text:
        raise ArgumentError("hex", repr(text), f"a float64 in normal form, here {to_hex(number)!r}")
    return number


def to_decimal(number: float) -> str:
    """The shortest decimal that reads back as this float64.

    Examples
    --------
    >>> to_decimal(3.0), to_decimal(0.1), to_decimal(1e300)
    ('3.0', '0.1', '1e300')
    """
    return repr(float(number)).replace("e+", "e").replace("e0", "e").replace("e-0", "e-")


def from_decimal(text: str) -> Fraction:
    """The rational number that a decimal string denotes, exactly.

    Raises
    ------
    ArgumentError
        A string that is no decimal number.

    Examples
    --------
    >>> from_decimal("-12.5e-1")
    Fraction(-5, 4)
    """
    if not isinstance(text, str) or not _DECIMAL.fullmatch(text):
        raise ArgumentError("decimal", repr(text)[:60], "a decimal number such as '-1.25e-3'")
    return Fraction(text)


def nearest_float(value: Fraction | int) -> float:
    """The float64 nearest to a rational number, ties to even; ±inf beyond the largest.

    Examples
    --------
    >>> nearest_float(Fraction(1, 3)) == 1 / 3
    True
    """
    try:
        return value.numerator / value.denominator
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def decimal_exponent(value: Fraction) -> int:
    """e with 10^e ≤ |value| < 10^{e+1}, for a value that is not zero."""
    p, q = abs(value.numerator), value.denominator
    e = int((p.bit_length() - q.bit_length()) * 0.30102999566398120)
    while Fraction(10) ** e > Fraction(p, q):
        e -= 1
    while Fraction(10) ** (e + 1) <= Fraction(p, q):
        e += 1
    return e


def round_decimal(value: Fraction, digits: int) -> tuple[str, Fraction]:
    """`value` rounded to that many significant digits (half to even), as a string and as the rational it denotes.

    Examples
    --------
    >>> round_decimal(Fraction(-2, 3), 5)
    ('-6.6667e-1', Fraction(-66667, 100000))
    >>> round_decimal(Fraction(5), 5)[0]
    '5'
    """
    if value == 0:
        return "0", Fraction(0)
    exponent = decimal_exponent(value) - digits + 1
    integer = round(value / Fraction(10) ** exponent)
    rounded = integer * Fraction(10) ** exponent
    return _positional(integer, exponent), rounded


def round_up(value: Fraction, digits: int = 2) -> str:
    """A decimal with that many significant digits which is at least `value` ≥ 0.

    Examples
    --------
    >>> round_up(Fraction(1, 3)), round_up(Fraction(0))
    ('3.4e-1', '0')
    """
    if value == 0:
        return "0"
    exponent = decimal_exponent(value) - digits + 1
    return _positional(math.ceil(value / Fraction(10) ** exponent), exponent)


def _positional(integer: int, exponent: int) -> str:
    """integer · 10^exponent with one digit before the point and no zeros at the end."""
    digits = str(abs(integer))
    exponent += len(digits) - 1
    digits = digits.rstrip("0") or "0"
    sign = "-" if integer < 0 else ""
    mantissa = digits[0] + (f".{digits[1:]}" if len(digits) > 1 else "")
    return f"{sign}{mantissa}" + (f"e{exponent}" if exponent else "")
