"""`fleetpoll submit`: SubmitJob, at the pace that the account allows."""

from __future__ import annotations

from typing import Any

import click

from fleetpoll.cli.options import Asked, as_json, aws_settings, pass_asked
from fleetpoll.cli.render import emit, plural, say
from fleetpoll.client.calls import open_calls
from fleetpoll.client.fleet import open_fleet
from fleetpoll.text import safe

EPILOG = """\b
Examples:
  fleetpoll submit --name align --queue spot --definition align:7 --track
  fleetpoll submit --name part --queue spot --definition part:1 -n 500 \\
    --track | fleetpoll wait -f -
"""


def parse_parameters(ctx: click.Context, parameter: click.Parameter, words: tuple[str, ...]) -> dict[str, str]:
    """KEY=VALUE pairs as a dict."""
    pairs = [word.partition("=") for word in words]
    if any(not key or not separator for key, separator, _ in pairs):
        raise click.BadParameter("give KEY=VALUE", ctx, parameter)
    return {key: value for key, _, value in pairs}


@click.command(epilog=EPILOG)
@click.option("--name", required=True, metavar="NAME", help="Job name; with -n a number is added.")
@click.option("--queue", required=True, metavar="QUEUE", help="Job queue.")
@click.option("--definition", required=True, metavar="NAME[:REV]", help="Job definition.")
@click.option("--parameters", multiple=True, callback=parse_parameters, metavar="K=V", help="A parameter; may be repeated.")
@click.option("--array-size", type=click.IntRange(2, 10_000), metavar="N", help="Submit an array job of N children.")
@click.option("--attempts", type=click.IntRange(1, 10), metavar="N", help="How often AWS tries the job.")
@click.option("--depends-on", multiple=True, metavar="ID", help="A job that must succeed before; may be repeated.")
@click.option("-n", "--count", type=click.IntRange(min=1), default=1, metavar="N", help="Submit N such jobs.")
@click.option("--track", is_flag=True, help="Track each job as soon as it is submitted.")
@aws_settings
@as_json
@pass_asked
def submit(asked: Asked, /, count: int, *, track: bool, as_json: bool, **options: Any) -> None:
    """Submit jobs to AWS Batch through the fleet's bucket.

    Prints the ids of the jobs, one a line. All who submit through the fleet share the rate of submit_rate.
    """
    request = request_of(**options)
    with open_fleet(asked.settings()) as fleet:
        calls = open_calls(fleet)
        new = 0
        for number in range(count):
            name = request["jobName"] + (f"-{number}" if count > 1 else "")
            job_id = calls.submit(**request | {"jobName": name})
            if as_json:  # before it is tracked: if that fails, the job runs all the same and its id must not be lost
                emit({"job_id": job_id, "job_name": name})
            else:
                click.echo(safe(job_id))
            new += fleet.track([job_id]) if track else 0
    say(f"{plural(count, 'job')} submitted" + (f", {new:,} tracked." if track else "."))


def request_of(
    *,
    name: str,
    queue: str,
    definition: str,
    parameters: dict[str, str],
    array_size: int | None,
    attempts: int | None,
    depends_on: tuple[str, ...],
) -> dict[str, Any]:
    """The options in AWS's words."""
    request: dict[str, Any] = {"jobName": name, "jobQueue": queue, "jobDefinition": definition}
    if parameters:
        request["parameters"] = parameters
    if array_size:
        request["arrayProperties"] = {"size": array_size}
    if attempts:
        request["retryStrategy"] = {"attempts": attempts}
    if depends_on:
        request["dependsOn"] = [{"jobId": job_id} for job_id in depends_on]
    return request
