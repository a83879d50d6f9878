"""From values to places in a picture: linear and logarithmic axes with round ticks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MINUS = "−"
TICKS = 5  # about so many on an axis
TINY = 1e-300  # what is not larger is drawn as 0


@dataclass(frozen=True)
class Axis:
    """What an axis says; `near` are values that it must hold beside those that are drawn, `whole` those of counts."""

    label: str
    log: bool = False
    whole: bool = False
    near: tuple[float, ...] = ()


@dataclass(frozen=True)
class Scale:
    """A linear or logarithmic way from [low, high] to [start, end]."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    whole: bool = False

    def __call__(self, value: float) -> float:
        """The place of a value; what lies beyond the ends is put at the end."""
        low, high = self._of(self.low), self._of(self.high)
        part = (self._of(min(max(value, self.low), self.high)) - low) / (high - low)
        return self.start + (self.end - self.start) * part

    def _of(self, value: float) -> float:
        return math.log10(value) if self.log else value

    def ticks(self) -> list[tuple[float, str]]:
        """Round values inside, each with its label."""
        least = 1.0 if self.whole else 0.0
        values = _log_ticks(self.low, self.high) if self.log else _linear_ticks(self.low, self.high, least)
        return [*zip(values, _labels(values), strict=True)]


def scale(values: Iterable[float], axis: Axis, start: float, end: float, margin: float = 0.04) -> Scale:
    """The scale that holds all finite values, above 0 where it is logarithmic, with a margin on either side."""
    kept = [v for v in (*values, *axis.near) if math.isfinite(v) and (v > 0 or not axis.log)]
    low, high = min(kept, default=1.0 * axis.log), max(kept, default=1.0)
    if axis.log:
        room = max((high / low) ** margin, 1.02)
        return Scale(low / room, high * room, start, end, True)
    one = high - low <= 1e-9 * max(abs(low), abs(high))
    room = margin * (high - low) if not one else abs(high) if abs(high) > TINY else 1.0
    return Scale(low - room, high + room, start, end, whole=axis.whole)


def _labels(values: Sequence[float]) -> list[str]:
    """Labels with as many digits as tell them apart."""
    found: list[str] = []
    for digits in range(4, 18):
        found = [short(value, digits) for value in values]
        if len(set(found)) == len(found):
            break
    return found


def short(value: float, digits: int = 4) -> str:
    """A tick's label: 20k, 0.05, 1e−4."""
    size = abs(value)
    if size and not 1e-3 <= size < 1e9:
        mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
        text = f"{float(mantissa):.{digits}g}e{int(exponent)}"
    elif size >= 1e6:
        text = f"{value / 1e6:.{digits}g}M"
    else:
        text = f"{value / 1e3:.{digits}g}k" if size >= 10_000 else f"{value:.{digits}g}"
    return text.replace("-", MINUS)


def _linear_ticks(low: float, high: float, least: float = 0.0) -> list[float]:
    step = max(_round_step((high - low) / TICKS), least)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [float(f"{k * step:.12g}") for k in range(first, last + 1)]


def _round_step(least: float) -> float:
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * 0.999)


def _log_ticks(low: float, high: float) -> list[float]:
    """Decades, thinned where there are many; 1, 2, 5 or finer where there are hardly any."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for digits in ((1,), (1, 3), (1, 2, 5), tuple(range(1, 10))):
        found = [d * 10.0**k for k in range(first, last + 1) for d in digits if low <= d * 10.0**k <= high]
        if len(found) >= 3:
            return found[:: -(-len(found) // (TICKS + 2))]
    return _linear_ticks(low, high)
