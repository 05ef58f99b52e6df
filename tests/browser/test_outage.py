"""The page while what it shows is away: it says so, keeps what it knew, and goes on by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from fleetpoll.settings import Settings
from fleetpoll.simulator.config import Fault
from tests.browser.stage import Stage, stage
from tests.browser.watching import Watched

EXPECTED = "status of 503|ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE"


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A small fleet of its own, that may be broken."""
    with stage(tmp_path_factory.mktemp("mortal"), Settings(fleet="mortal", workers=1, beat=1.0), jobs=50) as built:
        yield built


def test_redis_is_killed_and_comes_back(watch: Callable[..., Watched], mortal: Stage) -> None:
    """A banner says what is away and what that means; the last figures stay; then all is well again."""
    watched = watch()
    watched.forgiven = EXPECTED
    with mortal.dashboard() as served:
        page = watched.open(served.url)
        expect(page.locator("#tile-live .under")).to_contain_text("of 50 tracked")
        mortal.server.kill()
        expect(page.locator(".banner-title", has_text="Redis is away")).to_be_visible(timeout=10_000)
        expect(page.locator("#tile-live .under")).to_contain_text("of 50 tracked")
        assert page.title().startswith("■ Redis is away")
        mortal.server.start()
        expect(page.locator("#health")).to_have_attribute("data-level", "ok", timeout=20_000)
        expect(page.locator(".banner")).to_have_count(0)


def test_the_dashboard_dies_and_comes_back(watch: Callable[..., Watched], mortal: Stage) -> None:
    """The page says that it is cut off, and connects again to a dashboard that is started anew on the port."""
    watched = watch()
    watched.forgiven = EXPECTED
    with mortal.dashboard() as served:
        page = watched.open(served.url)
    expect(page.locator("#link")).to_have_attribute("data-state", "lost")
    expect(page.locator(".banner-title")).to_have_text("No connection to the dashboard", timeout=15_000)
    with mortal.dashboard(port=served.port):
        expect(page.locator("#link")).to_have_attribute("data-state", "live", timeout=15_000)
        expect(page.locator(".banner")).to_have_count(0)


def test_aws_denies(watch: Callable[..., Watched], mortal: Stage) -> None:
    """Trouble with AWS is told with what to do, and goes when it is over."""
    aws = mortal.rig.simulator
    with mortal.dashboard() as served:
        page = watch().open(served.url)
        aws.disturb("describe", faults={Fault.DENIED: 1.0})
        expect(page.locator(".banner[data-level=bad] .banner-title")).to_contain_text("AWS denies the calls", timeout=20_000)
        expect(page.locator(".banner .banner-advice")).not_to_be_empty()
        aws.disturb("describe", faults={})
        expect(page.locator("#health")).to_have_attribute("data-level", "ok", timeout=60_000)
