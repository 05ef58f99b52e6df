"""The control endpoints under /_simulator/: what tests, demos and benchmarks may do that AWS would never let them.

They take no tokens and the witness does not count them. Long ones let other requests pass in between. `?account=…&region=…`
is whom they concern: without it the default account, except for those that concern all.
"""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, parse_qsl

import msgspec

from fleetpoll.errors import SettingsError
from fleetpoll.lifetimes.kinds import Kind
from fleetpoll.simulator.config import Fault, Limit, Operation
from fleetpoll.simulator.descriptions import revised
from fleetpoll.simulator.mix import Mix, Sort
from fleetpoll.simulator.wire import Response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fleetpoll.simulator.account import Account
    from fleetpoll.simulator.accounts import Accounts
    from fleetpoll.simulator.lifecycle import Life
    from fleetpoll.simulator.wire import Request

PREFIX = "/_simulator/"
STRIDE = 500  # jobs between two chances for other requests: 10 to 20 ms


class Populate(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The jobs to create; what is not given is as the simulator was configured.

    `kinds` have definitions and lives of their own. `spread_s` has new jobs born up to that long ago; `steady` has them met
    at any moment of their lives, as in a fleet that has long been running: replace what ends, and nothing changes.
    """

    count: int
    kinds: list[Kind] = []
    steady: bool = False
    life_min_s: float | None = None
    life_max_s: float | None = None
    fail_share: float | None = None
    retry_share: float | None = None
    seed: int | None = None
    attempts: int = 3
    spread_s: float = 0.0
    job_name: str = "simulated"
    job_queue: str = "fleet"
    job_definition: str = "step:1"

    def __post_init__(self) -> None:
        """Refuse to be told the same thing twice."""
        if self.steady and self.spread_s:
            raise SettingsError("steady places jobs in their lives by itself: give no spread_s with it")
        if self.kinds and not (self.life_min_s is None and self.life_max_s is None):
            raise SettingsError("kinds have lives of their own: give no life_min_s and life_max_s with them")


class Truth(msgspec.Struct, forbid_unknown_fields=True):
    """The jobs whose truth is asked for; all, if none are named."""

    ids: list[str] | None = None


class NewLimit(msgspec.Struct, forbid_unknown_fields=True):
    """An operation's new allowance."""

    operation: Operation
    rate: float
    burst: float = 1.0


class Disturb(msgspec.Struct, forbid_unknown_fields=True):
    """What disturbs an operation from now on; what is not given stays."""

    operation: Operation
    reject_share: float | None = None
    tenant_rate: float | None = None
    retry_after_ms: int | None = None
    faults: dict[Fault, float] | None = None


async def stats_of_all(accounts: Accounts) -> Any:
    """What was seen in each account that was met, the default one first."""
    return [account.stats() for account in accounts]


async def reset_all(accounts: Accounts) -> Any:
    """Begin a new measuring window in each account that was met."""
    for account in accounts:
        account.restart_stats()
    return {}


async def populate(account: Account, request: Request) -> Any:
    """Create jobs; answers their ids."""
    order = msgspec.json.decode(request.body, type=Populate)
    mix, spread_ms = mix_of(account, order), round(order.spread_s * 1000)
    ids = []
    for number in range(order.count):
        if number % STRIDE == STRIDE - 1:
            await asyncio.sleep(0)
        ids.append(account.create_of(f"{order.job_name}-{number}", mix, spread_ms, met=order.steady).job_id)
    gc.freeze()  # jobs stay: spare the collector from walking all of them while calls wait
    return ids


def mix_of(account: Account, order: Populate) -> Mix:
    """What the jobs of an order are drawn from."""
    base, attempts = account.default_life, order.attempts
    life = msgspec.structs.replace(
        base,
        seed=base.seed if order.seed is None else account.seed_of(order.seed),
        fail_share=base.fail_share if order.fail_share is None else order.fail_share,
        retry_share=base.retry_share if order.retry_share is None else order.retry_share,
        attempts=attempts,
    )
    if not order.kinds:
        look = account.look(job_queue=order.job_queue, job_definition=revised(order.job_definition), attempts=attempts)
        return Mix([Sort(look, of_length(life, order.life_min_s, order.life_max_s))], [1.0])
    sorts = [
        Sort(
            account.look(job_queue=kind.job_queue, job_definition=revised(kind.job_definition), attempts=attempts),
            msgspec.structs.replace(life, stages=kind),
        )
        for kind in order.kinds
    ]
    return Mix(sorts, [kind.share for kind in order.kinds])


def of_length(life: Life, min_s: float | None, max_s: float | None) -> Life:
    """Lives within these bounds; without an upper one it is the old one, if that is not below the lower one."""
    min_ms = life.min_ms if min_s is None else round(min_s * 1000)
    max_ms = max(min_ms, life.max_ms) if max_s is None else round(max_s * 1000)
    return msgspec.structs.replace(life, min_ms=min_ms, max_ms=max_ms)


async def truth(account: Account, request: Request) -> Any:
    """The true status of jobs now, and when they stopped (0 if they did not): {id: [status, stopped_ms]}."""
    if request.method == "GET":
        named = parse_qs(request.query).get("ids")
        ids = named[0].split(",") if named else None
    else:
        ids = msgspec.json.decode(request.body or b"{}", type=Truth).ids
    truths = {}
    now_ms = account.clock()
    account.population.advance(now_ms)
    for number, job_id in enumerate(list(account.population.jobs) if ids is None else ids):
        if number % STRIDE == STRIDE - 1:
            await asyncio.sleep(0)
        job = account.population.jobs.get(job_id)
        if job is not None:
            stopped_ms = job.stopped_ms if job.stopped_ms <= now_ms else 0
            truths[job_id] = (job.status(now_ms), stopped_ms)
    return truths


async def live(account: Account, _: Request) -> Any:
    """How many jobs have not ended."""
    account.population.advance(account.clock())
    return len(account.population.living)


async def stats(account: Account, _: Request) -> Any:
    """What the witness saw in this window."""
    return account.stats()


async def reset_stats(account: Account, _: Request) -> Any:
    """Begin a new measuring window."""
    account.restart_stats()
    return {}


async def limits(account: Account, request: Request) -> Any:
    """Show the limits, after changing one if the request is a POST."""
    if request.method == "POST":
        order = msgspec.json.decode(request.body, type=NewLimit)
        account.limit(order.operation, Limit(order.rate, order.burst))
    return account.limits()


async def disturb(account: Account, request: Request) -> Any:
    """Show what disturbs the operations, after changing that of one if the request is a POST."""
    if request.method == "POST":
        order = msgspec.structs.asdict(msgspec.json.decode(request.body, type=Disturb))
        account.disturb(**{name: value for name, value in order.items() if value is not None})
    return account.disturbances()


ORDERS: dict[tuple[str, str], Callable[[Account, Request], Awaitable[Any]]] = {
    ("POST", "populate"): populate,
    ("GET", "truth"): truth,
    ("POST", "truth"): truth,
    ("GET", "live"): live,
    ("GET", "stats"): stats,
    ("POST", "reset-stats"): reset_stats,
    ("GET", "limits"): limits,
    ("POST", "limits"): limits,
    ("GET", "disturb"): disturb,
    ("POST", "disturb"): disturb,
}


FOR_ALL: dict[tuple[str, str], Callable[[Accounts], Awaitable[Any]]] = {
    ("GET", "accounts"): stats_of_all,
    ("POST", "accounts/reset-stats"): reset_all,
}


async def obey(accounts: Accounts, request: Request) -> Response:
    """Carry out a control request; a wrong one is answered with a sentence and 400, an unknown one with 404."""
    words = request.method, request.path.removeprefix(PREFIX)
    try:
        if words in FOR_ALL:
            return Response(msgspec.json.encode(await FOR_ALL[words](accounts)))
        if words in ORDERS:
            place = dict(parse_qsl(request.query))
            account = accounts.named(place.get("account", ""), place.get("region", ""))
            return Response(msgspec.json.encode(await ORDERS[words](account, request)))
        return Response(msgspec.json.encode({"message": f"no such order: {request.method} {request.path}"}), 404)
    except (msgspec.DecodeError, SettingsError) as error:
        return Response(msgspec.json.encode({"message": str(error)}), 400)
