"""What the dashboard shows: its panels, each with what it asks.

They follow the way of a question at night: is it well, does AWS slow us down, who notices late, who is working, what does
Redis bear.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fleetpoll.metrics.families import FAMILIES

RATE = "[$__rate_interval]"
OF = 'fleet=~"$fleet"'
LABELS = {family.name: ", ".join(family.labels) for family in FAMILIES}


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: what it says, what it asks (legend and PromQL), and how it looks. `red` is where it turns red."""

    title: str
    about: str
    unit: str
    asked: tuple[tuple[str, str], ...]
    width: int = 8
    kind: str = "timeseries"
    red: float | None = None
    red_below: bool = False
    stacked: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A headline, and what is below it."""

    title: str
    height: int
    panels: tuple[Panel, ...]


def total(metric: str, by: str = "fleet", more: str = "") -> str:
    """The rate of a counter; what several exporters tell of a fleet counts once."""
    once = f"max by ({LABELS[metric]}) (rate({metric}{{{OF}{more}}}{RATE}))"
    return once if by == LABELS[metric] else f"sum by ({by}) ({once})"


def quantiles(metric: str, *shares: float) -> tuple[tuple[str, str], ...]:
    """Quantiles of a histogram, each named by its share."""
    buckets = f"sum by (fleet, le) (rate({metric}_bucket{{{OF}}}{RATE}))"
    return tuple((f"{{{{fleet}}}} p{share * 100:g}", f"histogram_quantile({share:g}, {buckets})") for share in shares)


def now(metric: str, by: str = "fleet", more: str = "") -> str:
    """A gauge; several exporters tell the same of a fleet."""
    return f"max by ({by}) ({metric}{{{OF}{more}}})"


def stat(title: str, about: str, unit: str, ask: str, **look: Any) -> Panel:
    """One number for each fleet."""
    return Panel(title, about, unit, (("{{fleet}}", ask),), 3, "stat", **look)


ANSWERED, THROTTLED = ',outcome="answered"', ',outcome="throttled"'
DESCRIBE = ',operation="DescribeJobs"'
ROWS = (
    Row(
        "At a glance",
        4,
        (
            stat("Redis answers", "1 while Redis answers.", "none", now("fleetpoll_up"), red=1, red_below=True),
            stat("Workers", "Alive.", "none", now("fleetpoll_workers", more=',state="alive"'), red=1, red_below=True),
            stat("Live jobs", "Not over.", "short", now("fleetpoll_live_jobs")),
            stat("Due jobs", "Waiting for a worker or a token.", "short", now("fleetpoll_due_jobs")),
            stat("Rate granted", "DescribeJobs calls a second.", "reqps", now("fleetpoll_rate_granted", more=DESCRIBE)),
            stat(
                "Fill",
                "Ids a call, 100 at most.",
                "none",
                f"{total('fleetpoll_call_ids_total')} / {total('fleetpoll_calls_total', more=ANSWERED)}",
            ),
            stat("Lag p99", "How late ends are noticed.", "s", quantiles("fleetpoll_lag_seconds", 0.99)[0][1], red=60),
            stat(
                "Throttled",
                "Share of calls.",
                "percentunit",
                f"{total('fleetpoll_calls_total', more=THROTTLED)} / {total('fleetpoll_calls_total')}",
                red=0.01,
            ),
        ),
    ),
    Row(
        "The allowance",
        8,
        (
            Panel(
                "Calls against the allowance",
                "What the bucket grants and may grant, and what is called.",
                "reqps",
                (
                    ("{{fleet}} configured", now("fleetpoll_rate_configured", more=DESCRIBE)),
                    ("{{fleet}} granted", now("fleetpoll_rate_granted", more=DESCRIBE)),
                    ("{{fleet}} called", total("fleetpoll_calls_total")),
                ),
            ),
            Panel(
                "Calls that were not answered",
                "Throttled, or failed by kind.",
                "reqps",
                (("{{fleet}} {{outcome}}", total("fleetpoll_calls_total", "fleet, outcome", ',outcome!="answered"')),),
                stacked=True,
            ),
            Panel(
                "Tokens by operation",
                "Each operation of AWS Batch has a bucket of its own.",
                "reqps",
                (("{{fleet}} {{operation}}", total("fleetpoll_tokens_granted_total", "fleet, operation")),),
            ),
        ),
    ),
    Row(
        "How late it is noticed",
        8,
        (
            Panel(
                "Lag of ends",
                "From AWS's stoppedAt to the detection.",
                "s",
                quantiles("fleetpoll_lag_seconds", 0.5, 0.9, 0.99),
            ),
            Panel(
                "Lag of starts",
                "From AWS's startedAt to the detection.",
                "s",
                quantiles("fleetpoll_start_lag_seconds", 0.5, 0.9, 0.99),
            ),
            Panel(
                "Staleness",
                "How old what was known of a job was when a look renewed it.",
                "s",
                quantiles("fleetpoll_staleness_seconds", 0.5, 0.99),
            ),
        ),
    ),
    Row(
        "Jobs",
        8,
        (
            Panel(
                "Jobs by status",
                "Tracked jobs, finished ones until they are forgotten.",
                "short",
                (("{{fleet}} {{status}}", now("fleetpoll_jobs", "fleet, status")),),
                12,
                stacked=True,
            ),
            Panel(
                "Transitions",
                "Changes of status that were published, by the new one.",
                "cps",
                (("{{fleet}} {{to}}", total("fleetpoll_transitions_total", "fleet, to")),),
                12,
            ),
        ),
    ),
    Row(
        "Workers",
        8,
        (
            Panel(
                "Workers",
                "Alive, and silent ones.",
                "short",
                (("{{fleet}} {{state}}", now("fleetpoll_workers", "fleet, state")),),
                4,
            ),
            Panel(
                "What they are doing",
                "At their last beats.",
                "short",
                (("{{fleet}} {{doing}}", now("fleetpoll_workers_doing", "fleet, doing")),),
                5,
                stacked=True,
            ),
            Panel(
                "Workers that AWS fails",
                "By the kind of the failure.",
                "short",
                (("{{fleet}} {{kind}}", now("fleetpoll_trouble", "fleet, kind")),),
                5,
                stacked=True,
            ),
            Panel(
                "Leases",
                "Claims that found jobs, and leases that ran out.",
                "cps",
                (
                    ("{{fleet}} given", total("fleetpoll_leases_total")),
                    ("{{fleet}} ran out", total("fleetpoll_leases_expired_total")),
                ),
                5,
            ),
            Panel(
                "Calls of AWS",
                "How long DescribeJobs took.",
                "s",
                quantiles("fleetpoll_call_duration_seconds", 0.5, 0.99),
                5,
            ),
        ),
    ),
    Row(
        "Who reads on",
        8,
        (
            Panel(
                "Consumer groups",
                "Transitions that a group was not given yet, or has not acknowledged.",
                "short",
                (
                    ("{{fleet}} {{group}} not given", now("fleetpoll_group_lag", "fleet, group")),
                    ("{{fleet}} {{group}} pending", now("fleetpoll_group_pending", "fleet, group")),
                ),
                12,
            ),
            Panel(
                "Dead letters",
                "Transitions that a relay gave up.",
                "short",
                (("{{fleet}}", now("fleetpoll_dead_letters")),),
                12,
                red=1,
            ),
        ),
    ),
    Row(
        "Redis, as a whole",
        8,
        (
            Panel(
                "Time spent by command",
                "Share of a core; evalsha holds what scripts do.",
                "percentunit",
                (
                    (
                        "{{server}} {{command}}",
                        f"topk(8, max by (server, command) (rate(fleetpoll_redis_commands_duration_seconds_total{RATE})))",
                    ),
                ),
            ),
            Panel(
                "Commands",
                "For anybody, those in scripts too.",
                "ops",
                (
                    (
                        "{{server}}",
                        f"sum by (server) (max by (server, command) (rate(fleetpoll_redis_commands_total{RATE})))",
                    ),
                ),
            ),
            Panel(
                "Memory",
                "Used by the server.",
                "bytes",
                (("{{server}}", "max by (server) (fleetpoll_redis_memory_used_bytes)"),),
            ),
        ),
    ),
)
