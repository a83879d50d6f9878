"""Threads and instruction set are pinned in tests, and naming the proxies costs no torch."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

import proxies
from proxies.threads import ENVIRONMENT


def test_pinned() -> None:
    assert torch.get_num_threads() == 1
    assert all(name in os.environ for name in ENVIRONMENT)
    assert torch.tensor(1e-40).mul(0.5).item() == 0


def test_names_without_torch() -> None:
    code = "import sys, proxies, proxies.threads; assert 'digits' in proxies.TASKS; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unknown_name() -> None:
    with pytest.raises(ValueError, match=r"no proxy called 'digit'; did you mean 'digits'"):
        proxies.get("digit")


def test_known_names_are_their_own() -> None:
    assert all(proxies.get(name).name == name for name in proxies.of_tier("search"))
    assert proxies.get("digits") is proxies.get("digits")
