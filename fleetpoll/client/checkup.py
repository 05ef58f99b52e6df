"""What may be wrong with a fleet's Redis, its access to AWS and its workers, and what to do about it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from fleetpoll.awsbatch.words import advice
from fleetpoll.client.calls import open_calls
from fleetpoll.client.fleet import Fleet, open_fleet
from fleetpoll.errors import AwsError, EmbeddedError, RedisDenied, SettingsError, StateError, TokenRefused
from fleetpoll.jobs import NO_JOB
from fleetpoll.settings import Settings
from fleetpoll.state.probe import ServerFacts

VERSION_MIN = (6, 2)
FAR_S = 0.005
"""A round trip from which on calls to Redis, some three a lease, are felt."""
SKEW_WARN_S, SKEW_FAIL_S = 2.0, 240.0
"""Readers show ages by their own clock; AWS refuses signatures that are five minutes off."""


class Grade(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was found, and what to do if it is not well."""

    check: str
    grade: Grade
    found: str
    advice: str = ""


def check_up(settings: Settings, *, aws: bool) -> Iterator[Finding]:
    """All checks, each as soon as it is made; those of AWS take one token and make one DescribeJobs call."""
    try:
        with open_fleet(settings) as fleet:
            yield from check_server(fleet.server())
            if settings.redis_url is None:
                yield Finding("embedded", Grade.OK, "the embedded server of this machine; others need FLEETPOLL_REDIS_URL")
            try:
                yield from check_workers(fleet)
                yield from check_troubles(fleet)
            except RedisDenied as denial:
                yield Finding("rights", Grade.WARN, str(denial), "What this user may not see is missing here.")
            if aws:
                yield check_aws(fleet)
    except (StateError, EmbeddedError) as error:
        yield Finding("redis", Grade.FAIL, str(error), "The checks that are missing here need it.")


def check_server(facts: ServerFacts) -> Iterator[Finding]:
    """The server itself."""
    if facts.compatible is None:
        advice = "Its user may not ask INFO (`fleetpoll acl operator` may): see yourself that it is 6.2 or newer."
        yield Finding("redis", Grade.WARN, "it answers, and does not say what it is", advice)
    else:
        old, name = facts.compatible < VERSION_MIN, f"{facts.flavour} {facts.version}"
        yield graded("redis", old, f"{name} answers", "Use Redis 6.2, Valkey 7.2 or newer.", Grade.FAIL)
    yield Finding("topology", Grade.OK, facts.topology)
    if facts.all_or_none is not None:
        found = "a node that is gone stops " + ("all fleets" if facts.all_or_none else "no fleets but its own")
        yield graded("coverage", facts.all_or_none, found, "Set `cluster-require-full-coverage no` on each node.")
    if facts.append_only is None:
        yield Finding("durability", Grade.WARN, "it does not say whether its AOF is on", "Make sure that it is.")
    else:
        state = "on" if facts.append_only else "off"
        advice = "Set `appendonly yes`: a restart forgets tracked jobs otherwise."
        yield graded("durability", not facts.append_only, f"AOF is {state}", advice)
    yield check_eviction(facts.eviction)
    trip = f"{facts.round_trip_s * 1000:.1f} ms round trip"
    yield graded("latency", facts.round_trip_s > FAR_S, trip, "Run the workers nearer to Redis.")
    skew_s = abs(facts.ahead_s)
    grade = Grade.FAIL if skew_s > SKEW_FAIL_S else Grade.WARN
    found = f"Redis is {skew_s:.3f} s {'ahead of' if facts.ahead_s > 0 else 'behind'} this machine"
    yield graded("clock", skew_s > SKEW_WARN_S, found, "Set both clocks by NTP.", grade)


def check_eviction(policy: str) -> Finding:
    """Our keys have no TTL, so only an allkeys policy can throw them away."""
    advice = "Set `maxmemory-policy noeviction`: a full server must refuse jobs, not forget them."
    grade = Grade.FAIL if policy.startswith("allkeys") else Grade.WARN
    return graded("eviction", policy != "noeviction", f"maxmemory-policy is {policy or 'not told'}", advice, grade)


def check_workers(fleet: Fleet) -> Iterator[Finding]:
    """Who works, and whether somebody holds them up."""
    alive, known = len(fleet.alive()), len(fleet.workers())
    silent = f", {known - alive} silent" if known > alive else ""
    yield graded("workers", alive == 0, f"{alive} alive{silent}", "Start some: fleetpoll worker.")
    order = fleet.order_standing()
    found = "no order stands" if order is None else f"they are told to {order.kind.value}"
    yield graded("order", order is not None, found, "fleetpoll fleet resume takes it back.")
    bucket = fleet.bucket().view()
    found = "paused" if bucket.paused else f"{bucket.granted:.4g} of {bucket.configured:g} calls/s granted"
    found += "" if bucket.pinned is None else ", pinned"
    overridden = bucket.paused or bucket.pinned is not None
    yield graded("budget", overridden, found, "fleetpoll budget resume, or budget set --unpin.")


def check_troubles(fleet: Fleet) -> Iterator[Finding]:
    """What the workers say of AWS. Nothing while it works for them."""
    seen = fleet.status()
    for trouble in seen.troubles:
        of_all = max(trouble.workers, len(seen.workers))
        grade = Grade.FAIL if trouble.workers == of_all else Grade.WARN
        found = f"{trouble.workers} of {of_all} workers ({', '.join(trouble.hosts)}): {trouble.kind}, {trouble.words}"
        yield Finding("aws", grade, found, trouble.advice)


def check_aws(fleet: Fleet) -> Finding:
    """Credentials, Region, permission and network, by one DescribeJobs call for a job that is none."""
    if fleet.bucket().view().paused:
        return Finding("aws", Grade.WARN, "not asked: the budget is paused", "fleetpoll budget resume ends it.")
    try:
        calls = open_calls(fleet)
        asked_at = time.monotonic()
        calls.describe([NO_JOB])
    except RedisDenied as denial:
        return Finding(
            "aws", Grade.WARN, f"not asked: {denial}", "Ask as a client, for a call takes one of the fleet's tokens."
        )
    except (AwsError, TokenRefused, SettingsError) as error:
        what = advice(error.kind, error.code, str(error)) if isinstance(error, AwsError) else ""
        return Finding("aws", Grade.FAIL, str(error), what or "Check credentials, Region and the endpoint.")
    return Finding("aws", Grade.OK, f"DescribeJobs answers in {time.monotonic() - asked_at:.2f} s")


def graded(check: str, bad: bool, found: str, advice: str, grade: Grade = Grade.WARN) -> Finding:  # noqa: FBT001 - the check's own answer
    """Well without advice, or as bad as `grade` with it."""
    return Finding(check, grade, found, advice) if bad else Finding(check, Grade.OK, found)
