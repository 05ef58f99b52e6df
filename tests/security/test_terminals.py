"""Other people's text on a terminal, and in JSON: names, reasons, queues, hosts that hold commands to terminals."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import pytest

from benchmarks.rig import limited
from fleetpoll.cadence.ages import BUCKETS
from fleetpoll.cadence.dwell import Dwell, Group
from fleetpoll.client.fleet import Fleet
from fleetpoll.jobs import JobStatus
from fleetpoll.settings import Settings
from fleetpoll.simulator.process import Simulator
from fleetpoll.state.rooms import Rooms
from fleetpoll.state.roster import Facts
from fleetpoll.text import bounded, masked, safe, safe_lines
from tests.ids import make_ids
from tests.integration.cli_helpers import SCRIPT, Cli, move
from tests.security.terminal import EVIL, on_terminal, orders_in

IDS = make_ids(2)
WORDS = {
    "job_name": EVIL,
    "job_queue": EVIL,
    "job_definition": EVIL,
    "status_reason": EVIL,
    "reason": EVIL,
    "log_stream": EVIL,
}


@pytest.fixture
def evil(rooms: Rooms, settings: Settings) -> Iterator[Rooms]:
    """A fleet in which all words are somebody else's."""
    rooms.schedule.track(IDS)
    move(rooms, {IDS[0]: JobStatus.RUNNING, IDS[1]: JobStatus.FAILED}, **WORDS)
    now_ms = rooms.roster.now_ms()
    rooms.roster.beat(EVIL, Facts(EVIL, 1, now_ms, 5.0, version=EVIL))
    counts = [float(at < 5) * 9 for at in range(BUCKETS)]
    for level in ("definition", "queue"):
        Fleet(rooms, settings).teach({Group(JobStatus.RUNNING, level, EVIL): Dwell(counts, list(counts))})
    rooms.client.xadd(rooms.keys.events, {"job_id": EVIL, "from": EVIL, "to": EVIL, "reason": EVIL})
    rooms.client.hset(rooms.keys.ledger, EVIL, rooms.client.hget(rooms.keys.ledger, IDS[0]))
    yield rooms
    rooms.client.delete(rooms.keys.ledger)


SHOWING = [("jobs", "--predict"), ("show", IDS[1]), ("events",), ("fleet", "workers"), ("learn", "show")]
SHOWING_LESS = [
    *(("wait", IDS[1]), ("status",), ("learn", "show", EVIL), ("learn", "import", EVIL), ("events", "--since", EVIL)),
    *(("track", EVIL), ("plan", "--learnt")),
]


@pytest.mark.parametrize(
    "words",
    [*SHOWING, *(pytest.param(words, marks=pytest.mark.soak) for words in SHOWING_LESS)],
    ids=lambda words: safe(" ".join(words[:2])),
)
def test_nothing_of_it_reaches_a_terminal_as_a_command(evil: Rooms, redis_url: str, words: tuple[str, ...]) -> None:
    """Neither raw nor as rich's markup, whatever shows it."""
    env = Cli(redis_url, evil.keys.fleet).env
    shown = on_terminal([SCRIPT, *words], env)
    assert shown.strip()
    assert orders_in(shown.replace("\r\n", "\n")) == []
    assert "Traceback" not in shown


def test_json_is_exact(evil: Rooms, redis_url: str) -> None:
    """Programs get the very text."""
    cli = Cli(redis_url, evil.keys.fleet)
    assert {job["job_name"] for job in cli.objects("jobs")} == {EVIL}
    assert cli.objects("events")[-1]["reason"] == EVIL
    assert cli.objects("fleet", "workers")[0]["host"] == EVIL
    assert EVIL in {row.get("definition") for row in cli.objects("learn", "show")}
    assert cli("jobs", "--json").stdout.isascii()


@pytest.mark.soak
def test_what_aws_answers_is_not_believed_either(evil: Rooms, redis_url: str) -> None:
    """Errors that repeat a request, and ids."""
    with Simulator(limited(50)) as aws:
        env = Cli(redis_url, evil.keys.fleet).env | {"AWS_ENDPOINT_URL_BATCH": aws.url}
        words = ("submit", "--name", EVIL.replace("\0", ""), "--queue", "q", "--definition", "d")
        shown = on_terminal([SCRIPT, *words], env)
        shown += on_terminal([SCRIPT, "terminate", IDS[0], "--reason", EVIL], env)
        shown += on_terminal([SCRIPT, "simulate", "submit", "--url", f"http://{EVIL}", "-n", "1"], env)
    assert orders_in(shown.replace("\r\n", "\n")) == []
    assert "Traceback" not in shown


LOGS = """
import sys, structlog
from fleetpoll.logs import configure
configure(sys.argv[1], "debug")
log = structlog.get_logger("x")
secret = "can" + "ary-in-a-variable"
log.warning("AWS refuses to describe a job", job=sys.argv[2], reason=sys.argv[2])
try:
    raise ValueError("redis://:can" + "ary-in-a-url@h " + sys.argv[2])
except ValueError:
    log.exception("this should not be; going on")
"""


@pytest.mark.parametrize("style", ["console", "json", "auto"])
def test_logs_are_harmless(style: str) -> None:
    """On a terminal and in JSON; a traceback shows neither the values of variables nor passwords of URLs."""
    shown = on_terminal([sys.executable, "-c", LOGS, style, EVIL], {})
    assert "going on" in shown
    assert "ValueError" in shown
    assert "canary" not in shown
    assert orders_in(shown.replace("\r\n", "\n")) == []
    if style == "json":
        assert json.loads(shown.splitlines()[0])["reason"] == EVIL


def test_the_text_itself() -> None:
    """What the helpers make of text."""
    assert safe("a\x1b[1mb\u202ec") == "a\\x1b[1mb\\u202ec"
    assert safe("naïve 日本 🙂") == "naïve 日本 🙂"
    assert safe_lines("a\r\nb") == "a\\r\nb"
    assert masked("at redis://u:p@ss@h:1/0 now") == "at redis://***@h:1/0 now"
    assert masked("unix:///x?password=p&db=0") == "unix:///x?password=***&db=0"
    assert masked("redis://h:1/0 refused") == "redis://h:1/0 refused"
    assert (bounded("abc", 3), bounded("abcd", 3)) == ("abc", "ab…")
