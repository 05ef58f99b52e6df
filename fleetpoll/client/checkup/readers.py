"""Those who follow the stream of transitions: do they keep up, and did all of it arrive."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fleetpoll.client.checkup.finding import Finding, Grade
from fleetpoll.client.fleet import Fleet
from fleetpoll.settings import Settings
from fleetpoll.state.groups import GroupFacts
from fleetpoll.state.letters import Letters
from fleetpoll.text import plural, safe

BEHIND = 0.5
"""A group that has so much of what the stream keeps before it may be overtaken by a busy hour."""


def check_groups(groups: Sequence[GroupFacts], settings: Settings) -> Iterator[Finding]:
    """Those consumer groups that need somebody's attention, and a word for the rest. Nothing without any."""
    remarkable = [finding for group in groups for finding in check_group(group, settings)]
    yield from remarkable
    if groups and not remarkable:
        furthest = max(groups, key=lambda group: group.lag or 0)
        found = (
            f"{plural(len(groups), 'consumer group')}; {safe(furthest.name)} is furthest behind, by {furthest.lag or 0:,}"
        )
        yield Finding("groups", Grade.OK, found)


def check_group(group: GroupFacts, settings: Settings) -> Iterator[Finding]:
    """One group, if anything is to be said of it."""
    name, kept = safe(group.name), settings.events_kept
    if group.overtaken:
        lost = "transitions" if group.lost is None else plural(group.lost, "transition")
        advice = "Read what is known of the jobs now (fleetpoll jobs). Add consumers, or raise events_kept of the workers."
        yield Finding("groups", Grade.FAIL, f"{name} was overtaken and has lost {lost}", advice)
        return
    waiting = group.pending + (group.lag or 0)
    if waiting and not group.consumers:
        advice = f"Start its readers, or forget it: fleetpoll events drop {name}."
        yield Finding("groups", Grade.WARN, f"nobody reads for {name}; {plural(waiting, 'transition')} wait", advice)
    elif waiting > BEHIND * kept:
        advice = "Add consumers, or raise events_kept of the workers, before transitions are lost to it."
        yield Finding("groups", Grade.WARN, f"{name} is {waiting:,} behind, of {kept:,} that are kept", advice)


def check_letters(fleet: Fleet) -> Iterator[Finding]:
    """Transitions that a relay gave up. Nothing without any."""
    count = Letters(fleet.rooms.client, fleet.rooms.keys).count()
    if count:
        advice = "fleetpoll relay dead says why; mend the receiver, then fleetpoll relay retry --all."
        yield Finding("letters", Grade.WARN, f"{plural(count, 'transition')} could not be delivered", advice)
