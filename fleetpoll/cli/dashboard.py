"""`fleetpoll dashboard`: fleets in a browser."""

from __future__ import annotations

import os
from pathlib import Path

import click

from fleetpoll.cli.options import Asked, pass_asked
from fleetpoll.cli.render import say
from fleetpoll.errors import SettingsError
from fleetpoll.logs import configure

try:
    from fleetpoll.dashboard.server import Plan, serve
    from fleetpoll.dashboard.shell import is_loopback
except ModuleNotFoundError as error:
    if error.name not in ("starlette", "uvicorn"):
        raise
    raise SettingsError("The dashboard needs its extra: pip install 'fleetpoll[dashboard]'.") from None

TOKEN = "FLEETPOLL_DASHBOARD_TOKEN"  # noqa: S105 - the name of a variable
EPILOG = """\b
Examples:
  fleetpoll dashboard
  export FLEETPOLL_DASHBOARD_TOKEN=$(openssl rand -hex 32)
  fleetpoll dashboard --host 0.0.0.0 --controls

\b
Without a token only this machine is served, and reads only. Over a network,
put a proxy in front of it that speaks https, and add --https.
"""


@click.command(epilog=EPILOG)
@click.option("--host", default="127.0.0.1", show_default=True, metavar="HOST", help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, metavar="PORT", help="0: a free one."
)
@click.option("--controls", is_flag=True, help="Who has the token may pause, pin the rate and drain.")
@click.option(
    "--token-file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help=f"Read the token from FILE, not from {TOKEN}.",
)
@click.option(
    "--allow-host", "allowed", multiple=True, metavar="NAME", help="A name by which browsers reach it. May be repeated."
)
@click.option("--https", "secure", is_flag=True, help="A proxy in front of it speaks https: cookies go no other way.")
@click.option("--root-path", default="", metavar="PATH", help="Where a proxy in front of it has it, such as /fleetpoll.")
@pass_asked
def dashboard(  # noqa: PLR0913 - one argument an option
    asked: Asked,
    *,
    host: str,
    port: int,
    controls: bool,
    token_file: Path | None,
    allowed: tuple[str, ...],
    secure: bool,
    root_path: str,
) -> None:
    """Show fleets in a browser: health, rates, lags, jobs, workers, events.

    Needs the extra: pip install 'fleetpoll[dashboard]'.
    """
    fleets = asked.fleets()
    token = token_of(token_file)
    if token is None and not is_loopback(host):
        raise SettingsError(f"Others reach {host}, and they need a token: set {TOKEN}, or name a file by --token-file.")
    configure(fleets[0].log_format, fleets[0].log_level)
    plan = Plan(host, port, token, controls, allowed, secure, root_path.rstrip("/"))
    serve(fleets, plan, lambda url: say(f"The dashboard is at {url}"))


def token_of(file: Path | None) -> str | None:
    """The token, of the file or of the environment; None if there is none. Raises SettingsError."""
    if file is None:
        return os.environ.get(TOKEN, "").strip() or None
    try:
        return file.read_text(encoding="utf-8").strip() or None
    except (OSError, ValueError) as error:
        raise SettingsError(f"{file} cannot be read: {error}. It is to hold the token, and nothing else.") from None
