"""`fleetpoll doctor`: what is wrong and what to do."""

from __future__ import annotations

import click

from fleetpoll.cli import exits
from fleetpoll.cli.later import load
from fleetpoll.cli.options import Asked, as_json, aws_settings, every_fleet, pass_asked
from fleetpoll.cli.render import emit
from fleetpoll.client.pulse import living
from fleetpoll.text import masked, safe

EPILOG = """\b
Probes, for whoever looks after containers (one line, about a second, no AWS):
  live   The supervisor of this host or container turns. Redis is not asked:
         a worker outlives its absence, and to restart it would help nobody.
         Kubernetes: livenessProbe.
  ready  The same, and Redis answers, and workers of this host beat in each
         fleet. Kubernetes: readinessProbe, startupProbe; Docker: HEALTHCHECK.
"""


@click.command(epilog=EPILOG)
@click.option("--no-aws", is_flag=True, help="Make no call to AWS.")
@click.option(
    "--probe",
    "question",
    is_flag=False,
    flag_value="ready",
    type=click.Choice(["live", "ready"]),
    metavar="[live|ready]",
    help="Only say, by exit code 0 or 1, whether the worker of this host lives, or is ready (as --probe alone asks).",
)
@every_fleet
@aws_settings
@as_json
@click.pass_context
@pass_asked
def doctor(asked: Asked, ctx: click.Context, question: str | None, *, no_aws: bool, every: bool, as_json: bool) -> None:
    """Check Redis, AWS, the settings and the workers, and say what to do.

    AWS is asked for a job that does not exist, by one DescribeJobs call from the fleet's budget, and STS whose account it
    is, which costs none of it. Exit code 1 if a check failed; warnings do not count.
    """
    if question is not None:
        ctx.exit(answered(asked, question, as_json=as_json))
    fleets = asked.fleets() if every else (asked.settings(),)
    failed = load("fleetpoll.cli.findings:examine")(fleets, every=every, aws=not no_aws, as_json=as_json)
    ctx.exit(exits.SOME_FAILED if failed else exits.OK)


def answered(asked: Asked, question: str, *, as_json: bool) -> int:
    """Print the answer to a probe. Returns the exit code."""
    fleets = asked.fleets()
    verdict = living([settings.fleet for settings in fleets])
    if question == "ready" and verdict.good:
        verdict = load("fleetpoll.client.beating:beating")(fleets)
    if as_json:
        emit({"probe": question, "good": verdict.good, "words": masked(verdict.words)})
    else:
        click.echo(f"{'ok' if verdict.good else 'fail':<4}  {question}: {safe(masked(verdict.words))}")
    return exits.OK if verdict.good else exits.SOME_FAILED
