"""Populations and what happens to them: what the cadences are compared on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from fleetpoll.forecast.fleet import Fleet
from fleetpoll.forecast.lives import Population
from fleetpoll.forecast.sorts import Sorts, Staged
from fleetpoll.forecast.tokens import KnownRate
from fleetpoll.lifetimes.kinds import Kind

JOBS, RATE = 5_000, 10.0
SLICE_S = 20.0
FAR_S = 1e9

Event = Callable[[Fleet, KnownRate], None]


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the ends of a scene: seen in [from_s, to_s), of one sort or all but that, counted from `first` to `last`."""

    name: str
    from_s: float
    to_s: float = FAR_S
    sort: Staged | None = None
    others: bool = False
    first: int = 0
    last: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A fleet that begins with jobs amid their lives, tracked for long or `unseen`, and knows nothing of dwell times."""

    name: str
    lives: Population
    until_s: float
    parts: tuple[Part, ...]
    events: tuple[tuple[float, Event], ...] = ()
    jobs: int = JOBS
    rate: float = RATE
    freshness_s: float = 0.5  # so low that the allowance decides
    unseen: bool = False
    seeds: int = 1
    curves: dict[str, Part] = field(default_factory=dict)  # what is drawn over time


def kind(definition: str, run_s: float, sigma: float, share: float = 1.0, wait_s: float = 8.0) -> Kind:
    """Jobs of one definition; how long they wait is anybody's guess."""
    name = f"{definition}:1"
    return Kind(job_definition=name, share=share, run_s=run_s, run_sigma=sigma, wait_s=wait_s, wait_sigma=1.0)


REGULAR = (kind("quick", 18, 0.2, 50), kind("varied", 120, 1.0, 30), kind("long", 720, 0.15, 20))
MIX, UNPREDICTABLE = Sorts.of(*REGULAR), Sorts.of(kind("varied", 150, 1.0, wait_s=20))


def sliced(from_s: float, to_s: float, name: str = "", sort: Staged | None = None) -> tuple[Part, ...]:
    """Slices of time, named by their beginning."""
    count = round((to_s - from_s) / SLICE_S)
    starts = [from_s + number * SLICE_S for number in range(count)]
    return tuple(Part(f"{name}{start:.0f} s", start, start + SLICE_S, sort) for start in starts)


def steady(name: str, lives: Population) -> Scene:
    """What has been going on for long."""
    return Scene(name=name, lives=lives, until_s=500, parts=(Part("steady", 250),))


def rare() -> Sorts:
    """Definitions that are all different, from 20 s to 600 s in even steps of the logarithm."""
    return Sorts.of(*(kind(f"rare-{number}", 20 * 30 ** (number / 199), 0.3) for number in range(200)))


CHANGED_S = 200.0
COUNTS = {True: (0, 30, 60, 120, 300, 1_000, 4_000), False: (0, 30, 60, 120)}
"""Ends after a change, of a definition that is alone and of one in a mix."""


def changing(name: str, before_s: float, after_s: float, *, alone: bool) -> Scene:
    """The run time of a definition changes for all jobs that are submitted from 200 s on."""
    changed_s, rest = CHANGED_S, () if alone else (kind("quick", 18, 0.2, 48), *REGULAR[1:])
    old, new = (Sorts.of(kind("step", run_s, 0.1, 1.0 if alone else 2.0), *rest) for run_s in (before_s, after_s))
    was, now = old.sorts[0], new.sorts[0]
    counted = (
        Part(f"its ends {first}-{last}", changed_s, sort=now, first=first, last=last)
        for first, last in pairwise(COUNTS[alone])
    )
    others = () if alone else (Part("other ends after", changed_s, sort=now, others=True),)

    def change(fleet: Fleet, tokens: KnownRate) -> None:
        del tokens
        fleet.lives = new

    return Scene(
        name=name,
        lives=old,
        until_s=changed_s + (250 if alone else 450),
        seeds=3,
        parts=(Part("its ends before", 120, changed_s, was), Part("old ends after", changed_s, sort=was), *counted, *others),
        events=((changed_s, change),),
        curves={"before": Part("before", 120, sort=was), "after": Part("after", changed_s, sort=now)},
    )


def burst() -> Scene:
    """10,000 children of an array beside the others, which go on."""
    child = Staged.of(kind("child", 60, 0.3, wait_s=20))

    def submit(fleet: Fleet, tokens: KnownRate) -> None:
        del tokens
        fleet.track(10_000, Sorts([child]), replaced=False)

    during = tuple(
        Part(f"{who} {start}-{start + 60} s", 250 + start, 310 + start, child, others=others)
        for who, others in (("others", True), ("children", False))
        for start in (0, 60, 120)
    )
    return Scene(
        name="burst of 10,000",
        lives=MIX,
        until_s=550,
        parts=(Part("others before", 150, 250), *during, Part("others 180-300 s", 430, 550, child, others=True)),
        events=((250.0, submit),),
    )


def cold(name: str, lives: Population) -> Scene:
    """Jobs amid their lives of which nobody knows anything."""
    return Scene(name=name, lives=lives, until_s=240, parts=sliced(0, 240), unseen=True)


def jumping(name: str, up: Event, down: Event) -> Scene:
    """Something trebles at 200 s and is as before from 320 s on."""
    parts = (Part("before", 150, 200), *sliced(200, 440))
    return Scene(name=name, lives=MIX, until_s=440, parts=parts, events=((200.0, up), (320.0, down)))


def more_jobs(fleet: Fleet, tokens: KnownRate) -> None:
    """The jobs of two other fleets are handed over."""
    del tokens
    fleet.inherit(2 * JOBS, RATE)


def fewer_jobs(fleet: Fleet, tokens: KnownRate) -> None:
    """And given back."""
    del tokens
    fleet.untrack(2 * JOBS)


def faster(fleet: Fleet, tokens: KnownRate) -> None:
    """Thrice the allowance."""
    del fleet
    tokens.change(3 * RATE)


def slower(fleet: Fleet, tokens: KnownRate) -> None:
    """The allowance as before."""
    del fleet
    tokens.change(RATE)


def scenes() -> Iterator[Scene]:
    """All of them."""
    yield steady("regular mix", MIX)
    yield steady("unpredictable", UNPREDICTABLE)
    yield changing("doubles, alone", 60, 120, alone=True)
    yield changing("halves, alone", 120, 60, alone=True)
    yield changing("doubles, 2 % of a mix", 60, 120, alone=False)
    yield changing("halves, 2 % of a mix", 120, 60, alone=False)
    yield burst()
    yield steady("200 rare definitions", rare())
    yield steady("nine in ten wait", Sorts.of(kind("queued", 60, 0.3, wait_s=330)))
    yield cold("cold start, mix", MIX)
    yield cold("cold start, unpredictable", UNPREDICTABLE)
    yield cold("cold start, long runs", Sorts.of(kind("long", 1_800, 0.5, wait_s=60)))
    yield jumping("3 times the jobs", more_jobs, fewer_jobs)
    yield jumping("3 times the rate", faster, slower)
    idle = Scene(
        name="idle allowance", lives=MIX, until_s=600, parts=(Part("steady", 200),), jobs=500, rate=20.0, freshness_s=5.0
    )
    yield idle
