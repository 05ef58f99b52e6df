"""`fleetpoll doctor`: what is wrong and what to do."""

from __future__ import annotations

import dataclasses

import click

from fleetpoll.cli import exits
from fleetpoll.cli.options import Asked, as_json, aws_settings, pass_asked
from fleetpoll.cli.render import emit
from fleetpoll.client.checkup import Finding, Grade, check_up
from fleetpoll.text import masked, safe_lines

COLOURS = {Grade.OK: "green", Grade.WARN: "yellow", Grade.FAIL: "red"}


@click.command()
@click.option("--no-aws", is_flag=True, help="Make no call to AWS.")
@aws_settings
@as_json
@click.pass_context
@pass_asked
def doctor(asked: Asked, ctx: click.Context, *, no_aws: bool, as_json: bool) -> None:
    """Check Redis, AWS and the workers, and say what to do.

    AWS is asked for a job that does not exist, by one DescribeJobs call from the fleet's budget. Exit code 1 if a check
    failed; warnings do not count.
    """
    failed = False
    for finding in check_up(asked.settings(), aws=not no_aws):
        failed = failed or finding.grade is Grade.FAIL
        if as_json:
            emit(dataclasses.asdict(finding) | {"found": masked(finding.found)})
        else:
            show(finding)
    ctx.exit(exits.SOME_FAILED if failed else exits.OK)


def show(finding: Finding) -> None:
    """A finding in one line, and a second with what to do."""
    grade = click.style(f"{finding.grade.value:<4}", fg=COLOURS[finding.grade], bold=finding.grade is Grade.FAIL)
    click.echo(f"{grade}  {finding.check:<10}  {safe_lines(masked(finding.found))}")
    if finding.advice:
        click.echo(f"{'':18}-> {finding.advice}")
