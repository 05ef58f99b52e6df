"""What everybody must be able to read and to reach: contrast, names, the keyboard, a phone; in light and in dark."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.stage import TOKEN, Dashboard, Stage
from tests.browser.watching import Watched

PHONE = (360, 740)
FOCUS = """() => {
  const at = document.activeElement;
  const style = getComputedStyle(at);
  const box = at.getBoundingClientRect();
  const name = at.getAttribute("aria-label") || at.textContent.trim() || at.id;
  const seen = box.width > 0 && box.bottom > 0 && box.top < innerHeight;
  return { name, seen, outlined: style.outlineStyle !== "none" };
}"""
WIDTHS = "[document.documentElement.scrollWidth, innerWidth]"
BACKGROUND = "getComputedStyle(document.body).backgroundColor"


def views(busy: Stage) -> list[str]:
    """The address of every view."""
    return [
        "#/",
        "#/jobs",
        "#/jobs?q=nothing-is-called-so",
        "#/workers",
        "#/events",
        "#/controls",
        f"#/job/{busy.rig.ids[0]}",
    ]


def go(page: Page, view: str) -> None:
    """Go to a view, and wait until it is filled."""
    page.evaluate("(view) => { location.hash = view; }", view)
    name = re.split(r"[/?]", view.removeprefix("#/"))[0]
    filled = {"": "#status-counts li", "jobs": "#job-rows tr", "job": "#job-facts dd", "workers": "#worker-rows tr"}
    selector = "#jobs-none" if "nothing" in view else filled.get(name, f"#{name}")
    expect(page.locator(selector).first).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_has_contrast(watch: Callable[..., Watched], dashboard: Dashboard, busy: Stage, theme: str) -> None:
    """4.5:1 for every text that is seen, 3:1 for large text (WCAG AA), in every view."""
    watched = watch(theme=theme, still=True)
    page = watched.open(dashboard.url)
    for view in views(busy):
        go(page, view)
        checked = watched.ask("contrast.js")
        assert checked["looked"] > 20
        assert checked["found"] == [], view


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_is_wrong_has_contrast(watch: Callable[..., Watched], guarded: Dashboard, busy: Stage, theme: str) -> None:
    """So have banners, the form to sign in, and its complaint."""
    bucket = busy.rig.rooms.buckets["DescribeJobs"]
    watched = watch(theme=theme, still=True)
    watched.forgiven = "status of 401"
    page = watched.open(guarded.url, live=False)
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#sign-in-error")).to_contain_text("not the token")
    assert watched.ask("contrast.js")["found"] == []
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Sign in").click()
    bucket.pin(9.0)
    try:
        expect(page.locator(".banner[data-level=info]")).to_be_visible()
        bucket.pause(True)
        expect(page.locator(".banner[data-level=warn]")).to_be_visible()
        go(page, "#/controls")
        page.get_by_role("button", name="Resume…").click()
        assert watched.ask("contrast.js")["found"] == []
        assert watched.ask("names.js") == []
    finally:
        bucket.pause(False)
        bucket.pin(None)


def test_every_control_has_a_name(watch: Callable[..., Watched], dashboard: Dashboard, busy: Stage) -> None:
    """Names, landmarks, one h1, headings in order, ids that are there once."""
    watched = watch()
    page = watched.open(dashboard.url)
    for view in views(busy):
        go(page, view)
        assert watched.ask("names.js") == [], view


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_need_not_scroll_sideways(
    watch: Callable[..., Watched], dashboard: Dashboard, busy: Stage, theme: str
) -> None:
    """At 360 px no view is wider than the screen."""
    page = watch(*PHONE, theme=theme).open(dashboard.url)
    for view in views(busy):
        go(page, view)
        wide, screen = page.evaluate(WIDTHS)
        assert wide <= screen, view


def test_the_keyboard_reaches_everything(page: Page) -> None:
    """From the top: the skip link, each section, the theme; what has the focus is seen and outlined. Enter opens."""
    page.locator("body").press("Tab")
    assert page.evaluate(FOCUS)["name"] == "Skip to content"
    reached = []
    for _ in range(16):
        page.keyboard.press("Tab")
        focus = page.evaluate(FOCUS)
        assert focus["outlined"], focus
        assert focus["seen"], focus
        reached.append(focus["name"])
    for name in ("Overview", "Jobs", "Workers", "Events", "Controls"):
        assert name in reached
    assert any(name.startswith("Theme: auto") for name in reached)
    page.get_by_role("link", name="Jobs", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    expect(page.locator("#job-rows tr").first).to_be_visible()
    page.get_by_role("button", name="Status", exact=True).focus()
    page.keyboard.press("Space")
    expect(page.locator("#job-table th").nth(1)).to_have_attribute("aria-sort", "ascending")
    page.locator("#job-rows a").first.focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#/job/"))


def test_the_skip_link_skips(page: Page) -> None:
    """It leads to the content, and leaves the address alone."""
    page.locator("body").press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    assert "#main" not in page.url


def test_a_theme_that_was_chosen_is_kept(watch: Callable[..., Watched], dashboard: Dashboard) -> None:
    """Auto follows the system; light and dark hold against it, over a reload."""
    page = watch(theme="dark").open(dashboard.url)
    dark = page.evaluate(BACKGROUND)
    button = page.locator("#theme")
    button.click()
    light = page.evaluate(BACKGROUND)
    assert light != dark
    page.reload()
    expect(button).to_have_text(re.compile("Light"))
    assert page.evaluate(BACKGROUND) == light
    button.click()
    assert page.evaluate(BACKGROUND) == dark
    button.click()
    expect(button).to_have_text(re.compile("Auto"))
    page.emulate_media(color_scheme="light")
    assert page.evaluate(BACKGROUND) == light


def test_motion_stops_for_who_wants_that(watch: Callable[..., Watched], dashboard: Dashboard) -> None:
    """With prefers-reduced-motion nothing moves."""
    page = watch(still=True).open(dashboard.url)
    moving = "[...document.querySelectorAll('*')].filter((e) => getComputedStyle(e).transitionDuration !== '0s').length"
    assert page.evaluate(moving) == 0
