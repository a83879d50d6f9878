"""A report in headless Chromium: every panel is drawn, nothing complains, clicks and keys work, it fits any width."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evosearch.cli import main
from tests.evosearch.pages import validated, with_descendants, with_random
from tests.evosearch.small import search

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine"),
]
PANELS = ["overview", "search", "best", "verdicts", "front", "tree", "curves", "rates", "failures", "reproduce"]


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    """The report of a small search with everything that there can be."""
    run = search(tmp_path_factory.mktemp("run") / "run").directory
    validated(run, 0.2)
    with_random(run)
    with_descendants(run, 50)
    assert main(["report", str(run)]) == 0
    return run / "report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def opened(browser, path, request) -> Iterator[Any]:
    """The page at the width and in the colours asked for, with what it complains of."""
    width, scheme = getattr(request, "param", (1400, "light"))
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("request", lambda asked: page.complaints.append(asked.url) if not asked.url.startswith("file:") else None)
    page.goto(path.as_uri())
    yield page
    assert page.complaints == []
    context.close()


SIZES = [(360, "light"), (360, "dark"), (1400, "light"), (1400, "dark")]


@pytest.mark.parametrize("opened", SIZES, indirect=True, ids=str)
def test_every_panel_is_drawn_and_nothing_is_wider_than_the_page(opened):
    for key in PANELS:
        box = opened.locator(f"section#{key}").bounding_box()
        assert box["height"] > 60
        assert box["width"] > 300
    opened.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert opened.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    for svg in opened.locator("figure > svg").all():
        box = svg.bounding_box()
        assert box["width"] > 150
        assert box["height"] > 80
    outside = """() => [...document.querySelectorAll('section *')].filter((e) => !e.closest('.scroll, svg') &&
        e.getBoundingClientRect().right > window.innerWidth + 1).map((e) => e.outerHTML)"""
    assert opened.evaluate(outside) == []


def colours(page: Any) -> tuple[float, float]:
    """How light the text and what is behind it are, from 0 to 1."""
    script = """() => { const s = getComputedStyle(document.querySelector('section'));
        return [s.color, s.backgroundColor].map((c) => c.match(/[0-9.]+/g).slice(0, 3).map(Number)); }"""
    text, behind = page.evaluate(script)
    return sum(text) / 765, sum(behind) / 765


@pytest.mark.parametrize(("opened", "dark"), [((1400, "light"), False), ((1400, "dark"), True)], indirect=["opened"])
def test_colours_follow_the_reader(opened, dark):
    text, behind = colours(opened)
    assert abs(text - behind) > 0.6, "it can be read"
    assert (text > behind) == dark


@pytest.mark.parametrize("opened", [(1400, "dark")], indirect=True)
def test_paper_is_light_and_shows_what_was_closed(opened):
    opened.emulate_media(media="print")
    text, behind = colours(opened)
    assert text < behind
    assert not opened.locator("nav").is_visible()
    opened.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert opened.locator("details.program:not([open])").count() == 0
    opened.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert opened.locator("details.program[open]").count() == 0
    assert len(opened.pdf()) > 10_000


@pytest.mark.parametrize("opened", [(360, "light"), (1400, "light")], indirect=True)
def test_a_click_on_a_point_opens_its_program(opened):
    point = opened.locator("#front-picture a").first
    target = opened.locator(point.get_attribute("href"))
    assert not target.evaluate("(d) => d.open")
    point.locator(".hit").click()
    assert target.evaluate("(d) => d.open")
    assert target.locator("pre").first.is_visible()
    assert opened.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_a_click_on_a_summary_opens_and_closes(opened):
    program = opened.locator("details.program").first
    program.locator("summary").first.click()
    assert program.evaluate("(d) => d.open")
    program.locator("summary").first.click()
    assert not program.evaluate("(d) => d.open")


def test_all_programs_open_and_close_at_once(opened):
    count = opened.locator("details.program").count()
    opened.get_by_role("button", name="Open all").click()
    assert opened.locator("details.program[open]").count() == count
    opened.get_by_role("button", name="Close all").click()
    assert opened.locator("details.program[open]").count() == 0


def test_all_can_be_done_by_keyboard(opened):
    opened.keyboard.press("Tab")
    assert opened.evaluate("document.activeElement.textContent") == "Skip to the report"
    point = opened.locator("#front-picture a").first
    point.focus()
    opened.keyboard.press("Enter")
    target = opened.locator(point.get_attribute("href"))
    assert target.evaluate("(d) => d.open")
    opened.keyboard.press("Enter")
    assert not target.evaluate("(d) => d.open"), "the focus is on what was opened"


def test_everything_that_takes_focus_shows_it_and_has_a_name(opened):
    script = """() => [...document.querySelectorAll('a, button, summary, [tabindex]')].filter((e) =>
        !(e.getAttribute('aria-label') || e.textContent.trim())).length"""
    assert opened.evaluate(script) == 0
    opened.keyboard.press("Tab")
    opened.keyboard.press("Tab")
    assert opened.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"


def test_a_link_from_elsewhere_opens_what_it_names(browser, path):
    page = browser.new_page()
    page.goto(path.as_uri())
    key = page.locator("details.program").first.get_attribute("id")
    page.goto("about:blank")
    page.goto(f"{path.as_uri()}#{key}")
    assert page.locator(f"#{key}").evaluate("(d) => d.open")
    page.close()
