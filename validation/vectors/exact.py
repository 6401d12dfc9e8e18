"""Numbers that are proven: exact rationals and Arb balls (python-flint), and the text that a vector keeps of them.

Two routes must agree before a number is kept: `fmpq` matrices hold exact rationals, `arb` matrices hold balls
[m − r, m + r] whose arithmetic is rigorous (Johansson, IEEE Trans. Comput. 66, 2017). What is written, though, depends
on neither: the real number rounded to a fixed count of decimal digits, half a unit of the last digit as its radius,
and the nearest float64. A ball that does not decide all three is computed again with more bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from lancbio_ref.oracle.balls import PrecisionError, ends, flint, precision
from lancbio_ref.oracle.hexfloat import decimal_exponent, nearest_float, round_decimal, round_up, to_decimal, to_hex

DIGITS = 36  # of a midpoint
ZERO = 60  # a ball about zero is kept when it is below 10^-ZERO of the largest entry


# -- between the types -----------------------------------------------------------------------


def rational(value: Any) -> Any:
    """A float64, integer or Fraction as ``fmpq``, exactly."""
    p, q = value.as_integer_ratio()
    return flint.fmpq(int(p), int(q))


def fraction(q: Any) -> Fraction:
    """An ``fmpq`` as a Fraction."""
    return Fraction(int(q.p), int(q.q))


def column(values: Iterable[Any]) -> Any:
    """An ``fmpq`` column of numbers."""
    entries = [rational(value) if not isinstance(value, flint.fmpq) else value for value in values]
    return flint.fmpq_mat(len(entries), 1, entries)


def matrix(rows: Sequence[Sequence[Any]]) -> Any:
    """An ``fmpq`` matrix of numbers, one list a row."""
    entries = [rational(value) if not isinstance(value, flint.fmpq) else value for row in rows for value in row]
    return flint.fmpq_mat(len(rows), len(rows[0]), entries)


def balls(exact: Any) -> Any:
    """An ``fmpq`` matrix as an ``arb`` matrix, at the precision in force."""
    return flint.arb_mat(exact.nrows(), exact.ncols(), [flint.arb(q) for q in exact.entries()])


def root(square: Any, bits: int = 1024) -> Any:
    """√square of an ``fmpq``, a narrow ball; an exact zero stays one."""
    with precision(bits):
        return flint.arb(square).sqrt() if square else square


# -- numbers as text -------------------------------------------------------------------------


def number_text(value: float) -> dict[str, str]:
    """NUMBER of the format."""
    return {"hex": to_hex(value), "dec": to_decimal(value)}


def array_text(values: Iterable[float | Fraction], shape: Sequence[int]) -> dict[str, Any]:
    """VECTOR or MATRIX of the format."""
    numbers = [float(value) for value in values]
    return {
        "shape": list(shape),
        "hex": [to_hex(value) for value in numbers],
        "dec": [to_decimal(value) for value in numbers],
    }


def floats(exact: Any) -> list[float]:
    """The entries of an ``fmpq`` matrix as float64; they must be that exactly."""
    values = [nearest_float(fraction(q)) for q in exact.entries()]
    if any(rational(value) != q for value, q in zip(values, exact.entries(), strict=True)):
        raise PrecisionError("an input that is no float64 number")
    return values


def exact_text(exact: Any, shape: Sequence[int] | None = None) -> dict[str, Any]:
    """VECTOR (a column) or MATRIX of an ``fmpq`` matrix whose entries are float64 numbers."""
    default = [exact.nrows()] if exact.ncols() == 1 else [exact.nrows(), exact.ncols()]
    return array_text(floats(exact), default if shape is None else shape)


def sparse_text(exact: Any) -> dict[str, Any]:
    """SPARSE of a symmetric ``fmpq`` matrix."""
    n = exact.nrows()
    places = [(i, j) for i in range(n) for j in range(i + 1) if exact[i, j] != 0]
    values = floats(flint.fmpq_mat(len(places), 1, [exact[i, j] for i, j in places]))
    text = array_text(values, [n, n])
    return text | {"row": [i for i, _ in places], "col": [j for _, j in places], "symmetric": True}


def enclosure_text(values: Iterable[Any], shape: Sequence[int]) -> dict[str, Any]:
    """ENCLOSURE of the format, from ``fmpq`` numbers or ``arb`` balls.

    Raises
    ------
    PrecisionError
        A ball that leaves open a digit that is to be written.
    """
    values = [_short(value) for value in values]
    sizes = [abs(fraction(v)) if isinstance(v, flint.fmpq) else max(map(abs, ends(v))) for v in values]
    largest = max(sizes, default=Fraction(0))
    parts = [_rational_text(v) if isinstance(v, flint.fmpq) else _ball_text(v, largest) for v in values]
    mid, rad, near = zip(*parts, strict=True) if parts else ((), (), ())
    return {"shape": list(shape), "mid": list(mid), "rad": list(rad), "float64": list(near)}


def column_text(values: Any) -> dict[str, Any]:
    """ENCLOSURE of a column, or of a list."""
    entries = list(values) if isinstance(values, (list, tuple)) else values.entries()
    return enclosure_text(entries, [len(entries)])


def scalar_text(value: Any) -> dict[str, Any]:
    """ENCLOSURE of one number."""
    return enclosure_text([value], [])


def _short(value: Any) -> Any:
    """A rational that is too long to be a short decimal, as a ball."""
    if isinstance(value, flint.fmpq) and value.q.bit_length() > 4096:
        with precision(1024):
            return flint.arb(value)
    return value


def _rational_text(q: Any) -> tuple[str, str, str]:
    value = fraction(q)
    mid, rounded = round_decimal(value, DIGITS)
    return mid, "0" if rounded == value else _half_unit(value), to_hex(_finite(nearest_float(value)))


def _ball_text(ball: Any, largest: Fraction) -> tuple[str, str, str]:
    low, high = ends(ball)
    if low <= 0 <= high:
        if low == high:
            return "0", "0", "0x0p+0"
        bound = Fraction(10) ** (decimal_exponent(largest) - ZERO)
        if max(-low, high) > bound:
            raise PrecisionError(
                f"a ball about zero of radius {float(max(-low, high)):.1g}, {float(largest):.1g} being large"
            )
        return "0", round_up(bound), "0x0p+0"
    mid, rounded = round_decimal(low, DIGITS)
    near = nearest_float(low)
    if round_decimal(high, DIGITS)[0] != mid or nearest_float(high) != near:
        raise PrecisionError(f"a ball of relative radius {float((high - low) / abs(low)):.1g} about {mid}")
    return mid, "0" if low == high == rounded else _half_unit(low), to_hex(_finite(near))


def _half_unit(value: Fraction) -> str:
    return round_up(Fraction(10) ** (decimal_exponent(value) - DIGITS + 1) / 2)


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise PrecisionError("a number beyond the range of float64")
    return value


# -- agreement -------------------------------------------------------------------------------


def agree(first: Iterable[Any], second: Iterable[Any], what: str, digits: int = 45) -> None:
    """Two routes to the same numbers: the balls meet, and are narrow beside the largest entry.

    Parameters
    ----------
    first, second : iterable of fmpq or arb
    what : str
        For the message.
    digits : int
        Radii must be below 10^-digits of the largest entry.

    Raises
    ------
    PrecisionError
    """
    one, two = [_interval(v) for v in first], [_interval(v) for v in second]
    if len(one) != len(two):
        raise PrecisionError(f"{what}: {len(one)} numbers by one route, {len(two)} by the other")
    largest = max([max(abs(low), abs(high)) for low, high in one], default=Fraction(0))
    for i, ((low, high), (below, above)) in enumerate(zip(one, two, strict=True)):
        if max(low, below) > min(high, above):
            raise PrecisionError(f"{what}[{i}]: the routes disagree, {float(low)!r} and {float(below)!r}")
        if max(high - low, above - below) > largest * Fraction(10) ** -digits:
            raise PrecisionError(f"{what}[{i}]: a route is too wide to compare")


def short_ends(value: Any) -> tuple[Fraction, Fraction]:
    """Ends of an ``fmpq`` or ``arb``, short: what is long is put into a ball of 1024 bits."""
    with precision(1024):
        return ends(flint.arb(value) + 0)


def close(what: str, first: Iterable[Any], second: Iterable[Any], digits: int = 45) -> None:
    """Two routes to the same numbers, one of them without a bound of its error: they differ by less than 10^-digits.

    Relative to the largest entry; ``fmpq`` or ``arb``.

    Raises
    ------
    PrecisionError
    """
    pairs = [(short_ends(a), short_ends(b)) for a, b in zip(first, second, strict=True)]
    largest = max((abs(t) for a, _ in pairs for t in a), default=Fraction(0)) or Fraction(1)
    for i, ((low, high), (below, above)) in enumerate(pairs):
        if max(high, above) - min(low, below) > largest * Fraction(10) ** -digits:
            raise PrecisionError(f"{what}[{i}]: the routes disagree, {float(low)!r} and {float(below)!r}")


def _interval(value: Any) -> tuple[Fraction, Fraction]:
    if isinstance(value, flint.fmpq):
        return fraction(value), fraction(value)
    return ends(value)


def solve_both(A: Any, b: Any, bits: int = 256) -> Any:
    """A⁻¹b as an ``fmpq`` column, by rational elimination, confirmed by Arb's default solver with at least 192 bits.

    Arb's ``arb_mat.solve`` with its default algorithm multiplies by an approximate inverse and bounds the rest; bits
    are doubled until it succeeds.
    """
    exact = A.solve(b)
    for attempt in range(8):
        with precision(bits << attempt):
            try:
                agree(exact.entries(), balls(A).solve(balls(b)).entries(), "A⁻¹b")
            except (ZeroDivisionError, PrecisionError) as error:
                if "disagree" in str(error):
                    raise
                continue
            return exact
    raise PrecisionError("A⁻¹b: Arb finds the matrix singular")


# -- the spectrum ----------------------------------------------------------------------------


def spectrum_bounds(A: Any) -> tuple[float, float]:
    """(μ, L) for a symmetric positive definite ``fmpq`` matrix: the best bounds of four decimal digits that are proven.

    μ is the largest and L the smallest number of four digits (as a float64) for which A − μI and L I − A are proven
    positive definite: their LDLᵀ factorizations in ball arithmetic have positive pivots (Sylvester's law of inertia).
    That is a property of A: floating-point eigenvalues only say where the search begins.
    """
    n = A.nrows()
    dense = np.array([float(fraction(q)) for q in A.entries()]).reshape(n, n)
    scale = math.frexp(float(np.abs(dense).max()))[1]
    guesses = np.linalg.eigvalsh(np.ldexp(dense, -scale))
    identity = flint.fmpq_mat(n, n, [flint.fmpq(int(i == j)) for i in range(n) for j in range(n)])
    top = max(float(guesses[-1]), 2.0**-40)
    bottom = max(float(guesses[0]), top * 2.0**-48)

    def below(index: int) -> bool:
        return is_positive_definite(A - identity * rational(_four(index)))

    def above(index: int) -> bool:
        return is_positive_definite(identity * rational(_four(index)) - A)

    unit = Fraction(2) ** scale
    mu = _last(below, _index(Fraction(bottom) * unit), -1)
    L = _last(above, _index(Fraction(top) * unit), 1)
    return _four(mu), _four(L)


def _index(value: Fraction) -> int:
    """The place of the four-digit number at or below a positive value, in the order of all of them."""
    exponent = decimal_exponent(value)
    return exponent * 9000 + math.floor(value / Fraction(10) ** (exponent - 3)) - 1000


def _four(index: int) -> float:
    exponent, mantissa = divmod(index, 9000)
    return nearest_float((mantissa + 1000) * Fraction(10) ** (exponent - 3))


def _last(holds: Callable[[int], bool], index: int, outward: int) -> int:
    """The innermost index that holds, where every index further outward holds too."""
    step = 1
    while not holds(index):
        index += outward * step
        step *= 2
        if step > 2**22:
            raise PrecisionError("a matrix that is not proven positive definite")
    inside, step = index, 1
    while holds(inside - outward * step):
        inside -= outward * step
        step *= 2
    low, high = inside, inside - outward * step  # holds at low, not at high
    while abs(high - low) > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def midpoint(ball: Any) -> Fraction:
    """The middle of an ``arb``, exactly."""
    low, high = ends(ball)
    return (low + high) / 2


def is_positive_definite(A: Any, bits: int = 512) -> bool:
    """Whether a symmetric ``fmpq`` matrix is proven positive definite, by the signs of the pivots of LDLᵀ in balls."""
    n = A.nrows()
    with precision(bits):
        rows = [[flint.arb(A[i, j]) for j in range(i + 1)] for i in range(n)]
        for k in range(n):
            pivot = rows[k][k]
            if not pivot > 0:
                return False
            for i in range(k + 1, n):
                if rows[i][k].is_zero():
                    continue
                factor = rows[i][k] / pivot
                for j in range(k + 1, i + 1):
                    rows[i][j] -= factor * rows[j][k]
    return True
