"""One account in one Region: its jobs, its allowance, and the witness of what was asked of it.

The clock is injected, so that hours pass in no time in a test. Nothing here waits and nothing here knows HTTP.
"""

from __future__ import annotations

import secrets
import time
import uuid
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import msgspec

from fleetpoll.simulator.config import Disturbance, Fault, Limit, Operation, SimulatorConfig
from fleetpoll.simulator.descriptions import Look, Template
from fleetpoll.simulator.draws import draws
from fleetpoll.simulator.gates import Gate
from fleetpoll.simulator.lifecycle import Life, gather, in_slots, plan_life
from fleetpoll.simulator.mix import Mix, Sort
from fleetpoll.simulator.population import Population
from fleetpoll.simulator.records import SimulatedJob
from fleetpoll.simulator.witness import Witness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

TEMPLATES_KEPT = 1_000
SPREAD_DRAW = -1  # the part of a job's draws that places its birth


class ApiError(Exception):
    """An answer that says no, in AWS's words."""

    def __init__(self, status: int, code: str, message: str, retry_after_ms: int = 0) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after_ms = retry_after_ms


def wall_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class Account:
    """The state of the simulated account."""

    def __init__(self, config: SimulatorConfig, clock: Callable[[], int] = wall_ms, kin: str = "") -> None:
        self.config = config
        self.clock = clock
        self._kin = kin
        self.seed = self.seed_of(config.seed or secrets.randbits(48))
        now_ms = clock()
        self.population = Population(round(config.retention_s * 1000), now_ms)
        self.witness = Witness(now_ms)
        self._gates = {
            operation: Gate(
                config.limits.get(operation, Limit()), config.disturbance(operation), f"{self.seed}/{operation}", now_ms
            )
            for operation in Operation
        }
        self._templates: dict[Look, Template] = {}
        self._born = 0
        self.default_life = Life(
            seed=self.seed,
            min_ms=round(config.life_min_s * 1000),
            max_ms=round(config.life_max_s * 1000),
            fail_share=config.fail_share,
            retry_share=config.retry_share,
        )

    def seed_of(self, given: int) -> int:
        """The account's own seed for a given one: where many accounts are given the same, no two share ids or luck."""
        if not self._kin:
            return given
        return int.from_bytes(blake2b(f"{given}/{self._kin}".encode(), digest_size=6).digest(), "big")

    def turn_away(self, operation: Operation, trouble: Fault) -> None:
        """Count a call whose caller is not let in; it takes no token."""
        calls = self.witness.calls[operation]
        calls.arrive(self.clock())
        calls.faults[trouble] += 1

    def admit(self, operation: Operation) -> int:
        """Count a call and take its token, or refuse it. Returns the moment of arrival."""
        now_ms = self.clock()
        calls, gate = self.witness.calls[operation], self._gates[operation]
        calls.arrive(now_ms)
        if not gate.admit(calls, now_ms):
            calls.throttle(now_ms)
            raise ApiError(429, "TooManyRequestsException", "Too Many Requests", gate.disturbance.retry_after_ms)
        return now_ms

    def fault(self, operation: Operation) -> Fault | None:
        """What becomes of a call that was admitted, counted; None: a good answer."""
        fault = self._gates[operation].fault()
        if fault is not None:
            self.witness.calls[operation].faults[fault] += 1
        return fault

    def limit(self, operation: Operation, limit: Limit) -> None:
        """Change an operation's allowance from now on."""
        self._gates[operation].change(limit, self.witness.calls[operation], self.clock())

    def limits(self) -> dict[str, Limit]:
        """The allowance of each operation."""
        return {operation: gate.limit for operation, gate in self._gates.items()}

    def disturb(self, operation: Operation, **changes: Any) -> None:
        """Change what disturbs an operation from now on; what is not named stays."""
        gate = self._gates[operation]
        disturbance = msgspec.structs.replace(gate.disturbance, **changes)
        gate.disturb(disturbance, self.witness.calls[operation], self.clock())

    def disturbances(self) -> dict[str, Disturbance]:
        """What disturbs each operation."""
        return {operation: gate.disturbance for operation, gate in self._gates.items()}

    def look(self, **fields: Any) -> Look:
        """What jobs of this account look like."""
        return Look(region=self.config.region, account_id=self.config.account_id, **fields)

    def create(self, name: str, look: Look, life: Life, spread_ms: int = 0) -> SimulatedJob:
        """A job is born; with a spread it was born up to that long ago, but not so long that it is over."""
        return self.create_of(name, Mix([Sort(look, life)], [1.0]), spread_ms)

    def create_of(self, name: str, mix: Mix, spread_ms: int = 0, *, met: bool = False) -> SimulatedJob:
        """A job of a mix is born, or one is met that has long been living: at any moment of its life alike."""
        now_ms, job_id = self.clock(), self._new_id(mix.seed)
        sort = mix.sort_of(job_id, met=met)
        plan = plan_life(sort.life, job_id, met=met)
        oldest_ms = plan.ends_ms[-1] if met else min(spread_ms, plan.ends_ms[-1])
        age_ms = int(draws(mix.seed, job_id, SPREAD_DRAW)[0] * oldest_ms) if oldest_ms else 0
        job = SimulatedJob(job_id, name, self._template(sort.look), now_ms - age_ms, plan, self._born, met_ms=now_ms)
        self.population.add(job, now_ms)
        return job

    def create_array(self, name: str, look: Look, life: Life, size: int) -> SimulatedJob:
        """An array job is born: a parent and its children, of which at most `array_slots` run side by side."""
        now_ms = self.clock()
        parent_id, template = self._new_id(life.seed), self._template(look)
        ids = [f"{parent_id}:{index}" for index in range(size)]
        plans = [plan_life(life, child_id) for child_id in ids]
        if self.config.array_slots:
            plans = in_slots(plans, self.config.array_slots)
        parent = SimulatedJob(parent_id, name, template, now_ms, gather(plans), self._born, met_ms=now_ms)
        for index, (child_id, plan) in enumerate(zip(ids, plans, strict=True)):
            self._born += 1
            child = SimulatedJob(child_id, name, template, now_ms, plan, self._born, parent, index, met_ms=now_ms)
            parent.children.append(child)
        for job in (parent, *parent.children):
            self.population.add(job, now_ms)
        return parent

    def create_nodes(self, name: str, look: Look, life: Life, nodes: int) -> SimulatedJob:
        """A multi-node parallel job is born: it and its nodes live and end together."""
        whole = self.create(name, look, life)
        whole.nodes, now_ms = nodes, whole.met_ms
        for index in range(nodes):
            self._born += 1
            node_id = f"{whole.job_id}#{index}"
            node = SimulatedJob(
                node_id,
                name,
                whole.template,
                now_ms,
                whole.plan,
                self._born,
                index=index,
                nodes=nodes,
                node_of=whole,
                met_ms=now_ms,
            )
            whole.parts.append(node)
            self.population.add(node, now_ms)
        return whole

    def visible(self, ids: Iterable[str], now_ms: int) -> list[SimulatedJob]:
        """The jobs with these ids that describe and list show by now, in that order."""
        self.population.advance(now_ms)  # once for all of them: this is the hottest path
        jobs, born_by_ms = self.population.jobs, now_ms - self.config.invisible_s * 1000
        return [job for job_id in ids if (job := jobs.get(job_id)) is not None and job.created_ms <= born_by_ms]

    def stats(self) -> dict[str, Any]:
        """The witness's figures; how many jobs live, and how many of them nobody asked for; which ends nobody knows of."""
        now_ms = self.clock()
        self._let_others_call(now_ms)
        live_mean = self.population.live_mean(now_ms)
        witness, living = self.witness, self.population.living
        return witness.report(now_ms) | {
            "account_id": self.config.account_id,
            "region": self.config.region,
            "undetected": witness.shown.undetected(self.population.ended_since(witness.since_ms), now_ms),
            "live": len(living),
            "live_mean": live_mean,
            "live_unasked": witness.asked.unasked(living),
            "jobs": len(self.population.jobs),
            "seed": self.seed,
        }

    def restart_stats(self) -> None:
        """Begin a new measuring window."""
        now_ms = self.clock()
        self._let_others_call(now_ms)
        self.witness.restart(now_ms)
        self.population.restart(now_ms)

    def _let_others_call(self, now_ms: int) -> None:
        for operation, gate in self._gates.items():
            gate.catch_up(self.witness.calls[operation], now_ms)

    def _new_id(self, seed: int) -> str:
        self._born += 1
        digest = blake2b(f"{seed}/{self._born}".encode(), digest_size=16).digest()
        return str(uuid.UUID(bytes=digest, version=4))

    def _template(self, look: Look) -> Template:
        if look not in self._templates:
            if len(self._templates) >= TEMPLATES_KEPT:
                self._templates.clear()
            self._templates[look] = Template(look)
        return self._templates[look]
