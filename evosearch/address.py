"""Which Ray cluster a command belongs to, by Ray's own rules; imports no Ray."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

LOCAL = "local"  # a cluster of this machine alone, started for this process and ended with it


def address() -> str:
    """RAY_ADDRESS; else what `ray start` left running on this machine; else LOCAL."""
    return os.environ.get("RAY_ADDRESS") or _left_running() or LOCAL


def joins() -> bool:
    """Whether workers will be on a cluster that is there already, one that this process has joined included."""
    ray = sys.modules.get("ray")
    return (ray is not None and bool(ray.is_initialized())) or address() != LOCAL


def knock(address: str) -> None:
    """Raise an OSError at once if nobody is there; Ray itself tries for five minutes."""
    host, _, port = address.rpartition(":")
    if port.isdecimal() and "/" not in host:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def _left_running() -> str:
    """The address that `ray start` noted, if it was this user's and still answers."""
    folder = os.environ.get("RAY_TMPDIR") or (os.environ.get("TMPDIR") if sys.platform == "linux" else None) or "/tmp"
    note = Path(folder, "ray", "ray_current_cluster")
    try:
        if note.stat().st_uid != os.getuid():
            return ""
        found = note.read_text(encoding="utf-8").strip()
        knock(found)
    except OSError:
        return ""
    return found
