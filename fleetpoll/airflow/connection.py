"""The connection type `fleetpoll`: which fleet, and on which Redis.

DAGs and triggers name a connection and nothing else: no URL, no password of Redis is in a DAG, a trigger's row or a log.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from airflow.providers.common.compat.sdk import BaseHook

from fleetpoll.airflow.provider import CONNECTION_TYPE, FIELDS, NAME
from fleetpoll.client.fleet import open_fleet
from fleetpoll.errors import FleetpollError, SettingsError
from fleetpoll.settings import Settings, load

NOT_SETTINGS = frozenset({"tls", "db"})
REDIS_PORT = 6379


class FleetpollHook(BaseHook):
    """Settings of a fleet from an Airflow connection, on top of those of the environment.

    Host, port, login and password are Redis'; the schema is the fleet's name; the extra may hold `tls`, `db` and every
    setting of fleetpoll's, `redis_url` among them for servers that a host does not name (unix sockets).
    """

    conn_name_attr = "fleetpoll_conn_id"
    default_conn_name = "fleetpoll_default"
    conn_type = CONNECTION_TYPE
    hook_name = NAME

    def __init__(self, fleetpoll_conn_id: str | None = None) -> None:
        super().__init__()
        self.fleetpoll_conn_id = fleetpoll_conn_id

    def get_conn(self) -> Settings:
        """The settings; without a connection id those of the FLEETPOLL_ variables. Raises SettingsError.

        With one, there is a Redis: a server that this process ran for itself would have no workers, and a task wait in vain.
        """
        conn_id, flags = self.fleetpoll_conn_id, {}
        if conn_id is not None:
            flags = flags_of(self.get_connection(conn_id))
        settings = load(os.environ, os.environ.get("FLEETPOLL_CONFIG") or None, flags, f"The connection {conn_id!r}")
        if conn_id is not None and settings.redis_url is None:
            raise SettingsError(f"The connection {conn_id!r} names no Redis: give it a host, or its extra a redis_url.")
        return settings

    def test_connection(self) -> tuple[bool, str]:
        """Whether Redis answers, and how many workers there are."""
        try:
            with open_fleet(self.get_conn()) as fleet:
                count = len(fleet.alive())
        except FleetpollError as error:
            return False, str(error)
        return True, f"Redis answers; {count} worker processes of fleet {fleet.settings.fleet} are alive."

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """How the form of the connection is labelled."""
        return FIELDS


def flags_of(connection: Any) -> dict[str, Any]:
    """A connection's settings. Raises SettingsError for one of another type, and for a URL beside a host."""
    if connection.conn_type != CONNECTION_TYPE:
        raise SettingsError(
            f"The connection {connection.conn_id!r} is of type {connection.conn_type!r}: fleetpoll needs one of type"
            f" {CONNECTION_TYPE!r}."
        )
    extra: Mapping[str, Any] = connection.extra_dejson
    flags = {name: value for name, value in extra.items() if name not in NOT_SETTINGS}
    if connection.host:
        if "redis_url" in flags:
            raise SettingsError(f"The connection {connection.conn_id!r} has a host and a redis_url: leave one out.")
        flags["redis_url"] = url_of(connection, tls=is_true(extra.get("tls")), db=extra.get("db", 0))
    if connection.schema:
        flags["fleet"] = connection.schema
    return flags


def url_of(connection: Any, *, tls: bool, db: Any) -> str:
    """The Redis URL of a connection that has a host."""
    secret = f":{quote(connection.password, safe='')}" if connection.password else ""
    user = f"{quote(connection.login or '', safe='')}{secret}"
    at = f"{user}@" if user else ""
    host = f"[{connection.host.strip('[]')}]" if ":" in connection.host else connection.host
    return f"{'rediss' if tls else 'redis'}://{at}{host}:{connection.port or REDIS_PORT}/{db}"


def is_true(value: Any) -> bool:
    """A switch of a connection's extra: JSON's own, or a word of a URI's query."""
    return str(value).lower() in {"true", "yes", "1"}
