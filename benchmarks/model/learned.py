"""The cadences beside each other: what a fleet makes of run times that it has to learn from its own looks.

Unless a line says otherwise 5,000 jobs, replaced as they end, 10 calls/s that are known, and a freshness of 0.5 s. Lags of
ends are in parts of the bound, J/(200·R), at the moment they were seen (of half the freshness where that is more): the mean
stands under the name of the cadence. `start` is the mean lag from startedAt, likewise. `late` is by how many sweeps the
first job of a lease was overdue. `ends` are those of the learned cadence; the others saw about as many.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from statistics import fmean
from typing import Any, NamedTuple

from benchmarks.model.scenes import Part, Scene, scenes
from fleetpoll.cadence.policy import IDS_PER_CALL
from fleetpoll.forecast.estimate import quantiles
from fleetpoll.forecast.fleet import Fleet, Habits
from fleetpoll.forecast.lives import Sort
from fleetpoll.forecast.loop import Loop
from fleetpoll.forecast.tally import Seen
from fleetpoll.forecast.tokens import KnownRate
from fleetpoll.settings import Settings

CADENCES = ("learned", "elastic", "even")
WORKERS = 4
STEP_S, JUST_S = 5.0, 1e-3
"""What is counted together, and how long after the last of that before an event something happens."""
CURVE_S = 10.0
CDF_ENDS = 1_000
"""Of so many ends a distribution is kept."""

COLUMNS = {"mean": 8, "p99": 6, "start_mean": 6, "late": 5, "calls_per_s": 6}
WORDS = ("p99", "start", "late", "calls")
HEAD = f"{'scene':25} {'part':18} {'ends':>5} |" + "|".join(
    " ".join(f"{word:>{width}}" for word, width in zip((name, *WORDS), COLUMNS.values(), strict=True)) + " "
    for name in CADENCES
)


class Noted(NamedTuple):
    """Something that was seen, with its lag over the bound of that moment."""

    at_s: float
    over_bound: float
    sort: Sort


class Span(NamedTuple):
    """What was counted in a few seconds."""

    at_s: float
    calls: int
    overdue_sweeps: float  # the sum over calls
    price: float


@dataclass(slots=True)
class Film:
    """All that was seen of a scene."""

    starts: list[Noted] = field(default_factory=list)
    ends: list[Noted] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)


def lines(options: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    """The lines of the table as they come, each with its JSON."""
    del options
    yield from told(scenes())


def told(scenes: Iterable[Scene]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The lines of some scenes, each scene played with all cadences."""
    for scene in scenes:
        films = {cadence: [play(scene, cadence, seed) for seed in range(scene.seeds)] for cadence in CADENCES}
        for part in scene.parts:
            found = {cadence: figures(shots, part) for cadence, shots in films.items()}
            row = {"scene": scene.name, "part": part.name, **found}
            if part is scene.parts[-1]:
                row |= over_time(scene, films)
            yield line(scene, part, found), row


def play(scene: Scene, cadence: Any, seed: int) -> Film:
    """Run a scene with one cadence."""
    habits = Habits(
        scene.freshness_s,
        WORKERS,
        scene.lives,
        cadence=cadence,
        freshness_s_by_status=Settings().freshness_by_status,
    )
    loop, tokens = Loop(), KnownRate(scene.rate, scene.rate)
    fleet = Fleet(habits, tokens, loop, Random(seed))
    for at_s, event in scene.events:
        loop.at(at_s + JUST_S, event, fleet, tokens)
    if scene.unseen:
        fleet.meet(scene.jobs)
    else:
        fleet.inherit(scene.jobs, scene.rate)
    film = Film()
    while loop.now_s < scene.until_s:
        fleet.recount()
        loop.run(loop.now_s + STEP_S)
        note(film, fleet, max(fleet.live / (IDS_PER_CALL * tokens.rate), scene.freshness_s))
    return film


def note(film: Film, fleet: Fleet, rhythm_s: float) -> None:
    """Keep what was counted in the last seconds."""
    tally, bound_s = fleet.tally, rhythm_s / 2
    film.starts += (over(seen, bound_s) for seen in tally.starts)
    film.ends += (over(seen, bound_s) for seen in tally.ends)
    film.spans.append(Span(tally.since_s, tally.calls, tally.overdue_s / rhythm_s, fleet.price or 0.0))


def over(seen: Seen, bound_s: float) -> Noted:
    """What was seen, beside the bound."""
    return Noted(seen.at_s, seen.lag_s / bound_s, seen.sort)


def chosen(noted: Sequence[Noted], part: Part) -> list[float]:
    """The lags over the bound that a part is of."""
    within = (seen for seen in noted if part.from_s <= seen.at_s < part.to_s)
    found = [seen.over_bound for seen in within if part.sort is None or (seen.sort == part.sort) != part.others]
    return found[part.first : part.last]


def figures(films: Sequence[Film], part: Part) -> dict[str, Any]:
    """What a part comes to, in all the runs of a scene together."""
    lags = [lag for film in films for lag in chosen(film.ends, part)]
    starts = [lag for film in films for lag in chosen(film.starts, part)]
    spans = [span for film in films for span in film.spans if part.from_s <= span.at_s < part.to_s]
    cdf = quantiles([(lag, 1.0) for lag in lags]) if lags else ()
    calls = sum(span.calls for span in spans)
    return {
        "ends": len(lags),
        "mean": fmean(lags) if lags else None,
        "p50": cdf[50] if lags else None,
        "p99": cdf[99] if lags else None,
        "start_mean": fmean(starts) if starts else None,
        "late": sum(span.overdue_sweeps for span in spans) / calls if calls else None,
        "calls_per_s": calls / (len(spans) * STEP_S) if spans else None,
        "price": [round(span.price, 3) for span in (spans[0], spans[-1])] if spans else None,
        "cdf": [round(lag, 4) for lag in cdf] if len(lags) > CDF_ENDS else None,
    }


def over_time(scene: Scene, films: dict[str, list[Film]]) -> dict[str, Any]:
    """The mean lag over the bound of the scene's curves, in short slices, by cadence."""
    if not scene.curves:
        return {}
    edges = [number * CURVE_S for number in range(int(scene.until_s / CURVE_S) + 1)]
    return {
        "curves": {
            cadence: {name: list(curve(shots, part, edges)) for name, part in scene.curves.items()}
            for cadence, shots in films.items()
        }
    }


def curve(films: Sequence[Film], part: Part, edges: Sequence[float]) -> Iterator[tuple[float, float]]:
    """(Middle of a slice in seconds, mean lag over the bound), where there were ends."""
    for from_s, to_s in pairwise(edges):
        within = Part("", max(from_s, part.from_s), min(to_s, part.to_s), part.sort)
        lags = [lag for film in films for lag in chosen(film.ends, within)]
        if lags:
            yield (from_s + to_s) / 2, round(fmean(lags), 3)


def line(scene: Scene, part: Part, found: dict[str, dict[str, Any]]) -> str:
    """One line of the table."""
    return f"{scene.name:25} {part.name:18} {found['learned']['ends']:5} |" + "|".join(map(cells, found.values()))


def cells(figures: dict[str, Any]) -> str:
    """One cadence's part of a line."""
    return " ".join(number(figures[name], width) for name, width in COLUMNS.items()) + " "


def number(value: float | None, width: int) -> str:
    """A figure in two decimals, or a dash."""
    return f"{'-' if value is None else format(value, '.2f'):>{width}}"
