"""Pins threads and instruction set before any test imports torch or numba."""

from proxies.threads import pin_environment

pin_environment()
