"""Long forms: a search of the published size, and searches that lose processes and nodes again and again.

Minutes to an hour. What loses everything: `pytest -m 'slow and ray' tests/evosearch/test_long.py`, about five minutes.
"""

from __future__ import annotations

import dataclasses
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from evosearch.config import Config
from tests.evosearch.siege import CHEAP, Siege, plan, rows_or_none
from tests.evosearch.small import rows, search

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
KILLED = Config(programs=6000)
SCRIPT = """
import sys
from pathlib import Path
from proxies.threads import pin_environment
pin_environment()
from tests.evosearch.small import search
from tests.evosearch.test_long import KILLED
search(Path(sys.argv[1]), KILLED, workers=int(sys.argv[2]))
"""


def test_killed_again_and_again_with_any_workers(tmp_path):
    whole = search(tmp_path / "whole", KILLED)
    rng, path = random.Random(0), tmp_path / "killed"
    for attempt in range(6):
        command = [sys.executable, "-c", SCRIPT, str(path), str(attempt % 3)]
        process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
        before, deadline = len(rows_or_none(path)), time.monotonic() + 120
        while time.monotonic() < deadline and process.poll() is None and len(rows_or_none(path)) <= before:
            time.sleep(0.05)
        time.sleep(rng.uniform(0, 3))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert 0 < len(rows(path)) <= len(rows(whole.directory))
    search(path, KILLED, workers=2)
    assert rows(path) == rows(whole.directory)


BESIEGED = dataclasses.replace(CHEAP, programs=5000)


@pytest.mark.ray
@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
def test_workers_drivers_and_a_node_are_lost_and_the_rows_are_those_of_an_undisturbed_run(tmp_path):
    losses = plan(seed=7, programs=BESIEGED.programs, losses=["worker"] * 22 + ["driver"] * 5 + ["node"])
    with Siege(tmp_path / "run", "tests.evosearch.test_long:BESIEGED", nodes=True) as siege:
        siege.go(losses)
    assert Counter(siege.done) == {"worker": 22, "driver": 5, "node": 1}
    search(tmp_path / "whole", BESIEGED)
    assert rows(tmp_path / "run") == rows(tmp_path / "whole")


@pytest.mark.parametrize("proxy", ["digits", "suite"])
def test_a_search_of_the_published_size(tmp_path, proxy):
    script = ROOT / "experiments" / "benchmarks" / "published_size.py"
    command = [sys.executable, str(script), "--proxy", proxy, "--out", str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    print(done.stdout)
    assert "300,000 generated in" in done.stdout
    assert float(re.search(r"([\d.]+) GB at its peak", done.stdout)[1]) < 2
    assert len(rows(tmp_path / "run")) == 300_001


def test_a_third_of_a_long_search_is_its_beginning(tmp_path):
    search(tmp_path / "part", dataclasses.replace(KILLED, programs=2000), workers=2)
    search(tmp_path / "whole", KILLED, workers=2)
    assert rows(tmp_path / "part") == rows(tmp_path / "whole")[: len(rows(tmp_path / "part"))]
