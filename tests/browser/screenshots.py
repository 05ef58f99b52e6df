"""Takes the pictures of the dashboard in docs/images, from a fleet at work: `python3 dev.py screenshots [--minutes M]`.

The fleet works for some minutes before, with waves of new jobs and a while in which others spend half of the account's
limit, so that the charts have something to show.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from fleetpoll.jobs import JobStatus
from fleetpoll.settings import Settings
from tests.browser.stage import Stage, chromium, stage

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
WIDTH, HEIGHT = 1440, 1000
BYTES_MAX = 300_000
SETTINGS = Settings(fleet="genomics/eu-west-1", region="eu-west-1", rate=20.0, workers=4, beat=1.0, freshness=2.0)
WAVES = {"align-HG002": 45, "call-variants-HG003": 90, "qc-run-0412": 20, "merge-cohort": 150}


def main() -> None:
    """Let a fleet work, and take the pictures."""
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--minutes", type=float, default=5.0, help="how long the fleet works before (default: 5)")
    minutes = flags.parse_args().minutes
    with tempfile.TemporaryDirectory(prefix="fleetpoll-shots-") as folder, stage(Path(folder), SETTINGS, jobs=4000) as built:
        work(built, minutes * 60)
        take(built)


def work(built: Stage, lasting_s: float) -> None:
    """New jobs in waves; in the middle, others take half of the limit for a while."""
    begin, pause, wave = time.monotonic(), threading.Event(), 0
    while (elapsed := time.monotonic() - begin) < lasting_s:
        crowded = 0.35 < elapsed / lasting_s < 0.65
        built.rig.simulator.disturb("describe", tenant_rate=SETTINGS.rate / 2 if crowded else 0.0)
        name, life_s = list(WAVES.items())[wave % len(WAVES)]
        built.submit(50 + 40 * (wave // 8 % 3), name, job_queue="spot", life_min_s=life_s / 3, life_max_s=life_s * 3.0)
        wave += 1
        pause.wait(3)


def take(built: Stage) -> None:
    """The overview in light and in dark, and one job."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with built.dashboard() as served, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-dev-shm-usage", "--font-render-hinting=none"]
        )
        for theme in ("light", "dark"):
            page = opened(browser, served.url, theme)
            save(page, f"dashboard-{theme}.png")
        page.goto(f"{served.url}#/job/{finished(built)}")
        page.wait_for_selector("#job-timeline li:nth-child(3)")
        save(page, "job.png")
        browser.close()


def opened(browser: Browser, url: str, theme: str) -> Page:
    """The overview, when it has all that it shows."""
    context = browser.new_context(
        viewport={"width": WIDTH, "height": HEIGHT},
        color_scheme=theme,  # type: ignore[arg-type] # "light" or "dark"
    )
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector("#health[data-level=ok]")
    page.wait_for_selector("#feed-list li:nth-child(10)")
    page.wait_for_selector("#tile-live polyline[points*=',']", state="attached")
    page.wait_for_timeout(1500)  # the bar's parts have come to rest
    return page


def finished(built: Stage) -> str:
    """A job whose whole life was seen, with a second attempt if there is one."""
    ended = [one for one in built.rig.rooms.events.recent(5000) if one.after is JobStatus.SUCCEEDED]
    return max(ended, key=lambda one: (one.attempt == 2, one.job_name.startswith("align-HG"))).job_id


def save(page: Page, name: str) -> None:
    """Write a picture, and say how large it is."""
    place = IMAGES / name
    page.screenshot(path=place, full_page=True, animations="disabled")
    size = place.stat().st_size
    print(f"{place.relative_to(ROOT)}: {size:,} bytes")
    if size > BYTES_MAX:
        raise SystemExit(f"{name} has {size:,} bytes, which is more than a README should load: {BYTES_MAX:,}.")


if __name__ == "__main__":
    main()
