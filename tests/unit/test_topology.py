"""What URLs say of Sentinels and of Clusters, and whom a lookup asks in which order."""

from __future__ import annotations

from typing import Any

import pytest
from redis import exceptions

from fleetpoll.errors import SettingsError
from fleetpoll.state.connection import connect
from fleetpoll.state.live import connect_live
from fleetpoll.state.topology import ASKED_MAX, Address, Lookup, Whereabouts, servers_of

STATE = {"ip": "10.0.0.7", "port": 6379, "is_master": True, "is_sdown": False, "is_odown": False}
THREE = "redis+sentinel://h1:26000,h2,[::1]:3/prod"


def whereabouts(url: str, home: str = "fleetpoll:{f}:schedule") -> Whereabouts:
    """What is known at first."""
    servers = servers_of(url)
    assert servers is not None
    return Whereabouts(servers, home)


def answered(lookup: Lookup, *answers: Any) -> tuple[list[Address], Address]:
    """Whom a lookup asks, given these answers, and what it comes to."""
    asked, rest = [next(lookup)], iter(answers)
    while True:
        answer = next(rest)
        try:
            asked.append(lookup.throw(answer) if isinstance(answer, Exception) else lookup.send(answer))
        except StopIteration as found:
            return asked, found.value


def test_the_url_of_one_server_is_left_to_redis_py() -> None:
    """Whatever it holds."""
    assert [servers_of(url) for url in ("redis://h/0", "rediss://u:p@h:1", "unix:///run/s.sock", "http://h")] == [None] * 4


def test_a_sentinel_url_names_them_all_the_service_and_the_database() -> None:
    """Ports have their usual default, and whoever asks a Sentinel has a password of its own."""
    servers = servers_of(
        "rediss+sentinel://me:p%2Fw@h1:26000,h2,[::1]:3/prod/4?sentinel_username=s&sentinel_password=x%26y&ssl_cert_reqs=none"
    )

    assert servers is not None
    assert (servers.service, servers.tls) == ("prod", True)
    assert servers.seeds == (("h1", 26000), ("h2", 26379), ("::1", 3))
    assert servers.options == {"username": "me", "password": "p/w", "db": 4, "ssl_cert_reqs": "none"}
    assert servers.asking == {"username": "s", "password": "x&y", "ssl_cert_reqs": "none"}


def test_a_cluster_url_names_nodes_of_which_all_take_the_same_password() -> None:
    """It has one database."""
    servers = servers_of("redis+cluster://:pw@h1:7000,h2/0?max_connections=5")

    assert servers is not None
    assert (servers.service, servers.tls, servers.seeds) == ("", False, (("h1", 7000), ("h2", 6379)))
    assert servers.options == {"password": "pw", "db": 0, "max_connections": 5}
    assert servers.asking == {"password": "pw"}


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://:hush@h1",
        "redis+sentinel://:hush@h1/",
        "redis+sentinel://:hush@h1/two words",
        "redis+sentinel://:hush@h1/prod/x",
        "redis+sentinel://:hush@h1,/prod",
        "redis+sentinel://:hush@h1:port/prod",
        "redis+sentinel://:hush@h1:99999/prod",
        "redis+sentinel://:hush/hush@h1/prod",
        "redis+sentinel://:hush#hush@h1/prod",
        "redis+sentinel://:hush?hush@h1/prod",
        "redis+sentinel://h1/prod?socket_timeout=1&password=hush",
        "redis+sentinel://h1/prod?nonsense=hush",
        "redis+cluster://:hush@h1/1",
        "redis+cluster://:hush@h1/0/hush",
        "redis+cluster://h1?sentinel_password=hush",
        "redis+cluster://",
        "redis+nonsense://:hush@h1",
    ],
)
def test_a_url_that_will_not_do_is_refused_without_a_word_of_its_password(url: str) -> None:
    """At once, for threads and for asyncio, with a sentence that names the setting."""
    for refuse in (lambda: connect(url), lambda: connect_live(url, 1)):
        with pytest.raises(SettingsError, match="redis_url") as raised:
            refuse()
        assert "hush" not in str(raised.value)


def test_the_next_sentinel_is_asked_when_one_does_not_answer_or_has_the_primary_down() -> None:
    """What one believes may be out of date."""
    asked, found = answered(
        whereabouts(THREE).lookup(), exceptions.ConnectionError("gone"), STATE | {"is_odown": True}, STATE
    )

    assert asked == [("h1", 26000), ("h2", 26379), ("::1", 3)]
    assert found == ("10.0.0.7", 6379)


def test_each_lookup_begins_with_another() -> None:
    """Who keeps being asked for the way is not believed for ever."""
    known = whereabouts(THREE)

    assert [answered(known.lookup(), STATE)[0] for _ in range(4)] == [[one] for one in (*known.servers.seeds, ("h1", 26000))]


def test_a_lookup_that_finds_nothing_says_what_it_heard() -> None:
    """In one sentence, after one round."""
    lookup = whereabouts("redis+sentinel://h1,h2/prod").lookup()

    with pytest.raises(
        exceptions.ConnectionError, match=r"nobody names a primary of prod \(h1:26379: gone; h2:26379 knows none that is"
    ):
        answered(lookup, exceptions.ConnectionError("gone."), STATE | {"is_sdown": True})


def test_a_denial_is_told_as_one() -> None:
    """It passes when the password is put right, and not before."""
    with pytest.raises(exceptions.AuthenticationError, match="h1:26379: no"):
        answered(whereabouts("redis+sentinel://h1/prod").lookup(), exceptions.AuthenticationError("no"))


def test_a_node_tells_who_has_the_slot_and_who_else_there_is() -> None:
    """An empty host is that of the node itself; those that are gone are forgotten."""
    known = whereabouts("redis+cluster://h1:7000")
    low = [0, 8191, ["", 7000, "id"], ["h2", 7001, "id"]]
    high = [8192, 16383, ["h3", 7002, "id"]]

    assert answered(known.lookup(), [low, high]) == ([("h1", 7000)], ("h1", 7000))
    assert list(known.known) == [("h1", 7000), ("h2", 7001), ("h3", 7002)]
    assert answered(whereabouts("redis+cluster://h1:7000", "{a}").lookup(), [low, high])[1] == ("h3", 7002)
    answered(known.lookup(), [[0, 16383, ["h9", 1, "id"]]])
    assert list(known.known) == [("h1", 7000), ("h9", 1)]


def test_nobody_is_asked_when_a_node_has_just_told() -> None:
    """MOVED names the new owner; that is believed once."""
    known = whereabouts("redis+cluster://h1:7000")
    known.moved(exceptions.MovedError("1 h5:7005"))

    with pytest.raises(StopIteration) as told:
        next(known.lookup())
    assert told.value.value == ("h5", 7005)
    assert next(known.lookup()) == ("h1", 7000)


def test_a_try_asks_a_few_and_the_next_one_others() -> None:
    """A large Cluster that is gone does not hold anybody up for long."""
    known = whereabouts("redis+cluster://" + ",".join(f"h{n}" for n in range(2 * ASKED_MAX)))
    gone = [exceptions.ConnectionError("gone")] * ASKED_MAX

    for _ in range(2):
        first = known.known[0]
        with pytest.raises(exceptions.ConnectionError):
            answered(known.lookup(), *gone)
        assert known.known[0] != first
