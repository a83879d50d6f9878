"""Pins threads and instruction set before any test imports torch or numba; looks of tests are not the user's.

Denormals are flushed from here on: bounded `st.floats` around zero need `allow_subnormal=False`.
"""

import os
import tempfile

from proxies.threads import pin_environment

pin_environment()
os.environ["EVOSEARCH_LEDGER"] = os.path.join(tempfile.mkdtemp(prefix="evosearch-ledger-"), "ledger.jsonl")
