"""Several Redis servers that stand in for each other: a primary with replicas under Sentinels, and a Cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from redis.crc import key_slot
from redis.exceptions import RedisError

from benchmarks.rig import wait_until
from fleetpoll.state.keys import Keys
from tests.servers import DURABLE, START_S, Server, free_port

SERVICE = "fleets"
DOWN_AFTER_MS = 500
"""How long a server is silent before others take it for dead: an operator would wait ten times as long."""
FAST = (*DURABLE, "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")
IN_CLUSTER = (*FAST, "--cluster-enabled", "yes", "--cluster-node-timeout", str(DOWN_AFTER_MS))
SLOTS = 16_384
SHARDS = 3


class Topology(Protocol):
    """Servers of which one is the primary of a fleet."""

    @property
    def url(self) -> str:
        """How fleetpoll is told of them."""

    def primary(self, fleet: str) -> Server:
        """The fleet's primary. Raises TimeoutError if there is none."""

    def others(self, fleet: str) -> list[Server]:
        """Those who may take its place."""


class Sentinel(Server):
    """One Sentinel that watches one primary; it keeps what it knows in its configuration file."""

    def __init__(self, folder: Path, watched: int, quorum: int, *more: str) -> None:
        folder.mkdir(parents=True)
        self.conf = folder / "sentinel.conf"
        lines = (
            "bind 127.0.0.1",
            f"dir {folder}",
            f"sentinel monitor {SERVICE} 127.0.0.1 {watched} {quorum}",
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}",
            f"sentinel failover-timeout {SERVICE} 3000",
            *more,
        )
        self.conf.write_text("\n".join(lines) + "\n", encoding="utf-8")
        super().__init__(folder)

    def words(self) -> list[str]:
        """The command that starts it."""
        return [str(self.binary), str(self.conf), "--port", str(self.port), "--sentinel"]


@dataclass
class Watched:
    """A primary and its replicas under Sentinels."""

    servers: list[Server]
    sentinels: list[Sentinel]

    @property
    def url(self) -> str:
        """How fleetpoll is told of them."""
        return f"redis+sentinel://{','.join(f'127.0.0.1:{one.port}' for one in self.sentinels)}/{SERVICE}"

    def primary(self, fleet: str) -> Server:  # noqa: ARG002 - all fleets have one here; in a Cluster it is another's
        """The one that calls itself primary and answers."""
        return the_primary(self.servers)

    def others(self, fleet: str) -> list[Server]:
        """Those who may take its place."""
        primary = self.primary(fleet)
        return [one for one in self.servers if one is not primary]

    def steady(self) -> bool:
        """Whether every Sentinel knows all others and all replicas, so that a failover may begin."""
        return all(knows_all(one, len(self.sentinels) - 1, len(self.servers) - 1) for one in self.sentinels)


def knows_all(sentinel: Sentinel, sentinels: int, replicas: int) -> bool:
    """Whether a Sentinel knows so many others and so many replicas."""
    with sentinel.client() as client:
        state: Any = client.execute_command("SENTINEL MASTER", SERVICE)
    return bool(state["num-other-sentinels"] == sentinels and state["num-slaves"] == replicas)


def the_primary(servers: list[Server]) -> Server:
    """The one of these servers that calls itself primary and answers."""
    found: list[Server] = []

    def look() -> bool:
        found[:] = [one for one in servers if one.process is not None and role(one) == "master"]
        return bool(found)

    wait_until(look, START_S, "a primary")
    return found[0]


def role(server: Server) -> str:
    """What a server calls itself; '' if it does not answer."""
    with server.client() as client:
        try:
            said: Any = client.execute_command("ROLE")
        except (RedisError, OSError):
            return ""
    return str(said[0])


def linked(server: Server) -> bool:
    """Whether a replica has all that its primary has, and hears from it."""
    with server.client() as client:
        info: Any = client.info("replication")
    return bool(info.get("master_link_status") == "up")


@contextmanager
def watched(folder: Path, replicas: int = 2) -> Iterator[Watched]:
    """A primary, so many replicas and three Sentinels."""
    with ExitStack() as stack:

        def run(name: str, *arguments: str) -> Server:
            one = Server(folder / name, *FAST, *arguments)
            stack.callback(one.kill)
            return one

        primary = run("s0")
        servers = [primary]
        servers += [run(f"s{n}", "--replicaof", f"127.0.0.1 {primary.port}") for n in range(1, replicas + 1)]
        sentinels = [Sentinel(folder / f"sentinel{n}", primary.port, 2) for n in range(3)]
        for one in sentinels:
            stack.callback(one.kill)
        group = Watched(servers, sentinels)
        wait_until(lambda: all(map(linked, servers[1:])) and group.steady(), START_S, "replicas and Sentinels")
        yield group


@dataclass
class Cluster:
    """Three primaries, each with its replicas, the first of a shard being the primary at first."""

    shards: list[list[Server]] = field(default_factory=list)

    @property
    def servers(self) -> list[Server]:
        """All nodes."""
        return [one for shard in self.shards for one in shard]

    @property
    def url(self) -> str:
        """How fleetpoll is told of them: it has to find the fleet's own node from there."""
        return f"redis+cluster://{','.join(f'127.0.0.1:{shard[0].port}' for shard in self.shards)}"

    def shard(self, fleet: str) -> list[Server]:
        """The nodes that may have the fleet's slot."""
        slot = key_slot(Keys(fleet).schedule.encode())
        return next(shard for shard, (first, last) in zip(self.shards, ranges(), strict=True) if first <= slot <= last)

    def primary(self, fleet: str) -> Server:
        """The node that has the fleet's slot."""
        return the_primary(self.shard(fleet))

    def others(self, fleet: str) -> list[Server]:
        """Those who may take its place."""
        primary = self.primary(fleet)
        return [one for one in self.shard(fleet) if one is not primary]


def node_id(server: Server) -> str:
    """How the other nodes of a Cluster call this one."""
    with server.client() as client:
        return str(client.execute_command("CLUSTER MYID"))


def ranges() -> list[tuple[int, int]]:
    """The slots of each shard."""
    edges = [SLOTS * n // SHARDS for n in range(SHARDS + 1)]
    return [(edges[n], edges[n + 1] - 1) for n in range(SHARDS)]


def agrees(server: Server, nodes: int) -> bool:
    """Whether a node knows so many and finds the Cluster whole."""
    with server.client() as client:
        info: Any = client.execute_command("CLUSTER INFO")
    return bool(info["cluster_state"] == "ok" and int(info["cluster_known_nodes"]) == nodes)


@contextmanager
def cluster(folder: Path, roles: str = "pr", *more: str) -> Iterator[Cluster]:
    """A Cluster, made as an operator makes one; "p" for one without replicas. `more` arguments are those of each node."""
    with ExitStack() as stack:
        group, buses = Cluster(), list[int]()
        for n in range(SHARDS):
            group.shards.append([])
            for name in roles:
                buses.append(free_port())  # usually 10,000 above the port, where there may be none
                group.shards[-1].append(Server(folder / f"{name}{n}", *IN_CLUSTER, *more, "--cluster-port", str(buses[-1])))
                stack.callback(group.shards[-1][-1].kill)
        first = group.shards[0][0]
        for n, one in enumerate(group.servers):
            with one.client() as client:
                client.execute_command("CLUSTER SET-CONFIG-EPOCH", n + 1)
                client.execute_command("CLUSTER MEET", "127.0.0.1", first.port, buses[0])
        for shard, (low, high) in zip(group.shards, ranges(), strict=True):
            with shard[0].client() as client:
                client.execute_command("CLUSTER ADDSLOTSRANGE", low, high)
        size = len(group.servers)
        wait_until(lambda: all(agrees(one, size) for one in group.servers), START_S, "a whole Cluster")
        for primary, *replicas in group.shards:
            for replica in replicas:
                with replica.client() as client:
                    client.execute_command("CLUSTER REPLICATE", node_id(primary))
        replicas = [one for shard in group.shards for one in shard[1:]]
        wait_until(lambda: all(map(linked, replicas)), START_S, "the replicas")
        yield group
