"""Files are written whole or not at all, and a lock dies with the process that holds it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
from pathlib import Path

DRIVER = "driver.lock"  # of a run's directory
STORE = "store.sqlite"
CONTROL = "random"  # the directory of a validation's control, in that of the run
PATIENCE = 3  # times that a lock is tried: whoever asks for its holder has it for a moment


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all, whatever ends the process or the machine; OSError where that fails.

    A link stays one, and what is no file, as /dev/stdout, is written to as it is.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")
        return
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
            os.write(self._file, f"{this_process()}\n".encode())

    def release(self) -> None:
        """Remove the file and let go; a second time does nothing."""
        if self._file >= 0:
            with contextlib.suppress(OSError):
                self.path.unlink()
            os.close(self._file)
            self._file = -1


def this_process() -> str:
    """How a lock tells who holds it."""
    return f"process {os.getpid()} on {socket.gethostname()}"


def holder(path: Path) -> str:
    """Who holds the lock of a file, as it was told; empty where nobody does. Nothing is written."""
    try:
        file = os.open(path, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    try:
        told = os.read(file, 200).decode(errors="replace").strip() or "another process"
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:  # it is held, or the file system knows no locks and only the file tells
        return told
    finally:
        os.close(file)
    return ""


def driver(directory: Path) -> str:
    """The process that drives the search of a run directory; empty where none does."""
    return holder(directory / DRIVER)


def is_control(directory: Path) -> bool:
    """Whether it holds the random search of a validation, which only that goes on with and ends."""
    return directory.name == CONTROL and (directory.parent / STORE).is_file()


def _lock(file: int) -> None:
    """Lock an open file; where the file system knows no locks, go on without."""
    for left in reversed(range(PATIENCE)):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if not left:
                raise
            time.sleep(0.01)
        except OSError:
            return


def _same(file: int, path: Path) -> bool:
    """Whether a path still names an open file."""
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return False
