"""`fleetpoll relay`: transitions to a webhook or a command, and what could not be delivered."""

from __future__ import annotations

import logging
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import structlog

from fleetpoll.cli import exits
from fleetpoll.cli.events import parse_cursor
from fleetpoll.cli.options import Asked, as_json, pass_asked, setting, several
from fleetpoll.cli.render import emit, moment, plural, say
from fleetpoll.cli.tables import console, table
from fleetpoll.errors import SettingsError
from fleetpoll.jobs import JobStatus
from fleetpoll.logs import configure
from fleetpoll.relay.command import Command
from fleetpoll.relay.parcels import Verdict
from fleetpoll.relay.relay import Plan, open_letters, open_relay, send_again
from fleetpoll.relay.webhook import Webhook
from fleetpoll.text import safe
from fleetpoll.webhook import new_secret
from workers.stopping import Stopping

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fleetpoll.relay.parcels import Sink
    from fleetpoll.state.letters import Letter, Letters

EPILOG = """\b
Examples:
  export FLEETPOLL_RELAY_SECRET=$(fleetpoll relay secret)
  fleetpoll relay --to https://example.org/hook --only FAILED
  fleetpoll relay --exec './book --verbose' --parallel 8
  fleetpoll relay dead --json | jq -r .error | sort | uniq -c

\b
Delivered is what was answered with 2xx, or by exit code 0. Tried again, with
growing pauses: no answer, 5xx, 408, 425, 3xx, and 401, 403, 404, 405, 407, 410
(then URL or rights are wrong); any other exit code. 429: tried again when the
sink wants. A dead letter is what failed --attempts times while others were
delivered; at once what is refused: any other 4xx, exit code 65.
SIGTERM or Ctrl-C: finish what is under way, give the rest back, exit code 0.
"""
STATUSES = [status.value for status in JobStatus if status is not JobStatus.UNSEEN]

log = structlog.get_logger("relay")


def parse_statuses(ctx: click.Context, parameter: click.Parameter, value: str) -> frozenset[JobStatus]:
    """Statuses with commas between them."""
    words = [word.strip().upper() for word in value.split(",") if word.strip()]
    if unknown := [word for word in words if word not in STATUSES]:
        raise click.BadParameter(f"{unknown[0]!r} is no status: {', '.join(STATUSES)}", ctx, parameter)
    return frozenset(map(JobStatus, words))


to_sink = several(
    click.option(
        "--to", "url", envvar="FLEETPOLL_RELAY_TO", metavar="URL", help="POST them there as JSON.  [FLEETPOLL_RELAY_TO]"
    ),
    click.option(
        "--exec", "line", metavar="CMD", help="Run CMD for each, without a shell: JSON on its input, FLEETPOLL_… set."
    ),
    click.option(
        "--secret-file",
        metavar="FILE",
        help="Sign with the secrets in FILE, one a line; else with those of FLEETPOLL_RELAY_SECRET.",
    ),
    click.option("--insecure", is_flag=True, help="Let --to be plain http beyond this machine."),
    click.option(
        "--timeout",
        "timeout_s",
        type=click.FloatRange(min=0.1),
        default=10.0,
        show_default=True,
        metavar="S",
        help="How long one delivery may take.",
    ),
)


@click.group(invoke_without_command=True, epilog=EPILOG)
@to_sink
@click.option(
    "--group", default="relay", show_default=True, metavar="NAME", help="Relays of one group share the transitions."
)
@click.option("--since", callback=parse_cursor, metavar="CURSOR", help="Where a new group begins; else with what comes.")
@click.option("--only", callback=parse_statuses, default="", metavar="STATUS,…", help="Send transitions into these only.")
@click.option(
    "--batch",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    metavar="N",
    help="Send up to N together: a JSON array, or N lines to CMD.",
)
@click.option(
    "--linger",
    "linger_s",
    type=click.FloatRange(0, 60),
    default=0.2,
    show_default=True,
    metavar="S",
    help="How long a batch waits for company.",
)
@click.option(
    "--parallel", type=click.IntRange(1, 256), default=4, show_default=True, metavar="N", help="Deliveries at once."
)
@click.option(
    "--attempts",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    metavar="N",
    help="Failures that make a dead letter.",
)
@click.option(
    "--takeover",
    "takeover_s",
    type=click.FloatRange(min=1),
    default=60.0,
    show_default=True,
    metavar="S",
    help="Take over what another relay has held without a sign of life for S seconds.",
)
@setting("log_format", metavar="auto|console|json", help="How logs on standard error look.")
@setting("log_level", metavar="LEVEL", help="debug, info, warning or error.")
@click.pass_context
@pass_asked
def relay(asked: Asked, ctx: click.Context, /, **given: Any) -> None:
    """Send transitions on, to a webhook or a command: each at least once.

    A transition is acknowledged when it was delivered. Any number of relays of one --group share them; one relay keeps the
    order of each job. While the sink fails for everything, relays hold their place, try one delivery at a time and give
    nothing up.
    """
    if ctx.invoked_subcommand is not None:
        return
    settings = asked.settings()
    configure(settings.log_format, settings.log_level)
    stopping = Stopping()
    stopping.on(signal.SIGTERM, signal.SIGINT)
    names = ("url", "line", "secret_file", "insecure", "timeout_s")
    sink = sink_of(**{name: given.pop(name) for name in names}, connections=given["parallel"])
    with open_relay(settings, Plan(**given), sink) as opened:
        opened.run(lambda: stopping.drain)


def sink_of(
    *, url: str | None, line: str | None, secret_file: str | None, insecure: bool, timeout_s: float, connections: int = 1
) -> Sink:
    """Where to. Raises SettingsError if it is not one place, or will not do."""
    if line is not None:
        from_option = click.get_current_context().get_parameter_source("url") is click.core.ParameterSource.COMMANDLINE
        if from_option:
            raise click.UsageError("--to and --exec are two places: start a relay for each, with a --group of its own.")
        return Command(line, timeout_s, heard)
    if url is None:
        raise click.UsageError("Where to? Give --to URL or --exec CMD.")
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # its warnings repeat whole URLs
    secrets = secrets_of(secret_file)
    if not secrets:
        log.warning("nothing is signed, so receivers cannot tell who has sent it: fleetpoll relay secret makes a secret")
    return Webhook(url, secrets, timeout_s, connections, plain=insecure)


def secrets_of(file: str | None) -> list[str]:
    """The secrets to sign with."""
    if file is None:
        return os.environ.get("FLEETPOLL_RELAY_SECRET", "").split()
    try:
        secrets = Path(file).read_text(encoding="utf-8").split()
    except (OSError, ValueError):  # ValueError: it is no text, or no path
        raise SettingsError(f"--secret-file: {safe(file)} cannot be read as text.") from None
    if not secrets:
        raise SettingsError(f"--secret-file: {safe(file)} is empty.")
    return secrets


def heard(message_id: str, words: str) -> None:
    """What a command of --exec has written."""
    log.info("the command says", event_id=message_id, output=words)


@relay.command()
def secret() -> None:
    """Print a new secret to sign with.

    To replace one, sign with both until every receiver knows the new one: FLEETPOLL_RELAY_SECRET="NEW OLD".
    """
    click.echo(new_secret())


of_group = click.option("--group", metavar="NAME", help="Only those of this group.")


@relay.command()
@as_json
@of_group
@pass_asked
def dead(asked: Asked, *, as_json: bool, group: str | None) -> None:
    """List the dead letters, the oldest first.

    About the last 10,000 are kept.
    """
    with open_letters(asked.settings()) as letters:
        if as_json:
            for letter in letters_of(letters, group):
                emit(letter.public())
            return
        rows = table()
        for name in ("LETTER", "DIED", "JOB", "TO", "TRIES", "SINK", "ERROR"):
            rows.add_column(name, no_wrap=name not in {"SINK", "ERROR"}, overflow="fold", min_width=len(name))
        for letter in letters_of(letters, group):
            one = letter.transition
            facts = (letter.letter_id, moment(letter.died_ms), safe(one.job_id), one.after.value, f"{letter.attempts}")
            rows.add_row(*facts, safe(letter.sink), safe(letter.error))
    if not rows.row_count:
        say("There are no dead letters.")
        return
    console().print(rows)


def parse_ids(ctx: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    """Letters have ids of the form of cursors."""
    return tuple(parse_cursor(ctx, parameter, one) or "" for one in value)


ids = click.argument("ids", nargs=-1, callback=parse_ids, metavar="[LETTER]...")
everything = click.option("--all", "everything", is_flag=True, help="All that there are.")


@relay.command()
@ids
@everything
@of_group
@to_sink
@click.pass_context
@pass_asked
def retry(
    asked: Asked, ctx: click.Context, /, ids: tuple[str, ...], *, everything: bool, group: str | None, **where: Any
) -> None:
    """Deliver dead letters once more, each once, in their order.

    What is delivered is forgotten, what fails stays. Exit code 1 if some failed. Groups have places of their own to send to:
    if there are letters of several, --all wants --group as well.
    """
    settings = asked.settings()
    configure(settings.log_format, settings.log_level)
    sink, delivered, failed = sink_of(**where), 0, 0
    with open_letters(settings) as letters:
        found = chosen(letters, ids, group, everything=everything)
        if everything and len(groups := sorted({letter.group for letter in found})) > 1:
            raise SettingsError(f"There are letters of several groups ({safe(', '.join(groups))}): name one by --group.")
        for letter, answer in send_again(letters, found, settings.fleet, sink):
            if answer.verdict is Verdict.DELIVERED:
                delivered += 1
                continue
            failed += 1
            say(f"{letter.letter_id}: {safe(answer.words)}")
    say(f"{plural(delivered, 'letter')} delivered" + (f", {failed:,} failed." if failed else "."))
    ctx.exit(exits.SOME_FAILED if failed else exits.OK)


@relay.command()
@ids
@everything
@of_group
@pass_asked
def drop(asked: Asked, ids: tuple[str, ...], *, everything: bool, group: str | None) -> None:
    """Forget dead letters."""
    with open_letters(asked.settings()) as letters:
        dropped = letters.drop([letter.letter_id for letter in chosen(letters, ids, group, everything=everything)])
    say(f"{plural(dropped, 'letter')} dropped.")


def letters_of(letters: Letters, group: str | None) -> Iterator[Letter]:
    """The letters of a group, or all."""
    return (letter for letter in letters.all() if group in (None, letter.group))


def chosen(letters: Letters, ids: tuple[str, ...], group: str | None, *, everything: bool) -> list[Letter]:
    """The letters that were asked for. Raises SettingsError if one is not there."""
    if bool(ids) == everything:
        raise click.UsageError("Which letters? Give their ids, or --all.")
    if everything:
        return list(letters_of(letters, group))
    found, missing = letters.named(ids)
    if missing:
        raise SettingsError(f"There is no dead letter {safe(missing[0])}: fleetpoll relay dead lists them.")
    return found
