"""Arrays with places to run in, and multi-node parallel jobs, under a clock that is set by hand."""

from __future__ import annotations

import pytest

from fleetpoll.awsbatch.parse import descriptions
from fleetpoll.errors import SettingsError
from fleetpoll.jobs import AWS_STATUSES
from fleetpoll.simulator.account import ApiError
from fleetpoll.simulator.config import Operation, SimulatorConfig
from tests.unit.test_simulator_account import Rig


def test_children_take_places_in_turn() -> None:
    """Never do more run side by side than there are places, the next one starts when one ends, and the lives are as long."""
    rig = Rig(array_slots=3)
    parent = rig.submit(arrayProperties={"size": 9})
    children = [f"{parent}:{number}" for number in range(9)]
    busiest, started = 0, list[str]()
    while rig.statuses(parent) != ["SUCCEEDED"]:
        rig.move(1)
        running = [child for child, status in zip(children, rig.statuses(*children), strict=True) if status in RUNNING]
        busiest = max(busiest, len(running))
        started += [child for child in running if child not in started]
    assert busiest == 3
    assert (set(started[:3]), started[3:]) == (set(children[:3]), children[3:])
    assert 200 < (rig.now_ms - rig.describe(parent)[0]["createdAt"]) / 1000 < 320


RUNNING = ("STARTING", "RUNNING")


def test_places_are_none_or_more() -> None:
    """A number below nothing is refused."""
    with pytest.raises(SettingsError, match="array_slots"):
        SimulatorConfig(array_slots=-1)


def test_a_multi_node_job_and_its_nodes_live_together() -> None:
    """Each node can be asked for by `id#node`; all have one status, and end when any of them is terminated."""
    rig = Rig()
    whole = rig.submit(nodeOverrides={"numNodes": 3})
    ids = [whole, *(f"{whole}#{node}" for node in range(3))]
    rig.move(90)

    main, *nodes = rig.describe(*ids)
    assert main["nodeProperties"]["numNodes"] == 3
    assert [node["nodeDetails"] for node in nodes] == [{"nodeIndex": n, "isMainNode": n == 0} for n in range(3)]
    assert rig.statuses(*ids) == ["RUNNING"] * 4
    assert len({job["container"]["logStreamName"] for job in nodes}) == 3
    assert len(rig.call(Operation.LIST, jobQueue="q", jobStatus="RUNNING")["jobSummaryList"]) == 1

    rig.call(Operation.TERMINATE, jobId=f"{whole}#1", reason="enough")
    assert rig.statuses(*ids) == ["FAILED"] * 4
    assert rig.account.stats()["live"] == 0


def test_the_parser_takes_what_the_simulator_says_of_an_array() -> None:
    """The summary of the children, as it is at the moment."""
    rig = Rig(array_slots=3)
    parent = rig.submit(arrayProperties={"size": 9})
    rig.move(150)
    counts = rig.describe(parent)[0]["arrayProperties"]["statusSummary"]
    assert list(counts) == list(AWS_STATUSES)
    job = rig.account.population.jobs[parent]
    array = descriptions(b'{"jobs":[' + job.template.render(job, rig.now_ms) + b"]}")[parent].array
    assert array is not None
    assert (array.size, array.ended) == (9, counts["SUCCEEDED"] + counts["FAILED"])
    assert array.running == counts["RUNNING"] + counts["STARTING"] == 3


@pytest.mark.parametrize("nodes", [0, -1, 1_001])
def test_a_number_of_nodes_that_is_none_is_refused(nodes: int) -> None:
    """As AWS does."""
    with pytest.raises(ApiError, match="Number of nodes"):
        Rig().submit(nodeOverrides={"numNodes": nodes})
