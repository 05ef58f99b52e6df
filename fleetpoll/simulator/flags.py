"""The simulator's command line: flags to config, and config to flags for those who start it as a child."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fleetpoll.errors import SettingsError
from fleetpoll.simulator.config import Fault, Limit, Operation, SimulatorConfig

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DEFAULTS = SimulatorConfig()
PLAIN: dict[str, tuple[type, str]] = {
    "host": (str, "address to listen on"),
    "port": (int, "port to listen on; 0 takes a free one"),
    "region": (str, "the default account's Region"),
    "account_id": (str, "the default account's id"),
    "seed": (int, "ids, lives, strays and tenants follow from it; 0 draws a fresh one"),
    "fail_share": (float, "share of the jobs that end FAILED"),
    "retry_share": (float, "share of the attempts that fail and are retried"),
    "array_slots": (int, "children of an array that run side by side; 0 is no limit"),
    "invisible_s": (float, "seconds for which a new job is not shown"),
    "latency_ms": (float, "milliseconds that each accepted call takes"),
    "latency_jitter_ms": (float, "up to how many milliseconds longer"),
    "retention_s": (float, "seconds for which a finished job is remembered"),
    "reject_share": (float, "share of the calls that are throttled at random, token or not"),
    "retry_after_ms": (int, "milliseconds that x-amz-retry-after tells a throttled call to wait; 0 tells none"),
    "slow_s": (float, "seconds that a slow answer takes"),
    "external_id": (str, "external id that every role wants to see; empty: none"),
    "credentials_s": (float, "seconds for which the credentials that STS gives are good"),
}


def parser() -> argparse.ArgumentParser:
    """The flags of `python -m fleetpoll.simulator`."""
    flags = argparse.ArgumentParser(
        prog="python -m fleetpoll.simulator",
        description="A pretend AWS Batch on loopback. The first line on standard output is its URL.",
    )
    for name, (kind, text) in PLAIN.items():
        default = getattr(DEFAULTS, name)
        flags.add_argument(flag(name), type=kind, default=default, help=f"{text} (default: {default})")
    life = f"{DEFAULTS.life_min_s:g}:{DEFAULTS.life_max_s:g}"
    flags.add_argument(
        "--life", metavar="MIN:MAX", type=parse_life, default=life, help=f"life of a job in seconds (default: {life})"
    )
    flags.add_argument(
        "--limit",
        metavar="OPERATION=RATE[:BURST]",
        type=parse_limit,
        action="append",
        default=[],
        help=f"calls per second and burst of an operation ({', '.join(Operation)}); may be repeated",
    )
    flags.add_argument(
        "--tenant",
        metavar="OPERATION=RATE",
        type=parse_tenant,
        action="append",
        default=[],
        help="calls per second that others make out of an operation's bucket; may be repeated",
    )
    flags.add_argument(
        "--fault",
        metavar="OPERATION=FAULT:SHARE",
        type=parse_fault,
        action="append",
        default=[],
        help=f"share of an operation's calls that meet a fault ({', '.join(Fault)}); may be repeated",
    )
    flags.add_argument("--exit-with-parent", action="store_true", help="stop when standard input is closed")
    return flags


def flag(name: str) -> str:
    """The flag of a config's field."""
    return "--" + name.replace("_", "-")


def parse_config(arguments: Sequence[str]) -> SimulatorConfig:
    """The config that these arguments ask for; what is wrong is said on stderr, with exit code 2."""
    flags = parser()
    parsed = flags.parse_args(arguments)
    try:
        return SimulatorConfig(
            **{name: getattr(parsed, name) for name in PLAIN},
            life_min_s=parsed.life[0],
            life_max_s=parsed.life[1],
            limits=dict(parsed.limit),
            tenants=dict(parsed.tenant),
            faults=gathered(parsed.fault),
            exit_with_parent=parsed.exit_with_parent,
        )
    except SettingsError as error:
        flags.error(str(error))


def to_arguments(config: SimulatorConfig) -> list[str]:
    """The arguments that ask for this config."""
    arguments = [f"{flag(name)}={getattr(config, name)}" for name in PLAIN]
    arguments.append(f"--life={config.life_min_s!r}:{config.life_max_s!r}")
    arguments += [f"--limit={operation}={limit.rate!r}:{limit.burst!r}" for operation, limit in config.limits.items()]
    arguments += [f"--tenant={operation}={rate!r}" for operation, rate in config.tenants.items()]
    for operation, faults in config.faults.items():
        arguments += [f"--fault={operation}={fault}:{share!r}" for fault, share in faults.items()]
    return [*arguments, "--exit-with-parent"] if config.exit_with_parent else arguments


def parse_life(text: str) -> tuple[float, float]:
    """MIN:MAX, or one number for both."""
    shortest, _, longest = text.partition(":")
    return float(shortest), float(longest or shortest)


def parse_spread(text: str) -> tuple[float, float]:
    """MEDIAN:SIGMA; without a sigma all are the same."""
    median, _, sigma = text.partition(":")
    return float(median), float(sigma or 0)


def parse_limit(text: str) -> tuple[Operation, Limit]:
    """OPERATION=RATE[:BURST]; without a burst it is one second's worth."""
    operation, _, limit = text.partition("=")
    rate, _, burst = limit.partition(":")
    try:
        return Operation(operation), Limit(float(rate), float(burst or max(1.0, float(rate))))
    except (SettingsError, ValueError) as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def parse_tenant(text: str) -> tuple[Operation, float]:
    """OPERATION=RATE."""
    operation, _, rate = text.partition("=")
    try:
        return Operation(operation), float(rate)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def parse_fault(text: str) -> tuple[Operation, tuple[Fault, float]]:
    """OPERATION=FAULT:SHARE."""
    operation, _, fault = text.partition("=")
    kind, _, share = fault.partition(":")
    try:
        return Operation(operation), (Fault(kind), float(share))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def gathered(faults: Iterable[tuple[Operation, tuple[Fault, float]]]) -> dict[Operation, dict[Fault, float]]:
    """The shares of each operation; of two for the same fault the later counts."""
    found: dict[Operation, dict[Fault, float]] = {}
    for operation, (fault, share) in faults:
        found.setdefault(operation, {})[fault] = share
    return found
