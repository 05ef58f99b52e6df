"""How far a fleet is behind: jobs that are due and on nobody's lease. They wait for a worker, or for a token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fleetpoll.state.connection import server_ms

if TYPE_CHECKING:
    from fleetpoll.state.connection import Connection
    from fleetpoll.state.keys import Keys


def count_due(client: Connection, keys: Keys) -> int:
    """How many jobs are due by the clock of Redis; what it costs does not grow with the number of jobs."""
    due: Any = client.zcount(keys.schedule, "-inf", server_ms(client))
    return int(due)
