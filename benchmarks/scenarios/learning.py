"""What run times tell: populations of definitions that are regular, unpredictable, changed overnight, or rare."""

from __future__ import annotations

from benchmarks.scenarios.cases import Case, Phase
from fleetpoll.lifetimes.kinds import Kind

CADENCES = ("learned", "elastic", "even")
RARE = 200
RARE_RUN_S = (20.0, 600.0)


def kind(definition: str, run_s: float, run_sigma: float, share: float = 1.0, wait_s: float = 8.0) -> Kind:
    """Jobs of one definition; how long they wait for their turn is anybody's guess."""
    name = f"{definition}:1"
    return Kind(job_definition=name, share=share, run_s=run_s, run_sigma=run_sigma, wait_s=wait_s, wait_sigma=1.0)


def case(name: str, kinds: tuple[Kind, ...], *phases: Phase) -> Case:
    """5,000 jobs of these kinds under 10 calls/s, known to all."""
    return Case(name=name, contenders=CADENCES, phases=phases, live=5000, limit=10, rate=10, kinds=kinds)


def rare() -> tuple[Kind, ...]:
    """Definitions that are all different, from short to long in even steps of the logarithm."""
    shortest_s, longest_s = RARE_RUN_S
    step = (longest_s / shortest_s) ** (1 / (RARE - 1))
    return tuple(kind(f"rare-{number}", shortest_s * step**number, 0.3) for number in range(RARE))


MEASURED = Phase("warm", 240, shown=False), Phase("steady", 180)
LEARNING = (
    case("regular mix", (kind("quick", 18, 0.2, 50), kind("varied", 120, 1.0, 30), kind("long", 720, 0.15, 20)), *MEASURED),
    case(
        "one unpredictable definition",
        (kind("varied", 150, 1.0, wait_s=20),),
        Phase("warm", 180, shown=False),
        Phase("steady", 120),
    ),
    case(
        "run time doubles",
        (kind("step", 60, 0.1),),
        Phase("warm", 150, shown=False),
        Phase("before", 60),
        Phase("doubled", 60, kinds=(kind("step", 120, 0.1),)),
        Phase("after", 120),
    ),
    case("many rare definitions", rare(), *MEASURED),
)
