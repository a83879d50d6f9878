"""The schedule: linear up, cosine down, never quite zero."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxies.schedule import schedule


def test_values() -> None:
    expected = [0.5, 1.0, *((1 + np.cos(np.pi * np.arange(1, 9) / 9)) / 2)]
    np.testing.assert_allclose(schedule(10, 0.2), expected, rtol=1e-12)


def test_no_warmup_starts_at_full_rate() -> None:
    assert schedule(100, 0)[0] == 1


@given(st.integers(1, 400), st.floats(0, 1, allow_subnormal=False))
def test_rises_then_falls_and_stays_positive(steps: int, warmup: float) -> None:
    factors = schedule(steps, warmup)
    top = int(factors.argmax())
    assert factors.shape == (steps,)
    assert factors.dtype == np.float64
    assert factors.max() == 1
    assert (factors > 0).all()
    assert (np.diff(factors[: top + 1]) > 0).all()
    assert (np.diff(factors[top:]) < 0).all()


@pytest.mark.parametrize(("steps", "warmup"), [(0, 0.1), (10, -0.1), (10, 1.5), (10, float("nan"))])
def test_nonsense_is_refused(steps: int, warmup: float) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        schedule(steps, warmup)
