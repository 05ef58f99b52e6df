"""What is done to the fleet and when: all drawn from the seed before anything begins, so that a run can be repeated."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from random import Random


class Act(StrEnum):
    """One kind of harm."""

    KILL_POLLER = "kill-poller"
    KILL_SUPERVISOR = "kill-supervisor"  # alone: its pollers are orphans
    KILL_TREE = "kill-tree"  # with its pollers
    FREEZE_POLLER = "freeze-poller"  # for less than the margin of a lease
    FREEZE_LONG = "freeze-long"  # a poller, beyond the visibility timeout
    FREEZE_SUPERVISOR = "freeze-supervisor"
    KILL_REDIS = "kill-redis"
    FREEZE_REDIS = "freeze-redis"
    CUT_CLIENTS = "cut-clients"  # CLIENT KILL of all
    FLUSH_SCRIPTS = "flush-scripts"
    EXPIRED = "expired"  # credentials
    STORM = "storm"  # of 429
    PAUSE = "pause"  # the operator's, of the budget
    KILL_CONSUMER = "kill-consumer"
    STAMPEDE = "stampede"  # many supervisors start at once


@dataclass(frozen=True, slots=True)
class Rhythm:
    """From the start, or the last one's start, to the next: uniform between these, in seconds; and how long each lasts."""

    every_s: tuple[float, float]
    lasts_s: tuple[float, float] = (0.0, 0.0)


RHYTHMS = {
    Act.KILL_POLLER: Rhythm((3, 5)),
    Act.KILL_SUPERVISOR: Rhythm((40, 60), (1, 3)),
    Act.KILL_TREE: Rhythm((25, 45), (1, 3)),
    Act.FREEZE_POLLER: Rhythm((8, 16), (0.3, 1.8)),
    Act.FREEZE_LONG: Rhythm((30, 45), (13, 16)),
    Act.FREEZE_SUPERVISOR: Rhythm((25, 45), (1, 8)),
    Act.KILL_REDIS: Rhythm((30, 60), (0.1, 5)),
    Act.FREEZE_REDIS: Rhythm((40, 70), (1, 10)),
    Act.CUT_CLIENTS: Rhythm((12, 25)),
    Act.FLUSH_SCRIPTS: Rhythm((12, 25)),
    Act.EXPIRED: Rhythm((60, 100), (2, 5)),
    Act.STORM: Rhythm((50, 80), (2, 4)),
    Act.PAUSE: Rhythm((50, 80), (4, 7)),
    Act.KILL_CONSUMER: Rhythm((15, 30), (0.5, 2)),
    Act.STAMPEDE: Rhythm((60, 90), (15, 20)),
}
ONCE = frozenset({Act.STAMPEDE})
"""Acts that a run sees at most once: they are heavy for the machine."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One act: when it begins, how long it lasts, and which of its victims it takes (a share of their list, below 1)."""

    at_s: float
    act: Act
    lasts_s: float
    pick: float


def plan(seed: int, length_s: float, without: Collection[Act] = ()) -> list[Moment]:
    """All acts of a run, in order. Each kind is drawn apart: leaving one out changes none of the others."""
    moments = [moment for act in Act if act not in without for moment in drawn(act, seed, length_s)]
    return sorted(moments, key=lambda moment: moment.at_s)


def drawn(act: Act, seed: int, length_s: float) -> list[Moment]:
    """The acts of one kind."""
    rng, rhythm, moments = Random(f"{seed}/{act}"), RHYTHMS[act], list[Moment]()
    at_s = rng.uniform(0.3, 1.0) * rhythm.every_s[1]  # not at once: there must be something to harm
    while at_s < length_s and not (act in ONCE and moments):
        moments.append(Moment(at_s, act, rng.uniform(*rhythm.lasts_s), rng.random()))
        at_s += max(rng.uniform(*rhythm.every_s), moments[-1].lasts_s)
    return moments
