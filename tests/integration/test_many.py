"""Several fleets in one Cluster: a node that is away takes its own fleets with it, and nobody waits for it."""

from __future__ import annotations

from pathlib import Path

from benchmarks.rig import wait_until
from fleetpoll.client.checkup.finding import Grade
from fleetpoll.client.checkup.rounds import check_up
from fleetpoll.client.many import ask_each
from fleetpoll.errors import RedisUnavailable
from fleetpoll.settings import Settings
from tests.ids import make_ids
from tests.topologies import Cluster, agrees, cluster


def fleets_of(nodes: Cluster, count: int) -> list[Settings]:
    """So many fleets, some on each node."""
    return [Settings(fleet=f"fleet-{n}", redis_url=nodes.url) for n in range(count)]


def coverage(nodes: Cluster) -> tuple[Grade, str]:
    """What the doctor says of a Cluster that has lost a node."""
    (settings,) = fleets_of(nodes, 1)
    return next((at.grade, at.found) for at in check_up(settings, aws=False) if at.check == "coverage")


def test_a_node_that_is_away_takes_its_own_fleets_and_no_others(tmp_path: Path) -> None:
    """Each of them says so, the others answer, and all do when it is back."""
    with cluster(tmp_path, "p") as nodes:
        assert coverage(nodes) == (Grade.WARN, "a node that is gone stops all fleets")
        for one in nodes.servers:
            with one.client() as client:
                client.config_set("cluster-require-full-coverage", "no")
        assert coverage(nodes) == (Grade.OK, "a node that is gone stops no fleets but its own")
        fleets = fleets_of(nodes, 12)
        assert {heard.answer for heard in ask_each(fleets, lambda fleet: fleet.track(make_ids(2)))} == {2}
        gone = nodes.primary(fleets[0].fleet)
        lost = {settings.fleet for settings in fleets if nodes.primary(settings.fleet) is gone}
        gone.kill()

        heard = list(ask_each(fleets, lambda fleet: fleet.due()))

        assert 0 < len(lost) < 12
        assert [one.settings for one in heard] == fleets
        assert {one.settings.fleet for one in heard if isinstance(one.error, RedisUnavailable)} == lost
        assert {one.answer for one in heard if one.settings.fleet not in lost} == {2}
        gone.restart()
        wait_until(lambda: all(agrees(one, 3) for one in nodes.servers), 20.0, "a whole Cluster")
        assert {one.answer for one in ask_each(fleets, lambda fleet: fleet.status().live)} == {2}
