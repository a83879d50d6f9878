"""What a worker says of itself before it is used: all must run the same code, on one kind of processor."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from evosearch import __version__
from evosearch.machine import this_machine

PACKAGES = ("evosearch", "primitives", "proxies")
ROOT = Path(__file__).parents[1]
REMEDY = "install the same version on every node, or send the code along with `ray job submit --working-dir`"


def introduction(device: str = "cpu") -> dict[str, str]:
    """Where this process runs, what code, and on what kind of machine; with the model of a GPU that it was given."""
    here = {"host": socket.gethostname(), "root": str(ROOT), "evosearch": __version__, "code": _code()}
    return here | this_machine(device)


def objection(theirs: Mapping[str, str], mine: Mapping[str, str], first: Mapping[str, str]) -> str:
    """Why a worker cannot be used, in one sentence; empty where it can.

    Its code must be the driver's; its machine like that of the first worker, since the driver itself trains nothing.
    Each is an introduction, or, where evosearch could not be imported, a "host" and a "fault".
    """
    host = theirs["host"]
    if fault := theirs.get("fault"):
        return f"{host} cannot import evosearch ({fault}); {REMEDY}"
    if theirs["evosearch"] != mine["evosearch"]:
        return f"{host} has evosearch {theirs['evosearch']} and the driver {mine['evosearch']}; {REMEDY}"
    # One installation may be edited while it runs; what is under way has been imported.
    installed_once = (host, theirs["root"]) == (mine["host"], mine["root"])
    if theirs["code"] != mine["code"] and not installed_once:
        return f"{host} has other sources of evosearch {mine['evosearch']} than the driver; {REMEDY}"
    kinds = [key for key in first if key not in ("host", "root", "evosearch", "code")]
    unlike = [f"{key} {theirs.get(key)} (not {first[key]})" for key in kinds if theirs.get(key) != first[key]]
    if not unlike:
        return ""
    return f"{host} has {', '.join(unlike)}, unlike {first['host']}: scores would depend on it; use nodes of one kind"


@cache
def _code() -> str:
    """A digest of the sources as they are when this process first asks."""
    digest = hashlib.sha256()
    for path in sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]
