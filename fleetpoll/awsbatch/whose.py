"""Which account and Region the calls of a fleet go to: what AWS counts them by."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fleetpoll.awsbatch.api import open_client, open_session
from fleetpoll.awsbatch.failures import named
from fleetpoll.awsbatch.roles import STS
from fleetpoll.errors import SettingsError

if TYPE_CHECKING:
    from fleetpoll.settings import Settings

AWS_HOSTS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")


def place_of(settings: Settings) -> tuple[str, str]:
    """The account's number and the Region: a role's ARN has the number, else STS is asked for it, by one request.

    Raises AccessDenied or Unreachable, and SettingsError where there is nobody to ask.
    """
    with closing(open_client(settings)) as batch:
        region = str(batch.meta.region_name)
        if settings.role_account is not None:
            return settings.role_account, region
        pretended = not of_aws(batch.meta.endpoint_url)
    with named(STS), closing(open_session(settings).client("sts")) as sts:
        if pretended and of_aws(sts.meta.endpoint_url):
            raise SettingsError("Whose calls go to a pretend AWS, AWS itself does not know: set AWS_ENDPOINT_URL_STS.")
        return str(sts.get_caller_identity()["Account"]), region


def of_aws(url: str) -> bool:
    """Whether an endpoint is AWS's own."""
    return (urlsplit(url).hostname or "").endswith(AWS_HOSTS)
