"""Many accounts and Regions in one simulator, asked by real boto3: who calls decides, and nothing leaks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from fleetpoll.errors import FleetpollError
from fleetpoll.simulator.config import Fault, Limit, Operation, SimulatorConfig
from fleetpoll.simulator.process import Simulator
from fleetpoll.simulator.surroundings import NO_AWS, in_account

ONE, OTHER, THIRD = "111122223333", "444455556666", "777788889999"
HERE, THERE = "eu-west-1", "us-east-1"
DEFAULT = ("123456789012", "us-east-1")
JOB = {"jobName": "n", "jobQueue": "q", "jobDefinition": "d"}


class Clients:
    """boto3 clients of one simulator, which ask once and do not retry."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self._url, self._stack = url, stack

    def batch(self, account_id: str = "", region: str = THERE) -> Any:
        """A client with a key of that account, or with one that is nobody's."""
        env = in_account(account_id, region) if account_id else NO_AWS | {"AWS_DEFAULT_REGION": region}
        client = boto3.client(
            "batch",
            region_name=env["AWS_DEFAULT_REGION"],
            endpoint_url=self._url,
            aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
            config=Config(retries={"mode": "standard", "total_max_attempts": 1}),
        )
        return self._stack.enter_context(closing(client))


@pytest.fixture(scope="module")
def shared() -> Iterator[Simulator]:
    """A simulator whose jobs live for an hour."""
    with Simulator(SimulatorConfig(seed=7, life_min_s=3600, life_max_s=3600)) as running:
        yield running


@pytest.fixture
def simulator(shared: Simulator) -> Simulator:
    """The same with fresh figures."""
    shared.reset_accounts()
    return shared


@pytest.fixture
def clients(shared: Simulator) -> Iterator[Clients]:
    """Makes clients of it."""
    with ExitStack() as stack:
        yield Clients(shared.url, stack)


def calls(figures: dict[str, Any], operation: Operation = Operation.DESCRIBE) -> tuple[int, int]:
    """How many calls of an operation an account answered, and how many it turned away."""
    counted = figures["operations"][operation]
    return counted["accepted"], counted["throttled"]


def test_a_job_is_known_to_its_own_account_and_region_alone(clients: Clients) -> None:
    """The same account elsewhere, another one here and the default one never heard of it; its ARNs say where it lives."""
    batch = clients.batch(ONE, HERE)
    job_id = batch.submit_job(**JOB)["jobId"]
    (job,) = batch.describe_jobs(jobs=[job_id])["jobs"]
    assert job["jobArn"] == f"arn:aws:batch:{HERE}:{ONE}:job/{job_id}"
    strangers = clients.batch(ONE, THERE), clients.batch(OTHER, HERE), clients.batch(region=HERE), clients.batch()
    assert [stranger.describe_jobs(jobs=[job_id])["jobs"] for stranger in strangers] == [[]] * 4


def test_any_other_key_is_the_default_account_whatever_the_region(simulator: Simulator, clients: Clients) -> None:
    """So it has always been; who names the default account means that one, too."""
    ids = simulator.populate(1)
    askers = clients.batch(), clients.batch(region="ap-southeast-2"), clients.batch(*DEFAULT)
    for asker in askers:
        (job,) = asker.describe_jobs(jobs=ids)["jobs"]
        assert job["jobArn"] == f"arn:aws:batch:us-east-1:123456789012:job/{ids[0]}"
    assert calls(simulator.stats()) == (3, 0)
    assert calls(simulator.account(*DEFAULT).stats()) == (3, 0)


def test_who_has_spent_an_allowance_takes_nothing_from_others(simulator: Simulator, clients: Clients) -> None:
    """Limits are an account's in a Region, as on AWS; each has a witness of its own."""
    simulator.account(ONE, HERE).limit("describe", 0.001, 2)
    simulator.account(OTHER, HERE).limit("describe", 0.001, 1)
    for account_id, region in ((ONE, HERE), (ONE, THERE), (OTHER, HERE)):
        batch = clients.batch(account_id, region)
        for _ in range(3):
            try:
                batch.describe_jobs(jobs=["x"])
            except ClientError as error:
                assert error.response["Error"]["Code"] == "TooManyRequestsException"  # noqa: PT017 - that or an answer
    seen = {(figures["account_id"], figures["region"]): calls(figures) for figures in simulator.accounts()}
    assert seen.items() >= {(ONE, HERE): (2, 1), (ONE, THERE): (3, 0), (OTHER, HERE): (1, 2), DEFAULT: (0, 0)}.items()


def test_disturbances_and_windows_are_an_accounts_own(simulator: Simulator, clients: Clients) -> None:
    """A fault hits one account; to begin one window anew leaves those of others, unless all are meant."""
    simulator.account(THIRD, HERE).disturb("describe", faults={Fault.SERVER: 1.0})
    with pytest.raises(ClientError, match="ServerException"):
        clients.batch(THIRD, HERE).describe_jobs(jobs=["x"])
    clients.batch(OTHER, THERE).describe_jobs(jobs=["x"])
    simulator.reset_stats()
    assert simulator.account(THIRD, HERE).stats()["operations"]["describe"]["faults"] == {Fault.SERVER: 1}
    assert calls(simulator.account(OTHER, THERE).stats()) == (1, 0)
    simulator.reset_accounts()
    assert {calls(figures) for figures in simulator.accounts()} == {(0, 0)}


def test_all_accounts_begin_alike_and_no_two_share_an_id() -> None:
    """Limits are as configured; ids follow from the seed, where one is given to several accounts, too."""
    config = SimulatorConfig(seed=11, limits={Operation.SUBMIT: Limit(5, 5)})
    made = []
    for _ in range(2):
        with Simulator(config) as simulator:
            places = simulator, simulator.account(ONE, HERE), simulator.account(ONE, THERE), simulator.account(OTHER, HERE)
            made.append([place.populate(20) + place.populate(20, seed=3) for place in places])
            assert [len(place.truth()) for place in places] == [40] * 4
            assert len(simulator.accounts()) == 4
    assert made[0] == made[1]
    assert len({job_id for ids in made[0] for job_id in ids}) == 160


def test_an_account_that_cannot_be_is_refused(simulator: Simulator) -> None:
    """An id that no key could have, or no Region, would be an account that nobody ever calls."""
    for account_id, region in (("42", HERE), (ONE, "Ireland")):
        with pytest.raises(FleetpollError, match="give 12 digits and a Region"):
            simulator.account(account_id, region).stats()


def test_a_header_that_makes_no_sense_is_the_default_account(simulator: Simulator) -> None:
    """Whoever calls without the SDK need not sign."""
    for authorization in ("", "Bearer x", "AWS4-HMAC-SHA256 Credential=AKIASIMU1/20260101/eu-west-1/batch/aws4_request"):
        with closing(HTTPConnection(urlsplit(simulator.url).netloc, timeout=10)) as connection:
            connection.request("POST", Operation.DESCRIBE.path, b'{"jobs":["x"]}', {"Authorization": authorization})
            assert connection.getresponse().read() == b'{"jobs":[]}'
    assert calls(simulator.stats()) == (3, 0)
