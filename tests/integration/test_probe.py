"""What `fleetpoll doctor --probe` says beside a real worker, whose Redis dies."""

from __future__ import annotations

import signal
from pathlib import Path

from fleetpoll.client.beating import beating
from fleetpoll.client.pulse import living
from fleetpoll.settings import Settings
from tests.integration.cli_helpers import Cli, wait_until
from tests.servers import DURABLE, server


def test_a_worker_lives_while_redis_is_away_and_is_not_ready(tmp_path: Path, fleet_name: str) -> None:
    """Nobody restarts it for that; who left is neither."""
    with server(tmp_path / "redis", *DURABLE) as redis:
        cli, fleets = Cli(redis.url, fleet_name), [Settings(redis_url=redis.url, fleet=fleet_name)]
        assert not living([fleet_name]).good
        with cli.start("worker", "-n", "1", "--log-format", "json", AWS_ENDPOINT_URL_BATCH="http://127.0.0.1:1") as worker:
            wait_until(lambda: beating(fleets).good, "it is ready")
            asked = cli("doctor", "--probe")
            redis.signal(signal.SIGSTOP)
            silent = beating(fleets, 0.2)
            redis.signal(signal.SIGCONT)
            redis.kill()
            live, ready = living([fleet_name]), beating(fleets)
            redis.start()
            wait_until(lambda: beating(fleets).good, "it is ready again")
            worker.send_signal(signal.SIGTERM)
            worker.communicate(timeout=30)

    assert (asked.returncode, asked.stdout.count("\n"), asked.stderr) == (0, 1, ""), asked.stdout
    assert asked.stdout.endswith("beats in 1 fleet\n")
    assert (silent.good, silent.words) == (False, "Redis does not answer within 0.2 s; workers wait for it")
    assert (live.good, live.words) == (True, f"the supervisor lives (pid {worker.pid})")
    assert (ready.good, "Redis does not answer" in ready.words) == (False, True)
    assert not living([fleet_name]).good


def test_a_probe_of_a_host_without_a_worker_fails_in_a_line(fleet_name: str) -> None:
    """Without asking Redis, let alone starting the embedded one."""
    done = Cli("redis://127.0.0.1:1", fleet_name)("doctor", "--probe", "live")
    assert done.returncode == 1
    assert done.stdout == f"fail  live: no worker for {fleet_name} runs here: start it by fleetpoll worker, as this user\n"
