"""Whole fleets: real worker processes, killed, frozen, told to leave. The simulator and the stream are the witnesses."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from typing import Any

from benchmarks.rig import Rig, alive, limited, rig, wait_until
from fleetpoll.jobs import JobStatus
from fleetpoll.settings import Settings, load
from fleetpoll.state.delays import is_due_time
from fleetpoll.state.events import BEGINNING
from fleetpoll.state.roster import OrderKind
from workers.telling import WAITING

QUICK = {
    "connect_timeout": 1.0,
    "read_timeout": 2.0,
    "token_wait": 3.0,
    "margin": 1.0,
    "visibility": 8.0,
    "beat": 1.0,
    "freshness": 1.0,
    "stuck_after": 4.0,
    "log_format": "json",
}
"""A fleet in which everything that is a matter of time takes little of it."""


def quick(**given: Any) -> Settings:
    """Settings for a fleet in a hurry."""
    return load({}, flags=QUICK | given)


def terminal_events(fleet: Rig) -> Counter[str]:
    """How often each job reached a terminal status in the stream."""
    found: Counter[str] = Counter()
    cursor = "0-0"
    while page := fleet.rooms.events.read(cursor):
        found.update(event.job_id for event in page if event.after.terminal)
        cursor = page[-1].cursor
    return found


def assert_all_ended_once(fleet: Rig, timeout_s: float) -> None:
    """Every job's end is in the stream exactly once, and is what the simulator knows to be true."""
    wait_until(lambda: fleet.rooms.ledger.sizes()[0] == 0, timeout_s, "every job settled as finished")

    assert terminal_events(fleet) == Counter(fleet.ids)
    known = {job_id: snapshot.status for job_id, snapshot in fleet.rooms.ledger.scan()}
    assert known == {job_id: JobStatus(status) for job_id, (status, _) in fleet.simulator.truth(fleet.ids).items()}


def assert_api_side_is_clean(fleet: Rig) -> None:
    """No id twice in a call, never 101, nothing asked for after its end was settled."""
    stats = fleet.simulator.stats()
    describe = stats["operations"]["describe"]
    assert describe["calls_with_duplicates"] == 0
    assert describe["calls_over_100"] == 0
    assert describe["max_ids"] <= 100


def test_killed_pollers_lose_nothing_and_are_replaced() -> None:
    """With 2 of 4 pollers killed again and again under load, each job's end is still published exactly once."""
    with rig(quick(rate=20, workers=4), limited(20, life_min_s=2.0, life_max_s=9.0)) as fleet, fleet.workers():
        fleet.await_pollers(4)
        for _ in range(3):
            fleet.submit(400)
            shown = fleet.simulator.stats()["transitions_shown"]
            wait_until(lambda was=shown: fleet.simulator.stats()["transitions_shown"] > was + 150, 20, "work")  # type: ignore[misc]
            victims = fleet.poller_pids()[-2:]
            for pid in victims:
                os.kill(pid, signal.SIGKILL)
            wait_until(lambda gone=victims: len(set(fleet.poller_pids()) - set(gone)) >= 4, 20, "replacements")  # type: ignore[misc]

        assert_all_ended_once(fleet, 40)
        assert_api_side_is_clean(fleet)
        assert fleet.simulator.stats()["operations"]["describe"]["throttled"] == 0
        assert_figures_are_those_of_the_stream(fleet, killed=6)


def assert_figures_are_those_of_the_stream(fleet: Rig, killed: int) -> None:
    """Each transition and each lag was counted once; the killed leave a lease each at most, and a call."""
    figures, seen, tracked = fleet.rooms.ledger.figures(), Counter[Any](), fleet.rooms.ledger.get(fleet.ids)
    lags_ms, cursor = list[int](), BEGINNING
    while page := fleet.rooms.events.read(cursor):
        seen.update((event.before, event.after) for event in page)
        ended = (event for event in page if event.after.terminal)
        lags_ms += [max(0, e.detected_ms - max(e.stopped_ms, tracked[e.job_id].tracked_ms)) for e in ended]
        cursor = page[-1].cursor
    described = fleet.simulator.stats()["operations"]["describe"]["calls"]

    assert figures.transitions == seen
    assert (figures.lags.count, round(figures.lags.total_s * 1000)) == (len(fleet.ids), sum(lags_ms))
    assert described - killed <= figures.totals.calls == figures.durations.count <= described
    assert figures.expired <= killed
    assert {beat.facts.doing for beat in fleet.rooms.roster.workers()} <= {"starting", "idle", "asking AWS", WAITING}
    assert len(list(fleet.rooms.history.read())) >= 1


def test_a_drained_fleet_gives_its_leases_back() -> None:
    """SIGTERM ends workers within a moment, with exit code 0, no job left on loan and nobody on the roster."""
    with rig(quick(rate=2, workers=4), limited(2, life_min_s=60.0)) as fleet:
        with fleet.workers() as workers:
            fleet.await_pollers(4)
            fleet.submit(1000)
            wait_until(lambda: fleet.simulator.stats()["operations"]["describe"]["calls"] > 2, 20, "calls")
            start = time.monotonic()

            assert workers.stop() == 0

        assert time.monotonic() - start < 6
        assert leased(fleet) == 0
        assert fleet.poller_pids() == []


def test_an_idle_fleet_is_quiet_and_wakes_at_once() -> None:
    """Idle workers make at most one Redis command a second each, and some for a sample; new jobs are asked for at once."""
    with rig(Settings(workers=3, log_format="json"), limited(20)) as fleet, fleet.workers():
        fleet.await_pollers(3)
        booted = time.monotonic()
        wait_until(lambda: time.monotonic() - booted > 1, 5, "their first sweeps and claims")
        start, before, samples = time.monotonic(), commands(fleet), fleet.rooms.client.xlen(fleet.rooms.keys.history)
        wait_until(lambda: time.monotonic() - start > 6, 20, "six seconds")
        made, elapsed_s = commands(fleet) - before - 1, time.monotonic() - start
        sampled = fleet.rooms.client.xlen(fleet.rooms.keys.history) - samples

        assert made <= 3 * elapsed_s + 30 * sampled

        fleet.submit(1)
        waited_s = wait_until(lambda: fleet.simulator.stats()["transitions_shown"] == 1, 5, "the new job's first look")
        assert waited_s <= 1.0


def commands(fleet: Rig) -> int:
    """How many commands the server has processed, those inside scripts included."""
    info: Any = fleet.rooms.client.info("stats")
    return int(info["total_commands_processed"])


def test_orders_reach_a_working_fleet() -> None:
    """Drain stops the calls, resume brings them back, stop ends the workers with exit code 0."""
    with rig(quick(rate=20, workers=2), limited(20, life_min_s=60.0)) as fleet, fleet.workers() as workers:
        fleet.await_pollers(2)
        fleet.submit(500)
        wait_until(lambda: calls(fleet) > 3, 20, "calls")

        fleet.rooms.roster.command(OrderKind.DRAIN)
        wait_until(lambda: leased(fleet) == 0, 10, "no job on loan")
        quiet_since, calls_then = time.monotonic(), calls(fleet)
        wait_until(lambda: time.monotonic() - quiet_since > 2, 10, "two seconds")
        assert calls(fleet) == calls_then

        fleet.rooms.roster.command(None)
        wait_until(lambda: calls(fleet) > calls_then + 2, 10, "calls again")

        fleet.rooms.roster.command(OrderKind.STOP)
        assert workers.process.wait(15) == 0


def calls(fleet: Rig) -> int:
    """How many DescribeJobs calls the API side has seen."""
    return int(fleet.simulator.stats()["operations"]["describe"]["calls"])


def leased(fleet: Rig) -> int:
    """How many jobs are on loan."""
    entries: Any = fleet.rooms.client.zrange(fleet.rooms.keys.schedule, 0, -1, withscores=True)
    return sum(1 for _, score in entries if not is_due_time(score))


def test_a_throttled_fleet_slows_down_once_and_loses_nothing() -> None:
    """When AWS allows a quarter of the configured rate, the fleet comes down to it and every end is still published."""
    with rig(quick(rate=40, rate_start=40), limited(10, 10, life_min_s=2.0, life_max_s=10.0)) as fleet, fleet.workers():
        fleet.await_pollers(4)
        fleet.submit(2000)

        assert_all_ended_once(fleet, 60)

        view = fleet.rooms.buckets["DescribeJobs"].view()
        describe = fleet.simulator.stats()["operations"]["describe"]
        assert view.cuts > 0
        assert view.throttles == describe["throttled"] == fleet.rooms.ledger.totals().throttled
        assert describe["throttled"] < 0.35 * describe["calls"]


def test_a_frozen_poller_is_replaced() -> None:
    """A poller whose loop stands still is killed and replaced, although its process is there."""
    with rig(quick(rate=20, workers=2), limited(20, life_min_s=60.0)) as fleet, fleet.workers() as workers:
        frozen, _ = fleet.await_pollers(2)
        fleet.submit(300)
        os.kill(frozen, signal.SIGSTOP)

        wait_until(lambda: "poller is stuck" in workers.words(), 15, "the supervisor notices")
        wait_until(lambda: len(set(fleet.poller_pids()) - {frozen}) >= 2, 15, "a replacement")


def test_orphaned_pollers_leave() -> None:
    """Pollers whose supervisor was killed finish and leave by themselves."""
    with rig(quick(rate=20, workers=2), limited(20, life_min_s=60.0)) as fleet:
        workers = fleet.workers()
        pids = fleet.await_pollers(2)
        fleet.submit(300)

        os.kill(workers.process.pid, signal.SIGKILL)
        workers.process.wait()

        wait_until(lambda: not any(alive(pid) for pid in pids), 15, "the pollers gone")
        assert leased(fleet) == 0


def test_settings_that_will_not_do_end_the_supervisor_at_once() -> None:
    """A profile that does not exist is no reason for a storm of restarts: exit code 2, and a line that says why."""
    with rig(quick(workers=2, profile="nobody"), limited(20)) as fleet, fleet.workers() as workers:
        assert workers.process.wait(20) == 2
        assert "check `profile` and AWS_PROFILE" in workers.words()


def test_a_killed_server_stops_the_calls_and_costs_no_job() -> None:
    """With the server killed under load the fleet waits, and goes on by itself within 5 s of its return."""
    with rig(quick(rate=20, workers=4), limited(20, life_min_s=2.0, life_max_s=9.0)) as fleet, fleet.workers():
        fleet.await_pollers(4)
        fleet.submit(1000)
        wait_until(lambda: fleet.simulator.stats()["transitions_shown"] > 500, 20, "work")
        server = int(fleet.rooms.client.info("server")["process_id"])

        os.kill(server, signal.SIGKILL)
        wait_until(lambda: answers(fleet), 10, "the server back")
        calls_then = calls(fleet)
        assert wait_until(lambda: calls(fleet) > calls_then + 3, 10, "calls again") <= 5

        assert_all_ended_once(fleet, 40)


def answers(fleet: Rig) -> bool:
    """Whether the server is there."""
    try:
        return bool(fleet.rooms.client.ping())
    except Exception:  # noqa: BLE001 - any failure means no
        return False
