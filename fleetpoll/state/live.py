"""A fleet's state for asyncio: the same commands, scripts and errors as the rooms', awaited instead of stood in line for.

However many tasks ask at once, they share `CONNECTIONS` connections; a read that blocks is to have one of its own.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import MovedError, NoScriptError

from fleetpoll.errors import FleetClosed, RedisUnavailable, StateError
from fleetpoll.state.broods import adopt_keys
from fleetpoll.state.connection import STORED_MS, options, refused_urls, stored, time_ms, translated
from fleetpoll.state.events import PAGE, RECENT, Pairs, as_it_came, block_ms, end_of, entries_of, fields_of, parse, stand
from fleetpoll.state.keys import Keys
from fleetpoll.state.ledger import snapshots
from fleetpoll.state.roster import parse_roster
from fleetpoll.state.schedule import (
    FORGOTTEN_PER_SCRIPT,
    OPENED_PER_SCRIPT,
    children_of,
    reopen_keys,
    track_head,
    untrack_keys,
)
from fleetpoll.state.scripts import ATTEMPTS, PAUSE_S, chunks, source
from fleetpoll.state.steps import Result, Steps, perform_live
from fleetpoll.state.topology import LiveSeeker, Whereabouts, servers_of

if TYPE_CHECKING:
    from fleetpoll.jobs import Snapshot, Transition
    from fleetpoll.state.roster import Beat
    from fleetpoll.state.scripts import Argument

CONNECTIONS = 2


class LiveConnection(Redis):
    """A client whose errors are ours: RedisUnavailable when Redis is away, StateError when it refuses.

    Who stands in line for a connection stands in ours: in that of redis-py's BlockingConnectionPool somebody who is
    cancelled in the moment of his turn takes it along, before Python 3.13, and who is behind him may stand there for ever.
    """

    gate: asyncio.Semaphore
    closed = False

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """One command, one attempt; one that a node of a Cluster has sent elsewhere was none."""
        return await self._sent(partial(super().execute_command, *args, **options))

    async def execute_stored(self, replicas: int, *command: Any) -> Any:
        """The same as `Connection.execute_stored`."""

        async def send() -> Any:
            async with self.pipeline(transaction=False) as pipeline:
                pipeline.execute_command(*command)
                pipeline.execute_command("WAIT", replicas, STORED_MS)
                return await pipeline.execute()

        return await self._sent(send)

    async def _sent(self, send: Callable[[], Awaitable[Any]]) -> Any:
        async with self.gate:
            if self.closed:  # redis-py would connect again
                raise FleetClosed("The fleet is closed: use it within its `async with` block.")
            try:
                with translated():
                    try:
                        return await send()
                    except MovedError as error:
                        if not isinstance(self.connection_pool, SentinelConnectionPool):
                            raise
                        self.connection_pool.sentinel_manager.whereabouts.moved(error)
                        await self._drop_idle()
                        return await send()
            except RedisUnavailable:
                await self._drop_idle()  # see `Connection`
                raise

    async def _drop_idle(self) -> None:
        """Close the connections that nobody uses, without a pause: in that of redis-py's own somebody may take one."""
        for connection in tuple(self.connection_pool._available_connections):  # noqa: SLF001 - there is no other way to them
            await connection.disconnect(nowait=True)

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: FBT001 - redis-py's signature
        """Close the connections for good."""
        self.closed = True
        await super().aclose(close_connection_pool)


def connect_live(url: str, connections: int, home: str = "") -> LiveConnection:
    """A client for asyncio with at most so many connections. Nothing is sent until the first command.

    In a Cluster it speaks with the primary of the slot of the key `home`. Raises SettingsError for a URL that will not do.
    """
    with refused_urls(url):
        servers, given = servers_of(url), {"retry": Retry(NoBackoff(), 0), **options(url)}
        if servers is None:
            pool = ConnectionPool.from_url(url, **given)
        else:
            pool = servers.pool(SentinelConnectionPool, LiveSeeker(Whereabouts(servers, home)), given)
        pool.max_connections = connections  # whatever the URL says: that is for threads
        pool.make_connection()  # type: ignore[no-untyped-call] # connects nothing; a wrong option of the URL shows here
    client = LiveConnection.from_pool(pool)
    assert isinstance(client, LiveConnection)  # noqa: S101 - from_pool is annotated as the base class
    client.gate = asyncio.Semaphore(connections)
    return client


class Live:
    """What asyncio asks of the state of one fleet."""

    def __init__(self, url: str, fleet: str, replicas_acked: int = 0) -> None:
        self._url, self.keys, self._replicas = url, Keys(fleet), replicas_acked
        self._client = connect_live(url, CONNECTIONS, self.keys.schedule)
        self._readers: set[Reader] = set()
        self._track, self._adopt, self._reopen, self._untrack = (
            self._client.register_script(source(verb)) for verb in ("track", "adopt", "reopen", "untrack")
        )

    def reader(self) -> Reader:
        """A reader of the stream on a connection of its own, which is closed with the others if not before."""
        return Reader(connect_live(self._url, 1, self.keys.schedule), self.keys, self._readers)

    async def perform(self, steps: Steps[Result]) -> Result:
        """Hold a conversation."""
        return await perform_live(self._client, steps)

    async def track(self, ids: Iterable[str]) -> int:
        """Start to watch jobs; those that are known already stay as they are. Returns how many were new."""
        k, head = self.keys, track_head()
        keys = (k.ledger, k.schedule, k.counts, k.doorbell)
        return sum([int(await self._acknowledged(self._track, keys, (*head, *chunk))) for chunk in chunks(ids)])

    async def adopt(self, ids: Iterable[str]) -> int:
        """Follow arrays. Returns how many were not followed yet."""
        keys, head = adopt_keys(self.keys), track_head()
        parts = chunks(ids, OPENED_PER_SCRIPT)
        return sum([int(await self._acknowledged(self._adopt, keys, (*head, *part))) for part in parts])

    async def reopen(self, ids: Iterable[str], events_kept: int) -> int:
        """Watch those jobs once more that are over, as if they were new. Returns how many."""
        keys, head = reopen_keys(self.keys), (*track_head(), events_kept)
        parts = chunks(ids, OPENED_PER_SCRIPT)
        return sum([int(await self._acknowledged(self._reopen, keys, (*head, *part))) for part in parts])

    async def _acknowledged(self, script: Any, keys: Sequence[str], args: Sequence[Argument]) -> Any:
        """The answer of a script, once as many replicas have what it wrote as the settings ask for."""
        if not self._replicas:
            return await repeated(script, keys, args)
        return stored(self._replicas, *await repeated(partial(self._stored, script), keys, args))

    async def _stored(self, script: Any, keys: Sequence[str], args: Sequence[Argument]) -> Any:
        command = ("EVALSHA", script.sha, len(keys), *keys, *args)
        try:
            return await self._client.execute_stored(self._replicas, *command)
        except NoScriptError:
            await self._client.script_load(script.script)
            return await self._client.execute_stored(self._replicas, *command)

    async def untrack(self, ids: Sequence[str]) -> int:
        """Forget jobs, whatever their status, and the children of an array that is followed. Returns how many were known."""
        known = 0
        for chunk in chunks(ids, FORGOTTEN_PER_SCRIPT):
            answer: Any = self._client.hmget(self.keys.broods, chunk)
            for children in chunks(children_of(chunk, await answer), FORGOTTEN_PER_SCRIPT):
                await self._forget(children)
            known += await self._forget(chunk)
        return known

    async def _forget(self, ids: Sequence[str]) -> int:
        keys, known, more = untrack_keys(self.keys), 0, 1
        while more:
            now_known, more = await repeated(self._untrack, keys, (FORGOTTEN_PER_SCRIPT, *ids))
            known += int(now_known)
        return known

    async def get(self, ids: Sequence[str]) -> dict[str, Snapshot]:
        """The snapshots of those `ids` that are tracked."""
        found: dict[str, Snapshot] = {}
        for chunk in chunks(ids):
            answer: Any = self._client.hmget(self.keys.ledger, chunk)
            found |= snapshots(chunk, await answer)
        return found

    async def end(self) -> str:
        """The cursor from which only what happens from now on is read."""
        newest: Any = await self._client.xrevrange(self.keys.events, count=1)
        return end_of(newest)

    async def beats(self) -> tuple[list[Beat], int]:
        """The roster, and Redis TIME in ms."""
        roster: Any = self._client.hgetall(self.keys.roster)
        beats, now = parse_roster(await roster), await self._client.time()
        return beats, time_ms(now)

    async def aclose(self) -> None:
        """Close the connections."""
        for reader in list(self._readers):
            await reader.aclose()
        await self._client.aclose()


class Reader:
    """Reads the stream by cursor, on one connection."""

    def __init__(self, client: LiveConnection, keys: Keys, open_readers: set[Reader]) -> None:
        self._client, self._keys, self._open_readers = client, keys, open_readers
        client.set_response_callback("XREAD", as_it_came)
        open_readers.add(self)

    async def read(self, after: str, *, count: int = PAGE, block_s: float = 0.0) -> list[tuple[str, Pairs]]:
        """Up to `count` entries after the cursor, each with its own; waits up to `block_s` (≤ 2 s) for the first.

        They are not parsed: who waits for a few jobs throws most of them away.
        """
        answer: Any = await self._client.xread({self._keys.events: after}, count=count, block=block_ms(block_s))
        return entries_of(answer)

    async def before(self, cursor: str) -> list[str]:
        """The same as `Events.before`."""
        entries: Any = await self._client.xrevrange(self._keys.events, cursor, count=RECENT)
        return [at for at, _ in reversed(entries)]

    async def read_on(self, after: str, block_s: float, recent: Sequence[str]) -> tuple[str, list[Transition]]:
        """Read as `Events.read_on` does."""
        page = [parse(cursor, fields_of(pairs)) for cursor, pairs in await self.read(after, block_s=block_s)]
        if page or recent:
            stands = await self.perform(stand(self._keys, after, recent))
            if stands != after:
                return stands, []
        return page[-1].cursor if page else after, page

    async def perform(self, steps: Steps[Result]) -> Result:
        """Hold a conversation."""
        return await perform_live(self._client, steps)

    async def aclose(self) -> None:
        """Close the connection."""
        self._open_readers.discard(self)
        await self._client.aclose()


async def repeated(script: Any, keys: Sequence[str], args: Sequence[Argument]) -> Any:
    """Run a script that may be run twice (see scripts.REPEATABLE), as often as the rooms' scripts are."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return await script(keys=keys, args=args)
        except NoScriptError as error:
            raise StateError(f"Redis does not keep a script: {error}") from error
        except RedisUnavailable:
            if attempt == ATTEMPTS:
                raise
            await asyncio.sleep(PAUSE_S * attempt * random.uniform(0.5, 1.5))
    raise AssertionError("unreachable")
