"""The simulated account under a clock that is set by hand: hours pass in no time."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fleetpoll.errors import SettingsError
from fleetpoll.simulator.account import Account, ApiError
from fleetpoll.simulator.config import Disturbance, Limit, Operation, SimulatorConfig
from fleetpoll.simulator.lifecycle import Life
from fleetpoll.simulator.operations import VERBS

START_MS = 1_700_000_000_000


class Rig:
    """An account whose clock stands until it is moved."""

    def __init__(self, **knobs: Any) -> None:
        self.now_ms = START_MS
        config = SimulatorConfig(**{"seed": 7, "life_min_s": 100, "life_max_s": 100, "fail_share": 0} | knobs)
        self.account = Account(config, lambda: self.now_ms)

    def call(self, operation: Operation, **body: Any) -> Any:
        """What the operation answers."""
        arrived_ms = self.account.admit(operation)
        return msgspec.json.decode(VERBS[operation](self.account, msgspec.json.encode(body), arrived_ms))

    def submit(self, **more: Any) -> str:
        """The id of a new job."""
        job_id: str = self.call(Operation.SUBMIT, jobName="n", jobQueue="q", jobDefinition="d", **more)["jobId"]
        return job_id

    def describe(self, *ids: str) -> list[Any]:
        """The descriptions of these jobs."""
        jobs: list[Any] = self.call(Operation.DESCRIBE, jobs=ids)["jobs"]
        return jobs

    def statuses(self, *ids: str) -> list[str]:
        """The statuses of these jobs."""
        return [job["status"] for job in self.describe(*ids)]

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self.now_ms += round(seconds * 1000)


def test_a_job_stops_exactly_when_planned() -> None:
    """One millisecond before its end it runs; then it has succeeded, and stoppedAt is that moment for ever."""
    rig = Rig()
    job_id = rig.submit()
    rig.move(99.999)
    assert rig.statuses(job_id) == ["RUNNING"]
    rig.move(0.001)
    (job,) = rig.describe(job_id)
    assert (job["status"], job["stoppedAt"], job["createdAt"]) == ("SUCCEEDED", START_MS + 100_000, START_MS)
    rig.move(86_400)
    assert rig.describe(job_id) == [job]


def test_the_same_seed_gives_the_same_ids_and_another_seed_others() -> None:
    """A seed makes runs repeatable; without one, two accounts never share an id."""
    assert Rig().submit() == Rig().submit()
    assert len({Rig(seed=0).submit(), Rig(seed=0).submit(), Rig().submit()}) == 3


def test_a_job_that_starts_has_no_start_yet() -> None:
    """Before a job runs, startedAt is absent."""
    rig = Rig()
    job_id = rig.submit()
    assert "startedAt" not in rig.describe(job_id)[0]
    rig.move(90)
    assert START_MS < rig.describe(job_id)[0]["startedAt"] <= rig.now_ms


def test_a_failed_job_has_used_all_its_attempts() -> None:
    """A job that fails says how often, with which exit codes and why."""
    rig = Rig(fail_share=1)
    ids = [rig.submit(retryStrategy={"attempts": 3}) for _ in range(50)]
    rig.move(100)
    jobs = rig.describe(*ids)
    assert {(job["status"], len(job["attempts"])) for job in jobs} == {("FAILED", 3)}
    assert all(job["statusReason"] == job["attempts"][-1]["statusReason"] for job in jobs)
    assert all(job["container"].get("exitCode") != 0 for job in jobs)
    reasons = {job["container"].get("reason", job["statusReason"].partition(" (")[0]) for job in jobs}
    assert reasons == {
        "Essential container in task exited",
        "OutOfMemoryError: Container killed due to memory usage",
        "Host EC2",
    }


def test_a_new_job_is_invisible_for_its_window() -> None:
    """Describe and list leave a new job out for as long as configured."""
    rig = Rig(invisible_s=2)
    job_id = rig.submit()
    rig.move(1.999)
    assert rig.describe(job_id) == []
    rig.move(0.001)
    assert rig.statuses(job_id) != []


def test_a_finished_job_vanishes_after_its_retention() -> None:
    """A finished job is described until the retention time is over, then it is unknown."""
    rig = Rig(retention_s=60)
    job_id = rig.submit()
    rig.move(159.999)
    assert rig.statuses(job_id) == ["SUCCEEDED"]
    rig.move(0.001)
    assert rig.describe(job_id) == []
    assert rig.account.stats()["jobs"] == 0


def test_the_mean_of_live_jobs_is_exact() -> None:
    """Two jobs of 100 s, one born 50 s later: over 200 s that is 1.0 on average."""
    rig = Rig()
    rig.submit()
    rig.move(50)
    rig.submit()
    assert rig.account.stats()["live"] == 2
    rig.move(150)
    stats = rig.account.stats()
    assert (stats["live"], stats["live_mean"]) == (0, 1.0)


def test_a_new_window_begins_a_new_mean() -> None:
    """The mean of live jobs belongs to the measuring window."""
    rig = Rig()
    rig.submit()
    rig.move(60)
    rig.account.restart_stats()
    rig.move(80)
    assert rig.account.stats()["live_mean"] == 0.5


def test_a_terminated_job_lives_no_more() -> None:
    """Terminating ends a job at once, counts once, and says who did it."""
    rig = Rig()
    job_id = rig.submit()
    rig.move(50)
    for _ in range(2):
        rig.call(Operation.TERMINATE, jobId=job_id, reason="enough")
    assert rig.account.stats()["live"] == 0
    (job,) = rig.describe(job_id)
    assert (job["status"], job["statusReason"], job["isTerminated"]) == ("FAILED", "enough", True)
    assert job["stoppedAt"] == rig.now_ms
    rig.move(500)
    assert rig.account.stats()["live"] == 0


def test_cancel_has_no_effect_on_a_running_job() -> None:
    """A queued job is cancelled; a running one goes on, and the answer is the same."""
    rig = Rig()
    queued, running = rig.submit(), rig.submit()
    rig.call(Operation.CANCEL, jobId=queued, reason="no")
    rig.move(90)
    rig.call(Operation.CANCEL, jobId=running, reason="no")
    assert rig.statuses(queued, running) == ["FAILED", "RUNNING"]
    assert rig.describe(queued)[0]["isCancelled"] is True


def test_terminating_an_array_ends_all_its_children() -> None:
    """The parent fails with its children; one child alone does not end the parent."""
    rig = Rig()
    parent = rig.submit(arrayProperties={"size": 3})
    rig.move(50)
    rig.call(Operation.TERMINATE, jobId=f"{parent}:1", reason="one")
    assert rig.statuses(parent, f"{parent}:0", f"{parent}:1") == ["PENDING", "RUNNING", "FAILED"]
    rig.call(Operation.TERMINATE, jobId=parent, reason="all")
    assert rig.statuses(parent, f"{parent}:0", f"{parent}:1") == ["FAILED"] * 3
    assert [job["statusReason"] for job in rig.describe(parent, f"{parent}:0", f"{parent}:1")] == ["all", "all", "one"]
    assert rig.account.stats()["live"] == 0


def test_each_operation_has_its_own_allowance() -> None:
    """One operation's bucket is empty, the other's is not."""
    rig = Rig(limits={Operation.SUBMIT: Limit(1, 2)})
    job_id = rig.submit()
    rig.submit()
    with pytest.raises(ApiError, match="Too Many Requests"):
        rig.submit()
    assert len(rig.describe(job_id)) == 1
    rig.move(1)
    rig.submit()
    assert rig.account.stats()["operations"]["submit"]["throttled"] == 1


def test_strays_take_no_token() -> None:
    """All calls stray, and after that the whole burst is still there."""
    rig = Rig(limits={Operation.DESCRIBE: Limit(0.001, 3)}, reject_share=1, retry_after_ms=250)
    for _ in range(10):
        with pytest.raises(ApiError, match="Too Many Requests") as refused:
            rig.describe("a")
        assert (refused.value.status, refused.value.retry_after_ms) == (429, 250)
    rig.account.disturb(Operation.DESCRIBE, reject_share=0)
    for _ in range(3):
        assert rig.describe("a") == []
    with pytest.raises(ApiError, match="Too Many Requests"):
        rig.describe("a")
    figures = rig.account.stats()["operations"]["describe"]
    assert (figures["strays"], figures["throttled"]) == (10, 11)


def test_disturbances_are_of_one_operation_and_change_as_told() -> None:
    """What is not named stays as it was, and so do the other operations."""
    rig = Rig(reject_share=0.25, tenants={Operation.LIST: 3})
    rig.account.disturb(Operation.LIST, tenant_rate=5, retry_after_ms=100)
    before = Disturbance(reject_share=0.25)
    assert rig.account.disturbances() == dict.fromkeys(Operation, before) | {
        Operation.LIST: Disturbance(reject_share=0.25, tenant_rate=5, retry_after_ms=100)
    }
    with pytest.raises(SettingsError, match="reject_share is 2"):
        rig.account.disturb(Operation.LIST, reject_share=2)


def test_tenants_call_in_windows_in_which_nobody_else_does() -> None:
    """Others are counted up to the moment of the statistics, in the window in which they called, and never as ours."""
    rig = Rig(tenants={Operation.SUBMIT: 100})
    rig.move(100)
    figures = rig.account.stats()["operations"]["submit"]
    assert 9_000 < figures["tenant_accepted"] < 11_000
    assert (figures["calls"], figures["worst_second_calls"], figures["timeline"]["accepted"]) == (0, 0, [])
    rig.move(100)
    rig.account.restart_stats()
    assert rig.account.stats()["operations"]["submit"]["tenant_accepted"] == 0


def test_jobs_that_nobody_asked_for_are_counted() -> None:
    """Live jobs are unasked until somebody asks for them in this window; those that ended are of no more interest."""
    rig = Rig()
    ids = [rig.submit() for _ in range(5)]
    counts = []
    for asked in (["unknown"], ids[:2], ids[:3]):
        rig.describe(*asked)
        counts.append(rig.account.stats()["live_unasked"])
    assert counts == [5, 3, 2]
    assert rig.account.stats()["operations"]["describe"]["asked_distinct"] == 4
    rig.account.restart_stats()
    rig.call(Operation.TERMINATE, jobId=ids[4], reason="enough")
    stats = rig.account.stats()
    assert (stats["live"], stats["live_unasked"], stats["operations"]["describe"]["asked_distinct"]) == (4, 4, 0)
    rig.move(100)
    assert rig.account.stats()["live_unasked"] == 0


def test_ends_that_no_answer_showed_are_counted() -> None:
    """A job is undetected from its end to the first answer that shows it, if it ended in this window."""
    rig = Rig()
    ids = [rig.submit() for _ in range(2)]
    assert rig.account.stats()["undetected"] == {"count": 0, "mean_age_ms": 0.0}
    rig.move(90)
    rig.describe(*ids)
    rig.call(Operation.TERMINATE, jobId=ids[0], reason="enough")
    rig.move(30)
    assert rig.account.stats()["undetected"] == {"count": 2, "mean_age_ms": 25_000.0}
    rig.describe(ids[0])
    assert rig.account.stats()["undetected"] == {"count": 1, "mean_age_ms": 20_000.0}
    rig.account.restart_stats()
    assert rig.account.stats()["undetected"] == {"count": 0, "mean_age_ms": 0.0}


def test_a_spread_population_is_at_random_points_of_its_life() -> None:
    """Jobs that were born in the past are all alive, and about a tenth ends in each tenth of a life."""
    rig = Rig()
    life = Life(seed=7, min_ms=100_000, max_ms=100_000)
    for _ in range(1_000):
        rig.account.create("n", rig.account.look(), life, spread_ms=1_000_000)
    assert rig.account.stats()["live"] == 1_000
    for tenth in range(9, 0, -1):
        rig.move(10)
        assert abs(rig.account.stats()["live"] - 100 * tenth) < 50


def test_lists_come_in_pages_and_only_in_one_status() -> None:
    """Each job of the queue is listed once over all pages, and only if it is in the status asked for."""
    rig = Rig()
    ids = [rig.submit() for _ in range(25)]
    rig.call(Operation.TERMINATE, jobId=ids[3], reason="enough")
    rig.move(90)
    listed: list[str] = []
    token: dict[str, str] = {}
    for size in (10, 10, 4):
        page = rig.call(Operation.LIST, jobQueue="q", maxResults=10, **token)
        listed += [job["jobId"] for job in page["jobSummaryList"]]
        token = {"nextToken": page["nextToken"]} if "nextToken" in page else {}
        assert len(page["jobSummaryList"]) == size
    assert token == {}
    assert listed == [job_id for job_id in ids if job_id != ids[3]]
