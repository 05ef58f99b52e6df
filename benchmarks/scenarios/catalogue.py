"""All scenarios by name."""

from __future__ import annotations

from benchmarks import crowded, dashboard, following, look, relaying, settling, sharing, starting, waiting, wire
from benchmarks.contenders.catalogue import CONTENDERS
from benchmarks.million import measuring as million
from benchmarks.scenarios.cases import Case, Phase
from benchmarks.scenarios.learning import LEARNING
from benchmarks.scenarios.measuring import measure
from benchmarks.scenarios.scenario import Scenario

FLEET = ("fleetpoll",)
SDK = ("fleetpoll", "boto3-adaptive", "boto3-standard")
SCALE = ("fleetpoll", "boto3-adaptive")
HEADLINE = ("fleetpoll", "boto3-adaptive", "boto3-standard", "pyrate-redis", "limits-redis", "airflow-hook")
EVERYBODY = (*HEADLINE, "waiters", "nextflow-like")
SMOKE = ("fleetpoll", "boto3-adaptive", "pyrate-redis")

LAGS = ("lag_mean_s", "lag_p50_s", "lag_p99_s", "lag_over_bound", "undetected")
COSTS = ("calls_per_completion", "cpu_s_per_1000_looks")


def known(live: int, contenders: tuple[str, ...], sweeps: tuple[float, float] = (10, 50), kind: str = "jobs") -> Case:
    """10 calls/s, and everybody who can be told so is. Lives are so many sweeps, at least 60…300 s."""
    limit = 10.0
    sweep_s = live / (100 * limit)
    return Case(
        name=f"{live:,} {kind}",
        contenders=contenders,
        phases=(Phase("warm", max(20, 1.5 * sweep_s), shown=False), Phase("steady", max(60, min(200, 24 * sweep_s)))),
        live=live,
        limit=limit,
        rate=limit,
        life_s=(max(60, sweeps[0] * sweep_s), max(300, sweeps[1] * sweep_s)),
    )


HEADLINE_LIVE = 5000
KNOWN = (
    known(500, SCALE),
    known(HEADLINE_LIVE, EVERYBODY),
    known(20_000, SCALE),
    known(50_000, SCALE),
    known(50_000, FLEET, (2, 10), "short-lived jobs"),
)
HOOK = Case(
    name="cold start",
    contenders=("fleetpoll", "airflow-hook", "waiters"),
    phases=(Phase("cold", 90),),
    live=1000,
    limit=10,
    rate=10,
    replaced=False,
)
UNKNOWN = Case(
    name="limit unknown",
    contenders=SDK,
    phases=(Phase("cold", 60, shown=False), Phase("steady", 60)),
    live=5000,
    limit=20,
    rate=100,
)
HALVINGS = (
    Phase("cold", 40, shown=False),
    Phase("20/s", 60),
    Phase("10/s", 90, limit=10),
    Phase("20/s again", 90, limit=20),
)
HALVED = Case(name="no noise", contenders=SDK, phases=HALVINGS, live=5000, limit=20, rate=100)
NOISE = Case(
    name="0.5 % stray refusals", contenders=SCALE, phases=HALVINGS, live=5000, limit=20, rate=100, reject_share=0.005
)
STEADY = (Phase("warm", 20, shown=False), Phase("steady", 60))
PROCESSES = tuple(
    Case(
        name=f"{count} process{'es' if count > 1 else ''}",
        contenders=SCALE,
        phases=STEADY,
        live=5000,
        limit=10,
        rate=10,
        processes=count,
    )
    for count in (1, 2, 4, 8, 16)
)
TENANTS = Case(
    name="other tenants",
    contenders=SDK,
    phases=(Phase("cold", 60, shown=False), Phase("steady", 60)),
    live=5000,
    limit=20,
    rate=20,
    tenant_rate=10,
)
DISTANCE = tuple(
    Case(name=f"{rtt_ms:g} ms", contenders=FLEET, phases=STEADY, live=5000, limit=10, rate=10, redis_rtt_ms=rtt_ms)
    for rtt_ms in (0.0, 1.0, 5.0)
)
FRUGAL = Case(name="500 jobs", contenders=FLEET, phases=STEADY, live=500, limit=20, rate=20, freshness=5.0)
SMOKING = Case(
    name="smoke",
    contenders=SMOKE,
    phases=(Phase("warm", 1, shown=False), Phase("steady", 4)),
    live=500,
    limit=10,
    rate=10,
    life_s=(2, 20),
)


def fleets(name: str, title: str, cases: tuple[Case, ...], columns: tuple[str, ...]) -> Scenario:
    """A scenario of whole fleets."""
    return Scenario(name, title, cases, CONTENDERS, columns, measure)


SMOKE_SCENARIO = fleets("smoke", "Does the harness work?", (SMOKING,), ("throttled_share", "use_of_limit", *LAGS, *COSTS))
SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        fleets(
            "known",
            "10 calls/s allowed, and known",
            KNOWN,
            ("throttled_share", "use_of_limit", "fill", *LAGS, "given_up", *COSTS),
        ),
        fleets(
            "hook",
            "1,000 jobs and 10 calls/s, the first 90 s",
            (HOOK,),
            ("throttled_share", "fill", "never_asked", "completions", "undetected", "lag_mean_s", "given_up"),
        ),
        fleets(
            "unknown",
            "20 calls/s allowed, 100 configured",
            (UNKNOWN,),
            ("throttled_share", "use_of_limit", "lag_mean_s", "lag_p99_s", "cpu_s_per_1000_looks"),
        ),
        fleets(
            "halved",
            "The limit is halved and given back",
            (HALVED, NOISE),
            ("throttled_share", "use_of_limit", "calm_after_s", "full_after_s"),
        ),
        fleets(
            "processes",
            "1 to 16 processes on one limit",
            PROCESSES,
            ("throttled_share", "use_of_limit", "fill", "lag_mean_s", "lag_p99_s", "cpu_s", "cpu_s_per_1000_looks"),
        ),
        fleets(
            "tenants",
            "Half of 20 calls/s taken by others",
            (TENANTS,),
            ("throttled_share", "accepted_per_s", "tenant_throttled_share", "use_with_tenants", "lag_mean_s"),
        ),
        fleets(
            "distance",
            "Redis far away",
            DISTANCE,
            ("redis_rtt_ms", "throttled_share", "use_of_limit", "lag_mean_s", "lag_p99_s", "cpu_s"),
        ),
        fleets(
            "frugal",
            "500 jobs, 20 calls/s allowed, freshness 5 s",
            (FRUGAL,),
            ("calls_per_s", "throttled_share", "use_of_limit", "fill", "lag_mean_s", "lag_p99_s", "asked_after_terminal"),
        ),
        fleets(
            "learned",
            "What run times tell",
            LEARNING,
            (
                "throttled_share",
                "use_of_limit",
                "fill",
                "lag_mean_s",
                "lag_over_bound",
                "lag_p99_s",
                "lag_p99_over_bound",
                "start_lag_mean_s",
                "cpu_s_per_1000_looks",
            ),
        ),
        sharing.SCENARIO,
        settling.SCENARIO,
        crowded.SCENARIO,
        look.SCENARIO,
        starting.SCENARIO,
        following.SCENARIO,
        waiting.SCENARIO,
        relaying.SCENARIO,
        dashboard.SCENARIO,
        wire.SCENARIO,
        million.SCENARIO,
    )
}
