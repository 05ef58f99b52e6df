"""What was heard of the fleets, as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.utils import floatToGoString

from fleetpoll.figures import Histogram, Totals
from fleetpoll.jobs import JobStatus
from fleetpoll.metrics import families as of
from fleetpoll.metrics.families import FAMILIES, Family, Kind
from fleetpoll.metrics.reading import Heard, Reading
from fleetpoll.state.allowance import BucketView
from fleetpoll.state.load import ServerLoad
from fleetpoll.state.roster import ORDER_KINDS

KINDS = ("denied", "refused", "timeout", "connection", "dns", "server", "body", "other")
"""The kinds of failure (see errors.AwsError): they are told before the first has happened, so that the first one counts."""
STATUSES = tuple(status for status in JobStatus if status is not JobStatus.UNKNOWN)

Value = float | Histogram
Told = tuple[Family, tuple[str, ...], Value]
"""A metric, the values of its labels, and its own."""


def page(heard: Iterable[Heard]) -> list[Metric]:
    """All metrics, in the order of their list, with what was heard of each fleet."""
    filled = {family: blank(family) for family in FAMILIES}
    for family, labels, value in told(list(heard)):
        add(filled[family], labels, value)
    return list(filled.values())


def blank(family: Family) -> Metric:
    """A metric without any value."""
    if family.kind is Kind.COUNTER:
        return CounterMetricFamily(family.name, family.help, labels=family.labels)
    if family.kind is Kind.HISTOGRAM:
        return HistogramMetricFamily(family.name, family.help, labels=family.labels)
    return GaugeMetricFamily(family.name, family.help, labels=family.labels)


def add(metric: Metric, labels: Sequence[str], value: Value) -> None:
    """One more value of a metric."""
    if isinstance(value, Histogram):
        assert isinstance(metric, HistogramMetricFamily)  # noqa: S101 - the list says which are
        bounds = [*map(floatToGoString, value.bounds), "+Inf"]
        metric.add_metric(labels, list(zip(bounds, value.cumulative(), strict=True)), value.total_s)
    else:
        assert isinstance(metric, CounterMetricFamily | GaugeMetricFamily)  # noqa: S101 - the list says which are
        metric.add_metric(labels, value)


def told(heard: Sequence[Heard]) -> Iterator[Told]:
    """Everything there is to tell. Fleets on one server have heard the same of it: that is told once."""
    yield of.BUILD_INFO, (version("fleetpoll"),), 1
    for one in heard:
        yield of.UP, (one.fleet,), one.reading is not None
        if one.reading is not None:
            for family, labels, value in of_fleet(one.reading):
                yield family, (one.fleet, *labels), value
    for load in {one.load.server: one.load for one in heard if one.load is not None}.values():
        yield from of_server(load)


def of_fleet(seen: Reading) -> Iterator[Told]:
    """A fleet's own, without its name."""
    figures = seen.figures
    yield of.READ_SECONDS, (), seen.took_s
    yield from labelled(of.CALLS, outcomes(figures.totals))
    yield of.CALL_IDS, (), figures.totals.ids
    yield of.CALL_SECONDS, (), figures.durations
    for operation, view in seen.buckets.items():
        yield from of_bucket(operation, view)
    yield from of_jobs(seen)
    yield of.LAG, (), figures.lags
    yield of.START_LAG, (), figures.start_lags
    yield of.STALENESS, (), figures.ages
    yield from of_workers(seen)
    yield of.LEASES, (), figures.leases
    yield of.EXPIRED, (), figures.expired
    yield of.EVENTS, (), seen.events
    for group in seen.groups:
        yield of.GROUP_PENDING, (group.name,), group.pending
        if group.lag is not None:
            yield of.GROUP_LAG, (group.name,), group.lag
    yield of.DEAD_LETTERS, (), seen.letters


def labelled(family: Family, values: Mapping[str, float]) -> Iterator[Told]:
    """One value for each of a label's."""
    return ((family, (label,), value) for label, value in values.items())


def outcomes(totals: Totals) -> dict[str, int]:
    """Calls by how they ended; all of them together are as many as there were calls."""
    failures = dict.fromkeys(KINDS, 0) | totals.failures
    failures["other"] += max(0, totals.failed - sum(totals.failures.values()))  # those of a release that named no kinds
    return {"answered": max(0, totals.answered), "throttled": totals.throttled, **failures}


def of_bucket(operation: str, view: BucketView) -> Iterator[Told]:
    """The allowance of one operation."""
    at = (operation,)
    yield of.TOKENS, at, view.tokens_ever
    yield of.THROTTLES, at, view.throttles
    yield of.RATE_CUTS, at, view.cuts
    yield of.GRANTED, at, view.granted
    yield of.CONFIGURED, at, view.configured
    yield of.PAUSED, at, view.paused
    if view.limit is not None:
        yield of.LIMIT, at, view.limit
    if view.pinned is not None:
        yield of.PINNED, at, view.pinned


def of_jobs(seen: Reading) -> Iterator[Told]:
    """The jobs, and what became of them."""
    jobs = dict.fromkeys(STATUSES, 0) | dict(seen.jobs)
    yield from labelled(of.JOBS, {status.value: count for status, count in jobs.items()})
    yield of.LIVE, (), seen.live
    yield of.DUE, (), seen.due
    yield of.ARRAYS, (), seen.broods.arrays
    yield of.CHILDREN, (), seen.broods.children
    for (before, after), count in seen.figures.transitions.items():
        yield of.TRANSITIONS, (before.value, after.value), count


def of_workers(seen: Reading) -> Iterator[Told]:
    """The workers, and what they are told."""
    yield from labelled(of.WORKERS, {"alive": seen.alive, "silent": seen.silent})
    yield from labelled(of.DOING, seen.doing)
    yield from labelled(of.RELEASES, seen.releases)
    yield from labelled(of.TROUBLE, dict.fromkeys(KINDS, 0) | dict(seen.troubles))
    yield from labelled(of.ORDER, {kind.value: kind is seen.order for kind in sorted(ORDER_KINDS)})


def of_server(load: ServerLoad) -> Iterator[Told]:
    """What a server does for whomever."""
    at = (load.server,)
    yield of.REDIS_INFO, (*at, load.flavour, load.version), 1
    yield of.REDIS_MEMORY, at, load.memory_used
    if load.memory_max:
        yield of.REDIS_MEMORY_MAX, at, load.memory_max
    for name, command in sorted(load.commands.items()):
        yield of.REDIS_COMMANDS, (*at, name), command.calls
        yield of.REDIS_COMMAND_SECONDS, (*at, name), command.total_s
