"""The environment of processes that talk to a simulator: nothing in it can reach the real AWS by mistake."""

from __future__ import annotations

import os

from fleetpoll.simulator.credentials import LONG_TERM

NO_AWS = {
    "AWS_ACCESS_KEY_ID": "simulated",
    "AWS_SECRET_ACCESS_KEY": "simulated",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


def in_account(account_id: str, region: str) -> dict[str, str]:
    """The environment of those who call from an account and Region of their own."""
    return NO_AWS | {"AWS_ACCESS_KEY_ID": LONG_TERM + account_id, "AWS_DEFAULT_REGION": region}
