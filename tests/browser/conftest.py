"""One Chromium and one busy fleet for all tests of the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from fleetpoll.settings import Settings
from tests.browser.stage import TOKEN, Dashboard, Stage, chromium, stage
from tests.browser.watching import Watched

JOBS = 600


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium, without a head."""
    found = chromium()
    if found is None:
        pytest.skip("There is no Chromium on the PATH: on Debian and Ubuntu, apt-get install chromium.")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A fleet at work."""
    settings = Settings(fleet="genomics/eu-west-1", region="eu-west-1", workers=2, beat=1.0, freshness=1.0)
    with stage(tmp_path_factory.mktemp("busy"), settings, jobs=JOBS) as built:
        yield built


@pytest.fixture(scope="session")
def dashboard(busy: Stage) -> Iterator[Dashboard]:
    """Its dashboard, for everybody and without controls."""
    with busy.dashboard() as served:
        yield served


@pytest.fixture(scope="session")
def guarded(busy: Stage) -> Iterator[Dashboard]:
    """Its dashboard behind a token, with controls."""
    with busy.dashboard("--controls", token=TOKEN) as served:
        yield served


@pytest.fixture
def watch(browser: Browser) -> Iterator[Callable[..., Watched]]:
    """Makes watched pages; in the end none may have complained."""
    made: list[Watched] = []

    def make(width: int = 1280, height: int = 900, theme: str = "light", *, still: bool = False) -> Watched:
        motion = "reduce" if still else "no-preference"
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=theme,  # type: ignore[arg-type] # "light" or "dark"
            reduced_motion=motion,  # type: ignore[arg-type] # one of its two words
        )
        context.set_default_timeout(10_000)
        made.append(Watched.within(context))
        return made[-1]

    yield make
    for one in made:
        one.check()
        one.page.context.close()


@pytest.fixture
def page(watch: Callable[..., Watched], dashboard: Dashboard) -> Page:
    """The overview of the busy fleet."""
    return watch().open(dashboard.url)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of the test's own."""
    return tmp_path
