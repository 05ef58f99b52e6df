"""The server that a fleet's state is on: does it keep what it is given, is it near, and what may this user do there."""

from __future__ import annotations

from collections.abc import Iterator

from fleetpoll.client.checkup.finding import Finding, Grade, graded
from fleetpoll.settings import Settings
from fleetpoll.state.access import Role
from fleetpoll.state.probe import Memory, ServerFacts
from fleetpoll.state.rights import Tried

VERSION_MIN = (6, 2)
FAR_S = 0.005
"""A round trip from which on calls to Redis, some three a lease, are felt."""
SKEW_WARN_S, SKEW_FAIL_S = 2.0, 240.0
"""Readers show ages by their own clock; AWS refuses signatures that are five minutes off."""
FULL_WARN, FULL_FAIL = 0.8, 0.95
"""How full a memory may be."""
MACHINE_FULL = 0.75
"""Without maxmemory: beyond this share of its machine's memory the kernel may end the server."""
NAMED_MAX = 6


def check_server(facts: ServerFacts, settings: Settings) -> Iterator[Finding]:
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
    yield check_durability(facts)
    yield check_eviction(facts.eviction)
    if facts.memory is not None:
        yield check_memory(facts.memory)
    yield from check_replicas(facts, settings.replicas_acked)
    if not facts.runs_scripts:
        advice = "Every step of the fleet is a script: allow EVALSHA and SCRIPT LOAD, or use a server that has them."
        yield Finding("scripts", Grade.FAIL, "it does not load and run Lua scripts", advice)
    trip = f"{facts.round_trip_s * 1000:.1f} ms round trip"
    yield graded("latency", facts.round_trip_s > FAR_S, trip, "Run the workers nearer to Redis.")
    yield check_clock(facts.ahead_s)


def check_durability(facts: ServerFacts) -> Finding:
    """Whether tracked jobs outlast a restart."""
    kept = facts.durability
    if facts.append_only is None:
        return Finding("durability", Grade.WARN, "it does not say whether its AOF is on", "Make sure that it is.")
    if kept.write_failed:
        advice = "See its log and its disk: it refuses to write, and the fleet stands still, until that is mended."
        return Finding("durability", Grade.FAIL, "its last write to the AOF failed", advice)
    if kept.saving_refused:
        advice = "See its log and its disk. Better: `appendonly yes`, and `save ''` if no snapshots are wanted."
        return Finding("durability", Grade.FAIL, "AOF is off, and its last snapshot failed: it may refuse writes", advice)
    if not facts.append_only:
        advice = "Set `appendonly yes`: a restart forgets tracked jobs otherwise."
        return Finding("durability", Grade.WARN, "AOF is off", advice)
    if kept.rewrite_failed:
        advice = "See its log: is there memory for a fork (vm.overcommit_memory = 1) and disk for a second copy?"
        return Finding("durability", Grade.WARN, "AOF is on, and cannot be shortened: its last rewrite failed", advice)
    size = "" if kept.aof_bytes is None else f", {megabytes(kept.aof_bytes)}"
    delayed = f", its disk held up {kept.delayed:,} fsyncs" if kept.delayed else ""
    return Finding("durability", Grade.OK, f"AOF is on{size}{delayed}")


def check_eviction(policy: str) -> Finding:
    """Our keys have no TTL, so only an allkeys policy can throw them away."""
    advice = "Set `maxmemory-policy noeviction`: a full server must refuse jobs, not forget them."
    grade = Grade.FAIL if policy.startswith("allkeys") else Grade.WARN
    return graded("eviction", policy != "noeviction", f"maxmemory-policy is {policy or 'not told'}", advice, grade)


def check_memory(memory: Memory) -> Finding:
    """Whether there is room for more jobs."""
    if memory.evicted:
        advice = "Set `maxmemory-policy noeviction`, then track the jobs that matter again: what was thrown away is unknown."
        return Finding("memory", Grade.FAIL, f"it has thrown {memory.evicted:,} keys away", advice)
    advice = "Raise maxmemory, or keep less: finished_kept, events_kept. A job takes some 500 bytes, a transition 300."
    if memory.limit:
        share = memory.used / memory.limit
        grade = Grade.FAIL if share > FULL_FAIL else Grade.WARN
        found = f"{megabytes(memory.used)} of {megabytes(memory.limit)} used ({share:.0%})"
        return graded("memory", share > FULL_WARN, found, advice, grade)
    tight = bool(memory.machine) and memory.used > MACHINE_FULL * memory.machine
    found = f"{megabytes(memory.used)} used, no maxmemory"
    return (
        graded("memory", tight, f"{found}, on a machine with {megabytes(memory.machine)}", advice)
        if tight
        else Finding("memory", Grade.OK, found)
    )


def check_replicas(facts: ServerFacts, wanted: int) -> Iterator[Finding]:
    """Whether `track` can keep its word that replicas have what it was given. Nothing where none are there or wanted."""
    if facts.replicas is None or (not wanted and not facts.replicas):
        return
    if facts.replicas < wanted:
        advice = "Start replicas, or lower replicas_acked: `track` fails until there are enough."
        yield Finding("replicas", Grade.FAIL, f"{facts.replicas} connected, replicas_acked is {wanted}", advice)
    elif not wanted:
        advice = "Set replicas_acked = 1, if no job that was tracked just before a failover may be lost."
        yield Finding("replicas", Grade.OK, f"{facts.replicas} connected; `track` waits for none of them", advice)
    else:
        yield Finding("replicas", Grade.OK, f"{facts.replicas} connected, replicas_acked is {wanted}")


def check_clock(ahead_s: float) -> Finding:
    """The fleet goes by the clock of Redis, AWS by its own, and people by this machine's."""
    skew_s = abs(ahead_s)
    grade = Grade.FAIL if skew_s > SKEW_FAIL_S else Grade.WARN
    found = f"Redis is {skew_s:.3f} s {'ahead of' if ahead_s > 0 else 'behind'} this machine"
    return graded("clock", skew_s > SKEW_WARN_S, found, "Set both clocks by NTP.", grade)


def check_access(tried: Tried) -> Finding:
    """What this user may do, in the words of `fleetpoll acl`."""
    if tried.elsewhere:
        advice = "Is this the right fleet? `fleetpoll --fleet NAME acl ROLE` prints the rights for this one."
        return Finding("access", Grade.FAIL, "its user may not touch the keys of this fleet", advice)
    if not tried.denied:
        name = "" if tried.user is None else f" ({tried.user})"
        return Finding(
            "access", Grade.OK, f"its user{name} may act as any role" + ("" if tried.user is None else ", and more")
        )
    if tried.roles:
        return Finding("access", Grade.OK, f"its user may act as {' or '.join(tried.roles)}")
    nearest = min(Role, key=lambda role: len(tried.missing(role)))
    lacking = sorted(tried.missing(nearest))
    more = f" and {len(lacking) - NAMED_MAX} more" if len(lacking) > NAMED_MAX else ""
    found = f"its user has not all rights of any role; to be a {nearest} it lacks {', '.join(lacking[:NAMED_MAX])}{more}"
    return Finding("access", Grade.WARN, found, f"`fleetpoll acl {nearest}` prints them; a new release may need new ones.")


def megabytes(size: int) -> str:
    """A size: '0.4 MB', '12 MB', '3.2 GB'."""
    mb = size / 1e6
    if mb >= 1000:  # noqa: PLR2004 - a GB
        return f"{mb / 1000:.1f} GB"
    return f"{mb:.1f} MB" if mb < 10 else f"{mb:.0f} MB"  # noqa: PLR2004 - one decimal for one digit
