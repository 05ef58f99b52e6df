"""What Airflow reads of us before anything else: which connection type, hooks, operators, sensors and triggers there are.

Airflow loads this in every process and at every start, so it must not import Airflow, nor fail.
"""

from __future__ import annotations

from typing import Any

NAME = "fleetpoll"
CONNECTION_TYPE = "fleetpoll"

FIELDS = {
    "hidden-fields": [],
    "relabeling": {"host": "Redis host", "port": "Redis port", "login": "Redis user", "schema": "Fleet"},
    "placeholders": {
        "host": "redis.internal",
        "port": "6379",
        "schema": "default",
        "extra": '{"tls": true, "db": 0, "region": "eu-west-1"}',
    },
}


def get_provider_info() -> dict[str, Any]:
    """The provider, in the form of Airflow's provider_info.schema.json."""
    return {
        "package-name": "fleetpoll",
        "name": NAME,
        "description": "One fleet of workers polls AWS Batch for all tasks, on one shared API allowance.",
        "integrations": [{"integration-name": NAME, "tags": ["service"]}],
        "hooks": [_modules("hooks", "connection")],
        "operators": [_modules("operators")],
        "sensors": [_modules("sensors")],
        "triggers": [_modules("triggers")],
        "connection-types": [
            {
                "connection-type": CONNECTION_TYPE,
                "hook-class-name": "fleetpoll.airflow.connection.FleetpollHook",
                "hook-name": NAME,
                "ui-field-behaviour": FIELDS,
            }
        ],
    }


def _modules(*names: str) -> dict[str, Any]:
    return {"integration-name": NAME, "python-modules": [f"fleetpoll.airflow.{name}" for name in names]}
