"""The capacity sheet: what so many accounts with so many jobs need and cost, from coefficients and list prices.

`coefficients.json` says of each coefficient where it comes from: measured, if the result that it names is there; else the
goal that the measurement is held to, AWS's word, a default of the settings, or a choice. `prices.json` is AWS's list.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import results

HERE = Path(__file__).parent
RESULTS = HERE.parent / "results"
HOST_VCPUS, HOST_GB, NODE_GB = 8, 32, 13
"""Of an m7g.2xlarge, and what ElastiCache gives of a cache.r7g.large."""
HOUR_S = 3_600
LIVES_H = (1, 6, 24)
BATCH = 10
"""Messages that a request to SQS receives or deletes."""
HEAD = "figure                                          value"

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Demand:
    """So many accounts, live jobs in each, DescribeJobs calls a second that each allows."""

    accounts: int = 1_000
    jobs: int = 100_000
    rate: float = 10.0


@dataclass(frozen=True, slots=True)
class Basis:
    """The coefficients by name, where each comes from, and the prices."""

    values: Figures
    sources: Mapping[str, str]
    prices: Mapping[str, Any]

    @property
    def month_s(self) -> float:
        """The seconds of a month."""
        return float(self.prices["hours_a_month"] * HOUR_S)

    def monthly(self, name: str, count: float) -> float:
        """What so many of what is paid by the hour cost a month."""
        return float(count * self.prices["prices"][name]["value"] * self.prices["hours_a_month"])

    def each(self, name: str, count: float) -> float:
        """What so many of what is paid by the piece cost."""
        price = self.prices["prices"][name]
        return tiered(price["tiers"], count) if "tiers" in price else float(count * price["value"])


def basis(folder: Path = RESULTS) -> Basis:
    """What stands in the files, with what was measured."""
    known = json.loads((HERE / "coefficients.json").read_text(encoding="utf-8"))
    prices = json.loads((HERE / "prices.json").read_text(encoding="utf-8"))
    values, sources = dict[str, float](), dict[str, str]()
    for name, entry in known.items():
        measured = of_results(folder, entry)
        values[name] = float(entry["value"]) if measured is None else measured
        sources[name] = entry["kind"] if measured is None else f"measured, `{entry['result']}`"
    return Basis(values, sources, prices)


def of_results(folder: Path, entry: Mapping[str, Any]) -> float | None:
    """The median of a figure over the runs of the last case that has it; None if it was not measured."""
    found = [
        [figures[entry["figure"]] for run in measurement["runs"] if entry["figure"] in (figures := only(run["phases"]))]
        for measurement in (results.load(folder, entry["result"]) if "result" in entry else [])
        if entry.get("contender", measurement["contender"]) == measurement["contender"]
    ]
    found = [values for values in found if values]
    return statistics.median(found[-1]) * float(entry.get("scale", 1.0)) if found else None


def only(phases: Mapping[str, Any]) -> dict[str, float]:
    """The figures of the last phase."""
    figures: dict[str, float] = list(phases.values())[-1]["figures"]
    return figures


def tiered(tiers: Sequence[tuple[float | None, float]], count: float) -> float:
    """The price of so many pieces: each tier ends at a count, the last one never."""
    cost, begun = 0.0, 0.0
    for end, price in tiers:
        within = (count if end is None else min(count, end)) - begun
        if within <= 0:
            break
        cost, begun = cost + within * price, begun + within
    return cost


def sheet(demand: Demand, basis: Basis) -> Figures:
    """All figures by name: what was asked, the coefficients, and what follows."""
    found: Figures = {name: float(value) for name, value in asdict(demand).items()} | basis.values
    for part in (of_aws, of_pollers, of_redis, of_memory, of_network, of_money, of_push):
        found |= part(found, basis)
    return found


def of_aws(f: Figures, basis: Basis) -> Figures:
    """What AWS's allowance bounds."""
    del basis
    per_call = f["ids_per_call"]
    return {
        "live": f["accounts"] * f["jobs"],
        "calls": f["accounts"] * f["rate"],
        "sweep_s": f["jobs"] / (per_call * f["rate"]),
        "bound_s": f["jobs"] / (2 * per_call * f["rate"]),
        "quarter_hour_sweeps": 900 * per_call * f["rate"] / f["jobs"],
        "bound_at_50_s": f["jobs"] / (2 * per_call * 50),
        "rate_for_5_s": f["jobs"] / (2 * per_call * 5),
        "rate_for_10_s": f["jobs"] / (2 * per_call * 10),
        "shortest_life_s": f["jobs"] / f["submit_rate"],
    }


def of_redis(f: Figures, basis: Basis) -> Figures:
    """Cores and shards. By chance the fullest has about mean + sqrt(2 · ln shards · mean) of the fleets."""
    del basis
    beats = f["service_processes"] / f["beat_s"]
    share = f["rate"] * (f["call_server_ms"] / 1e3 + f["asks_per_call"] * f["ask_us"] / 1e6) + beats * f["beat_us"] / 1e6
    fleets = max(1, math.floor(f["redis_busy"] / share))
    shards = math.ceil(f["accounts"] / fleets)
    mean = f["accounts"] / shards
    return {
        "core_calls": 1_000 / f["call_server_ms"],
        "core_jobs": 1_000 / f["call_server_ms"] * f["ids_per_call"],
        "fleet_core_share": share,
        "fleet_rate_most": f["redis_busy"] * 1_000 / f["call_server_ms"],
        "redis_cores": f["accounts"] * share,
        "fleets_per_shard": float(fleets),
        "shards": float(shards),
        "fullest": mean + math.sqrt(2 * math.log(shards) * mean),
        "fullest_busy": (mean + math.sqrt(2 * math.log(shards) * mean)) * share,
    }


def of_memory(f: Figures, basis: Basis) -> Figures:
    """What the shards hold, write and send."""
    moves = f["live"] * f["moves_per_job"] / (f["life_h"] * HOUR_S)
    live_gb, log = f["live"] * f["job_bytes"] / 1e9, f["calls"] * f["log_bytes"] + moves * f["move_log_bytes"]
    stream_gb = f["accounts"] * f["event_bytes"] / 1e9  # for each event that is kept
    gb = live_gb * (1 + f["finished_here_h"] / f["life_h"]) + stream_gb * f["events_here"]
    wire = f["calls"] * (f["in_bytes"] + f["out_bytes"]) + moves * f["move_in_bytes"]
    return {
        "moves": moves,
        "live_gb": live_gb,
        "finished_gb": live_gb * f["finished_here_h"] / f["life_h"],
        "finished_default_gb": live_gb * f["finished_kept_h"] / f["life_h"],
        "stream_gb": stream_gb * f["events_here"],
        "stream_default_gb": stream_gb * f["events_kept"],
        "redis_gb": gb,
        "shard_gb": gb / f["shards"],
        "log_mb_s": log / 1e6,
        "shard_log_mb_s": log / 1e6 / f["shards"],
        "log_tb": log * basis.month_s / 1e12,
        "wire_mb_s": wire / 1e6,
        "wire_tb": wire * basis.month_s / 1e12,
        "shard_gbit": (wire + log) * 8 / 1e9 / f["shards"],
    }


def of_pollers(f: Figures, basis: Basis) -> Figures:
    """Processes, services, and what their beats come to."""
    del basis
    processes = math.ceil(f["calls"] * (f["latency_s"] + f["look_ms"] / 1_000) / f["process_busy"])
    services = math.ceil(f["accounts"] / f["fleets_per_service"])
    together, apart = processes * f["accounts"] / f["beat_s"], processes * f["fleets_per_service"] / f["beat_s"]
    return {
        "poller_cores": f["calls"] * f["look_ms"] / 1_000,
        "core_looks": 1_000 / f["look_ms"],
        "in_flight": f["calls"] * f["latency_s"],
        "processes": float(processes),
        "processes_gb": processes * f["process_mb"] / 1_000,
        "process_calls": f["process_busy"] / (f["latency_s"] + f["look_ms"] / 1_000),
        "services": float(services),
        "service_processes": math.ceil(processes / services),
        "beats_together": together,
        "beats_together_cores": together * f["beat_us"] / 1e6,
        "beats": apart,
        "beats_cores": apart * f["beat_us"] / 1e6,
    }


def of_network(f: Figures, basis: Basis) -> Figures:
    """What AWS's answers need, and the hosts that it takes."""
    answers = f["calls"] * f["ids_per_call"] * f["answer_bytes"]
    by_core = f["poller_cores"] / (HOST_VCPUS * f["host_busy"])
    by_memory = f["processes_gb"] / (HOST_GB * 0.9)
    by_network = answers * 8 / 1e9 / (f["host_gbit"] * f["host_busy"])
    return {
        "answer_kb": f["ids_per_call"] * f["answer_bytes"] / 1e3,
        "answers_gb_s": answers / 1e9,
        "answers_gbit": answers * 8 / 1e9,
        "answers_pb": answers * basis.month_s / 1e15,
        "hosts_by_core": by_core,
        "hosts_by_memory": by_memory,
        "hosts_by_network": by_network,
        "hosts": math.ceil(f["spare"] * max(by_core, by_memory, by_network)),
    }


def of_money(f: Figures, basis: Basis) -> Figures:
    """A month in list prices."""
    gb, nodes = 1e6 * f["answers_pb"], 2 * f["shards"]
    pollers, addresses = basis.monthly("poller_host", f["hosts"]), basis.monthly("public_address", f["hosts"])
    redis = basis.monthly("redis_node", nodes)
    return {
        "nodes": nodes,
        "pollers_usd": pollers,
        "addresses_usd": addresses,
        "redis_usd": redis,
        "own_redis_usd": basis.monthly("redis_host", nodes),
        "own_replication_usd": basis.each("between_zones", 2 * 1e3 * f["log_tb"]),
        "apart_usd": basis.each("between_zones", 2 * 1e3 * f["wire_tb"]) * 2 / 3,
        "nat_usd": basis.each("nat", gb),
        "endpoint_usd": basis.each("endpoint", gb),
        "month_usd": pollers + addresses + redis,
        "job_usd": (pollers + addresses + redis) / f["live"],
    }


def of_push(f: Figures, basis: Basis) -> Figures:
    """The same by EventBridge and SQS, by how long jobs live; and how long they must for that to cost less."""
    found: Figures = {"push_requests": 1 + 2 / BATCH}
    for hours in LIVES_H:
        ends = f["live"] / (hours * HOUR_S)
        for what, events in (("ends", ends), ("all", ends * f["moves_per_job"])):
            found |= {f"{what}_{hours}h": events, f"{what}_{hours}h_usd": pushed(events * basis.month_s, basis)}
        found[f"moved_{hours}h"] = ends * f["moves_per_job"] / (f["calls"] * f["ids_per_call"])
        found[f"follower_{hours}h_mb_s"] = ends * f["moves_per_job"] * f["event_wire_bytes"] / 1e6
    return found | {
        "even_ends_h": even_hours(f["live"], f["month_usd"], basis),
        "even_all_h": even_hours(f["live"] * f["moves_per_job"], f["month_usd"], basis),
        "hub_1h_usd": basis.each("bus_event", f["live"] / HOUR_S * basis.month_s),
    }


def pushed(events: float, basis: Basis) -> float:
    """What so many events cost that go to a queue of another account and are received and deleted in tens."""
    return basis.each("event", events) + basis.each("delivery", events) + basis.each("sqs", events * (1 + 2 / BATCH))


def even_hours(events_per_life: float, month_usd: float, basis: Basis) -> float:
    """How long jobs live, in hours, when both ways cost the same."""
    least, most = 1e-3, 1e6
    for _ in range(60):
        middle = math.sqrt(least * most)
        dearer = pushed(events_per_life / (middle * HOUR_S) * basis.month_s, basis) > month_usd
        least, most = (middle, most) if dearer else (least, middle)
    return most


def lines(options: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    """The figures as lines, each with its JSON."""
    demand = Demand(options.accounts, options.jobs, options.rate_each)
    for name, value in sheet(demand, basis(options.into)).items():
        yield f"{name:30} {value:22,.6g}", {"figure": name, "value": value}
