"""What Airflow sees of us before it runs anything."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module, resources

import jsonschema
import pytest
from airflow.providers_manager import ProvidersManager
from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

from fleetpoll import airflow
from fleetpoll.airflow.connection import FleetpollHook
from fleetpoll.airflow.provider import get_provider_info


def test_the_provider_fits_airflows_schema() -> None:
    """Airflow refuses to start with a provider that does not."""
    schema = json.loads((resources.files("airflow") / "provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)


def test_reading_the_provider_loads_neither_airflow_nor_boto() -> None:
    """Airflow reads it while it is being loaded itself, in every process."""
    code = (
        "import sys, fleetpoll.airflow.provider as p; p.get_provider_info();"
        "print(sorted({'airflow', 'boto3', 'redis', 'msgspec'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"


def test_airflow_lists_us() -> None:
    """With our connection type, whose hook can be loaded."""
    assert ProvidersManager().providers["fleetpoll"].data["name"] == "fleetpoll"
    hook = ProvidersManagerTaskRuntime().hooks["fleetpoll"]
    assert hook is not None
    assert hook.hook_class_name.endswith(FleetpollHook.__name__)


def test_the_package_has_all_that_dags_import() -> None:
    """By the names that are listed, and by no others."""
    assert all(getattr(airflow, name).__name__.endswith(name.removeprefix("Aws")) for name in airflow.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'BatchJob'"):
        _ = airflow.BatchJob


@pytest.mark.parametrize("kind", ["hooks", "operators", "sensors", "triggers"])
def test_each_module_that_is_listed_can_be_loaded(kind: str) -> None:
    """No name in the list is a slip of the pen."""
    (group,) = get_provider_info()[kind]
    for name in group["python-modules"]:
        assert import_module(name).__doc__
