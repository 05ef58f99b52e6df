"""Break everything that can break, at random from a seed, and see whether the fleet keeps its promises.

    python3 dev.py chaos --minutes 2 [--seed S] [--jobs N] [--faults SHARE] [--without ACT …] [--beside REV|DIR] [--json F]

The same seed does the same acts at the same moments; who is hit depends on who is there. Ends with 1, and leaves the logs
behind, when a promise is broken.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from statistics import median

import msgspec

from benchmarks.machine import facts
from tests.chaos.checks import ends, failures
from tests.chaos.driver import Run
from tests.chaos.history import History
from tests.chaos.plan import Act, plan
from tests.chaos.stage import Size, stage

FAILED = 1


def main(words: list[str]) -> int:
    """Run; the exit code."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that nothing is left running
    given = arguments(words)
    seed = random.SystemRandom().randrange(1_000_000) if given.seed is None else given.seed
    say(f"seed {seed}: python3 dev.py chaos --seed {seed} {' '.join(words)}".rstrip())
    size = Size(
        minutes=given.minutes,
        jobs=given.jobs or round(600 * given.minutes),
        rate=given.rate,
        faults=given.faults,
        supervisors=given.supervisors,
        pollers=given.pollers,
        everysec=given.everysec,
        beside=given.beside,
    )
    folder = Path(tempfile.mkdtemp(prefix="fleetpoll-chaos-"))
    say(f"logs and notes are in {folder} until all is well")
    with stage(folder, size, seed) as one:
        run = Run(one, plan(seed, size.seconds, given.without))
        run.harm()
        drained_s = run.settle()
        history = run.history()
    found, told = failures(history), figures(run, history, drained_s, seed)
    for name, value in told.items():
        say(f"  {name:<34} {value}")
    if given.json:
        result = {"machine": facts({}), "figures": told, "failures": found}
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n")
    if found:
        say(f"{len(found)} promises are broken; logs and notes stay in {folder}", *found)
        return FAILED
    shutil.rmtree(folder)
    say("all promises are kept")
    return 0


def arguments(words: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="dev.py chaos", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=2.0, help="how long harm is done; the drain comes on top")
    parser.add_argument("--seed", type=int, help="from which everything is drawn; none: another one each time")
    parser.add_argument("--jobs", type=int, help="none: 600 a minute")
    parser.add_argument("--rate", type=float, default=4.0, help="DescribeJobs calls a second that are allowed")
    parser.add_argument("--faults", type=float, default=0.1, help="the share of AWS's answers that are bad, all the time")
    parser.add_argument("--supervisors", type=int, default=3)
    parser.add_argument("--pollers", type=int, default=2, help="of each supervisor")
    parser.add_argument("--without", type=Act, nargs="*", default=[], help="acts to leave out: " + ", ".join(Act))
    parser.add_argument("--beside", default="", help="every other supervisor runs this release: a folder, or a git revision")
    parser.add_argument(
        "--everysec", action="store_true", help="AOF on the disk once a second; killing the server alone costs nothing"
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    return parser.parse_args(words)


def figures(run: Run, history: History, drained_s: float, seed: int) -> dict[str, object]:
    """What a reader wants to know of a run that went well."""
    size, api, told = run.stage.size, history.api, ends(history.stream)
    recoveries = [one.took_s for one in history.returns if one.called]
    done = ", ".join(f"{count} {act}" for act, count in sorted(run.counts.items()))
    return {
        "seed": seed,
        "minutes of harm": size.minutes,
        "acts": f"{sum(run.counts.values())}: {done}",
        "jobs made": len(history.born),
        "of them acknowledged": len(history.acknowledged),
        "ends published": len(told),
        "acknowledged ends lost": len(history.acknowledged - told.keys()),
        "ends published twice": sum(entry.after in {"SUCCEEDED", "FAILED"} for entry in history.stream) - len(told),
        "transitions": len(history.stream),
        "given to consumers": len(history.consumed),
        "waits": len(history.waits),
        "calls": api.calls,
        "tokens granted": history.totals.granted,
        "calls over the allowance": api.throttled - api.strays,
        "429 of storms": api.strays,
        "faulty answers": api.faults,
        "worst second, calls": api.worst_second,
        "overlapping calls (late thaws)": len(api.overlaps),
        "quiet whiles, calls in them": f"{len(history.quiets)}, {sum(quiet.calls for quiet in history.quiets)}",
        "looks at what is stored": run.looks,
        "of all that the rate allows": f"{history.totals.granted / (size.rate * (size.seconds + drained_s)):.0%}",
        "Redis back to a call, s": f"median {median(recoveries):.2f}, max {max(recoveries):.2f}" if recoveries else "-",
        "drain, s": round(drained_s, 1),
    }


def say(*lines: str) -> None:
    """Lines for the reader."""
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
