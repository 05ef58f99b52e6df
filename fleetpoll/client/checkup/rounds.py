"""The rounds: all checks of a fleet, each as soon as it is made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from fleetpoll.client.checkup.aws import check_calls, check_throttles
from fleetpoll.client.checkup.embedded import check_embedded
from fleetpoll.client.checkup.finding import Finding, Grade
from fleetpoll.client.checkup.readers import check_groups, check_letters
from fleetpoll.client.checkup.relations import Load, check_relations
from fleetpoll.client.checkup.server import check_access, check_server
from fleetpoll.client.checkup.service import check_service, recent_of
from fleetpoll.client.checkup.workers import check_leases, check_troubles, check_workers
from fleetpoll.client.fleet import Fleet, open_fleet
from fleetpoll.errors import EmbeddedError, RedisDenied, StateError
from fleetpoll.settings import Settings
from fleetpoll.state.rights import try_rights

NOT_SEEN = "What this user may not see is missing here; `fleetpoll acl operator` has the rights."


def check_up(settings: Settings, *, aws: bool) -> Iterator[Finding]:
    """All checks, each as soon as it is made; those of AWS take one token and make one DescribeJobs call."""
    try:
        with open_fleet(settings) as fleet:
            yield from check_server(fleet.server(), settings)
            yield check_access(try_rights(fleet.rooms.client, fleet.rooms.keys))
            yield from check_embedded(settings)
            yield from allowed(lambda: check_status(fleet))
            yield from allowed(lambda: check_groups(fleet.groups(), settings))
            yield from allowed(lambda: check_letters(fleet))
            if aws:
                yield from check_calls(fleet)
    except (StateError, EmbeddedError) as error:
        yield Finding("redis", Grade.FAIL, str(error), "The checks that are missing here need it.")


def check_status(fleet: Fleet) -> Iterator[Finding]:
    """Everything that the fleet's own figures tell."""
    seen, figures = fleet.status(), fleet.figures()
    recent = recent_of(fleet, seen.now_ms)
    yield from check_workers(fleet, seen)
    yield from check_troubles(seen)
    yield from check_leases(figures)
    yield check_throttles(seen, recent)
    yield from check_relations(fleet.settings, Load.of(seen, figures.durations.mean_s))
    yield from check_service(fleet.settings, seen, recent)


def allowed(checks: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """The findings of some checks, up to where this user may not see any further."""
    try:
        yield from checks()
    except RedisDenied as denial:
        yield Finding("rights", Grade.WARN, str(denial), NOT_SEEN)
