"""Files are written whole or not at all, and a lock dies with the process that holds it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from pathlib import Path


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all, whatever ends the process or the machine; OSError where that fails."""
    partial = path.with_name(path.name + ".partial")
    try:
        with open(partial, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise


class Lock:
    """A lock file, there while it is held; after kill -9 it is left behind and counts no more."""

    def __init__(self, path: Path) -> None:
        """Take the lock at once; BlockingIOError with the holder's process where another has it."""
        self.path = path
        while True:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                _lock(self._file)
                if _same(self._file, path):  # else its holder has just removed it
                    break
            except BlockingIOError as error:
                holder = os.read(self._file, 200).decode(errors="replace").strip()
                os.close(self._file)
                raise BlockingIOError(error.errno, holder or "another process", str(path)) from None
            os.close(self._file)
        with contextlib.suppress(OSError):  # a full disk; who holds it is only told to others
            os.ftruncate(self._file, 0)
            os.write(self._file, f"process {os.getpid()} on {socket.gethostname()}\n".encode())

    def release(self) -> None:
        """Remove the file and let go; a second time does nothing."""
        if self._file >= 0:
            with contextlib.suppress(OSError):
                self.path.unlink()
            os.close(self._file)
            self._file = -1


def _lock(file: int) -> None:
    """Lock an open file; where the file system knows no locks, go on without."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return


def _same(file: int, path: Path) -> bool:
    """Whether a path still names an open file."""
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return False
