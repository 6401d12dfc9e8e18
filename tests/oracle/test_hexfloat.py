"""Numbers as text: what is written reads back, what is malformed is refused, rounding is right."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lancbio_ref.errors import ArgumentError
from lancbio_ref.oracle import hexfloat as hf

finite = st.floats(allow_nan=False, allow_infinity=False)
rationals = st.fractions().filter(bool)


@given(finite)
def test_hex_reads_back_with_its_sign(number):
    text = hf.to_hex(number)
    back = hf.from_hex(text)
    assert back == number and math.copysign(1, back) == math.copysign(1, number)
    assert float.fromhex(text) == number  # any C99 reader agrees


@given(finite)
def test_decimal_is_the_shortest_that_reads_back(number):
    text = hf.to_decimal(number)
    assert float(text) == number and len(text) <= len(repr(number))
    assert hf.nearest_float(hf.from_decimal(text)) == number


@pytest.mark.parametrize(
    "text",
    [
        *("1.5", "0x1.8", "0x1.80p+1", "0x3p+0", "0x1.8P+1", " 0x1p+0", "0x1p+0 ", "nan", "inf", "0x1p+1024"),
        *("0x1.00000000000001p+0", "0x1p-1075", "", "0x", "0x1.8p1", "+0x1p+0", None, 1.5, 3),
    ],
)
def test_malformed_hexadecimal_is_refused(text):
    with pytest.raises(ArgumentError) as raised:
        hf.from_hex(text)
    assert raised.value.argument == "hex"


@pytest.mark.parametrize(
    "text",
    ["", "nan", "inf", "1/3", "0x1p+0", "1_0", "01", ".5", "5.", "1e+5", "1e123456", " 1", None, 1.0],
)
def test_malformed_decimal_is_refused(text):
    with pytest.raises(ArgumentError) as raised:
        hf.from_decimal(text)
    assert raised.value.argument == "decimal"


def test_infinity_has_no_text():
    with pytest.raises(ArgumentError):
        hf.to_hex(math.inf)


@given(rationals, st.integers(1, 40))
def test_rounding_to_digits_is_to_nearest(value, digits):
    text, rounded = hf.round_decimal(value, digits)
    assert hf.from_decimal(text) == rounded
    unit = Fraction(10) ** (hf.decimal_exponent(value) - digits + 1)
    assert abs(rounded - value) <= unit / 2
    assert (rounded / unit).denominator == 1


@given(st.fractions(min_value=0), st.integers(1, 5))
def test_rounding_up_bounds_and_is_tight(value, digits):
    bound = hf.from_decimal(hf.round_up(value, digits))
    assert value <= bound <= value * (1 + Fraction(10) ** (1 - digits))


@given(rationals)
def test_decimal_exponent(value):
    e = hf.decimal_exponent(value)
    assert Fraction(10) ** e <= abs(value) < Fraction(10) ** (e + 1)


@given(rationals)
def test_nearest_float_has_no_nearer_neighbour(value):
    number = hf.nearest_float(value)
    for other in (math.nextafter(number, math.inf), math.nextafter(number, -math.inf)):
        assert abs(Fraction(number) - value) <= abs(Fraction(other) - value)


def test_nearest_float_beyond_the_range():
    assert hf.nearest_float(Fraction(2) ** 1024) == math.inf and hf.nearest_float(-(Fraction(2) ** 1024)) == -math.inf
