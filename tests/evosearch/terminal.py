"""A terminal for tests: commands run in it, and what stands on its screen is read."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.cells import cell_len

ROOT = Path(__file__).parents[2]
CODES = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])|(.)", re.DOTALL)
LONG = 120.0  # seconds after which a command counts as stuck


@dataclass
class Screen:
    """What stands in a terminal after some output; a picture is what stood there before something was erased."""

    columns: int
    rows: int
    wrapped: int = 0  # lines that were too long
    cursor: bool = True
    lines: list[str] = field(default_factory=lambda: [""])
    row: int = 0
    column: int = 0
    pictures: list[str] = field(default_factory=list)
    drawn: bool = False  # since the last picture

    def feed(self, text: str) -> None:
        """Take output; whole control sequences only."""
        for codes, end, character in CODES.findall(text):
            if character:
                self._put(character)
            elif end == "A":
                self.row = max(0, self.row - int(codes or 1))
            elif end == "K":
                assert codes == "2"
                if self.drawn:
                    self.pictures.append(self.text)
                self.drawn = False
                self.lines[self.row] = ""
            elif codes == "?25":
                self.cursor = end == "h"
            else:
                assert end == "m", f"unexpected {codes}{end}"

    @property
    def text(self) -> str:
        """The lines that can be seen."""
        return "\n".join(line.rstrip() for line in self.lines[-self.rows :])

    def _put(self, character: str) -> None:
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self.row += 1
            if self.row == len(self.lines):
                self.lines.append("")
        elif cell_len(character):
            self.drawn = True
            if self.column == self.columns:
                self.wrapped += 1
                self._put("\r")
                self._put("\n")
            line = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = line[: self.column] + character + line[self.column + 1 :]
            self.column += 1


@dataclass(frozen=True)
class Seen:
    """What a command printed in a terminal, the screen at the end, and its exit code."""

    screen: Screen
    raw: str
    code: int


@contextmanager
def heard() -> Iterator[None]:
    """Ctrl-C and the end of a terminal come, also to processes begun inside, where these tests are to hear neither."""
    ignored = [s for s in (signal.SIGINT, signal.SIGHUP) if signal.getsignal(s) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)


def run(
    arguments: list[str],
    cwd: Path,
    columns: int = 100,
    rows: int = 30,
    environment: Mapping[str, str] | None = None,
    interrupt: Callable[[str], bool] = lambda screen: False,
) -> Seen:
    """Run `evosearch` in a terminal of a size; `interrupt` says of what is on the screen when Ctrl-C is to come."""
    mine, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    mine_only = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    variables = {**mine_only, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **(environment or {})}
    with heard():
        process = subprocess.Popen(
            [sys.executable, "-m", "evosearch.cli", *arguments],
            stdin=its, stdout=its, stderr=its, cwd=cwd, env=variables, start_new_session=True,
        )  # fmt: skip
    os.close(its)
    screen, raw, rest = Screen(columns, rows), "", b""
    until = time.monotonic() + LONG
    try:
        while time.monotonic() < until:
            try:
                rest += os.read(mine, 65536)
            except OSError:  # its last process has closed the terminal
                break
            if not rest.endswith(b"\x1b") and (text := _whole(rest)) is not None:
                raw, rest = raw + text, b""
                screen.feed(text)
                if interrupt(screen.text):
                    os.killpg(process.pid, signal.SIGINT)
        os.close(mine)
        return Seen(screen, raw, process.wait(LONG))
    finally:
        process.kill()
        process.wait()


def _whole(data: bytes) -> str | None:
    """The text of bytes that end neither within a character nor within a control sequence."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return None if re.search(r"\x1b(\[[?0-9;]*)?$", text) else text
