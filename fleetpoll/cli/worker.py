"""`fleetpoll worker`: the fleet's own processes."""

from __future__ import annotations

import click

from fleetpoll.cli.options import Asked, aws_settings, pass_asked, setting
from fleetpoll.client.fleet import redis_url
from fleetpoll.logs import configure
from workers.supervisor import Supervisor

EPILOG = """\b
Examples:
  fleetpoll worker -n 8 --rate 20
  FLEETPOLL_REDIS_URL=redis://db:6379 FLEETPOLL_FLEET=prod fleetpoll worker
  fleetpoll --config fleets.toml worker -n 8

\b
SIGTERM or Ctrl-C: drain, then leave. The same again: leave at once.
Exit codes: 0 left as told, 2 the settings will not do, 3 no worker can start.
"""


@click.command(epilog=EPILOG)
@setting("workers", "-n", "--workers", metavar="N", help="Worker processes.")
@setting("rate", metavar="RATE", help="DescribeJobs calls a second of the whole fleet, at most.")
@setting("rate_min", metavar="RATE", help="A throttled fleet never goes slower than this.")
@setting("burst", metavar="N", help="Tokens that may pile up; none: a quarter second of the rate.")
@setting("freshness", metavar="S", help="Fresh enough: no calls are spent to know sooner than this.")
@setting("visibility", metavar="S", help="A claim that is not settled within this is void.")
@setting("drain_timeout", metavar="S", help="How long a drain may take.")
@aws_settings
@setting("log_format", metavar="auto|console|json", help="How logs on standard error look.")
@setting("log_level", metavar="LEVEL", help="debug, info, warning or error.")
@click.pass_context
@pass_asked
def worker(asked: Asked, ctx: click.Context) -> None:
    """Run worker processes in the foreground until told to stop.

    Any number of these, on any number of machines, share the fleet's jobs and its allowance. Where the file has fleets in
    sections [fleets.NAME], they serve all of them, or the one of --fleet.
    """
    fleets = asked.fleets()
    configure(fleets[0].log_format, fleets[0].log_level)
    with redis_url(fleets[0]) as url:
        code = Supervisor(fleets, url).run()
    ctx.exit(code)
