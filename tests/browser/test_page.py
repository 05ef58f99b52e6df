"""The page as a whole: it loads without a complaint, is live, and shows what is, whatever jobs are called."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from benchmarks.rig import wait_until
from fleetpoll.settings import Settings
from tests.browser.stage import Dashboard, Stage, stage
from tests.browser.watching import Watched

HOSTILE = "<img src=x onerror=alert(1)>"
LIVE_S = 2.0
NOTE = """
window.shownAt = {};
new MutationObserver((changes) => {
  for (const change of changes) for (const item of change.addedNodes) window.shownAt[item.dataset.key] ??= Date.now();
}).observe(document.getElementById("feed-list"), { childList: true });
"""


def test_it_loads_and_says_how_the_fleet_is(page: Page, busy: Stage) -> None:
    """One sentence says how the fleet is, the title tells it, too, and every tile has a figure."""
    expect(page.locator("#health")).to_have_attribute("data-level", "ok")
    expect(page.locator("#health-text")).to_contain_text("All well: 2 workers")
    assert page.title() == "● All well · genomics/eu-west-1 · fleetpoll"
    for tile in page.locator(".tile .value").all():
        expect(tile).not_to_have_text("\N{EN DASH}")
    assert page.locator("#worker-rows tr").count() == 2
    assert page.locator("#status-counts li").count() > 2


def test_a_transition_is_shown_within_two_seconds(page: Page, busy: Stage) -> None:
    """What a worker has seen is on the page within two seconds, in the feed as in the counts."""
    page.evaluate(NOTE)
    wait_until(lambda: page.evaluate("Object.keys(window.shownAt).length >= 5"), 20, "transitions in the feed")
    shown = page.evaluate("window.shownAt")
    known = {one.cursor: one.detected_ms for one in busy.rig.rooms.events.recent(2000)}
    waits_s = sorted((at - known[cursor]) / 1000 for cursor, at in shown.items() if cursor in known)
    print(f"shown after {waits_s[0]:.2f} to {waits_s[-1]:.2f} s, {len(waits_s)} transitions")
    assert waits_s
    assert waits_s[-1] < LIVE_S


def test_the_feed_can_be_held(page: Page) -> None:
    """Held, it stays as it is and says how much it keeps back; then it goes on."""
    page.goto(page.url.split("#")[0] + "#/events")
    page.get_by_role("button", name="Hold").click()
    first = page.locator("#feed-list li").first.get_attribute("data-key")
    expect(page.locator("#feed-note")).to_contain_text("more came", timeout=20_000)
    assert page.locator("#feed-list li").first.get_attribute("data-key") == first
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#feed-list li").first).not_to_have_attribute("data-key", first or "")
    assert page.locator("#feed-list li").count() <= 200


def test_a_name_is_text(watch: Callable[..., Watched], dashboard: Dashboard, busy: Stage) -> None:
    """Jobs are called what others like to call them: markup in a name is shown, and does nothing."""
    (job_id,) = busy.submit(1, HOSTILE, life_min_s=900.0, life_max_s=901.0)
    wait_until(lambda: HOSTILE in busy.rig.rooms.ledger.get([job_id])[job_id].job_name, 20, "a look at the job")
    page = watch().open(f"{dashboard.url}#/jobs?q={job_id}")
    link = page.locator("#job-rows a")
    expect(link).to_contain_text(HOSTILE)
    link.click()
    expect(page.locator("#job-name")).to_contain_text(HOSTILE)
    assert page.locator("main img").count() == 0


def test_charts_are_drawn_and_told(page: Page) -> None:
    """Four charts; each says in words what it shows, and its series are buttons."""
    expect(page.locator(".plot canvas")).to_have_count(4)
    expect(page.locator(".plot-empty:visible")).to_have_count(0, timeout=60_000)
    words = page.locator(".chart .sr-only").first
    expect(words).to_contain_text("Granted: now")
    used = page.get_by_role("button", name="Used")
    used.click()
    expect(used).to_have_attribute("aria-pressed", "false")
    expect(words).not_to_contain_text("Used")
    page.locator(".plot").first.press("ArrowLeft")
    expect(page.locator("#announcer")).to_contain_text("Granted")
    page.get_by_role("button", name="6 h").click()
    expect(page).to_have_url(f"{page.url.split('#')[0]}#/?range=360")


def test_ticks_are_told_apart(page: Page) -> None:
    """Where they are less than a minute apart, they say seconds."""
    words = page.evaluate("import('./static/js/format.js').then(({tick}) => [tick(30, 30), tick(60, 30), tick(60, 60)])")
    assert [len(word) for word in words] == [8, 8, 5]
    assert words[0] != words[1]


def test_a_laptop_that_slept(watch: Callable[..., Watched], dashboard: Dashboard) -> None:
    """The page listens anew at once, and asks for what it was not told meanwhile."""
    watched = watch()
    watched.page.clock.install()
    page = watched.open(dashboard.url)
    with page.expect_request("**/api/stream*"), page.expect_request("**/api/history*"):
        page.clock.fast_forward(3_600_000)
    expect(page.locator("#link")).to_have_attribute("data-state", "live")


def test_a_new_fleet_is_told_how_to_begin(watch: Callable[..., Watched], folder: Path) -> None:
    """Nobody works and nothing is tracked: three commands are shown, not nine empty tiles alone."""
    with stage(folder, Settings(fleet="new"), workers=False) as built, built.dashboard() as served:
        watched = watch()
        page = watched.open(served.url)
        expect(page.locator("#start li")).to_have_count(3)
        expect(page.locator("#health-text")).to_have_text("A new fleet: no workers yet, and no jobs.")
        built.submit(3, "first")
        expect(page.locator("#start")).to_be_hidden()
        expect(page.locator(".banner-title")).to_have_text("No workers")
        expect(page.locator(".banner code")).to_have_text("fleetpoll worker -n 4")
        watched.leave()


def test_several_fleets_can_be_switched(watch: Callable[..., Watched], folder: Path) -> None:
    """The fleets of a file are in a list; the chosen one is in the address, and in all links from there."""
    with stage(folder, Settings(fleet="one"), workers=False) as built:
        file = folder / "fleets.toml"
        file.write_text(f'redis_url = "{built.server.url}"\n[fleets.one]\n[fleets."two/x"]\n', encoding="utf-8")
        built.submit(3, "first")
        env = built.rig.environment() | {"FLEETPOLL_CONFIG": str(file)}
        env.pop("FLEETPOLL_FLEET", None)
        with Dashboard(env, folder / "dashboard.log") as served:
            watched = watch()
            watched.forgiven = "status of 40"
            page = watched.open(served.url)
            expect(page.locator("#tile-live .under")).to_contain_text("of 3 tracked")
            built.rig.rooms.buckets["DescribeJobs"].pause(True)
            expect(page.locator(".banner code", has_text="fleetpoll --fleet one budget resume")).to_be_visible()
            page.get_by_label("Fleet").select_option("two/x")
            expect(page.locator("#tile-live .under")).to_contain_text("of 0 tracked")
            page.get_by_role("link", name="Workers", exact=True).click()
            expect(page).to_have_url(f"{served.url}#/workers?fleet=two%2Fx")
            page.go_back()
            page.go_back()
            expect(page.locator("#tile-live .under")).to_contain_text("of 3 tracked")
            page.goto(f"{served.url}#/?fleet=three")
            expect(page.locator(".banner-title")).to_have_text("The dashboard does not show this")
            watched.leave()
