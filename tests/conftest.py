"""Pins threads and instruction set before any test imports torch or numba.

Denormals are flushed from here on: bounded `st.floats` around zero need `allow_subnormal=False`.
"""

from proxies.threads import pin_environment

pin_environment()
