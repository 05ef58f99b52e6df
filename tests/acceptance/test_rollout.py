"""A release beside the one before it, on one fleet: rolled out under load, and rolled back."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.rig import LEAVE_S, Rig, limited, rig, wait_until
from fleetpoll.settings import Settings, load
from fleetpoll.state.delays import is_due_time, looked_ms
from tests.acceptance.test_fleet import assert_all_ended_once, assert_api_side_is_clean, calls

pytestmark = [pytest.mark.soak, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
BEFORE = "1176b6a"
"""The commit that stands for the release before this one; of the next release on, the tag of this one."""
RATE = 10.0
"""Calls/s; half of what so many jobs are worth, so that workers hold leases while they wait for tokens."""
VISIBILITY_S = 30.0
SOON_S = 8.0
"""By then jobs that were given back are looked at again: four sweeps of all jobs, and far from the visibility."""


@dataclass
class Release:
    """A release as a folder with its code."""

    name: str
    folder: Path

    def environ(self, fleet: Rig) -> dict[str, str]:
        """The environment in which `python -m fleetpoll` is this release."""
        return fleet.environment() | {"PYTHONPATH": str(self.folder)}

    def run(self, fleet: Rig, *words: str, stdin: str = "") -> str:
        """What a command of this release prints."""
        command = [sys.executable, "-m", "fleetpoll", *words]
        done = subprocess.run(
            command,
            env=self.environ(fleet),
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return done.stdout

    def lines(self, fleet: Rig, *words: str) -> list[dict[str, Any]]:
        """The objects that a command prints, one a line."""
        return [json.loads(line) for line in self.run(fleet, *words).splitlines()]

    def work(self, fleet: Rig) -> subprocess.Popen[bytes]:
        """Workers of this release: a pod, as it were."""
        with (fleet.directory / f"{self.name}.log").open("ab") as log:
            command = [sys.executable, "-m", "fleetpoll", "worker"]
            environ = self.environ(fleet)
            return subprocess.Popen(command, env=environ, cwd=self.folder, stdout=log, stderr=log, start_new_session=True)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """The release before this one, out of the history."""
    command = ["git", "archive", BEFORE, "fleetpoll", "workers"]
    archive = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if archive.returncode != 0:
        pytest.skip(f"commit {BEFORE} is not in this clone: git fetch --unshallow")
    folder = tmp_path_factory.mktemp("before")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")
    named = folder / "fleetpoll-0.0.9.dist-info"  # beats tell a version, and this is how a release knows its own
    named.mkdir()
    (named / "METADATA").write_text("Metadata-Version: 2.1\nName: fleetpoll\nVersion: 0.0.9\n")
    return Release("before", folder)


@pytest.fixture
def fleet() -> Iterator[Rig]:
    """A fleet whose account allows exactly its rate, and refuses one call more."""
    quick = {"connect_timeout": 1.0, "read_timeout": 2.0, "token_wait": 3.0, "margin": 1.0, "beat": 1.0, "freshness": 1.0}
    more = {"rate": RATE, "rate_start": RATE, "workers": 2, "visibility": VISIBILITY_S, "log_format": "json"}
    settings: Settings = load({}, flags=quick | more)
    with rig(settings, limited(RATE, life_min_s=10.0, life_max_s=40.0)) as fleet:
        yield fleet


def versions(fleet: Rig) -> list[str]:
    """Who beats, by release."""
    return sorted(beat.facts.version for beat in fleet.rooms.roster.workers())


def scores(fleet: Rig) -> dict[str, float]:
    """The schedule."""
    entries: Any = fleet.rooms.client.zrange(fleet.rooms.keys.schedule, 0, -1, withscores=True)
    return dict(entries)


def on_loan(fleet: Rig) -> set[str]:
    """The jobs that some worker has."""
    return {job_id for job_id, score in scores(fleet).items() if not is_due_time(score)}


def leave(fleet: Rig, workers: subprocess.Popen[bytes]) -> tuple[int, float, float]:
    """Tell workers to leave. Returns how many jobs were on loan, how long leaving took, and until all were looked at."""
    wait_until(lambda: len(on_loan(fleet)) >= 200, 30, "leases of several workers")
    began, now_ms = time.monotonic(), fleet.rooms.roster.now_ms()
    lent = on_loan(fleet)
    workers.send_signal(signal.SIGTERM)
    assert workers.wait(fleet.settings.drain_timeout) == 0
    gone_s = time.monotonic() - began

    waiting = set(lent)

    def looked_at() -> bool:
        """One by one: at any moment some of them are on loan again, and say nothing of their last look."""
        live = scores(fleet)
        waiting.difference_update({one for one in waiting if one not in live or looked_ms(live[one]) > now_ms})
        return not waiting

    wait_until(looked_at, VISIBILITY_S, "every job that was on loan looked at again")
    return len(lent), gone_s, time.monotonic() - began


def track(release: Release, fleet: Rig, count: int) -> None:
    """Jobs that a client of this release tracks."""
    ids = fleet.simulator.populate(count)
    fleet.ids += ids
    release.run(fleet, "track", "-f", "-", stdin="\n".join(ids))


def replace(fleet: Rig, gone: Release, come: Release) -> list[tuple[int, float, float]]:
    """Roll from one release to the other as a Deployment does: one more of the new, one less of the old."""
    left = []
    with ExitStack() as stack:
        old = [started(stack, gone, fleet) for _ in range(2)]
        wait_until(lambda: len(fleet.poller_pids()) == 4, 30, "the pollers of the first release")
        track(gone, fleet, 1500)
        shown = fleet.simulator.stats()["transitions_shown"]
        wait_until(lambda: fleet.simulator.stats()["transitions_shown"] > shown + 300, 30, "work")
        for number, workers in enumerate(old):
            started(stack, come, fleet)
            wait_until(lambda: len(fleet.poller_pids()) == 6, 30, "both releases at work")
            assert len(set(versions(fleet))) == 2
            track((gone, come)[number], fleet, 300)
            left.append(leave(fleet, workers))
            assert len(fleet.poller_pids()) == 4
        assert len(set(versions(fleet))) == 1
        before = calls(fleet)
        wait_until(lambda: calls(fleet) > before + 10, 20, "calls of the second release alone")
        assert_all_ended_once(fleet, 120)
    return left


def started(stack: ExitStack, release: Release, fleet: Rig) -> subprocess.Popen[bytes]:
    """Workers that leave with the block, whatever happens in it."""
    workers = release.work(fleet)
    stack.callback(ended, workers)
    return workers


def ended(workers: subprocess.Popen[bytes]) -> None:
    """Drain, and kill what does not leave."""
    workers.terminate()
    try:
        workers.wait(LEAVE_S)
    except subprocess.TimeoutExpired:
        os.killpg(workers.pid, signal.SIGKILL)
        workers.wait()


@pytest.mark.parametrize("way", ["forward", "back"])
def test_a_release_takes_over_from_the_other(fleet: Rig, before: Release, way: str) -> None:
    """Forward and back: drains end with code 0, leases are given back, no end is lost or told twice, no call is too many."""
    this = Release("this", ROOT)
    gone, come = (before, this) if way == "forward" else (this, before)

    left = replace(fleet, gone, come)

    for lent, gone_s, looked_s in left:
        print(f"{way}: {lent} jobs on loan; gone after {gone_s:.2f} s, all looked at after {looked_s:.2f} s")  # noqa: T201 - a figure
        assert gone_s < SOON_S
        assert looked_s < SOON_S
    assert_api_side_is_clean(fleet)
    assert fleet.simulator.stats()["operations"]["describe"]["throttled"] == 0
    both = [release.lines(fleet, "jobs", "--json") for release in (before, this)]
    assert len(both[0]) == len(fleet.ids)
    by_id = [{job["job_id"]: job for job in jobs} for jobs in both]
    assert all(by_id[0][job_id].items() <= by_id[1][job_id].items() for job_id in fleet.ids)
    assert read_alike(before, this, fleet)


def read_alike(one: Release, other: Release, fleet: Rig) -> bool:
    """Whether both read the same transitions and the same counts, whoever wrote them."""
    streams = [release.lines(fleet, "events", "--json") for release in (one, other)]
    states = [release.lines(fleet, "status", "--json")[0] for release in (one, other)]
    return streams[0] == streams[1] and states[0]["jobs"] == states[1]["jobs"]
