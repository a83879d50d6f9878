"""HTML from Python values: whatever is not markup already is escaped, so that no text of a run can become markup."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence

VOID = ("meta", "link", "br", "hr")  # elements without an end


class Html(str):
    """Text that is markup, and stands as it is."""

    __slots__ = ()


Child = str | int | Iterable["Child"] | None
Attribute = str | int | float | bool | None


def tag(name: str, /, *children: Child, **attributes: Attribute) -> Html:
    """An element. `class_` is the attribute class, `aria_label` is aria-label; what is None or False is left out."""
    given = "".join(_attribute(key, value) for key, value in attributes.items() if value is not None)
    return Html(f"<{name}{given}>" + ("" if name in VOID else f"{joined(*children)}</{name}>"))


def joined(*children: Child) -> Html:
    """Children one after the other, texts escaped, lists laid flat."""
    return Html("".join(_child(child) for child in children))


def _child(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Html):
        return child
    if isinstance(child, str | int):
        return escaped(str(child))
    return joined(*child)


def escaped(text: str) -> str:
    """Text that no browser takes for markup, also inside quotes; what is no unicode becomes a question mark."""
    return html.escape(text.encode("utf-8", "replace").decode("utf-8"))


def _attribute(key: str, value: Attribute) -> str:
    name = key.rstrip("_").replace("_", "-")
    if isinstance(value, bool):
        return f" {name}" * value
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return f' {name}="{escaped(text)}"'


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[Child]], *, numbers: bool = True) -> Html:
    """A table that scrolls by itself where it is too wide; with `numbers` all columns but the first stand right."""
    head = tag("tr", [tag("th", name, scope="col") for name in heads])
    body = [tag("tr", tag("th", first, scope="row"), [tag("td", cell) for cell in rest]) for first, *rest in rows]
    inner = tag("table", tag("caption", caption), tag("thead", head), tag("tbody", body), class_="numbers" * numbers)
    return scrolling(caption, inner)


def scrolling(label: str, *children: Child) -> Html:
    """What may be wider than a phone: it scrolls in a box of its own, also by keyboard."""
    return tag("div", *children, class_="scroll", tabindex=0, role="region", aria_label=label)


def details(summary: Child, *children: Child, **attributes: Attribute) -> Html:
    """What opens on a click or on Enter."""
    return tag("details", tag("summary", summary), *children, **attributes)


def signed(value: float) -> str:
    """A score or a gain; a real minus, so that it is read as one."""
    return f"{value:+.3f}".replace("-", "−") if math.isfinite(value) else "none"


def number(value: float, digits: int = 3) -> str:
    """A number with so many digits, with a real minus."""
    return f"{value:.{digits}g}".replace("-", "−")


def plural(count: int, noun: str) -> str:
    """So many of something, in words."""
    return f"{count:,} {noun}{'s' * (count != 1)}"
