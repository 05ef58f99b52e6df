"""A page that is watched: what it complains of, what it asks for, and of whom."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request

HERE = Path(__file__).parent
LIVE_MS = 10_000

VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
});
"""


@dataclass
class Watched:
    """A page, and what went wrong in it. `forgiven` matches what a test provokes on purpose."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)
    forgiven: str = ""

    @classmethod
    def within(cls, context: BrowserContext) -> Watched:
        """A new page."""
        watched = cls(context.new_page())
        watched.page.add_init_script(VIOLATIONS)
        watched.page.on("console", watched._console)
        watched.page.on("pageerror", lambda error: watched.complaints.append(f"error: {error}"))
        watched.page.on("request", watched._request)
        return watched

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.type}: {message.text}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith("data:"):
            self.hosts.add(urlsplit(request.url).hostname or "")

    def open(self, url: str, *, live: bool = True) -> Page:
        """Go there, and wait until the page is live."""
        self.page.goto(url)
        if live:
            self.page.wait_for_selector("#link[data-state=live]", timeout=LIVE_MS)
            self.page.wait_for_selector("#health:not([data-level=wait])", timeout=LIVE_MS)
        return self.page

    def check(self) -> None:
        """There was no complaint that is not forgiven, and nobody was asked but the dashboard."""
        broken = self.page.evaluate("window.violations || []")
        serious = [words for words in self.complaints if not (self.forgiven and re.search(self.forgiven, words))]
        assert serious == [], serious
        assert broken == [], broken
        assert self.hosts <= {"127.0.0.1"}

    def leave(self) -> None:
        """Check, and go away from a dashboard that is about to end: that it is cut off is no complaint then."""
        self.check()
        self.page.goto("about:blank")

    def ask(self, script: str) -> Any:
        """The answer of one of the scripts beside this file."""
        return self.page.evaluate((HERE / script).read_text(encoding="utf-8"))
