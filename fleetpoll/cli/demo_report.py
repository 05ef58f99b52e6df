"""What the demo has to say at its end: the figures of the API's side, and what the stream says beside them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from fleetpoll.cli.demo_stage import FRESHNESS_S, Script, Stage
from fleetpoll.cli.tables import facts
from fleetpoll.state.events import BEGINNING

IDS_PER_CALL = 100
ALONE_EVERY_S = 5.0
"""How often a job is looked at by those who poll it by itself, in the comparison."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was seen: by the API's side (`stats`), in the stream, and in the ledger."""

    script: Script
    stats: dict[str, Any]
    transitions: int
    ends: int  # terminal transitions in the stream
    ended_once: int  # jobs with exactly one
    agreed: int  # jobs whose last status in the ledger is the true one

    @property
    def good(self) -> bool:
        """Whether the promises held: no end is lost or published twice, and what is known is true."""
        return self.ends == self.ended_once == self.agreed == self.script.jobs


def outcome_of(stage: Stage, script: Script, ids: list[str]) -> Outcome:
    """Gather what all sides saw, once all jobs have ended."""
    stats = stage.simulator.stats()
    transitions, ends = 0, Counter[str]()
    for transition in stage.fleet.past_events(BEGINNING):
        transitions += 1
        ends[transition.job_id] += transition.after.terminal
    known, truth = stage.fleet.get(ids), stage.simulator.truth(ids)
    return Outcome(
        script=script,
        stats=stats,
        transitions=transitions,
        ends=ends.total(),
        ended_once=sum(ends[job_id] == 1 for job_id in ids),
        agreed=sum(job_id in known and known[job_id].status == truth[job_id][0] for job_id in ids),
    )


def report(outcome: Outcome) -> Table:
    """The figures as names and values."""
    stats, script = outcome.stats, outcome.script
    describe, lag = stats["operations"]["describe"], stats["completion_lag_ms"]
    bound_s = stats["live_mean"] / (2 * IDS_PER_CALL * script.limit)
    jobs = f"{script.jobs:,}"
    return facts(
        [
            ("seen by the API", ""),
            ("  DescribeJobs calls", f"{describe['calls']:,}, {calls_per_s(stats):.1f}/s of {script.limit:g}/s allowed"),
            ("  worst second", f"{describe['worst_second_calls']:,} calls; a burst is allowed"),
            ("  throttled", f"{describe['throttled']:,}"),
            ("  ids asked for", f"{describe['ids']:,}, {describe['mean_ids']:.1f} a call"),
            ("  completions shown", f"{lag['count']:,} of {jobs}"),
            ("  lag of completions", f"{lag['mean'] / 1000:.2f} s mean, {lag['p99'] / 1000:.2f} s p99"),
            ("  bound J/(2·100·R)", f"{bound_s:.2f} s mean, with J = {stats['live_mean']:,.0f} live jobs on average"),
            ("  freshness", f"{FRESHNESS_S:g} s: no call is spent to know sooner"),
            ("seen by the fleet", ""),
            ("  transitions", f"{outcome.transitions:,} in the stream"),
            ("  ends", f"{outcome.ends:,}; exactly one for {outcome.ended_once:,} of {jobs} jobs"),
            ("  last statuses", f"{outcome.agreed:,} of {jobs} are those of the API"),
        ]
    )


def comparison(outcome: Outcome) -> str:
    """What one call a job would have meant, by arithmetic."""
    script = outcome.script
    alone = script.jobs / ALONE_EVERY_S
    return (
        f"Polled by itself every {ALONE_EVERY_S:g} s, each with a call of its own, these {script.jobs:,} jobs would have"
        f" needed {alone:,.0f} calls/s, {alone / script.limit:,.1f} times the limit; the fleet made"
        f" {calls_per_s(outcome.stats):.1f}."
    )


def calls_per_s(stats: dict[str, Any]) -> float:
    """DescribeJobs calls a second over the window, from the first to the last."""
    describe = stats["operations"]["describe"]
    span_ms = describe["last_call_ms"] - describe["first_call_ms"]
    return float(describe["calls"] * 1000 / span_ms) if span_ms else 0.0
