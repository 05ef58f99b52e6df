"""The way to AWS: whose credentials are found, what they are good for, and what AWS makes of the fleet's calls."""

from __future__ import annotations

import time
from collections.abc import Iterator

from fleetpoll.awsbatch.purse import Purse, purse_of
from fleetpoll.awsbatch.whose import place_of
from fleetpoll.awsbatch.words import advice
from fleetpoll.client.calls import open_calls
from fleetpoll.client.checkup.finding import Finding, Grade, graded
from fleetpoll.client.fleet import Fleet
from fleetpoll.client.status import FleetStatus
from fleetpoll.errors import AwsError, RedisDenied, SettingsError, Throttled, TokenRefused
from fleetpoll.figures import Point
from fleetpoll.jobs import NO_JOB
from fleetpoll.settings import Settings
from fleetpoll.text import span

EXPIRES_SOON_S = 900.0
TOKEN_WAIT_S = 5.0
"""Who examines a fleet whose rate is low does not wait with it."""
FOREIGN = 0.5
"""AWS's limit below this share of `rate` is not the account's own: others spend from it, or `rate` is a wish."""
THROTTLED_SHARE, FEW = 0.02, 20
"""Throttled calls from this share, and number, on are more than the search for the limit costs."""


def check_calls(fleet: Fleet) -> Iterator[Finding]:
    """Credentials, whose they are, and one call. STS is asked, whose calls AWS Batch does not count."""
    try:
        yield check_credentials(purse_of(fleet.settings), time.time())
        yield from check_place(fleet.settings)
    except (AwsError, SettingsError):  # the call says it better, and says what to do
        pass
    yield check_call(fleet)


def check_credentials(purse: Purse | None, now_s: float) -> Finding:
    """What was found, and for how long it is good."""
    if purse is None:
        found = "none: neither a role, a profile, variables nor a file"
        return Finding("credentials", Grade.FAIL, found, advice("denied", "NoCredentialsError", ""))
    found = f"from {purse.source}"
    if purse.expires_s is not None:
        left_s = purse.expires_s - now_s
        found += f", good for {span(max(0.0, left_s))}" if left_s > 0 else ", expired"
        soon = left_s < EXPIRES_SOON_S and not purse.renewed
        renewal = "" if not purse.renewed else ", then renewed"
        grade = Grade.FAIL if left_s <= 0 else Grade.WARN
        return graded("credentials", soon, found + renewal, "Renew them; the workers find new ones by themselves.", grade)
    fading = purse.temporary and not purse.renewed
    found += ", temporary: nobody knows for how long" if fading else ""
    return graded("credentials", fading, found, "Give long-lived workers a role or a profile that renews itself.")


def check_place(settings: Settings) -> Iterator[Finding]:
    """The account and the Region, unless the calls go to a pretend AWS, of which AWS itself knows nothing."""
    try:
        account, region = place_of(settings)
    except SettingsError:
        return
    yield Finding("account", Grade.OK, f"{account} in {region}")


def check_call(fleet: Fleet) -> Finding:
    """Credentials, Region, permission and network, by one DescribeJobs call for a job that is none, tried once."""
    if fleet.bucket().view().paused:
        return Finding("aws", Grade.WARN, "not asked: the budget is paused", "fleetpoll budget resume ends it.")
    try:
        calls = open_calls(fleet, tries=1, token_wait_s=TOKEN_WAIT_S)
        calls.describe([NO_JOB])
    except RedisDenied as denial:
        return Finding(
            "aws", Grade.WARN, f"not asked: {denial}", "Ask as a client, for a call takes one of the fleet's tokens."
        )
    except TokenRefused:
        found = f"not asked: no token within {TOKEN_WAIT_S:g} s"
        return Finding(
            "aws", Grade.WARN, found, "The workers use all there are, or the rate is very low: see budget, throttles."
        )
    except Throttled as throttle:  # whoever is throttled has been let in
        return Finding(
            "aws", Grade.WARN, str(throttle), "Workers try again by themselves; throttles says how often that is."
        )
    except (AwsError, SettingsError) as error:
        what = advice(error.kind, error.code, str(error)) if isinstance(error, AwsError) else ""
        return Finding("aws", Grade.FAIL, str(error), what or "Check credentials, Region and the endpoint.")
    return Finding("aws", Grade.OK, f"DescribeJobs answers in {calls.took_s:.2f} s")


def check_throttles(seen: FleetStatus, recent: Point | None) -> Finding:
    """What AWS makes of the fleet's rate: where its limit is, how often that was met, and whether others spend from it."""
    bucket, totals = seen.bucket, seen.totals
    share = totals.throttled / totals.calls if totals.calls else 0.0
    if recent is not None and recent.calls_per_s:
        share, when = min(1.0, recent.throttled_per_s / recent.calls_per_s), "of the last ten minutes' calls"
    else:
        when = f"of {totals.calls:,} calls"
    met = "limit never met" if bucket.limit is None else f"limit last met at {bucket.limit:.4g}/s"
    found = f"{share:.2%} {when} throttled, {met}, {bucket.cuts:,} cuts"
    if bucket.limit is not None and bucket.limit < FOREIGN * bucket.configured:
        others = f"That is far below rate ({bucket.configured:g}): others of this account call AWS, or it grants no more."
        advice = f"{others} CloudTrail names who calls DescribeJobs: let them ask the fleet, or set rate to what is left."
        return Finding("throttles", Grade.WARN, found, advice)
    advice = "Others call AWS with this allowance, or rate is above AWS's limit: lower rate to where the limit is met."
    return graded("throttles", share > THROTTLED_SHARE and totals.throttled >= FEW, found, advice)
