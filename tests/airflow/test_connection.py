"""The connection type `fleetpoll`, from Airflow's form to our settings."""

from __future__ import annotations

import pytest
from airflow.sdk import Connection

from fleetpoll.airflow.connection import FleetpollHook, flags_of
from fleetpoll.errors import SettingsError


def made(**parts: object) -> Connection:
    """A connection of our type."""
    return Connection(**{"conn_id": "c", "conn_type": "fleetpoll", **parts})


def test_host_and_the_rest_are_where_redis_is() -> None:
    """Secrets are quoted, the schema is the fleet's name, and the extra may hold any setting."""
    connection = made(
        host="redis.internal",
        port=6380,
        login="poller",
        password="p@ss/word",
        schema="prod",
        extra='{"tls": true, "db": 2, "rate": 20, "region": "eu-west-1"}',
    )
    assert flags_of(connection) == {
        "redis_url": "rediss://poller:p%40ss%2Fword@redis.internal:6380/2",
        "fleet": "prod",
        "rate": 20,
        "region": "eu-west-1",
    }


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_a_host_may_be_an_address_of_ipv6(host: str) -> None:
    """With the brackets that a URL wants, or without."""
    assert flags_of(made(host=host))["redis_url"] == "redis://[::1]:6379/0"


def test_a_connection_without_a_redis_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server of the task's own would run whatever binary the connection names, and no worker would ever poll for it."""
    monkeypatch.setenv("AIRFLOW_CONN_C", '{"conn_type": "fleetpoll", "extra": {"redis_server": "/bin/false"}}')
    with pytest.raises(SettingsError, match="'c' names no Redis: give it a host"):
        FleetpollHook("c").get_conn()


def test_a_connection_may_be_a_uri(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Airflow reads it from the environment."""
    monkeypatch.setenv("AIRFLOW_CONN_URI", "fleetpoll://:secret@cache:7000/prod?tls=false&rate=3")
    settings = FleetpollHook("uri").get_conn()
    assert (settings.redis_url, settings.fleet, settings.rate) == ("redis://:secret@cache:7000/0", "prod", 3.0)


def test_without_a_connection_the_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what a connection does not say is taken from there as well."""
    monkeypatch.setenv("FLEETPOLL_REDIS_URL", "redis://here")
    monkeypatch.setenv("FLEETPOLL_FLEET", "ours")
    monkeypatch.setenv("AIRFLOW_CONN_C", '{"conn_type": "fleetpoll", "host": "there"}')
    assert FleetpollHook().get_conn().redis_url == "redis://here"
    named = FleetpollHook("c").get_conn()
    assert (named.redis_url, named.fleet) == ("redis://there:6379/0", "ours")


@pytest.mark.parametrize(
    ("connection", "words"),
    [
        (made(conn_type="redis"), "of type 'redis': fleetpoll needs one of type 'fleetpoll'"),
        (made(host="h", extra='{"redis_url": "redis://x"}'), "has a host and a redis_url: leave one out"),
    ],
)
def test_what_cannot_be_meant_is_refused(connection: Connection, words: str) -> None:
    """With a sentence that says what to do."""
    with pytest.raises(SettingsError, match=words):
        flags_of(connection)


def test_a_misspelt_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than passed over in silence, and so is the connection."""
    monkeypatch.setenv("AIRFLOW_CONN_C", '{"conn_type": "fleetpoll", "extra": {"frehsness": 3}}')
    with pytest.raises(SettingsError, match=r"The connection 'c': there is no setting 'frehsness'; did you mean freshness"):
        FleetpollHook("c").get_conn()


def test_the_button_in_the_form_tells_whether_it_works(conn_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It connects, and says how many workers there are, or what is wrong."""
    assert FleetpollHook(conn_id).test_connection() == (
        True,
        "Redis answers; 0 worker processes of fleet default are alive.",
    )
    monkeypatch.setenv("AIRFLOW_CONN_C", '{"conn_type": "fleetpoll", "host": "127.0.0.1", "port": 1}')
    works, words = FleetpollHook("c").test_connection()
    assert not works
    assert "Redis does not answer" in words
