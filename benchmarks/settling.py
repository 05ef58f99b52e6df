"""What learning costs Redis: the server's time for a settlement that teaches, beside one that does not, on the same fleet.

Claims and settlements of 100 jobs each go to a real server, every second settlement without its lesson, so that whatever
the machine does meets both alike. The server's own slow log is the witness.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from benchmarks.scenarios.ours import Ours
from benchmarks.scenarios.scenario import Scenario
from fleetpoll.cadence.dwell import groups_of
from fleetpoll.cadence.notebook import Notebook
from fleetpoll.embedded.private import private_server
from fleetpoll.jobs import JobStatus, Snapshot, Transition
from fleetpoll.settings import Settings
from fleetpoll.state.pages import Lesson
from fleetpoll.state.rooms import Rooms, open_rooms
from fleetpoll.state.schedule import Lease, Look

EPOCH_MS = 1_800_000_000_000
EVENTS_KEPT = 10_000
TOOK_S = 0.1
WARM, QUICK = 400, 200
TRIM = 0.1
"""The slowest and the fastest tenth of the settlements are left out: the machine's other business, not ours."""
SHORT_US = 100
"""No settlement of 100 jobs is shorter; the commands inside of it are, which some servers log as well."""
KEYS = 12
LESSON_AT = 3 + KEYS + 4
"""Where the lesson stands in the words of a logged EVALSHA: its name, hash and number of keys, the keys, four arguments."""


@dataclass(frozen=True, slots=True)
class Settling:
    """So many jobs of so many definitions; one look in `1 / moved` sees a transition."""

    definitions: int
    live: int = 20_000
    settlements: int = 4_000
    moved: float = 0.04
    contenders: tuple[str, ...] = ("fleetpoll",)

    @property
    def name(self) -> str:
        """How tables call it."""
        return f"{self.definitions} definitions"

    def quick(self) -> Settling:
        """The same in a few seconds."""
        return replace(self, settlements=QUICK)

    def described(self) -> dict[str, Any]:
        """The method as JSON."""
        return {name: value for name, value in asdict(self).items() if name != "contenders"}


class Mill:
    """Claims jobs and settles them, over and over, in the server's view of a time that we make up."""

    def __init__(self, rooms: Rooms, case: Settling, rng: Random) -> None:
        self._rooms, self._case, self._rng = rooms, case, rng
        self._notebook, self._now_ms = Notebook(), EPOCH_MS
        rooms.schedule.track((f"{number:08x}-0000-4000-8000-000000000000" for number in range(case.live)), now_ms=EPOCH_MS)

    def turn(self, *, teaches: bool) -> None:
        """One claim and its settlement."""
        self._now_ms += 25
        lease = self._rooms.schedule.claim(60.0, margin_s=5.0, now_ms=self._now_ms)
        if not isinstance(lease, Lease):
            return
        looks = [self._look(lease, job_id) for job_id in lease.jobs]
        lesson = Lesson(1e-3, *self._notebook.homework()) if teaches else None
        settled = self._rooms.schedule.settle(
            lease, looks, events_kept=EVENTS_KEPT, asked=len(looks), took_s=TOOK_S, lesson=lesson, now_ms=self._now_ms
        )
        self._notebook.absorb(settled.pages)

    def _look(self, lease: Lease, job_id: str) -> Look:
        rng, known, moved = self._rng, lease.jobs[job_id], self._rng.random() < self._case.moved
        name, age_s = f"step-{rng.randrange(self._case.definitions)}:1", rng.lognormvariate(5.0, 1.0)
        self._notebook.note(groups_of(JobStatus.RUNNING, "queue", name), age_s, age_s + 5.0, left=moved)
        if not moved:
            return Look(job_id, rng.uniform(0.5, 8.0))
        record = moved_from(known, lease.claimed_ms, name)
        return Look(job_id, rng.uniform(0.5, 8.0), record, Transition.between(job_id, known, record))


def moved_from(known: Snapshot, now_ms: int, definition: str) -> Snapshot:
    """The job in another status."""
    status = JobStatus.STARTING if known.status is JobStatus.RUNNING else JobStatus.RUNNING
    return msgspec.structs.replace(
        known, status=status, changed_ms=now_ms, job_name="job", job_queue="queue", job_definition=definition
    )


def measure(case: Settling, contender: str, seed: int) -> dict[str, Any]:
    """The server's microseconds for each kind of settlement, and by how much the lesson lengthens it."""
    del contender
    with tempfile.TemporaryDirectory() as directory, private_server(None, Path(directory)) as url:
        rooms = open_rooms(url, Settings())
        mill = Mill(rooms, case, Random(seed))
        for _ in range(WARM):
            mill.turn(teaches=True)
        client: Any = rooms.client
        client.config_set("slowlog-max-len", 4 * case.settlements)
        client.config_set("slowlog-log-slower-than", SHORT_US)
        client.slowlog_reset()
        for number in range(case.settlements):
            mill.turn(teaches=number % 2 == 0)
        spent = list(settlements(client.slowlog_get(4 * case.settlements)))
        groups, page_bytes = client.hlen(rooms.keys.dwell), sum(map(len, client.hvals(rooms.keys.dwell)))
        rooms.close()
    blind_us, teaching_us = (trimmed(us for us, teaches in spent if teaches is kind) for kind in (False, True))
    found = {
        "settle_blind_us": blind_us,
        "settle_us": teaching_us,
        "settle_growth": teaching_us / blind_us - 1,
        "page_bytes": page_bytes / groups,
    }
    return {"seed": seed, "phases": {"all": {"figures": found}}}


def settlements(entries: list[dict[str, Any]]) -> Iterator[tuple[int, bool]]:
    """The settlements of a slow log: microseconds, and whether there was a lesson."""
    for entry in entries:
        command = entry["command"]
        words = (command.decode() if isinstance(command, bytes) else command).split(" ")
        if words[0].upper() == "EVALSHA" and words[2] == str(KEYS):
            yield int(entry["duration"]), words[LESSON_AT].startswith("{")


def trimmed(values: Iterator[int]) -> float:
    """The mean without the extremes."""
    ordered = sorted(values)
    cut = int(TRIM * len(ordered))
    return statistics.fmean(ordered[cut : len(ordered) - cut])


SCENARIO = Scenario(
    "settle",
    "What learning costs Redis",
    (Settling(3), Settling(200)),
    {"fleetpoll": Ours("claims and settlements of 100 jobs, every second one with a lesson")},
    ("settle_blind_us", "settle_us", "settle_growth", "page_bytes"),
    measure,
)
