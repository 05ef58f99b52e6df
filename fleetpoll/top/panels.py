"""What stands on the screen, as lines of text for a width. Pure. No colour says what no word says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from rich.text import Text

from fleetpoll.client.health import Health, Level
from fleetpoll.client.status import FleetStatus
from fleetpoll.figures import Point
from fleetpoll.jobs import JobStatus, Snapshot, Transition
from fleetpoll.state.roster import Beat
from fleetpoll.text import plural, safe, span
from fleetpoll.top.bars import bar, beside, binned, clipped, spark
from fleetpoll.top.glance import WINDOW_MS, View

LEVELS = {Level.GOOD: "bold green", Level.IDLE: "bold blue", Level.WARN: "bold yellow", Level.BAD: "bold red"}
STATUSES = {
    "RUNNING": "cyan",
    "SUCCEEDED": "green",
    "FAILED": "red",
    "LOST": "magenta",
    "EXPIRED": "magenta",
    "REJECTED": "magenta",
}
ORDER = [JobStatus.UNSEEN, *(status for status in JobStatus if status is not JobStatus.UNSEEN)]
"""As a job goes through them."""
NAME, NUMBER = 10, 14
"""Columns of a status' name and of a figure."""
LEFT_SHARE, LEFT_MAX = 0.45, 50
WORKERS_SHOWN = 4
FEW = 10.0


def verdict(health: Health) -> list[Text]:
    """The health, and what to do: of all lines those that may be longer than the screen is wide."""
    lines = [Text.assemble((f" {health.level.value.upper()} ", f"{LEVELS[health.level]} reverse"), " ", safe(health.words))]
    if health.advice:
        lines.append(Text(f" → {safe(health.advice)}", style="bold"))
    return lines


def overview(view: View, width: int, height: int, wanted: str = "") -> list[Text]:
    """All at a glance: jobs beside the sparklines, then troubles, workers, and as much of the feed as there is room for."""
    left = min(LEFT_MAX, int(width * LEFT_SHARE))
    lines = beside(jobs_by_status(view, left), sparklines(view, width - left), left)
    lines = [clipped(line, width) for line in lines]
    lines += [*troubles(view.status, width), *workers(view.status, width, WORKERS_SHOWN)]
    return lines + feed(view.feed, width, max(1, height - len(lines) - 1), wanted)


def heading(words: str, width: int) -> Text:
    """A line that begins something."""
    return clipped(Text(words.ljust(width), style="bold underline"), width)


def jobs_by_status(view: View, width: int) -> list[Text]:
    """Each status with its number of jobs, and a bar."""
    status = view.status
    waiting = "" if view.due is None else f", {view.due:,} due"
    lines = [heading(f"{status.tracked:,} jobs, {status.live:,} live{waiting}", width - 1)]
    most, room = max(status.jobs.values(), default=0), width - NAME - NUMBER + 2
    for name, count in sorted(status.jobs.items(), key=lambda row: ORDER.index(row[0])):
        line = Text(f"{name.value[:NAME]:<{NAME}}{count:>{NUMBER - 5},} ")
        lines.append(line.append(bar(count / most if most else 0.0, max(1, room)), STATUSES.get(name.value, "")))
    if not status.jobs:
        lines.append(Text("none: fleetpoll track ID", style="dim"))
    return lines


def sparklines(view: View, width: int) -> list[Text]:
    """The allowance and the lags of the last minutes, each with its figure of now."""
    bucket, now = view.status.bucket, view.now
    rate, lag = max(bucket.configured, bucket.granted), lag_top(view.points)
    rows: list[tuple[str, Callable[[Point], float | None], float, str, str]] = [
        ("granted", lambda at: at.granted, rate, f"{bucket.granted:.3g} of {bucket.configured:g}/s", "green"),
        ("used", lambda at: at.calls_per_s, rate, per_s(now.calls_per_s if now else None), "cyan"),
        ("throttled", lambda at: at.throttled_per_s, rate, per_s(now.throttled_per_s if now else None), "red"),
        ("lag p50", lambda at: at.lag_p50_s, lag, span(now.lag_p50_s) if now else "-", "magenta"),
        ("lag p99", lambda at: at.lag_p99_s, lag, span(now.lag_p99_s) if now else "-", "magenta"),
        ("age p99", lambda at: at.age_p99_s, age_top(view.points), span(now.age_p99_s) if now else "-", "blue"),
    ]
    room = max(4, width - NAME - NUMBER - 2)
    lines = [heading(f"last {WINDOW_MS // 60_000} minutes", width)]
    for name, of, top, figure, colour in rows:
        values = binned(((at.at_ms, of(at)) for at in view.points), view.status.now_ms, WINDOW_MS, room)
        lines.append(Text.assemble(f"{name:<{NAME}}", (spark(values, top), colour), f" {figure:>{NUMBER}}"))
    return [*lines, Text(f"{'fill':<{NAME}}{fill(view)}")]


def fill(view: View) -> str:
    """Ids a call, now and ever."""
    answered = view.now.calls_per_s - view.now.throttled_per_s - view.now.failed_per_s if view.now else 0.0
    lately = f"{view.now.looks_per_s / answered:.0f}" if view.now and answered > 0 else "-"
    ever = view.status.totals.fill
    return f"{lately} of 100 ids a call now, {'-' if ever is None else f'{ever:.0f}'} ever"


def lag_top(seen: Iterable[Point]) -> float:
    """The top of the lags' scale."""
    return max((at.lag_p99_s for at in seen if at.lag_p99_s is not None), default=1.0)


def age_top(seen: Iterable[Point]) -> float:
    """The top of the ages' scale."""
    return max((at.age_p99_s for at in seen if at.age_p99_s is not None), default=1.0)


def per_s(rate: float | None) -> str:
    """A rate as people read it."""
    return "-" if rate is None else f"{rate:.2g}/s" if rate < FEW else f"{rate:,.0f}/s"


def troubles(status: FleetStatus, width: int) -> list[Text]:
    """Whom AWS fails, since when, and what to do. Nothing while it works for all."""
    lines: list[Text] = []
    for trouble in status.troubles:
        lasting = span(max(0, status.now_ms - trouble.since_ms) / 1000)
        who = f"{plural(trouble.workers, 'worker')} on {', '.join(trouble.hosts)} for {lasting}"
        lines.append(Text(safe(f"! {trouble.kind}: {who}. {trouble.words}"), style="red"))
        lines.append(Text(f"  → {safe(trouble.advice)}"))
    return [clipped(line, width) for line in lines]


def workers(status: FleetStatus, width: int, most: int) -> list[Text]:
    """Who works, with the last beat, calls, and what each is doing; those that fell silent first."""
    alive = {beat.worker_id for beat in status.alive}
    silent = len(status.workers) - len(alive)
    title = f"{plural(len(alive), 'worker')} alive" + (f", {silent} silent" if silent else "")
    lines = [heading(f"{title:<31} BEAT     CALLS  DOING", width)]
    ordered = sorted(status.workers, key=lambda beat: (beat.worker_id in alive, beat.facts.host, beat.facts.pid))
    shown = ordered[:most] if len(ordered) > most + 1 else ordered
    lines += [clipped(worker(beat, status.now_ms, beat.worker_id in alive), width) for beat in shown]
    if len(ordered) > len(shown):
        lines.append(Text(f"… and {len(ordered) - len(shown):,} more: key 3", style="dim"))
    return lines


def worker(beat: Beat, now_ms: int, alive: bool) -> Text:  # noqa: FBT001 - what is known of it
    """A worker's line."""
    facts = beat.facts
    ago = span(max(0, now_ms - beat.beat_ms) / 1000)
    doing = safe(facts.doing) or "-"
    line = f"{safe(facts.host)[:20]:<20} {facts.pid:>8}   {ago:>6} {facts.calls:>9,}  "
    return (
        Text.assemble(line, (doing, "")) if alive else Text.assemble((line, "red"), ("SILENT, last: " + doing, "bold red"))
    )


def feed(moved: Sequence[Transition], width: int, most: int, wanted: str = "") -> list[Text]:
    """The last transitions, newest first, those that have the word in id, name or status."""
    found = [one for one in moved if matches(one, wanted)]
    words = "transitions, newest first" + (f" · with {safe(wanted)!r}: {len(found):,} of {len(moved):,}" if wanted else "")
    lines = [heading(words, width), *(clipped(transition(one), width) for one in found[:most])]
    if not found:
        lines.append(Text("none yet" if not wanted else "none: key / changes the filter, Esc clears it", style="dim"))
    return lines


def matches(moved: Transition, wanted: str) -> bool:
    """Whether a transition has the word, in whatever case."""
    return wanted.lower() in f"{moved.job_id} {moved.job_name} {moved.before} {moved.after}".lower()


def transition(moved: Transition) -> Text:
    """A transition's line: when it was detected, which job, from what to what, how late, why."""
    late = "" if moved.lag_ms is None else f" {span(moved.lag_ms / 1000)} late"
    why = f" {safe(moved.reason)}" if moved.reason else ""
    to = moved.after.value
    return Text.assemble(
        f"{clock(moved.detected_ms)} {moved.before.value:>9} → ",
        (f"{to:<9}", STATUSES.get(to, "")),
        f" {moved.job_id[:13]:<13} {safe(moved.job_name)}{late}{why}",
    )


def jobs(found: Sequence[tuple[str, Snapshot]], tracked: int, width: int, wanted: str = "") -> list[Text]:
    """Some jobs by status, those that changed last first."""
    rows = [row for row in found if wanted.lower() in f"{row[0]} {row[1].job_name} {row[1].status}".lower()]
    rows.sort(key=lambda row: (ORDER.index(row[1].status), -row[1].changed_ms))
    lines = [heading(f"{len(rows):,} of {tracked:,} jobs, whichever come first; fleetpoll jobs lists all", width)]
    for job_id, job in rows:
        name = job.status.value
        line = Text.assemble(
            (f"{name:<10}", STATUSES.get(name, "")), f"{clock(job.changed_ms)} {job_id:<38} {safe(job.job_name)}"
        )
        lines.append(clipped(line, width))
    return lines


def clock(epoch_ms: int) -> str:
    """The time of day in UTC; blank if it is not known."""
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).strftime("%H:%M:%S") if epoch_ms else " " * 8
