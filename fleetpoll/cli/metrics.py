"""`fleetpoll metrics`: the fleet for Prometheus."""

from __future__ import annotations

import os
import signal
import threading

import click

from fleetpoll.cli.options import Asked, pass_asked, setting
from fleetpoll.cli.render import say
from fleetpoll.client.fleet import redis_url
from fleetpoll.errors import SettingsError
from fleetpoll.logs import configure
from fleetpoll.text import safe
from workers.stopping import Stopping

try:
    from prometheus_client import CollectorRegistry, generate_latest

    from fleetpoll.metrics.grafana import dashboard
    from fleetpoll.metrics.observer import observing
    from fleetpoll.metrics.server import serving
except ModuleNotFoundError as error:
    if error.name != "prometheus_client":
        raise
    raise SettingsError("Metrics need one more package: pip install 'fleetpoll[metrics]'") from None

POLL_S = 0.2
"""How soon a signal to end is heeded."""
EPILOG = """\b
Examples:
  fleetpoll metrics
  fleetpoll --config fleets.toml metrics --host 0.0.0.0
  fleetpoll metrics --once | promtool check metrics
  fleetpoll metrics --grafana > dashboard.json

\b
Prometheus:  scrape_configs:
               - job_name: fleetpoll
                 static_configs: [{targets: ["localhost:9464"]}]
The page is /metrics, the health check /healthz. Where FLEETPOLL_METRICS_TOKEN
is set, the page wants it as a bearer token. A user of Redis with the rights of
a reader (fleetpoll acl reader) is enough; what Redis tells of itself (memory,
commands) needs INFO, too. SIGTERM or Ctrl-C: exit code 0.
"""


@click.command(epilog=EPILOG)
@click.option("--host", default="127.0.0.1", show_default=True, metavar="HOST", help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=9464,
    show_default=True,
    metavar="PORT",
    help="Port to listen on; 0 for any.",
)
@click.option("--once", is_flag=True, help="Print the page and leave, as for node_exporter's textfile collector.")
@click.option("--grafana", is_flag=True, help="Print a dashboard for Grafana, as JSON, and leave.")
@setting("log_format", metavar="auto|console|json", help="How logs on standard error look.")
@setting("log_level", metavar="LEVEL", help="debug, info, warning or error.")
@pass_asked
def metrics(asked: Asked, *, host: str, port: int, once: bool, grafana: bool) -> None:
    """Serve the figures of the fleet to Prometheus.

    They are read from Redis when they are scraped: fleet-wide and exact, whatever became of workers, so one exporter is
    enough. All fleets of the file, or the one of --fleet, by the label fleet. While Redis is away, fleetpoll_up is 0.
    """
    if grafana:
        click.echo(dashboard())
        return
    fleets = asked.fleets()
    configure(fleets[0].log_format, fleets[0].log_level)
    with redis_url(fleets[0]) as url, observing(fleets, url) as observer:
        if once:
            registry = CollectorRegistry()
            registry.register(observer)
            click.echo(generate_latest(registry).decode(), nl=False)
            return
        stopping, pause = Stopping(), threading.Event()
        stopping.on(signal.SIGTERM, signal.SIGINT)
        with serving(observer, host, port, os.environ.get("FLEETPOLL_METRICS_TOKEN", "")) as address:
            say(f"Metrics are served at {safe(address)}/metrics")
            while not stopping.drain:
                pause.wait(POLL_S)
