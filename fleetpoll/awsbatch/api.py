"""The calls to AWS Batch. One call is one HTTP request: the SDK's retries would be calls that the bucket never saw.

The SDK keeps the credentials of a file or of the environment for as long as a client lives. After a denial the next call
is made by a new client, so that credentials that were renewed meanwhile are found.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, NoRegionError, ProfileNotFound
from botocore.loaders import Loader, create_loader

from fleetpoll.awsbatch.bounded import Bounded, in_hand
from fleetpoll.awsbatch.direct import Direct
from fleetpoll.awsbatch.failures import named
from fleetpoll.awsbatch.parse import descriptions
from fleetpoll.awsbatch.roles import assume_role
from fleetpoll.clock import system_mono
from fleetpoll.errors import AccessDenied, SettingsError

if TYPE_CHECKING:
    from fleetpoll.jobs import Description
    from fleetpoll.settings import Settings

HTTP_NOT_GOOD = 300  # from here on, botocore makes an error of an answer
POOL = 10  # connections kept for threads that share a client, as botocore's own default; it warns of each one more
CREDENTIALS_S = 5.0  # the longest silence of whoever gives credentials: it comes on top of a call's own time
PARSED = "fleetpollDescriptions"
NO_RETRIES = {"mode": "standard", "total_max_attempts": 1}


def one_request(config: Config) -> Config:
    """A configuration of somebody else's client, with one HTTP request for each call of it."""
    return config.merge(Config(retries=NO_RETRIES))


def credentials_config(settings: Settings) -> Config:
    """For the clients that the SDK makes of itself, to get credentials of STS or SSO in the midst of a call of ours.

    By the SDK's own defaults a silent STS would hold that call for five minutes: far beyond its lease, and a poller that
    stands still for so long is killed before it can say why.
    """
    return Config(
        retries=NO_RETRIES,
        connect_timeout=min(CREDENTIALS_S, settings.connect_timeout),
        read_timeout=min(CREDENTIALS_S, settings.read_timeout),
    )


@lru_cache
def loader_of(data_path: str | None) -> Loader:
    """What reads the SDK's models, once for all clients of a process: each of its own would take 9 MB and 50 ms more."""
    return create_loader(data_path)


def preload_models(settings: Settings) -> None:
    """Read what clients will be made of, so that forks of this process need not: by a client that is dropped.

    Settings that will not do are for those to report who use them.
    """
    with suppress(SettingsError):
        open_client(settings).close()


def open_session(settings: Settings) -> boto3.Session:
    """boto3's session with the credentials of these settings, the role's if there is one. Raises botocore's errors."""
    below = botocore.session.get_session()
    below.set_default_client_config(credentials_config(settings))
    if settings.profile:
        below.set_config_variable("profile", settings.profile)  # before anything is read of a file
    loader = loader_of(below.get_config_variable("data_path"))
    below.register_component("data_loader", loader)
    session = boto3.Session(botocore_session=below, profile_name=settings.profile, region_name=settings.region)
    loader.search_paths[:] = dict.fromkeys(loader.search_paths)  # each session of boto3's adds the same one
    if settings.role_arn is not None:
        assume_role(below, settings)
    return session


def open_client(settings: Settings, *, parameter_validation: bool = True) -> Any:
    """boto3's own client for AWS Batch, by these settings; each of its calls is one HTTP request.

    Raises SettingsError when there is no Region, no such profile, or an endpoint that is none.
    """
    config = Config(
        retries=NO_RETRIES,
        connect_timeout=settings.connect_timeout,
        read_timeout=settings.read_timeout,
        max_pool_connections=POOL,
        tcp_keepalive=True,
        parameter_validation=parameter_validation,
    )
    try:
        return open_session(settings).client("batch", config=config, endpoint_url=settings.endpoint_url)
    except NoRegionError:
        raise SettingsError("No AWS Region: set `region`, FLEETPOLL_REGION or AWS_DEFAULT_REGION.") from None
    except ProfileNotFound as error:
        raise SettingsError(f"{error}: check `profile` and AWS_PROFILE.") from None
    except (ValueError, BotoCoreError) as error:
        raise SettingsError(f"The settings of AWS will not do: {error}. Check endpoint_url, region and profile.") from None


class BatchApi:
    """AWS Batch for one account and Region.

    Making one raises SettingsError; calls raise Throttled, AccessDenied, BadRequest or Unreachable, and nothing else.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings, self._denied = settings, False
        self._client, self._direct = self._open()

    def _open(self) -> tuple[Any, Direct]:
        client = open_client(self._settings, parameter_validation=False)
        whole_s = self._settings.connect_timeout + self._settings.read_timeout
        bounded = Bounded(client._endpoint.http_session, whole_s, system_mono)  # noqa: SLF001 - it has the proxies and certificates
        direct = Direct(bounded)
        client.meta.events.register("before-sign.batch.DescribeJobs", direct.meet)
        client.meta.events.register("before-send.batch.DescribeJobs", direct)
        client.meta.events.register("before-send.batch.DescribeJobs", bounded)
        client.meta.events.register("before-parse.batch.DescribeJobs", _take_body)
        return client, direct

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @contextmanager
    def _calling(self) -> Iterator[Any]:
        """The client for one call."""
        if self._denied:
            try:
                renewed = self._open()
            except SettingsError as error:  # a profile that is being rewritten: no reason to end
                raise AccessDenied(f"AWS credentials cannot be had: {error}", "SettingsError") from error
            self._client.close()
            (self._client, self._direct), self._denied = renewed, False
        try:
            with named():
                yield self._client
        except AccessDenied:
            self._denied = True
            raise

    def describe(self, ids: Sequence[str]) -> dict[str, Description]:
        """What AWS says of those `ids` (1…100) that it knows; the others are absent."""
        with self._calling() as client:
            answer = self._direct.ask(ids)
            if answer is not None and answer.status_code < HTTP_NOT_GOOD:
                return descriptions(answer.content)
            read_next = in_hand.set(answer)  # what is wrong with it is for botocore to say
            try:
                found: dict[str, Description] = client.describe_jobs(jobs=list(ids))[PARSED]
            finally:
                in_hand.reset(read_next)
        return found

    def submit_job(self, **request: Any) -> dict[str, Any]:
        """SubmitJob with AWS's own arguments and answer."""
        with self._calling() as client:
            return dict(client.submit_job(**request))

    def terminate_job(self, job_id: str, reason: str) -> None:
        """TerminateJob."""
        with self._calling() as client:
            client.terminate_job(jobId=job_id, reason=reason)

    def cancel_job(self, job_id: str, reason: str) -> None:
        """CancelJob."""
        with self._calling() as client:
            client.cancel_job(jobId=job_id, reason=reason)

    def list_jobs(self, **request: Any) -> dict[str, Any]:
        """One page of ListJobs with AWS's own arguments and answer."""
        with self._calling() as client:
            return dict(client.list_jobs(**request))


def _take_body(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Mapping[str, Any]) -> None:
    """Read a good answer's body here, before botocore walks it, and leave botocore an empty one."""
    if response_dict["status_code"] < HTTP_NOT_GOOD:
        customized_response_dict[PARSED] = descriptions(response_dict["body"])
        response_dict["body"] = b"{}"
