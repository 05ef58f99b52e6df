"""What `fleetpoll doctor` finds, as people and programs read it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import click

from fleetpoll.cli.render import emit, plural
from fleetpoll.client.checkup.finding import Finding, Grade
from fleetpoll.client.checkup.rounds import check_up
from fleetpoll.client.fleet import redis_url
from fleetpoll.client.many import AT_ONCE
from fleetpoll.client.twins import check_twins
from fleetpoll.errors import FleetpollError
from fleetpoll.settings import Settings
from fleetpoll.text import masked, safe_lines

COLOURS = {Grade.OK: "green", Grade.WARN: "yellow", Grade.FAIL: "red"}


def examine(fleets: Sequence[Settings], *, every: bool, aws: bool, as_json: bool) -> bool:
    """Check the one fleet, or every one and all beside each other, and show it. Returns whether a check failed."""
    if every:
        return check_all(fleets, aws=aws, as_json=as_json)
    failed = False
    for finding in check_up(fleets[0], aws=aws):
        failed |= shown(finding, as_json=as_json)
    return failed


def check_all(fleets: Sequence[Settings], *, aws: bool, as_json: bool) -> bool:
    """Check each fleet, then all beside each other. Returns whether a check failed."""
    failed = False
    for settings, findings in check_each(fleets, aws=aws):
        if not as_json:
            click.secho(settings.fleet, bold=True)
        for finding in findings if as_json else remarkable(findings):
            failed |= shown(finding, as_json=as_json, fleet=settings.fleet)
    for finding in check_twins(fleets, aws=aws):
        shown(finding, as_json=as_json)
    return failed


def check_each(fleets: Sequence[Settings], *, aws: bool) -> Iterator[tuple[Settings, list[Finding]]]:
    """The findings of each, in their order, but examined side by side: one that is silent takes many seconds."""
    with ExitStack() as stack:
        with suppress(FleetpollError):  # each will say it of itself; else the embedded server is joined by the first
            stack.enter_context(redis_url(fleets[0]))
        pool = stack.enter_context(ThreadPoolExecutor(AT_ONCE))
        yield from zip(fleets, pool.map(lambda settings: list(check_up(settings, aws=aws)), fleets), strict=True)


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
        click.echo(f"{grade}  {finding.check:<11}  {safe_lines(masked(finding.found))}")
        if finding.advice:
            click.echo(f"{'':19}-> {finding.advice}")
    return finding.grade is Grade.FAIL
