"""`fleetpoll simulate`: AWS Batch without AWS."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click

from fleetpoll.cli.options import Asked, Decorator, pass_asked, several
from fleetpoll.cli.render import plural, say
from fleetpoll.client.fleet import open_fleet
from fleetpoll.errors import SettingsError, Unreachable
from fleetpoll.lifetimes.kinds import Kind
from fleetpoll.settings import Settings
from fleetpoll.simulator.config import Fault, Operation, SimulatorConfig
from fleetpoll.simulator.control import ControlClient
from fleetpoll.simulator.flags import (
    DEFAULTS,
    PLAIN,
    flag,
    gathered,
    parse_fault,
    parse_life,
    parse_limit,
    parse_spread,
    parse_tenant,
)
from fleetpoll.simulator.server import run
from fleetpoll.text import safe

EPILOG = """\b
Example, in three shells:
  fleetpoll simulate serve --port 8642 --limit describe=10 --life 10:60
  export AWS_ENDPOINT_URL_BATCH=http://127.0.0.1:8642
  export AWS_DEFAULT_REGION=us-east-1 AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x
  fleetpoll worker
  fleetpoll simulate submit -n 5000 --track
"""
Pair = tuple[float, float]
Value = TypeVar("Value")

ENDPOINT, ENDPOINT_STS = "AWS_ENDPOINT_URL_BATCH", "AWS_ENDPOINT_URL_STS"


def pair_of(parse: Callable[[str], Pair], form: str) -> Callable[..., Pair | None]:
    """A callback for an option of two numbers."""

    def read(ctx: click.Context, parameter: click.Parameter, value: str | None) -> Pair | None:
        try:
            return None if value is None else parse(value)
        except ValueError:
            raise click.BadParameter(f"{value!r} is not {form}", ctx, parameter) from None

    return read


def by_operation(
    parse: Callable[[str], tuple[Operation, Value]],
    gather: Callable[[Iterable[tuple[Operation, Value]]], dict[Operation, Any]] = dict,
) -> Callable[..., dict[Operation, Any]]:
    """A callback for an option that may be repeated, for each operation."""

    def read(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[Operation, Any]:
        try:
            return gather([parse(value) for value in values])
        except argparse.ArgumentTypeError as error:
            raise click.BadParameter(str(error), ctx, parameter) from None

    return read


def life_option(help: str) -> Decorator[Any]:  # noqa: A002 - click's own word
    """The option --life."""
    return click.option("--life", callback=pair_of(parse_life, "MIN:MAX in seconds"), metavar="MIN:MAX", help=help)


def spread_option(name: str, help: str) -> Decorator[Any]:  # noqa: A002 - click's own word
    """An option for a log-normal time."""
    read = pair_of(parse_spread, "MEDIAN:SIGMA, a time in seconds and the spread of its logarithm")
    return click.option(name, callback=read, metavar="MEDIAN:SIGMA", help=help)


knobs = several(
    *(
        click.option(flag(name), name, type=kind, default=getattr(DEFAULTS, name), show_default=True, help=text)
        for name, (kind, text) in PLAIN.items()
    )
)


@click.group(epilog=EPILOG)
def simulate() -> None:
    """Pretend to be AWS Batch, for trials without AWS."""


@simulate.command()
@knobs
@life_option(f"life of a job in seconds  [default: {DEFAULTS.life_min_s:g}:{DEFAULTS.life_max_s:g}]")
@click.option(
    "--limit",
    "limits",
    callback=by_operation(parse_limit),
    multiple=True,
    metavar="OPERATION=RATE[:BURST]",
    help="calls per second and burst of an operation; may be repeated  [default: no limit]",
)
@click.option(
    "--tenant",
    "tenants",
    callback=by_operation(parse_tenant),
    multiple=True,
    metavar="OPERATION=RATE",
    help="calls per second that others make out of an operation's bucket; may be repeated  [default: none]",
)
@click.option(
    "--fault",
    "faults",
    callback=by_operation(parse_fault, gathered),
    multiple=True,
    metavar="OPERATION=FAULT:SHARE",
    help=f"share of an operation's calls that meet a fault ({', '.join(Fault)}); may be repeated  [default: none]",
)
def serve(life: Pair | None, **plain: Any) -> None:
    """Serve the pretend AWS Batch until Ctrl-C.

    The first line on standard output is its URL. Operations: describe, submit, terminate, cancel, list, and sts. It checks
    no signatures, and asks nobody who gives it orders (under /_simulator/), so it listens on loopback unless told to.

    Every account and Region has limits and jobs of its own: AWS_ACCESS_KEY_ID=AKIASIMU111122223333 calls from account
    111122223333 in the Region of the call, any other key from the default account. AWS_ENDPOINT_URL_STS may lead here, too.
    """
    config = SimulatorConfig(**bounds(life), **plain)
    run(config, announce)


def bounds(life: Pair | None) -> dict[str, Any]:
    """The two fields that a life is, where one is given."""
    return {} if life is None else {"life_min_s": life[0], "life_max_s": life[1]}


def announce(url: str) -> None:
    """Say where we are, and how programs are sent here."""
    click.echo(url)
    if not is_loopback(urlsplit(url).hostname or ""):
        say(f"Warning: whoever reaches {url} controls this simulator: it asks nobody for credentials.")
    say(f"""Send programs here, in their shell (any Region and credentials will do):
  export {ENDPOINT}={url} {ENDPOINT_STS}={url}
  export AWS_DEFAULT_REGION=us-east-1 AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x
Ctrl-C ends it.""")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


@simulate.command()
@click.option("-n", "--count", type=click.IntRange(min=1), default=1, show_default=True, metavar="N", help="How many.")
@click.option("--url", envvar=ENDPOINT, metavar="URL", help=f"The simulator.  [{ENDPOINT}]")
@life_option("Life of the jobs in seconds; else as the simulator was started.")
@spread_option("--run", "How long they run, instead of --life: half of them less than MEDIAN s; SIGMA 0: all the same.")
@spread_option("--wait", "How long they are RUNNABLE before that, with --run.  [default: 0]")
@click.option("--name", default="simulated", show_default=True, metavar="NAME", help="Job name; a number is added.")
@click.option("--definition", default="step:1", show_default=True, metavar="NAME", help="Job definition.")
@click.option("--queue", default="fleet", show_default=True, metavar="QUEUE", help="Job queue.")
@click.option("--track", is_flag=True, help="Track them at once.")
@pass_asked
def submit(asked: Asked, /, count: int, url: str | None, *, track: bool, **jobs: Any) -> None:
    """Create jobs in a simulator, past its buckets, and print their ids one a line.

    They are of the account of the fleet's role, if it has one, else of the simulator's own.
    """
    settings, order = asked.settings(), order_of(**jobs)
    target = url or settings.endpoint_url
    if not target:
        raise SettingsError(f"Which simulator? Give --url or set {ENDPOINT}; fleetpoll simulate serve starts one.")
    try:
        ids = account_of(settings, target).populate(count, **order)
    except (OSError, ValueError) as error:
        raise Unreachable(f"No simulator answers at {target}: {error}. Start one: fleetpoll simulate serve.") from None
    if track:
        with open_fleet(settings) as fleet:
            new = fleet.track(ids)
        say(f"{plural(new, 'job')} tracked.")
    click.echo("\n".join(map(safe, ids)))


def account_of(settings: Settings, url: str) -> ControlClient:
    """The account in a simulator whose jobs the fleet sees."""
    if settings.role_account is None:
        return ControlClient(url)
    return ControlClient(url, settings.role_account, settings.region or os.environ.get("AWS_DEFAULT_REGION", ""))


def order_of(
    *, name: str, definition: str, queue: str, life: Pair | None, run: Pair | None, wait: Pair | None
) -> dict[str, Any]:
    """The fields of an order for jobs with such lives. Raises SettingsError."""
    if run is None:
        if wait is not None:
            raise SettingsError("--wait goes with --run: a --life has its own waiting in it. Give --run.")
        return {"job_name": name, "job_definition": definition, "job_queue": queue, **bounds(life)}
    if life is not None:
        raise SettingsError("--life and --run are two ways to say how long jobs take: give one of them.")
    run_s, run_sigma = run
    wait_s, wait_sigma = wait or (0.0, 0.0)
    times = {"run_s": run_s, "run_sigma": run_sigma, "wait_s": wait_s, "wait_sigma": wait_sigma}
    return {"job_name": name, "kinds": [Kind(job_definition=definition, job_queue=queue, **times)]}
