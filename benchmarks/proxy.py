"""A Redis that is far away: a TCP proxy in a process of its own that holds each reply back.

Only replies are delayed, by the whole round trip: timers of the event loop are good to a millisecond, and half of a short
round trip in each direction would come out longer than it is.

`python -m benchmarks.proxy URL DELAY_MS` prints the port and serves until its standard input is closed.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from fleetpoll.state.connection import connect

CHUNK = 65_536
PINGS = 50


@dataclass(frozen=True, slots=True)
class FarRedis:
    """Where the far server is to be reached."""

    url: str

    def measured_rtt_ms(self) -> float:
        """The median time of a PING through the proxy, in milliseconds."""
        client = connect(self.url)
        times_ms = []
        for _ in range(PINGS):
            began = time.perf_counter()
            client.ping()
            times_ms.append((time.perf_counter() - began) * 1000)
        client.close()
        return statistics.median(times_ms)


@contextmanager
def far_redis(url: str, rtt_ms: float) -> Iterator[FarRedis]:
    """The server at `url` as one that is `rtt_ms` away."""
    command = [sys.executable, "-m", "benchmarks.proxy", url, repr(rtt_ms)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the proxy has no pipes")
        port = int(process.stdout.readline())
        yield FarRedis(f"redis://127.0.0.1:{port}/0")
        process.stdin.close()


async def serve(url: str, delay_s: float) -> None:
    """Forward connections to the server until standard input is closed."""

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await dial(url)
        await asyncio.gather(copy(reader, server_writer, 0.0), copy(server_reader, writer, delay_s))

    server = await asyncio.start_server(forward, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


async def dial(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to the server behind."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return await asyncio.open_unix_connection(unquote(parts.path))
    return await asyncio.open_connection(parts.hostname, parts.port or 6379)


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    """Pass on what comes, each piece `delay_s` after it came and all in order."""
    loop = asyncio.get_running_loop()

    def later(act: Any, *args: Any) -> None:
        if delay_s:
            loop.call_later(delay_s, act, *args)
        else:
            act(*args)

    with suppress(ConnectionError):
        while piece := await reader.read(CHUNK):
            later(writer.write, piece)
    later(writer.close)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], float(sys.argv[2]) / 1000))
