"""The table of jobs and the page of one: the server searches, sorts and pages, and the address keeps what was asked for."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.stage import Dashboard, Stage
from tests.browser.watching import Watched

ROWS = "#job-rows tr"


@pytest.fixture
def jobs(watch: Callable[..., Watched], dashboard: Dashboard) -> Page:
    """The table."""
    page = watch().open(f"{dashboard.url}#/jobs")
    expect(page.locator(ROWS)).to_have_count(50)
    return page


def names(page: Page) -> list[str]:
    """The names that are shown."""
    return page.locator(f"{ROWS} .name").all_inner_texts()


def test_search(jobs: Page) -> None:
    """What is typed is looked for, and stands in the address; cleared, all are back."""
    jobs.keyboard.press("/")
    expect(jobs.locator("#job-search")).to_be_focused()
    jobs.keyboard.type("qc-sample-1")
    expect(jobs.locator("#job-range")).to_have_text(re.compile(r"of 3[0-9]$"))
    assert all(name.startswith("qc-sample-1") for name in names(jobs))
    assert "q=qc-sample-1" in jobs.url
    jobs.get_by_role("button", name="Clear").click()
    expect(jobs.locator(ROWS)).to_have_count(50)
    expect(jobs.locator("#job-search")).to_have_value("")
    jobs.locator("#job-search").fill("nothing is called that")
    expect(jobs.locator("#jobs-none")).to_be_visible()


def test_status_filter(jobs: Page) -> None:
    """Only jobs of the statuses that are pressed; two are either."""
    running = jobs.locator("#job-chips").get_by_role("button", name="RUNNING")
    running.click()
    expect(running).to_have_attribute("aria-pressed", "true")
    expect(jobs.locator(f"{ROWS} .badge:not([data-status=RUNNING])")).to_have_count(0)
    jobs.locator("#job-chips").get_by_role("button", name="SUCCEEDED").click()
    expect(jobs).to_have_url(re.compile("status=RUNNING%2CSUCCEEDED"))


def test_sort(jobs: Page) -> None:
    """A header sorts, and turns the order when pressed again; screen readers are told."""
    button = jobs.get_by_role("button", name="Job", exact=True)
    header = jobs.locator("#job-table th").first
    button.click()
    expect(header).to_have_attribute("aria-sort", "ascending")
    expect(jobs.locator(f"{ROWS} .name").first).to_have_text(re.compile("^(<img|align-sample-0)"))
    button.click()
    expect(header).to_have_attribute("aria-sort", "descending")
    expect(jobs.locator(f"{ROWS} .name").first).to_have_text("qc-sample-99")
    assert names(jobs) == sorted(names(jobs), reverse=True)


def test_paging_and_the_back_button(jobs: Page) -> None:
    """Pages follow each other without a gap; back and forward go through them; a link opens the same page again."""
    jobs.get_by_role("button", name="Job", exact=True).click()
    expect(jobs.locator("#job-table th").first).to_have_attribute("aria-sort", "ascending")
    expect(jobs.locator("#jobs")).not_to_have_attribute("aria-busy", "true")
    first = names(jobs)
    jobs.get_by_role("button", name="Next").click()
    expect(jobs.locator("#job-range")).to_have_text(re.compile("^51.100 of"))
    second = names(jobs)
    assert not set(first) & set(second)
    shared = jobs.url
    jobs.go_back()
    expect(jobs.locator("#job-range")).to_have_text(re.compile("^1.50 of"))
    jobs.go_forward()
    expect(jobs.locator("#job-range")).to_have_text(re.compile("^51.100 of"))
    jobs.goto("about:blank")
    jobs.goto(shared)
    expect(jobs.locator("#job-range")).to_have_text(re.compile("^51.100 of"))
    assert names(jobs) == second


def test_all_that_can_be_chosen_is_served(jobs: Page) -> None:
    """Every number of rows, and every header."""
    for rows in jobs.locator("#job-size option").all_inner_texts():
        jobs.locator("#job-size").select_option(rows)
        expect(jobs.locator(ROWS)).to_have_count(int(rows))
    for button in jobs.locator("#job-table thead button").all():
        button.click()
        expect(button.locator("..")).to_have_attribute("aria-sort", re.compile("ending"))
    expect(jobs.locator("#jobs")).not_to_have_attribute("aria-busy", "true")
    expect(jobs.locator("#job-error")).to_be_hidden()


def test_a_page_behind_the_last_says_so(jobs: Page) -> None:
    """There are jobs, and it does not say that there are none."""
    jobs.goto(f"{jobs.url.split('#')[0]}#/jobs?page=999")
    expect(jobs.locator("#job-range")).to_have_text(re.compile("page 999 is empty; 6[0-9]+ in all"))
    expect(jobs.locator("#jobs-none")).to_be_hidden()


def test_a_job_on_the_page_changes_where_it_stands(jobs: Page, busy: Stage) -> None:
    """While somebody points at the table nothing moves under the pointer: the status changes in its row."""
    (job_id,) = busy.submit(1, "watched", life_min_s=12.0, life_max_s=12.1)
    jobs.goto(f"{jobs.url.split('#')[0]}#/jobs?q={job_id}")
    badge = jobs.locator(f"{ROWS}[data-key='{job_id}'] .badge")
    expect(badge).to_be_visible()
    badge.hover()
    expect(badge).to_have_attribute("data-status", re.compile("SUCCEEDED|FAILED"), timeout=40_000)


def test_the_page_of_a_job(jobs: Page, busy: Stage) -> None:
    """All facts, the way it took with durations, and links to its log and to AWS's console."""
    (job_id,) = busy.submit(1, "looked-at", life_min_s=6.0, life_max_s=6.1)
    jobs.goto(f"{jobs.url.split('#')[0]}#/job/{job_id}")
    expect(jobs.locator("#job-id code")).to_have_text(job_id)
    expect(jobs.locator("#job-timeline li").last).to_contain_text(re.compile("SUCCEEDED|FAILED"), timeout=40_000)
    expect(jobs.locator("#job-timeline li").last).to_contain_text("after it stopped")
    expect(jobs.locator("#job-facts")).to_contain_text("looked:3")
    expect(jobs.get_by_role("link", name="Log stream")).to_have_attribute("href", re.compile("^https://.*log"))
    expect(jobs.get_by_role("link", name="AWS Batch console")).to_have_attribute("href", re.compile("^https://.*batch"))
    assert "looked-at" in jobs.title()


def test_a_job_that_is_not_tracked(watch: Callable[..., Watched], dashboard: Dashboard) -> None:
    """It is said that it is not tracked, and how to track it."""
    watched = watch()
    watched.forgiven = "404"
    page = watched.open(f"{dashboard.url}#/job/11111111-2222-4333-8444-555555555555")
    expect(page.locator("#job-note")).to_contain_text("fleetpoll track 11111111-2222-4333-8444-555555555555")
