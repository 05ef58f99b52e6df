"""What the pages under docs/ show is run: their examples against a whole fleet, their tables against the code."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.rig import Rig, limited, rig
from fleetpoll.batch.methods import BatchMethods
from fleetpoll.batch.waiters import WaiterMethods
from fleetpoll.settings import Settings
from fleetpoll.simulator.surroundings import NO_AWS

PAGE = (Path(__file__).parents[2] / "docs" / "coming-from-airflow.md").read_text(encoding="utf-8")
EXAMPLES = [
    block for block in re.findall(r"```python\n# after\n(.*?)```", PAGE, re.DOTALL) if "fleetpoll.airflow" not in block
]


@pytest.fixture(scope="module")
def fleet() -> Iterator[Rig]:
    """A fleet at work on jobs that take less than a second."""
    settings = Settings(rate=20, workers=1, freshness=0.2, log_format="json")
    with rig(settings, limited(20, life_min_s=0.4, life_max_s=0.8, fail_share=0)) as fleet, fleet.workers():
        fleet.await_pollers(1)
        yield fleet


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda block: block.strip().splitlines()[0])
def test_an_example_does_what_it_says(fleet: Rig, monkeypatch: pytest.MonkeyPatch, example: str) -> None:
    """Each `# after` runs to its end, with some jobs to wait for."""
    for name, value in NO_AWS.items():
        monkeypatch.setenv(name, value)
    ids = fleet.simulator.populate(5)
    handled: dict[str, Any] = {}
    names: dict[str, Any] = {
        "job_ids": ids,
        "job_id": ids[0],
        "redis_url": fleet.url,
        "fleet_name": fleet.settings.fleet,
        "settings": Settings(redis_url=fleet.url, endpoint_url=fleet.simulator.url),
        "handle": handled.__setitem__,
    }
    exec(compile(example, "docs/coming-from-airflow.md", "exec", dont_inherit=True), names)  # noqa: S102 - that is the test
    if "main" in names:
        asyncio.run(names["main"]())

    assert handled.keys() in (set(), set(ids))
    assert fleet.rooms.ledger.get(ids[:1])[ids[0]].status.terminal


def test_every_method_of_the_hook_is_in_the_table() -> None:
    """Who looks for a method by its name finds what it does now."""
    table = PAGE.partition("## Every method of the hook")[2]
    public = {name for kind in (BatchMethods, WaiterMethods) for name in vars(kind) if not name.startswith("_")}

    assert {name for name in public | {"client"} if not re.search(rf"`{name}\b", table)} <= {"log"}
