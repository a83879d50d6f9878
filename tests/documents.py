"""The README and the guide as pages of blocks, and what runs the blocks of a page: `python -m tests.documents FILE`.

A block that begins with a comment of one file's name (`# spirals.py`) is that file: it is written, not run. What a
block prints stands in it: in `python` after `# prints `, in `console` below the command; there `...` is any text.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
GUIDE = ROOT / "evosearch" / "guide"
PAGES = {"README": ROOT / "README.md", **{f"guide/{path.stem}": path for path in sorted(GUIDE.glob("*.md"))}}
LANGUAGES = ("python", "sh", "console", "toml", "opt", "yaml", "text")  # text is a picture
_BLOCK = re.compile(r"^```(.*)\n((?:.*\n)*?)```$", re.MULTILINE)
_FILE = re.compile(r"# ([\w-]+\.(?:py|toml|opt|sh|yaml))\n")


@dataclass(frozen=True)
class Block:
    """What stands between two fences; `line` is the first one's, from 1; `file` is the name of the file that it is."""

    page: str
    line: int
    language: str
    text: str
    file: str = ""

    def commands(self) -> list[str]:
        """The lines that a shell gets, continued ones joined."""
        if self.language == "yaml":
            return re.findall(r"entrypoint: (.*)", self.text)
        if self.language not in ("sh", "console"):
            return []
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line.removeprefix("$ ") for line in lines if self.language == "sh" or line.startswith("$ ")]


def blocks(page: str) -> list[Block]:
    """All blocks of a page, in order."""
    whole = PAGES[page].read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(whole):
        named = _FILE.match(match[2])
        line = whole.count("\n", 0, match.start()) + 1
        found.append(Block(page, line, match[1], match[2], named[1] if named else ""))
    return found


def evosearch_commands(line: str) -> Iterator[list[str]]:
    """The words after `evosearch` (or `python -m evosearch.cli`) of each such command in a line for a shell."""
    words = shlex.split(
        line.replace(".venv/bin/evosearch", "evosearch").replace("-m evosearch.cli", "; evosearch"), True
    )
    starts = [i for i, word in enumerate(words) if word == "evosearch" and (i == 0 or words[i - 1] in ("&&", ";", "|"))]
    starts += [i for i, word in enumerate(words) if word == "evosearch" and i and "=" in words[i - 1]]
    for start in sorted(set(starts)):
        rest = words[start + 1 :]
        yield rest[: next((i for i, word in enumerate(rest) if word in ("&&", ";", "|", "||", ">", "&")), len(rest))]


def play(found: list[Block], folder: Path, environment: dict[str, str], warnings: str) -> None:
    """Run blocks in that folder, Python in one process and namespace; AssertionError with what went wrong."""
    (folder / "blocks.json").write_text(json.dumps([asdict(block) for block in found]), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", warnings, "-m", "tests.documents", "blocks.json"],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-6000:]}"


def _run_all(found: list[Block]) -> None:
    namespace: dict[str, Any] = {"__name__": "guide"}
    for block in found:
        print(f"-- {block.page} line {block.line}", file=sys.stderr, flush=True)
        if block.file:
            Path(block.file).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            _run_python(block, namespace)
        elif block.language == "sh":
            subprocess.run(["bash", "-euo", "pipefail", "-c", block.text], check=True)
        elif block.language == "console":
            _run_console(block)


def _run_python(block: Block, namespace: dict[str, Any]) -> None:
    code = compile("\n" * block.line + block.text, f"{block.page}.md", "exec")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, namespace)
    lines = iter(printed.getvalue().splitlines())
    for text in re.findall(r"# prints (.*)", block.text):
        assert any(_alike(text, line) for line in lines), f"{text}\n== but ==\n{printed.getvalue()}"


def _run_console(block: Block) -> None:
    """The commands in one shell, each compared with what stands below it."""
    parts = re.split(r"^\$ (.*)\n", block.text, flags=re.MULTILINE)[1:]
    lines = (f"{command}\nstatus=$?; echo; echo ==next; (exit $status)\n" for command in parts[::2])
    done = subprocess.run(["bash", "-c", "".join(lines)], capture_output=True, text=True, check=False)
    told = done.stdout.split("\n==next\n")
    assert len(told) == len(parts) // 2 + 1, done.stderr
    for expected, text in zip(parts[1::2], told, strict=False):
        _expect(expected, text + done.stderr * (not text.strip()))


def _expect(expected: str, told: str) -> None:
    """That a text is the one expected, but for blanks at ends of lines; nothing is expected where nothing stands."""
    wanted, got = ("\n".join(line.rstrip() for line in text.strip().splitlines()) for text in (expected, told))
    assert not wanted or _alike(wanted, got), f"{wanted}\n== but ==\n{got}"


def _alike(wanted: str, got: str) -> bool:
    """Whether they are equal, where `...` stands for any text."""
    return re.fullmatch(re.escape(wanted).replace(r"\.\.\.", "(?:.|\n)*?"), got) is not None


if __name__ == "__main__":
    _run_all([Block(**each) for each in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))])
