"""`fleetpoll doctor`: what is wrong and what to do."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence

import click

from fleetpoll.cli import exits
from fleetpoll.cli.options import Asked, as_json, aws_settings, every_fleet, pass_asked
from fleetpoll.cli.render import emit, plural
from fleetpoll.client.checkup.finding import Finding, Grade
from fleetpoll.client.checkup.rounds import check_up
from fleetpoll.client.twins import check_twins
from fleetpoll.settings import Settings
from fleetpoll.text import masked, safe_lines

COLOURS = {Grade.OK: "green", Grade.WARN: "yellow", Grade.FAIL: "red"}


@click.command()
@click.option("--no-aws", is_flag=True, help="Make no call to AWS.")
@every_fleet
@aws_settings
@as_json
@click.pass_context
@pass_asked
def doctor(asked: Asked, ctx: click.Context, *, no_aws: bool, every: bool, as_json: bool) -> None:
    """Check Redis, AWS and the workers, and say what to do.

    AWS is asked for a job that does not exist, by one DescribeJobs call from the fleet's budget; with --all STS is asked,
    too, whether two fleets are of one account and Region. Exit code 1 if a check failed; warnings do not count.
    """
    failed = False
    if every:
        failed = check_all(asked.fleets(), aws=not no_aws, as_json=as_json)
    else:
        for finding in check_up(asked.settings(), aws=not no_aws):
            failed |= shown(finding, as_json=as_json)
    ctx.exit(exits.SOME_FAILED if failed else exits.OK)


def check_all(fleets: Sequence[Settings], *, aws: bool, as_json: bool) -> bool:
    """Check each fleet, then all beside each other. Returns whether a check failed."""
    failed = False
    for settings in fleets:
        if not as_json:
            click.secho(settings.fleet, bold=True)
        findings = check_up(settings, aws=aws)
        for finding in findings if as_json else remarkable(findings):
            failed |= shown(finding, as_json=as_json, fleet=settings.fleet)
    for finding in check_twins(fleets, aws=aws):
        shown(finding, as_json=as_json)
    return failed


def remarkable(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Those that people need to read, and a sentence for the rest."""
    good = 0
    for finding in findings:
        if finding.grade is Grade.OK:
            good += 1
        else:
            yield finding
    if good:
        yield Finding("the rest", Grade.OK, f"{plural(good, 'check')} passed")


def shown(finding: Finding, *, as_json: bool, fleet: str = "") -> bool:
    """Print a finding: as an object, or in one line, and a second with what to do. Returns whether the check failed."""
    if as_json:
        of_fleet = {"fleet": fleet} if fleet else {}
        emit(of_fleet | dataclasses.asdict(finding) | {"found": masked(finding.found)})
    else:
        grade = click.style(f"{finding.grade.value:<4}", fg=COLOURS[finding.grade], bold=finding.grade is Grade.FAIL)
        click.echo(f"{grade}  {finding.check:<10}  {safe_lines(masked(finding.found))}")
        if finding.advice:
            click.echo(f"{'':18}-> {finding.advice}")
    return finding.grade is Grade.FAIL
