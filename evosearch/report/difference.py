"""Two texts, what was taken away and what was put in, with the words that differ marked inside the lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

from evosearch.report.markup import Child, Html, tag

WORD = re.compile(r"[\w.]+|\s+|.")


def difference(removed: Sequence[str], added: Sequence[str]) -> list[Html]:
    """Lines taken away, then lines put in, each with its sign; words are compared where lines stand for each other."""
    pairs = len(removed) == len(added)
    old = [_line("del", "− ", line, added[i] if pairs else "") for i, line in enumerate(removed)]
    new = [_line("ins", "+ ", line, removed[i] if pairs else "") for i, line in enumerate(added)]
    return old + new


def _line(element: str, sign: str, line: str, other: str) -> Html:
    return tag(element, sign, _marked(line, other) if other else line)


def _marked(line: str, other: str) -> list[Child]:
    """The line with the words that the other has not in bold."""
    words, others = WORD.findall(line), WORD.findall(other)
    found: list[Child] = []
    for what, start, end, _, _ in SequenceMatcher(None, words, others, autojunk=False).get_opcodes():
        text = "".join(words[start:end])
        found.append(text if what == "equal" else tag("b", text) if text else None)
    return found
