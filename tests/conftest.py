"""Pins threads and instruction set before any test imports torch or numba; looks of tests are not the user's.

Denormals are flushed from here on: bounded `st.floats` around zero need `allow_subnormal=False`.
"""

import atexit
import os
import shutil
import tempfile

from proxies.threads import pin_environment

pin_environment()
_folder = tempfile.mkdtemp(prefix="evosearch-ledger-")
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
os.environ["EVOSEARCH_LEDGER"] = os.path.join(_folder, "ledger.jsonl")
