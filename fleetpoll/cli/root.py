"""The command `fleetpoll`: global options, the table of commands, and how errors end."""

from __future__ import annotations

import os
import sys
import traceback
from importlib.metadata import version
from typing import Any

import click

from fleetpoll.cli import exits
from fleetpoll.cli.later import Later
from fleetpoll.cli.options import Asked, fleets_like, setting
from fleetpoll.cli.render import say
from fleetpoll.errors import FleetpollError
from fleetpoll.text import masked, safe_lines

COMMANDS = (
    Later("worker", "worker:worker", "Run worker processes in the foreground until told to stop."),
    Later("track", "tracking:track", "Start to watch jobs."),
    Later("untrack", "tracking:untrack", "Stop watching jobs and forget them."),
    Later("status", "status:status", "Show the fleet at a glance: jobs, rate, fill, lag and workers."),
    Later("top", "top:top", "Watch a fleet in the terminal: health, jobs, allowance, lag, workers and transitions, live."),
    Later("jobs", "jobs:jobs", "List tracked jobs and their last known status."),
    Later("show", "jobs:show", "Show what is known of one job."),
    Later("wait", "wait:wait", "Wait until jobs have finished, or have started."),
    Later("events", "events:events", "Print the transitions that were seen, oldest first."),
    Later("relay", "relay:relay", "Send transitions on, to a webhook or a command: each at least once."),
    Later(
        "dashboard",
        "dashboard:dashboard",
        "Show fleets in a browser: health, rates, lags, jobs, workers, events.",
    ),
    Later("submit", "submit:submit", "Submit jobs to AWS Batch through the fleet's bucket."),
    Later("terminate", "ending:terminate", "Terminate jobs in any status, through the fleet's bucket."),
    Later("cancel", "ending:cancel", "Cancel jobs that have not started, through the fleet's bucket."),
    Later("budget", "budget:budget", "Show or change the fleet's allowance of API calls."),
    Later("plan", "plan:plan", "Forecast calls and lags for a number of jobs, and the rate that a lag needs."),
    Later("learn", "learn:learn", "See what is learnt of how long jobs take, forget it, or carry it elsewhere."),
    Later("fleet", "orders:fleet", "See the workers and give them orders."),
    Later("simulate", "simulate:simulate", "Pretend to be AWS Batch, for trials without AWS."),
    Later("demo", "demo:demo", "Show the whole thing at work on this machine, in under two minutes."),
    Later("acl", "acl:acl", "Print the user of Redis that a role needs, with its rights."),
    Later("metrics", "metrics:metrics", "Serve the figures of the fleet to Prometheus."),
    Later("doctor", "doctor:doctor", "Check Redis, AWS, the settings and the workers, and say what to do."),
)

EPILOG = """\b
Settings come from the TOML file of --config, then the environment
(FLEETPOLL_<NAME>), then the file's section [fleets.NAME] of the fleet, then
options; the later wins. Without a Redis URL an embedded server is started,
or joined if it runs.

\b
Completion:  eval "$(_FLEETPOLL_COMPLETE=bash_source fleetpoll)"
             (or zsh_source, fish_source)

\b
Exit codes:  0 good      1 some jobs or checks failed    2 wrong usage or settings
             3 lost or not tracked      65 refused, or not kept     69 no answer
             70 internal error          75 throttled     77 AWS denies access
             124 timed out              130 Ctrl-C
"""


class Root(click.Group):
    """Lists commands in the order of the table, and turns what ends a command into its exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which they were added."""
        del ctx
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; every error of ours is one sentence and an exit code, never a traceback."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except FleetpollError as error:
            say(f"fleetpoll: {safe_lines(masked(str(error)))}")
            ctx.exit(exits.of(error))
        except KeyboardInterrupt:
            ctx.exit(exits.INTERRUPTED)
        except BrokenPipeError:
            _forget_stdout()
            ctx.exit(exits.CLOSED_PIPE)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception:  # noqa: BLE001 - a bug, and bugs must not look like jobs that failed
            say(safe_lines(masked(traceback.format_exc())))
            ctx.exit(exits.SOFTWARE)
        return result


def _forget_stdout() -> None:
    """Let what is still buffered go nowhere, so that the interpreter's own last flush is as silent as we are."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


@click.group(cls=Root, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@setting(
    "redis_url",
    metavar="URL",
    help="redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://; none: the embedded server. "
    "All users of this machine see it in ps: a password belongs into the environment or the file.",
)
@setting(
    "fleet",
    metavar="NAME",
    help="The fleet: one AWS account and Region, one allowance. One of those that the file has in sections, if it has any.",
    shell_complete=fleets_like,
)
@click.option(
    "--config",
    envvar="FLEETPOLL_CONFIG",
    metavar="FILE",
    help="TOML file with settings.  [FLEETPOLL_CONFIG]",
)
@click.version_option(version("fleetpoll"), message="%(prog)s %(version)s")
@click.pass_context
def root(ctx: click.Context, config: str | None) -> None:
    """One fleet of workers that polls AWS Batch for everybody, on one shared API allowance."""
    ctx.ensure_object(Asked).config = config
    if os.environ.get("NO_COLOR"):
        ctx.color = False


for command in COMMANDS:
    root.add_command(command)
