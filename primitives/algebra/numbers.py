"""Numbers of the algebra: exact fractions of the decimals that a text shows, and how they become floats again."""

from __future__ import annotations

import math
from fractions import Fraction

DIGITS = 13  # to which constants count as equal
SHORT = 8  # characters of a decimal that a long one which is nearly it stands for
SIMPLE = 1000  # denominators up to which a fraction is taken for what a long decimal means
LONGEST = 300  # bits of a numerator or denominator, above which a fraction is rounded to a float


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
    """The fraction, or where it has grown long the decimal nearest to it."""
    if value.numerator.bit_length() + value.denominator.bit_length() <= LONGEST:
        return value
    number = as_float(value)
    return exact(number) if math.isfinite(number) and number else value


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


def total(parts: list[Fraction]) -> Fraction:
    """The sum; zero where what is left is rounding of the parts."""
    value = sum(parts, Fraction(0))
    largest = max(map(abs, parts), default=Fraction(0))
    return Fraction(0) if abs(value) * 10**DIGITS < largest else shortened(value)


def root(value: Fraction, exponent: Fraction) -> Fraction:
    """A number to a power, exact where it is rational; ArithmeticError where it is not real or not finite."""
    if exponent.denominator == 1:
        if (value == 0 and exponent < 0) or abs(exponent) > 64:
            raise ArithmeticError("no finite power")
        return shortened(value ** int(exponent))
    if value < 0:
        raise ArithmeticError("no real root")
    if exponent < 0:
        if value == 0:
            raise ArithmeticError("no finite power")
        return 1 / root(value, -exponent)
    found = Fraction(round(_integer_root(value.numerator, exponent)), round(_integer_root(value.denominator, exponent)))
    if found**exponent.denominator == value**exponent.numerator:
        return found
    number = float(value) ** float(exponent)
    if not math.isfinite(number) or number == 0:
        raise ArithmeticError("no finite power")
    return exact(number)


def _integer_root(value: int, exponent: Fraction) -> float:
    """value to the exponent, or 1 where that is out of range; the caller tests it."""
    try:
        return max(float(value) ** float(exponent), 1.0) if value.bit_length() < 900 else 1.0
    except OverflowError:
        return 1.0
