"""A whole Airflow on this machine: api-server, scheduler with LocalExecutor, dag-processor and triggerer, on SQLite."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from threading import Event
from typing import Any

from benchmarks.rig import wait_until

DAGS = Path(__file__).parent / "dags"
AIRFLOW = (sys.executable, "-c", "import fleetpoll.airflow.operators; from airflow.__main__ import main; main()")
"""The command `airflow`, with our modules loaded already: tasks are forks of the scheduler, and need not load them again."""
PAUSE_S = 0.5
START_S = 120.0
LEAVE_S = 15.0
COMPONENTS = ("api-server", "dag-processor", "scheduler", "triggerer")


@dataclass
class Stack:
    """A running Airflow."""

    home: Path
    env: dict[str, str]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _token: str | None = None
    _pause: Event = field(default_factory=Event)

    def run(self, *words: str) -> str:
        """What a command of Airflow's prints."""
        command = [*AIRFLOW, *words]
        return subprocess.run(command, env=self.env, check=True, capture_output=True, text=True, timeout=START_S).stdout

    def api(self, method: str, path: str, body: object = None) -> Any:
        """What a call of Airflow's REST API answers; who asks is an admin."""
        connection = HTTPConnection("127.0.0.1", int(self.env["AIRFLOW__API__PORT"]), timeout=START_S)
        with closing(connection):
            if self._token is None and path != "/auth/token":
                self._token = self.api("GET", "/auth/token")["access_token"]
            head = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
            connection.request(method, path, json.dumps(body), head)
            return json.loads(connection.getresponse().read())

    def answers(self) -> bool:
        """Whether the API server is there."""
        try:
            return bool(self.api("GET", "/auth/token"))
        except OSError:
            return False

    def trigger(self, dag_id: str) -> str:
        """Begin a run of a DAG; returns its id."""
        run = self.api("POST", f"/api/v2/dags/{dag_id}/dagRuns", {"logical_date": None})
        return str(run["dag_run_id"])

    def start(self, component: str) -> None:
        """Start a component, in a process group of its own."""
        with (self.home / f"{component}.log").open("ab") as log:
            self.processes[component] = subprocess.Popen(
                [*AIRFLOW, component], env=self.env, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self, component: str) -> None:
        """SIGKILL a component with all its children."""
        process = self.processes.pop(component)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        """End everything: politely, then not."""
        for process in self.processes.values():
            os.killpg(process.pid, signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(LEAVE_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of the metadata database."""
        with closing(sqlite3.connect(f"file:{self.home / 'airflow.db'}?mode=ro", uri=True, timeout=30)) as database:
            return database.execute(query, values).fetchall()

    def states(self, dag_id: str) -> Counter[str]:
        """How many task instances of a DAG are in each state."""
        return Counter(state for (state,) in self.rows("select state from task_instance where dag_id = ?", dag_id))

    def triggered(self, dag_id: str) -> bool:
        """Whether a trigger of the DAG's has begun to run."""
        logs = (self.home / "logs" / f"dag_id={dag_id}").rglob("*.trigger.*")
        return any(" starting" in log.read_text() for log in logs)

    def await_dag(self, dag_id: str) -> None:
        """Wait until the DAG can be triggered."""
        query = "select 1 from serialized_dag where dag_id = ?"
        self.wait(lambda: bool(self.rows(query, dag_id)), START_S, f"DAG {dag_id} parsed")

    def wait(self, condition: Callable[[], bool], timeout_s: float, what: str) -> None:
        """Wait until something holds; each look costs a query."""
        wait_until(lambda: condition() or self._pause.wait(PAUSE_S) or condition(), timeout_s, what)

    def words(self) -> str:
        """The last words of all components, and all logs of tasks with an error in them."""
        logs = {path.name: path.read_text(errors="replace")[-3000:] for path in self.home.glob("*.log")}
        return "\n".join(f"== {name}\n{text}" for name, text in logs.items())


@contextmanager
def stack(home: Path, env: Mapping[str, str]) -> Iterator[Stack]:
    """An Airflow with the DAGs of tests/airflow/dags, for as long as the block lasts; `env` is what its processes find."""
    api, workers_log, triggerer_log = free_ports(3)
    settings = {
        "CORE__DAGS_FOLDER": DAGS,
        "CORE__LOAD_EXAMPLES": False,
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": 4,
        "CORE__MAX_ACTIVE_TASKS_PER_DAG": 1000,
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": False,
        "CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{api}/execution/",
        "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": True,
        "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "API__HOST": "127.0.0.1",
        "API__PORT": api,
        "API__SECRET_KEY": secrets.token_hex(16),
        "API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "LOGGING__WORKER_LOG_SERVER_PORT": workers_log,
        "LOGGING__TRIGGER_LOG_SERVER_PORT": triggerer_log,
        "TRIGGERER__JOB_HEARTBEAT_SEC": 1,
        "TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": 6,
        "SCHEDULER__ENABLE_HEALTH_CHECK": False,
    }
    given = {f"AIRFLOW__{name}": str(value) for name, value in settings.items()}
    running = Stack(home, {**env, **given, "AIRFLOW_HOME": str(home), "PYTHONWARNINGS": "ignore"})
    running.run("db", "migrate")
    with ExitStack() as ending:
        ending.callback(running.stop)
        for component in COMPONENTS:
            running.start(component)
        running.wait(running.answers, START_S, "the API server")
        yield running


def free_ports(count: int) -> list[int]:
    """Some TCP ports that nobody listens on."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
