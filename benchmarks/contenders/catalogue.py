"""All contenders by name: what each is, which program it runs, and from which packages."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from benchmarks.contenders.environments import versions
from benchmarks.contenders.running import Running, fleet, peers
from benchmarks.rig import Rig

SWEEP = "benchmarks.contenders.sweep"
JOBS_OF_A_RUN = 1000
"""The most jobs that Nextflow watches in one run by default, hence in one head process."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to poll. `words` are the module and its arguments; without any it is fleetpoll itself."""

    name: str
    label: str
    about: str
    words: tuple[str, ...] = ()
    packages: tuple[str, ...] = ("boto3",)
    environment: str = ""
    jobs_each: int | None = None  # None: as many processes as the case says, else one for so many jobs
    knows_rate: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)  # of fleetpoll, where it is to differ from the case's

    def start(self, rig: Rig, processes: int, jobs: int) -> AbstractContextManager[Running]:
        """Start its processes on a rig; they wait for `go`."""
        if not self.words:
            return fleet(rig)
        count = processes if self.jobs_each is None else -(-jobs // self.jobs_each)
        shared = ("--redis", rig.url, "--rate", repr(rig.settings.rate)) if self.knows_rate else ()
        return peers(rig, (*self.words, *shared), count, self.environment)

    def versions(self) -> dict[str, str]:
        """The packages that matter, as installed for it."""
        return versions(self.environment, self.packages)


def sweeper(name: str, label: str, about: str, *, retries: str, gate: str, packages: tuple[str, ...] = ()) -> Contender:
    """A contender that sweeps in hundreds."""
    words = (SWEEP, "--retries", retries, "--gate", gate)
    return Contender(name, label, about, words, ("boto3", *packages), knows_rate=True)


def cadenced(cadence: str, label: str, about: str) -> Contender:
    """Our own workers, with one of their cadences."""
    return Contender(cadence, label, about, packages=FLEETPOLL_PACKAGES, settings={"cadence": cadence})


FLEETPOLL_PACKAGES = ("boto3", "redis", "hiredis", "pyrate-limiter", "msgspec")
SHARED = "the same sweeps; before each call the processes pass {} on the shared Redis, at the limit"
CONTENDERS = {
    contender.name: contender
    for contender in (
        Contender(
            "fleetpoll",
            "**fleetpoll**",
            "its workers under one supervisor",
            packages=FLEETPOLL_PACKAGES,
        ),
        sweeper(
            "boto3-adaptive",
            "boto3, adaptive retries",
            "processes that sweep their share of the jobs in hundreds without a pause, in the SDK's adaptive retry mode",
            retries="adaptive",
            gate="free",
        ),
        sweeper(
            "boto3-standard",
            "boto3, standard retries",
            "the same sweeps in the SDK's standard retry mode",
            retries="standard",
            gate="free",
        ),
        sweeper(
            "pyrate-redis",
            "pyrate-limiter RedisBucket",
            SHARED.format("pyrate-limiter's stock RedisBucket"),
            retries="standard",
            gate="pyrate-log",
            packages=("pyrate-limiter", "redis"),
        ),
        sweeper(
            "limits-redis",
            "limits, moving window",
            SHARED.format("the moving window of limits"),
            retries="standard",
            gate="limits-moving",
            packages=("limits", "redis"),
        ),
        Contender(
            "airflow-hook",
            "Airflow's BatchClientHook",
            "`poll_for_job_complete` for each job: in Airflow a task process each, here a thread each in four processes",
            ("benchmarks.contenders.hook",),
            ("apache-airflow-providers-amazon", "apache-airflow-core", "boto3"),
            environment="airflow",
        ),
        Contender(
            "waiters",
            "botocore waiters",
            "a JobComplete waiter for each job, a thread each in four processes, with the 30 s delay of Airflow's trigger",
            ("benchmarks.contenders.waiters",),
        ),
        Contender(
            "nextflow-like",
            "re-created: Nextflow's limiter",
            "a re-creation of Nextflow's polling after its source, one head process for each thousand jobs",
            ("benchmarks.contenders.nextflow",),
            jobs_each=JOBS_OF_A_RUN,
        ),
        cadenced("learned", "**fleetpoll, learned**", "it plans its looks by how long jobs of the definition have taken"),
        cadenced("elastic", "fleetpoll, elastic", "it plans its looks by age and allowance alone"),
        cadenced("even", "fleetpoll, even", "it looks at all jobs equally often"),
    )
}
