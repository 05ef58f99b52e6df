"""What a fleet knows of dwell times that has seen many jobs of a population, without waiting for their ends."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from fleetpoll.cadence.dwell import Dwell, Group, groups_of
from fleetpoll.cadence.learned import LEAST_S, PRICE_MAX, PRICE_MIN
from fleetpoll.cadence.stays import standing, stays
from fleetpoll.forecast.fleet import Habits
from fleetpoll.forecast.lives import Population, wall_ms

LIVES = 400
"""So many lives are learnt from: more than the fleet remembers of one definition."""
STANDINGS, STEPS = 150, 10
"""With so many jobs a price is found, in so many halvings of all that it may be."""


def experienced(habits: Habits) -> Habits:
    """The habits of a fleet that has known its jobs for long; what it is said to know stays."""
    if habits.cadence != "learned" or habits.pages:
        return habits
    return replace(habits, pages=experience(habits.lives, Random(0)))


def settled(habits: Habits, jobs: int, rate: float, rhythm_s: float) -> float:
    """The price, as ln p, at which looks are `rhythm_s` apart, on average over all looks."""
    choice, rng = habits.choice(), Random(0)
    allowed = choice.allowed(jobs, rate, 0.0)
    standings = [standing(habits.lives.amid(0.0, rng).known, wall_ms(0.0)) for _ in range(STANDINGS)]
    low, high = PRICE_MIN, PRICE_MAX
    for _ in range(STEPS):
        price = (low + high) / 2
        cadence = choice.cadence(allowed, price, 0.0, 0.0)
        asked = sum(1 / max(LEAST_S, cadence.delay_s(job, rng)) for job in standings)
        low, high = (price, high) if asked * rhythm_s > STANDINGS else (low, price)
    return (low + high) / 2


def experience(lives: Population, rng: Random, count: int = LIVES) -> dict[Group, Dwell]:
    """What is counted of new jobs that are looked at just when they move."""
    pages: dict[Group, Dwell] = {}
    for _ in range(count):
        job = lives.born(0.0, rng)
        looked_ms = 0
        for moment_s in (0.0, *job.moves_s):
            found, now_ms = job.described(moment_s, moment_s), wall_ms(moment_s)
            for stay in stays(job.known, found, looked_ms, now_ms):
                for group in groups_of(stay.status, found.job_queue, found.job_definition):
                    pages.setdefault(group, Dwell()).note(stay.from_s, stay.to_s, left=stay.left)
            job.known, looked_ms = found, now_ms
    return {group: kept(group, dwell) for group, dwell in pages.items()}


def kept(group: Group, counted: Dwell) -> Dwell:
    """As much of it as is remembered."""
    page = Dwell()
    page.learn(counted, group.exits_kept)
    return page
