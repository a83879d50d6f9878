"""Numbers of the algebra: exact fractions of the decimals that a text shows, and how they become floats again."""

from __future__ import annotations

import math
from fractions import Fraction

DIGITS = 13  # to which constants count as equal
TOLERANCE = Fraction(1, 10**11)  # relative, of numbers that count as equal
SHORT = 8  # characters of a decimal that a long one which is nearly it stands for
LARGEST_EXPONENT = 64  # of a power that is computed exactly
SIMPLE = 1000  # denominators up to which a fraction is taken for what a long decimal means
LONGEST = 120  # bits of numerator and denominator, above which a fraction is rounded


def exact(value: float) -> Fraction:
    """The number that is written as this float: 0.1 is one tenth, 0.3333333333333333 is one third."""
    text = repr(float(value))
    if len(text) > DIGITS + 2:
        simple = Fraction(text).limit_denominator(SIMPLE)
        if float(simple) == value:
            return simple
        text = min(text, f"{value:.{DIGITS}g}", key=lambda shown: len(shown) > SHORT)
    return Fraction(text)


def shortened(value: Fraction) -> Fraction:
    """The fraction, or where it has grown longer than a decimal that anybody writes the nearest one of `DIGITS`."""
    if value.numerator.bit_length() + value.denominator.bit_length() <= LONGEST:
        return value
    return rounded(as_float(value)) or value


def rounded(value: float) -> Fraction:
    """A number that is not rational, or was computed as if it were not, to `DIGITS`: so that it equals its like."""
    return Fraction(f"{value:.{DIGITS}g}") if math.isfinite(value) else Fraction(0)


def near(value: Fraction, side: int) -> str:
    """The first digits of a number, or of one a little larger or smaller: numbers that agree in some count as equal."""
    return f"{float(value * (1 + side * TOLERANCE)):.{DIGITS - 3}g}"


def simple(value: Fraction) -> Fraction:
    """The number in short: the simple fraction that it is but for rounding, or no more digits than anybody writes."""
    plain = value.limit_denominator(SIMPLE)
    return plain if plain and abs(value - plain) < TOLERANCE * abs(plain) else shortened(value)


def near_one(value: Fraction) -> bool:
    """Whether a number is 1 but for rounding."""
    return abs(value - 1) < TOLERANCE


def as_float(value: Fraction) -> float:
    """The float of a fraction: the short decimal where it is one but for rounding."""
    try:
        number = value.numerator / value.denominator
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    if value.denominator <= SIMPLE:
        return number
    short = float(f"{number:.{DIGITS}g}")
    return short if len(repr(short)) < len(repr(number)) else number


def logarithm(value: Fraction) -> float:
    """The logarithm of a positive fraction, which may be none of the floats."""
    number = as_float(value)
    return math.log(number) if 0 < number < math.inf else math.log(value.numerator) - math.log(value.denominator)


def total(parts: list[Fraction]) -> Fraction:
    """The sum; zero where what is left is rounding of the parts."""
    value = sum(parts, Fraction(0))
    largest = max(map(abs, parts), default=Fraction(0))
    return Fraction(0) if abs(value) * 10**DIGITS < largest else shortened(value)


def root(value: Fraction, exponent: Fraction) -> Fraction:
    """A number to a power, exact where it is rational; ArithmeticError where it is not real or not finite."""
    if exponent.denominator == 1:
        if (value == 0 and exponent < 0) or abs(exponent) > LARGEST_EXPONENT:
            raise ArithmeticError("no finite power")
        return shortened(value ** int(exponent))
    if value < 0:
        raise ArithmeticError("no real root")
    if exponent < 0:
        if value == 0:
            raise ArithmeticError("no finite power")
        return 1 / root(value, -exponent)
    if max(exponent.denominator, exponent.numerator) <= LARGEST_EXPONENT:
        above, below = (round(_integer_root(n, exponent)) for n in (value.numerator, value.denominator))
        if Fraction(above, below) ** exponent.denominator == value**exponent.numerator:
            return Fraction(above, below)
    number = float(value) ** float(exponent)
    if not math.isfinite(number) or number == 0:
        raise ArithmeticError("no finite power")
    return rounded(number)


def _integer_root(value: int, exponent: Fraction) -> float:
    """value to the exponent, or 1 where that is out of range; the caller tests it."""
    try:
        return max(float(value) ** float(exponent), 1.0) if value.bit_length() < 900 else 1.0
    except OverflowError:
        return 1.0
