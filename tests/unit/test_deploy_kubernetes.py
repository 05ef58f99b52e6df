"""What the manifests promise: what kustomize makes of them, against Kubernetes' schemas, our code, and each other."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from fleetpoll.dashboard.catalogue import CACHE_KB
from fleetpoll.metrics.families import FAMILIES
from fleetpoll.settings import load
from tests.deploying import AFTER_DRAIN_S, DEPLOY, TMP, VARIABLES, documents, parsed
from tests.prometheus import RULES, promtool

HERE = DEPLOY / "kubernetes"
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((HERE / "kustomization.yaml").read_text())
FILES = sorted(path for path in HERE.rglob("*.yaml") if path.name != "kustomization.yaml")
OBJECTS = [one for path in FILES for one in documents(path)]
DEPLOYMENTS = {one["metadata"]["name"]: one for one in OBJECTS if one["kind"] == "Deployment"}
FOREIGN = {"ScaledObject", "ServiceMonitor"}
"""Kinds that others bring to a cluster: their schemas are not Kubernetes'."""
SETTINGS = load({}, HERE / "fleetpoll.toml")
KUBERNETES = ("1.30", "1.37")
"""The releases whose schemas the manifests must pass, both strictly: no field that they do not know."""
needs_kubectl = pytest.mark.skipif(
    shutil.which("kubectl") is None, reason="kubectl, which has kustomize, is not on this machine"
)


def pod(name: str) -> dict[str, Any]:
    """The pod that a Deployment makes."""
    spec: dict[str, Any] = DEPLOYMENTS[name]["spec"]["template"]["spec"]
    return spec


def container(name: str) -> dict[str, Any]:
    """The one container of that pod."""
    (only,) = pod(name)["containers"]
    assert isinstance(only, dict)
    return only


def built(folder: Path) -> list[dict[str, Any]]:
    """What kustomize makes of a folder."""
    command = ["kubectl", "kustomize", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


@pytest.mark.parametrize("release", KUBERNETES)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_objects_are_what_kubernetes_takes(path: Path, release: str) -> None:
    """Each object passes Kubernetes' own schema, and has no field that it does not know."""
    for one in documents(path):
        if one["kind"] not in FOREIGN:
            kubernetes_validate.validate(one, release, strict=True)


def test_everything_is_in_the_kustomization() -> None:
    """No manifest lies there that nobody applies, but the example of a Secret."""
    listed = {*KUSTOMIZATION["resources"], "secret.example.yaml"}
    assert {path.name for path in HERE.glob("*.yaml")} - {"kustomization.yaml"} == listed
    assert [image["newTag"] for image in KUSTOMIZATION["images"]] == [version("fleetpoll")]


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_pods_can_do_no_more_than_they_need(name: str) -> None:
    """They pass the restricted standard, write nowhere but /tmp, and speak to no API of Kubernetes'."""
    spec, one = pod(name), container(name)
    context = spec["securityContext"]
    assert (context["runAsNonRoot"], context["runAsUser"], context["seccompProfile"]["type"]) == (
        True,
        10001,
        "RuntimeDefault",
    )
    assert one["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    writable = [mount["mountPath"] for mount in one["volumeMounts"] if not mount.get("readOnly")]
    assert writable == [TMP]
    assert {"cpu", "memory"} == one["resources"]["requests"].keys()
    assert one["resources"]["limits"].keys() == {"memory"}


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_selectors_find_their_own(name: str) -> None:
    """A Deployment selects its own pods and nobody else's."""
    spec = DEPLOYMENTS[name]["spec"]
    assert (
        spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"] == DEPLOYMENTS[name]["metadata"]["labels"]
    )
    assert len({tuple(one["spec"]["selector"]["matchLabels"].items()) for one in DEPLOYMENTS.values()}) == len(DEPLOYMENTS)


def selectors() -> Iterator[tuple[str, dict[str, str]]]:
    """The labels by which other objects find pods or Services."""
    for one in OBJECTS:
        spec = one.get("spec", {})
        if one["kind"] == "Service":
            yield f"Service {one['metadata']['name']}", spec["selector"]
        elif one["kind"] in {"PodDisruptionBudget", "ServiceMonitor"}:
            yield one["kind"], spec["selector"]["matchLabels"]
        elif one["kind"] == "NetworkPolicy":
            yield one["metadata"]["name"], spec["podSelector"]["matchLabels"]


@pytest.mark.parametrize(("who", "labels"), list(selectors()), ids=lambda word: word if isinstance(word, str) else "")
def test_who_looks_for_pods_finds_some(who: str, labels: dict[str, str]) -> None:
    """Services, budgets, policies and monitors select pods that there are."""
    pods = [one["spec"]["template"]["metadata"]["labels"] for one in DEPLOYMENTS.values()]
    assert any(labels.items() <= own.items() for own in pods), who


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_commands_and_variables_are_ours(name: str) -> None:
    """Commands and probes parse, every variable is one that the code reads, and what it takes is in the Secret."""
    one = container(name)
    given = parsed(one["args"])
    for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
        if "exec" in one.get(kind, {}):
            program, *words = one[kind]["exec"]["command"]
            assert program == "fleetpoll"
            assert parsed(words)["question"] == ("ready" if kind == "readinessProbe" else "live")
    if "ports" in one:
        assert [port["containerPort"] for port in one["ports"]] == [given["port"]]
    assert {variable["name"] for variable in one["env"]} <= VARIABLES
    (secret,) = [example for example in OBJECTS if example["kind"] == "Secret"]
    wanted = [variable["valueFrom"]["secretKeyRef"] for variable in one["env"] if "valueFrom" in variable]
    assert {(ref["name"], ref["key"]) for ref in wanted} <= {
        (secret["metadata"]["name"], key) for key in secret["stringData"]
    }


def test_workers_get_the_time_to_drain() -> None:
    """They are killed only after the drain's own deadline, and a rollout begins with a new one, never with fewer."""
    assert pod("fleetpoll-worker")["terminationGracePeriodSeconds"] > SETTINGS.drain_timeout + AFTER_DRAIN_S
    assert DEPLOYMENTS["fleetpoll-worker"]["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_the_dashboard_has_room_for_its_index() -> None:
    """What the index of jobs keeps out of memory is on the node's disk; and its one pod knows all sessions."""
    (volume,) = [volume for volume in pod("fleetpoll-dashboard")["volumes"] if volume["name"] == "tmp"]
    assert volume["emptyDir"] == {"sizeLimit": "1Gi"}
    assert DEPLOYMENTS["fleetpoll-dashboard"]["spec"]["replicas"] == 1


def test_probes_are_patient() -> None:
    """Each has the time that a start of Python takes, and no worker is restarted for less than two minutes' silence."""
    one = container("fleetpoll-worker")
    for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert one[kind]["timeoutSeconds"] >= 5
    assert one["livenessProbe"]["periodSeconds"] * one["livenessProbe"]["failureThreshold"] >= 2 * SETTINGS.stuck_after
    assert one["startupProbe"]["periodSeconds"] * one["startupProbe"]["failureThreshold"] >= 60


def test_the_settings_of_the_map_are_those_that_are_read() -> None:
    """fleetpoll.toml loads, is mounted where FLEETPOLL_CONFIG says, and the Redis URL is in no ConfigMap."""
    (generator,) = KUSTOMIZATION["configMapGenerator"]
    assert generator["files"] == ["fleetpoll.toml"]
    assert SETTINGS.redis_url is None
    for name in DEPLOYMENTS:
        (config,) = [variable["value"] for variable in container(name)["env"] if variable["name"] == "FLEETPOLL_CONFIG"]
        (folder,) = [mount["mountPath"] for mount in container(name)["volumeMounts"] if mount["name"] == "settings"]
        assert config == f"{folder}/fleetpoll.toml"
        (volume,) = [volume for volume in pod(name)["volumes"] if volume["name"] == "settings"]
        assert volume["configMap"]["name"] == generator["name"]


@needs_kubectl
def test_kustomize_builds_it() -> None:
    """All of it is in the namespace, with the image's name and the map's put in, and still what Kubernetes takes."""
    objects = built(HERE)
    for one in objects:
        kubernetes_validate.validate(one, KUBERNETES[-1], strict=True)
        assert one["kind"] == "Namespace" or one["metadata"]["namespace"] == "fleetpoll"
    (made,) = [one["metadata"]["name"] for one in objects if one["kind"] == "ConfigMap"]
    assert made.startswith("fleetpoll-")
    for one in objects:
        if one["kind"] == "Deployment":
            spec = one["spec"]["template"]["spec"]
            assert spec["containers"][0]["image"] == f"registry.example.org/fleetpoll:{version('fleetpoll')}"
            assert made in {volume.get("configMap", {}).get("name") for volume in spec["volumes"]}
    assert not any(one["kind"] == "Secret" for one in objects)


@needs_kubectl
@pytest.mark.parametrize(
    ("component", "kind"), [("hpa", "HorizontalPodAutoscaler"), ("keda", "ScaledObject"), ("monitoring", "ServiceMonitor")]
)
def test_components_can_be_added(tmp_path: Path, component: str, kind: str) -> None:
    """An overlay adds a component; who scales the workers has their number to himself."""
    for folder in (HERE, HERE / component):
        shutil.copytree(folder, tmp_path / folder.name, dirs_exist_ok=True)
    overlay = {"resources": [f"../{HERE.name}"], "components": [f"../{component}"]}
    (tmp_path / "overlay").mkdir()
    (tmp_path / "overlay" / "kustomization.yaml").write_text(yaml.safe_dump(overlay))

    objects = built(tmp_path / "overlay")

    (added,) = [one for one in objects if one["kind"] == kind]
    (workers,) = [one for one in objects if one["metadata"]["name"] == "fleetpoll-worker" and one["kind"] == "Deployment"]
    assert ("replicas" in workers["spec"]) is (component == "monitoring")
    if "scaleTargetRef" in added["spec"]:
        assert added["spec"]["scaleTargetRef"]["name"] == workers["metadata"]["name"]
    if kind not in FOREIGN:
        kubernetes_validate.validate(added, KUBERNETES[-1], strict=True)


def test_the_scrape_job_is_the_one_that_alerts_go_by() -> None:
    """A Prometheus Operator names the job by the Service's label, or FleetpollExporterDown would never be silent."""
    (monitor,) = [one for one in OBJECTS if one["kind"] == "ServiceMonitor"]
    found = [one for one in OBJECTS if one["kind"] == "Service" and one["metadata"]["name"] == "fleetpoll-metrics"]
    (job,) = [one["metadata"]["labels"][monitor["spec"]["jobLabel"]] for one in found]
    assert f'up{{job="{job}"}}' in RULES.read_text()


def test_who_shows_the_fleet_has_the_rights_to_read_it() -> None:
    """Dashboard and exporter come as a reader: a worker's user may not read what they show."""
    (secret,) = [one["stringData"] for one in OBJECTS if one["kind"] == "Secret"]
    for name in DEPLOYMENTS:
        (key,) = [
            variable["valueFrom"]["secretKeyRef"]["key"]
            for variable in container(name)["env"]
            if variable["name"] == "FLEETPOLL_REDIS_URL"
        ]
        role = "worker" if name == "fleetpoll-worker" else "reader"
        assert secret[key].startswith(f"rediss://{SETTINGS.fleet}.{role}:")


def test_the_dashboard_has_the_memory_that_its_index_takes() -> None:
    """Its limits, here and under systemd, are above what the index keeps in memory, and what the process itself is."""
    limit = container("fleetpoll-dashboard")["resources"]["limits"]["memory"]
    unit = (DEPLOY / "fleetpoll-dashboard.service").read_text()
    assert int(limit.removesuffix("Mi")) >= CACHE_KB / 1024 + 400
    assert f"MemoryMax={limit.removesuffix('i')}\n" in unit


def test_keda_adds_workers_only_where_the_allowance_is_not_used_up(tmp_path: Path) -> None:
    """Prometheus itself answers the query: all due jobs while calls are to be had, none while due jobs wait for AWS.

    Two exporters do not double them.
    """
    (scaled,) = [one for one in OBJECTS if one["kind"] == "ScaledObject"]
    (trigger,) = scaled["spec"]["triggers"]
    query = trigger["metadata"]["query"]
    assert set(re.findall(r"fleetpoll_\w+", query)) <= {family.name for family in FAMILIES}
    cases = []
    for calls, wanted in ((2, 5000), (10, 0)):
        series = {
            f'fleetpoll_{name},fleet="default",instance="{instance}"}}': values
            for instance in "ab"
            for name, values in (
                ('due_jobs{job="fleetpoll"', "5000x20"),
                ('calls_total{outcome="answered"', f"0+{calls * 15}x20"),
                ('rate_granted{operation="DescribeJobs"', "10x20"),
            )
        }
        expected = [{"labels": '{fleet="default"}', "value": wanted}]
        cases.append(
            {
                "interval": "15s",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": [{"expr": query, "eval_time": "4m", "exp_samples": expected}],
            }
        )
    (tmp_path / "case.yml").write_text(yaml.safe_dump({"tests": cases}))

    promtool("test", "rules", tmp_path / "case.yml")
