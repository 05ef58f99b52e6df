"""An operator's hand on the fleet: refused without the token, confirmed with it, and done in Redis."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from benchmarks.rig import wait_until
from tests.browser.stage import TOKEN, Dashboard, Stage
from tests.browser.watching import Watched

POST = """async () => (await fetch("api/control", {
  method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({action: "pause"}),
})).status"""
REFUSED = "status of 40[13]"


def confirm(page: Page, name: str, words: str) -> None:
    """Press a control, read what it will do, and say yes."""
    page.locator("#controls").get_by_role("button", name=name).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(words)
    dialog.locator("#confirm-yes").click()
    expect(page.locator("#controls-result")).to_have_text("Done.")


def sign_in(page: Page, token: str) -> None:
    """Give a token."""
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Sign in").click()


def test_without_controls_it_is_said_why(page: Page) -> None:
    """A dashboard that was started without them shows them, and says why they are off and what to do instead."""
    page.get_by_role("link", name="Controls").click()
    expect(page.locator("#controls-why")).to_contain_text("--controls")
    for button in page.locator("#controls button").all():
        expect(button).to_be_disabled()


def test_nothing_is_shown_or_done_without_the_token(watch: Callable[..., Watched], guarded: Dashboard, busy: Stage) -> None:
    """Without it there is a form and no data; a wrong one is told so; orders are refused and nothing changes."""
    watched = watch()
    watched.forgiven = REFUSED
    page = watched.open(guarded.url, live=False)
    expect(page.get_by_label("Token")).to_be_focused()
    assert page.evaluate(POST) in (401, 403)
    assert not busy.rig.rooms.buckets["DescribeJobs"].view().paused
    expect(page.locator("#status-counts li")).to_have_count(0)
    sign_in(page, "not the token at all")
    expect(page.locator("#sign-in-error")).to_contain_text("That is not the token")


def test_the_controls_work_with_the_token(watch: Callable[..., Watched], guarded: Dashboard, busy: Stage) -> None:
    """Each deed says first what it will do; Cancel does nothing; what is done is told as a banner to all."""
    watched, bucket, roster = watch(), busy.rig.rooms.buckets["DescribeJobs"], busy.rig.rooms.roster
    watched.forgiven = "status of 401"
    page = watched.open(f"{guarded.url}#/controls", live=False)
    sign_in(page, TOKEN)
    pause = page.get_by_role("button", name="Pause…")
    expect(pause).to_be_enabled()
    pause.click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert not bucket.view().paused

    confirm(page, "Pause…", "no change of any job is noticed")
    assert bucket.view().paused
    expect(page.locator(".banner-title", has_text="Paused")).to_be_visible()
    confirm(page, "Resume…", "goes on at once")
    assert not bucket.view().paused

    page.get_by_label("Pin to calls/s").fill("7.5")
    confirm(page, "Pin…", "7.5 calls/s")
    assert bucket.view().pinned == 7.5
    expect(page.locator("#banners")).to_contain_text("Rate pinned to 7.5 calls/s")
    confirm(page, "Let it adapt…", "by itself again")
    assert bucket.view().pinned is None

    confirm(page, "Drain…", "claim nothing more")
    wait_until(lambda: roster.order() is not None, 5, "the order")
    confirm(page, "Take the drain back…", "claim due jobs again")
    assert roster.order() is None
    expect(page.locator(".banner")).to_have_count(0)

    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Token")).to_be_visible()
    expect(page.locator("#controls")).to_be_hidden()
