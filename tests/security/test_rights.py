"""What a user may do, as the doctor finds it by trying on a real server."""

from __future__ import annotations

import pytest

from fleetpoll.client.checkup.finding import Grade
from fleetpoll.client.checkup.rounds import check_up
from fleetpoll.client.checkup.server import check_access
from fleetpoll.settings import Settings
from fleetpoll.state.access import Role
from fleetpoll.state.connection import connect
from fleetpoll.state.keys import Keys
from fleetpoll.state.rights import Tried, try_rights
from fleetpoll.state.rooms import open_rooms
from tests.ids import make_ids
from tests.security.conftest import Login
from tests.servers import Server


def tried(url: str, fleet: str) -> Tried:
    """What is found of the user of a URL."""
    client = connect(url)
    try:
        return try_rights(client, Keys(fleet))
    finally:
        client.close()


@pytest.mark.parametrize("role", list(Role))
def test_a_user_is_recognized_by_what_it_may(login: Login, fleet_name: str, role: Role) -> None:
    """As its own role, and those that this includes."""
    found = tried(login(role), fleet_name)

    assert role in found.roles
    assert (Role.READER in found.roles) is (role is not Role.WORKER)
    assert Role.OPERATOR not in found.roles or role is Role.OPERATOR
    assert (found.user, found.elsewhere) == (None, False)
    assert check_access(found).grade is Grade.OK
    assert role in check_access(found).found


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.WORKER])
def test_who_may_read_is_examined_to_the_end(login: Login, fleet_name: str, role: Role) -> None:
    """No check meets a denial, so that nobody is sent for rights that no role has."""
    checks = {found.check for found in check_up(Settings(redis_url=login(role), fleet=fleet_name), aws=False)}
    assert checks >= {"workers", "kept"}
    assert "rights" not in checks


def test_a_user_of_another_fleet_is_told_so(login: Login, fleet_name: str) -> None:
    """It has the commands, and not the keys: the name of the fleet is wrong, or the user."""
    finding = check_access(tried(login(Role.WORKER), f"{fleet_name}-other"))
    assert (finding.grade, finding.found) == (Grade.FAIL, "its user may not touch the keys of this fleet")


def test_a_right_that_is_missing_is_named(guarded: Server, login: Login, fleet_name: str) -> None:
    """As when a new release needs one that its users do not have yet."""
    url = login(Role.READER)
    with guarded.client() as root:
        root.execute_command("ACL SETUSER", url.split("//")[1].split(":")[0], "-zcount", "-xinfo")
    finding = check_access(tried(url, fleet_name))
    assert finding.grade is Grade.WARN
    assert "to be a reader it lacks xinfo, zcount" in finding.found


def test_trying_changes_nothing(guarded: Server, fleet_name: str) -> None:
    """With all rights there are, on a fleet with jobs: not a key more or less, and nobody is woken."""
    rooms = open_rooms(guarded.url, Settings(fleet=fleet_name))
    rooms.schedule.track(make_ids(3))
    before = {key: rooms.client.execute_command("DUMP", key, NEVER_DECODE=True) for key in rooms.client.scan_iter()}

    found = try_rights(rooms.client, rooms.keys)

    after = {key: rooms.client.execute_command("DUMP", key, NEVER_DECODE=True) for key in rooms.client.scan_iter()}
    assert before == after
    assert (found.user, found.denied, found.roles) == ("default", frozenset(), list(Role))
    rooms.client.flushall()
    rooms.close()
