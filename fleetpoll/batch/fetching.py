"""A job's output, shown while the job is waited for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class LogFetcher(Protocol):
    """What shows a job's output while it runs, in a thread of its own."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """Tell it to end."""

    def join(self) -> None:
        """Wait until it has."""


GetLogFetcher = Callable[[str], LogFetcher | None]


def with_logs(job_id: str, get_log_fetcher: GetLogFetcher | None, wait: Callable[[], None]) -> None:
    """Wait, with a log fetcher at work if there is one for the job; it has ended afterwards, whatever happens."""
    fetcher = get_log_fetcher(job_id) if get_log_fetcher else None
    if fetcher is None:
        wait()
        return
    try:
        fetcher.start()
        wait()
    finally:
        fetcher.stop()
        fetcher.join()
