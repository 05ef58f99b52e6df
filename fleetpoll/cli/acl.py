"""`fleetpoll acl`: a user of Redis for each role, with the rights that it needs."""

from __future__ import annotations

import hashlib
import sys

import click

from fleetpoll.cli.options import Asked, every_fleet, pass_asked
from fleetpoll.cli.render import say
from fleetpoll.errors import SettingsError
from fleetpoll.state.access import HASH_HERE, Role, rules, url_of, user_name
from fleetpoll.text import safe

EPILOG = """\b
Examples:
  fleetpoll --fleet prod acl worker
  pwgen 32 1 | tee secret | fleetpoll --fleet prod acl client --password
  fleetpoll acl reader --password --setuser < secret | redis-cli

\b
Roles: reader (status, jobs, events), client (also track, wait, groups, submit),
relay (reads, and relays), operator (a client's, and budget, fleet, learn, dead
letters), worker (the workers of the fleet).
"""


@click.command(epilog=EPILOG)
@click.argument("role", type=click.Choice([role.value for role in Role]), metavar="ROLE")
@click.option("--user", metavar="NAME", help="What the user is called.  [default: FLEET.ROLE, with --all fleets.ROLE]")
@click.option("--password", is_flag=True, help="Ask for the password (or read standard input) and print its SHA-256.")
@click.option("--setuser", is_flag=True, help="Print the command ACL SETUSER, not a line of an ACL file.")
@every_fleet
@pass_asked
def acl(asked: Asked, role: str, user: str | None, *, password: bool, setuser: bool, every: bool) -> None:
    """Print the user of Redis that a role needs, with its rights.

    They are its commands, and the keys and the channel of this fleet: one line for Redis' ACL file (Redis 6.2 or newer,
    Valkey). No password is ever printed or taken from the command line; without --password the line has a place for its
    hash, and Redis refuses it as it is. Redis itself is not asked. Workers that serve all fleets of a file need --all.
    """
    first, *others = [settings.fleet for settings in (asked.fleets() if every else [asked.settings()])]
    chosen = Role(role)
    name = user_name(chosen, first if not others else "fleets") if user is None else user
    if not name or not name.isprintable() or " " in name:
        raise SettingsError(f"{safe(name)!r} is no name for a user of Redis: leave out spaces.")
    line = " ".join(rules(chosen, first, hashed() if password else HASH_HERE, others))
    click.echo(f"{'ACL SETUSER' if setuser else 'user'} {name} {line}")
    say(f"Its URL: {url_of(name)}" + ("" if password else f"; put a hash in the place of {HASH_HERE}."))


def hashed() -> str:
    """The SHA-256 of the password. Raises SettingsError when there is none."""
    if sys.stdin.isatty():
        word = str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    else:
        word = sys.stdin.readline().rstrip("\r\n")
    if not word:
        raise SettingsError("No password came: type it, or send it as the first line of standard input.")
    return hashlib.sha256(word.encode("utf-8", "surrogateescape")).hexdigest()
