"""Markdown tables from measurements. No figure is typed by hand."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from benchmarks.results import Measurement
from fleetpoll.state.scripts import VERBS

NONE = "n/a"
END = "<!-- /bench -->"

Form = Callable[[float], str]
COLUMNS: dict[str, tuple[str, Form]] = {
    "throttled_share": ("throttled", "{:.2%}".format),
    "use_of_limit": ("use of the limit", "{:.1%}".format),
    "fill": ("ids per call", "{:.1f}".format),
    "lag_mean_s": ("mean lag", "{:.2f} s".format),
    "lag_p50_s": ("p50", "{:.2f} s".format),
    "lag_p99_s": ("p99", "{:.2f} s".format),
    "lag_over_bound": ("mean / bound", "{:.2f}".format),
    "lag_p99_over_bound": ("p99 / bound", "{:.2f}".format),
    "start_lag_mean_s": ("mean lag of starts", "{:.2f} s".format),
    "completions": ("ends noticed", "{:.0f}".format),
    "undetected": ("not noticed yet", "{:.0f}".format),
    "never_asked": ("never asked for", "{:.0f}".format),
    "given_up": ("given up", "{:.0f}".format),
    "calls_per_s": ("calls/s", "{:.2f}".format),
    "accepted_per_s": ("accepted/s", "{:.2f}".format),
    "calls_per_completion": ("calls per end", "{:.2f}".format),
    "cpu_s": ("CPU", "{:.1f} s".format),
    "cpu_s_per_1000_looks": ("CPU per 1,000 looks", "{:.3f} s".format),
    "asked_after_terminal": ("asked for after the end", "{:.0f}".format),
    "calm_after_s": ("throttled < 1 % after", "{:.0f} s".format),
    "full_after_s": ("use ≥ 90 % after", "{:.0f} s".format),
    "tenant_throttled_share": ("others throttled", "{:.1%}".format),
    "use_with_tenants": ("use by all", "{:.1%}".format),
    "redis_rtt_ms": ("PING", "{:.2f} ms".format),
    "grants_per_s": ("grants/s", "{:.2f}".format),
    "overshoot": ("most grants over burst + rate · t", "{:+.1f}".format),
    "redis_calls_per_grant": ("Redis calls per grant", "{:.2f}".format),
    "settle_blind_us": ("settle without a lesson", "{:.0f} µs".format),
    "settle_us": ("with one", "{:.0f} µs".format),
    "settle_growth": ("more", "{:+.1%}".format),
    "page_bytes": ("bytes a group", "{:.0f}".format),
    "use_least": ("use, least of a fleet", "{:.1%}".format),
    "worst_second": ("most calls of a fleet in a second", "{:.0f}".format),
    "lag_over_bound_worst": ("mean / bound, worst fleet", "{:.2f}".format),
    "calls_not_due": ("calls of the idle and the paused", "{:.0f}".format),
    "cpu_ms_per_call": ("CPU of pollers per call", "{:.1f} ms".format),
    "workers_cores": ("cores: pollers", "{:.2f}".format),
    "simulator_cores": ("simulator", "{:.2f}".format),
    "redis_cores": ("Redis", "{:.2f}".format),
    "look_ms": ("CPU a call", "{:.2f} ms".format),
    "calls_per_core_s": ("calls/s of a core", "{:.0f}".format),
    "claim_ms": ("claim", "{:.2f} ms".format),
    "reserve_ms": ("token", "{:.2f} ms".format),
    "describe_ms": ("DescribeJobs", "{:.2f} ms".format),
    "plan_ms": ("diff, plan, notes", "{:.2f} ms".format),
    "settle_ms": ("settle", "{:.2f} ms".format),
    "transitions_per_call": ("transitions a call", "{:.1f}".format),
    "start_s": ("from fork to first claim", "{:.3f} s".format),
    "start_cpu_s": ("its CPU", "{:.3f} s".format),
    "ready_s": ("from command to READY", "{:.2f} s".format),
    "rss_mb": ("RSS each", "{:.0f} MB".format),
    "pss_mb": ("PSS each", "{:.0f} MB".format),
    "client_ms": ("a further client", "{:.0f} ms".format),
    "client_mb": ("its memory", "{:.2f} MB".format),
    "claim_settle_us": ("claim + settle", "{:.0f} µs".format),
    "cpu_us_per_given": ("server CPU per transition and follower", "{:.1f} µs".format),
    "read_us_per_given": ("of it in commands", "{:.1f} µs".format),
    "lag_p50_ms": ("noticed after, p50", "{:.1f} ms".format),
    "lag_p99_ms": ("p99", "{:.1f} ms".format),
    "stopped_kb": ("held for one that stands still", "{:.1f} KiB".format),
    "wait_cpu_ms": ("CPU per 1,000 waits", "{:.2f} ms/s".format),
    "wait_commands": ("Redis commands", "{:.1f}/s".format),
    "wait_redis_ms": ("server CPU", "{:.2f} ms/s".format),
    "busy_us": ("CPU per transition of others", "{:.1f} µs".format),
    "deliveries_per_s": ("deliveries/s", "{:.0f}".format),
    "delivery_cpu_ms": ("CPU per delivery", "{:.2f} ms".format),
    "delivery_redis_us": ("server CPU per delivery", "{:.0f} µs".format),
    "dash_first_ms": ("first page", "{:.0f} ms".format),
    "dash_deep_ms": ("in the middle", "{:.0f} ms".format),
    "dash_deep_name_ms": ("by name", "{:.0f} ms".format),
    "dash_scan_ms": ("by queue", "{:.0f} ms".format),
    "dash_rare_ms": ("search, one job", "{:.0f} ms".format),
    "dash_common_ms": ("many", "{:.0f} ms".format),
    "dash_index_s": ("indexed after", "{:.0f} s".format),
    "dash_index_cpu_s": ("its CPU", "{:.0f} s".format),
    "dash_rss_mb": ("RSS", "{:.0f} MB".format),
    "dash_idle_cores": ("of a core, idle", "{:.2%}".format),
    "in_bytes": ("to Redis, a call", "{:,.0f} bytes".format),
    "out_bytes": ("from Redis", "{:,.0f} bytes".format),
    "log_bytes": ("to its log", "{:,.0f} bytes".format),
    "move_in_bytes": ("for each transition, to Redis", "{:,.0f} bytes".format),
    "move_out_bytes": ("from Redis", "{:,.0f} bytes".format),
    "move_log_bytes": ("to its log", "{:,.0f} bytes".format),
    "answer_bytes": ("AWS's answer, a job", "{:,.0f} bytes".format),
    "event_memory_bytes": ("an event in memory", "{:,.0f} bytes".format),
    "event_wire_bytes": ("to a follower", "{:,.0f} bytes".format),
    "beat_us": ("a beat", "{:.0f} µs".format),
    "ask_us": ("a token asked for", "{:.0f} µs".format),
    "claim_us": ("claim", "{:.0f} µs".format),
    "close_us": ("settle", "{:.0f} µs".format),
    "both_us": ("together", "{:.0f} µs".format),
    "floor_us": ("floor", "{:.0f} µs".format),
    "over_floor": ("of the floor", "{:.2f}".format),
    "live_bytes": ("bytes a live job", "{:.0f}".format),
    "ended_bytes": ("bytes a finished job", "{:.0f}".format),
    "track_s": ("track all", "{:.1f} s".format),
    "track_mb": ("track, memory", "{:.0f} MB".format),
    **{f"longest_{verb}_ms": (verb, "{:.2f} ms".format) for verb in VERBS},
    "jain": ("fairness (Jain)", "{:.3f}".format),
    "share_min": ("fewest of a process", "{:.0f}".format),
    "share_max": ("most of a process", "{:.0f}".format),
}


def table(measurements: Sequence[Measurement], columns: Iterable[str]) -> str:
    """One row for each measurement and shown phase; the columns of case and phase only where they tell rows apart."""
    rows = [(m, phase) for m in measurements for phase in shown_phases(m)]
    heads = ["contender"]
    if several := len({m["case"] for m in measurements}) > 1:
        heads.insert(0, "")
    if phased := any(len(shown_phases(m)) > 1 for m in measurements):
        heads.append("phase")
    names = list(columns)
    lines = [line([*heads, *(COLUMNS[name][0] for name in names)]), line(["---"] * len(heads) + ["--:"] * len(names))]
    for m, phase in rows:
        cells = [m["case"]] * several + [m["label"]] + [phase] * phased
        lines.append(line(cells + [cell(values(m, phase, name), COLUMNS[name][1]) for name in names]))
    return "\n".join([*lines, "", conditions(measurements), ""])


def line(cells: Iterable[str]) -> str:
    """One line of a table."""
    return f"| {' | '.join(cells)} |"


def shown_phases(measurement: Measurement) -> list[str]:
    """The phases that stand in tables; all, where the method does not tell."""
    phases = measurement["method"].get("phases")
    if phases is None:
        return list(measurement["runs"][0]["phases"])
    return [phase["name"] for phase in phases if phase["shown"]]


def values(measurement: Measurement, phase: str, name: str) -> list[float | None]:
    """A figure of each run; a few belong to the run and not to a phase."""
    runs = measurement["runs"]
    return [run["phases"][phase]["figures"].get(name, run.get(name)) for run in runs]


def cell(found: Sequence[float | None], form: Form) -> str:
    """The median, and the spread of several runs if it can be seen; n/a where no run has a value."""
    numbers = sorted(value for value in found if value is not None)
    if len(numbers) < len(found) or not numbers:
        return NONE if not numbers else f"{form(statistics.median(numbers))} ({len(numbers)} of {len(found)} runs)"
    middle, least, most = form(statistics.median(numbers)), form(numbers[0]), form(numbers[-1])
    return middle if least == most else f"{middle} ({least.split()[0]}…{most.split()[0]})"


def conditions(measurements: Iterable[Measurement]) -> str:
    """How often, when, where and with what; facts that differ between measurements are all named."""
    measurements = list(measurements)
    machines = [m["machine"] for m in measurements]
    packages = sorted({f"{name} {number}" for m in machines for name, number in m["packages"].items()}, key=str.lower)
    runs = spread(len(m["runs"]) for m in measurements)
    parts = [
        f"{runs} run" if runs == "1" else f"{runs} runs",
        spread(m["date"][:10] for m in machines),
        f"commit {spread(m['commit'] for m in machines)}",
        spread(f"{m['cores']} cores of {m['cpu']}" for m in machines),
        *paced([m["pace_ms"] for m in machines if "pace_ms" in m]),
        f"Python {spread(m['python'] for m in machines)}",
        *packages,
    ]
    return ", ".join(parts) + "."


def paced(paces_ms: Sequence[int]) -> list[str]:
    """How fast the processors were, if that was measured."""
    least, most = min(paces_ms, default=0), max(paces_ms, default=0)
    return [f"pace {least} ms" if least == most else f"pace {least} to {most} ms"] if paces_ms else []


def spread(found: Iterable[Any]) -> str:
    """All different values."""
    return "/".join(sorted({str(value) for value in found}))


def unmeasured(name: str) -> str:
    """What stands where there is no result."""
    return f"*Not measured yet: `python3 dev.py bench {name}`.*\n"


def filled(text: str, blocks: dict[str, str]) -> str:
    """The text with the blocks between `<!-- bench NAME -->` and `<!-- /bench -->`. Raises ValueError for an open marker."""
    for name, block in blocks.items():
        head, mark, rest = text.partition(f"<!-- bench {name} -->\n")
        if mark and END not in rest:
            raise ValueError(f"the marker of {name} has no {END}")
        if mark:
            text = f"{head}{mark}{block}{END}{rest.partition(END)[2]}"
    return text
