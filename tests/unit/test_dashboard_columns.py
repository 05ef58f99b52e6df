"""History as columns, links, and what a browser's slot holds."""

from __future__ import annotations

import asyncio
import json

import pytest

from fleetpoll.dashboard.columns import FIELDS, POINTS_MAX, columns
from fleetpoll.dashboard.links import console_url, log_url, region_of
from fleetpoll.dashboard.streams import POINTS_KEPT, TRANSITIONS_MAX, Slot
from fleetpoll.figures import Figures, Sample, Totals
from fleetpoll.jobs import JobStatus, Snapshot
from fleetpoll.settings import Settings


def sample(at_s: int, calls: int) -> Sample:
    """A fleet at a moment."""
    done = Figures(totals=Totals(calls=calls))
    return Sample(at_s * 1000, done, {JobStatus.RUNNING: 2}, 2, 1, 5.0, 10.0, calls)


def test_history_is_columns_of_equal_length() -> None:
    """A row for each two samples; where some are missing, one that says nothing."""
    found = columns([sample(10, 0), sample(20, 50), sample(30, 60), sample(90, 600), sample(100, 700)])
    assert found["at"] == [20, 30, 30.001, 100]
    assert found["calls"] == [5.0, 1.0, None, 10.0]
    assert found["jobs"] == {"RUNNING": [2, 2, None, 2]}
    assert {len(found[name]) for name in FIELDS} == {4}
    assert columns([])["at"] == columns([sample(10, 0)])["at"] == []


def test_a_long_history_is_thinned() -> None:
    """To what a plot has room for; nothing that happened in between is lost, and the newest sample is there."""
    samples = [sample(10 * number, number) for number in range(1, 2_161)]
    found = columns(samples)
    assert len(found["at"]) <= POINTS_MAX
    assert found["at"][-1] == 21_600
    assert set(found["calls"]) == {0.1}


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-west-1", "eu-west-1.console.aws.amazon.com"),
        ("cn-north-1", "cn-north-1.console.amazonaws.cn"),
        ("us-gov-west-1", "us-gov-west-1.console.amazonaws-us-gov.com"),
    ],
)
def test_links_lead_to_the_console_of_the_region(region: str, host: str) -> None:
    """Names are escaped as the console wants them."""
    job = Snapshot(log_stream="step/default/0f")
    assert console_url("id#1", region) == f"https://{host}/batch/home?region={region}#jobs/detail/id%231"
    assert log_url(job, region) == (
        f"https://{host}/cloudwatch/home?region={region}#logsV2:log-groups/log-group/$252Faws$252Fbatch$252Fjob"
        "/log-events/step$252Fdefault$252F0f"
    )


def test_there_is_no_link_to_what_is_not_known() -> None:
    """Without a Region or a stream, or where a simulator is asked and not AWS."""
    assert console_url("id", None) is log_url(Snapshot(), "eu-west-1") is log_url(Snapshot(log_stream="x"), None) is None
    assert region_of(Settings(region="eu-west-1"), {}) == "eu-west-1"
    assert region_of(Settings(), {"AWS_DEFAULT_REGION": "eu-west-2"}) == "eu-west-2"
    assert region_of(Settings(region="eu-west-1"), {"AWS_ENDPOINT_URL_BATCH": "http://127.0.0.1:1"}) is None
    private = "https://vpce-1.batch.eu-west-1.vpce.amazonaws.com"
    assert region_of(Settings(region="eu-west-1", endpoint_url=private), {}) == "eu-west-1"


async def told() -> bytes:
    """What a browser takes that was told far more than it takes."""
    slot = Slot()
    for number in range(1, 1_001):
        slot.tell("status", b"%d" % number)
        slot.tell("point", b"%d" % number)
        slot.tell_steps([((number, 0), b"%d" % number)])
    return slot.take()


def test_a_slow_browser_costs_no_more_than_a_quick_one() -> None:
    """Of what it has not taken the latest is kept; transitions that are left out are counted."""
    texts = asyncio.run(told()).decode().split("\n\n")[:-1]
    blocks = [dict(line.split(": ", 1) for line in text.split("\n")) for text in texts]
    by_kind = {block["event"]: block for block in blocks}
    assert [block["event"] for block in blocks].count("point") == POINTS_KEPT
    assert by_kind["status"]["data"] == "1000"
    steps = json.loads(by_kind["transitions"]["data"])
    assert (len(steps["transitions"]), steps["more"]) == (TRANSITIONS_MAX, 1_000 - TRANSITIONS_MAX)
    assert by_kind["transitions"]["id"] == "1000-0"


async def resumed() -> list[bytes]:
    """What a browser hears that was told of the third and the fourth before the second and the third were looked up."""
    slot, steps = Slot(), [((number, 0), b"%d" % number) for number in range(6)]
    slot.tell_steps(steps[3:5])
    slot.resume(steps[2:4])
    slot.tell_steps(steps[4:])
    return slot.take().split(b"\n")


def test_who_comes_back_hears_everything_once_and_in_order() -> None:
    """However what was missed and what happens meanwhile overlap."""
    assert asyncio.run(resumed())[:3] == [b"id: 5-0", b"event: transitions", b'data: {"transitions":[2,3,4,5],"more":0}']
