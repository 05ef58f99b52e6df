"""The simulator's command line."""

from __future__ import annotations

import pytest

from fleetpoll.errors import SettingsError
from fleetpoll.simulator.config import Fault, Limit, Operation, SimulatorConfig
from fleetpoll.simulator.flags import parse_config, to_arguments

ODD = SimulatorConfig(
    port=4567,
    seed=42,
    life_min_s=0.1,
    life_max_s=1e6,
    fail_share=0.25,
    invisible_s=1.5,
    latency_ms=30,
    limits={Operation.DESCRIBE: Limit(10, 2.5), Operation.LIST: Limit(0.5, 1)},
    tenants={Operation.DESCRIBE: 2.5, Operation.SUBMIT: 1e-3},
    reject_share=0.125,
    retry_after_ms=700,
    faults={Operation.DESCRIBE: {Fault.RESET: 0.25, Fault.SLOW: 1e-3}, Operation.SUBMIT: {Fault.LOST: 1.0}},
    slow_s=0.5,
    external_id="what they agreed on",
    credentials_s=900.5,
    exit_with_parent=True,
)


@pytest.mark.parametrize("config", [SimulatorConfig(), ODD])
def test_a_config_survives_its_own_command_line(config: SimulatorConfig) -> None:
    """What is handed to a child process as flags arrives there unchanged."""
    assert parse_config(to_arguments(config)) == config


def test_a_limit_without_a_burst_is_a_second_of_calls() -> None:
    """`--limit describe=10` is a burst of 10; a rate below one still lets a whole call through."""
    config = parse_config(["--limit", "describe=10", "--limit", "submit=0.5"])
    assert config.limits == {Operation.DESCRIBE: Limit(10, 10), Operation.SUBMIT: Limit(0.5, 1)}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--life", "9:3"],
        ["--limit", "fly=3"],
        ["--limit", "list=x"],
        ["--limit", "list=-1"],
        ["--fail-share", "2"],
        ["--tenant", "fly=3"],
        ["--tenant", "list"],
        ["--tenant", "list=-1"],
        ["--tenant", "list=inf"],
        ["--reject-share", "1.1"],
        ["--retry-after-ms", "-1"],
        ["--fault", "describe=reset"],
        ["--fault", "describe=flood:0.1"],
        ["--fault", "fly=reset:0.1"],
        ["--fault", "describe=reset:0.6", "--fault", "describe=lost:0.6"],
        ["--fault", "describe=reset:nan"],
        ["--slow-s", "-1"],
        ["--credentials-s", "0"],
        ["--credentials-s", "nan"],
        ["--limit", "sts=-1"],
    ],
)
def test_nonsense_is_refused_with_exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong flags are answered on stderr, before anything is started."""
    with pytest.raises(SystemExit) as stopped:
        parse_config(arguments)
    assert stopped.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_a_config_refuses_negative_times() -> None:
    """A config that cannot be meant is an error when it is made."""
    with pytest.raises(SettingsError, match="latency_ms is -1"):
        SimulatorConfig(latency_ms=-1)
