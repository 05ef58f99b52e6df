"""Which job of an earlier try a task finds again, and which one it leaves alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from benchmarks.rig import Rig, limited, rig, wait_until
from fleetpoll.airflow.reattach import KEY, TAG
from fleetpoll.settings import load
from tests.airflow.conftest import QUICK, connect
from tests.airflow.helpers import Store, context_of, deferred, operator, submitted


@pytest.fixture(scope="module")
def lasting() -> Iterator[Rig]:
    """A fleet without workers, of jobs that are not over before a test is."""
    with rig(load({}, flags=QUICK), limited(200, life_min_s=300.0, life_max_s=300.0)) as fleet:
        yield fleet


@pytest.mark.parametrize("keeps_state", [True, False], ids=["state store", "none, as before Airflow 3.3"])
def test_a_job_that_nobody_noted_is_found_by_its_tag(
    lasting: Rig, monkeypatch: pytest.MonkeyPatch, *, keeps_state: bool
) -> None:
    """The worker died after SubmitJob and before it could note the id; jobs of the same name are told apart."""
    conn_id, store = connect(lasting, monkeypatch), Store() if keeps_state else None
    deferred(operator(conn_id), context_of(Store(), map_index=7))
    if store is not None:
        store.deadly = True
        with pytest.raises(KeyboardInterrupt):
            operator(conn_id).execute(context_of(store, run_id=str(keeps_state)))
        store.deadly = False
    else:
        deferred(operator(conn_id), context_of(run_id=str(keeps_state)))
    before = submitted(lasting)

    again = deferred(operator(conn_id), context_of(store, try_number=2, run_id=str(keeps_state)))

    assert submitted(lasting) == before
    described = again.trigger.hook().get_job_description(again.trigger.job_id)
    assert set(described["tags"]) == {TAG}
    assert described["jobName"] == "mine"


def test_without_a_store_a_task_that_is_cleared_after_its_success_runs_again(quiet: Rig, conn_id: str) -> None:
    """Before Airflow 3.3 nobody notes that the end of the first job was seen: it is not taken for the second one's."""
    first = deferred(operator(conn_id), context_of(run_id="cleared")).trigger.job_id
    wait_until(lambda: quiet.simulator.truth([first])[first][0] == "SUCCEEDED", 20, "the end of the job")
    again = deferred(operator(conn_id), context_of(try_number=2, run_id="cleared"))
    assert again.trigger.job_id != first


def test_who_may_not_list_jobs_submits_another(quiet: Rig, conn_id: str) -> None:
    """As Airflow's own does, which needs no right to ListJobs: a retry must not fail for it."""
    store, task = Store(), operator(conn_id)
    store.set(KEY, {"intended_ms": 1})

    def refuse(**_: object) -> None:
        words = {"Code": "AccessDeniedException", "Message": "not authorized to perform: batch:ListJobs"}
        raise ClientError({"Error": words}, "ListJobs")

    task.hook.conn.meta.events.register("provide-client-params.batch.ListJobs", refuse)
    before = submitted(quiet)
    deferred(task, context_of(store, try_number=2))
    assert submitted(quiet) == before + 1


def test_whoever_wants_no_memory_has_none(quiet: Rig, conn_id: str) -> None:
    """With durable=False nothing is noted and no tag is put on the job."""
    store = Store()
    how = deferred(operator(conn_id, durable=False, tags={"team": "a"}), context_of(store))
    assert not store
    assert how.trigger.hook().get_job_description(how.trigger.job_id)["tags"] == {"team": "a"}
