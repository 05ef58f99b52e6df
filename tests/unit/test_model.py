"""The laboratory in virtual time: its parts, and that its scenarios run."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from random import Random
from statistics import fmean

import pytest

from benchmarks.model import law, learned
from benchmarks.model.__main__ import main, values_of
from benchmarks.model.aws import Aws, between
from benchmarks.model.changes import Phase, Scene, play
from benchmarks.model.design import HookFleet
from benchmarks.model.scenes import CHANGED_S, Part, changing, fewer_jobs, jumping, more_jobs, scenes, steady
from benchmarks.model.server import Server
from fleetpoll.forecast.estimate import Effort, Question, forecast
from fleetpoll.forecast.fleet import Habits
from fleetpoll.forecast.lives import Lives
from fleetpoll.forecast.loop import Loop

SMALL = law.Case(rate=5.0, burst=10.0, callers="4x1")


def test_awss_bucket_is_a_true_one() -> None:
    """It starts full, refills at its rate, holds no more than its burst, and a change of rate is no gift."""
    loop = Loop()
    aws = Aws(loop, Random(1), 2.0, 3.0)
    assert [aws.call() for _ in range(4)] == [True, True, True, False]
    loop.run(100.0)
    assert [aws.call() for _ in range(4)] == [True, True, True, False]
    aws.change(1.0)
    loop.run(101.5)
    assert [aws.call() for _ in range(2)] == [True, False]
    assert (between(aws.accepted, 0.0, 100.0), between(aws.accepted, 100.0, 200.0), len(aws.throttled)) == (3, 4, 3)


def test_tenants_drink_from_the_same_bucket() -> None:
    """What others take is not there for us, and they leave when they are told to."""
    loop = Loop()
    aws = Aws(loop, Random(2), 10.0, 1.0)
    aws.tenants(1_000.0, 20.0)
    for tick in range(300):
        loop.at(0.137 * tick, aws.call)
    loop.run(40.0)

    assert between(aws.accepted, 0.0, 20.0) < 20
    assert between(aws.throttled, 21.0, 40.0) == 0


def test_stray_rejections_are_no_throttles() -> None:
    """They are counted apart, and cost no token."""
    loop = Loop()
    aws = Aws(loop, Random(3), 1_000.0, 1_000.0, strays=0.25)
    accepted = sum(aws.call() for _ in range(1_000))

    assert accepted == len(aws.accepted) == pytest.approx(750, abs=60)
    assert (len(aws.stray), aws.throttled) == (1_000 - accepted, [])


def test_what_scripts_publish_is_heard() -> None:
    """A message reaches whoever listens, as text."""
    heard: list[tuple[str, str]] = []
    server = Server(Loop(), lambda channel, message: heard.append((channel, message)))

    assert server.command("PUBLISH", "bell", 7) == 1
    assert Server(Loop()).command("PUBLISH", "bell", 7) == 0
    assert heard == [("bell", "7")]


def test_keys_expire_in_virtual_time() -> None:
    """A key with a time to live is gone when that has passed, and a deleted one at once."""
    loop = Loop()
    server = Server(loop)
    server.hset("key", "field", 1)
    assert [server.command("EXPIRE", key, 10) for key in ("key", "none")] == [1, 0]
    loop.run(9.9)
    assert (server.command("EXISTS", "key"), server.command("HLEN", "key")) == (1, 1)
    loop.run(10.0)
    assert (server.command("EXISTS", "key"), server.hgetall("key")) == (0, {})
    server.hset("key", "field", 2)
    loop.run(100.0)
    assert (server.delete("key"), server.delete("key"), server.command("HGET", "key", "field")) == (1, 0, None)


def test_a_command_that_the_model_does_not_know_is_named() -> None:
    """A script that needs more than the model has does not go on with a guess."""
    with pytest.raises(Exception, match="the model knows no command SUBSCRIBE"):
        Server(Loop()).command("SUBSCRIBE", "bell")


def test_seconds_are_counted_from_windows() -> None:
    """Used: from when a window has enough. Calm: from the first refusal to a window without them. Never is infinite."""
    aws = Aws(Loop(), Random(4), 10.0, 10.0)
    aws.accepted = [second / 10 for second in range(200, 600)]
    aws.throttled = [12.0, 13.0, 14.0, *(25 + tick / 10 for tick in range(20))]

    assert law.seconds_until_used(aws, 9.0, 0.0, 60.0) == pytest.approx(19.5)
    assert law.seconds_until_used(aws, 11.0, 0.0, 60.0) == math.inf
    assert law.seconds_until_calm(aws, 20.0, 60.0) == pytest.approx(2.0)
    assert law.seconds_until_calm(aws, 40.0, 60.0) == 0.0


def test_a_run_of_the_law_uses_the_limit() -> None:
    """With the ceiling known, all of the limit is used and the first phase sees no throttle; a run can be repeated."""
    found = law.run(SMALL, 1)

    assert found.use_full == pytest.approx(1.0, abs=0.02)
    assert found.throttled_full == 0.0
    assert found.use_half > 0.9
    assert found == law.run(SMALL, 1)


def test_the_grid_is_selectable() -> None:
    """One value for each axis is one case; axes that are not named are whole; known and unknown are ceilings."""
    whole = math.prod(len(values) for values in law.AXES.values())
    chosen = {"rate": values_of("50"), "callers": values_of("8x8,4x1"), "ceiling": values_of("known,unknown,2")}

    assert len(list(law.grid({}))) == whole
    assert len(list(law.grid(chosen))) == 2 * 3 * len(law.AXES["burst"]) * len(law.AXES["strays"])
    assert {case.ceiling for case in law.grid(chosen)} == {1.0, law.UNKNOWN, 2.0}
    assert law.Case() in law.one_at_a_time()


def test_a_command_prints_a_line_for_each_case_and_keeps_its_figures(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A table under its head, and the same as JSON beside the machine; or nothing, when that is not wanted."""
    axes = ["--rate", "5", "--burst", "10", "--callers", "4x1", "--ceiling", "known", "--strays", "0"]
    command = ["law", *axes, "--seeds", "1", "--into", str(tmp_path)]
    main([*command, "--no-write"])
    assert list(tmp_path.iterdir()) == []
    main(command)
    kept = json.loads((tmp_path / "model-law.json").read_text())
    printed = capsys.readouterr().out.splitlines()

    assert printed[-2] == law.HEAD
    assert printed[-1].split()[:5] == ["5", "10", "4x1", "R", "0.0"]
    assert kept["machine"]["commit"]
    assert kept["rows"] == [law.as_json(SMALL, law.run(SMALL, 1))]


def test_the_hooks_curve_forgets_old_jobs() -> None:
    """Each job for itself, with the allowance unused: lags are many times those of the fleet's cadence."""
    question = Question(2_000, 10.0, Habits(5.0, 4, Lives(300.0, 3_600.0), cadence="elastic"))
    effort = Effort(500, looks=1, before=100, sweeps=100)
    fleet, hook = forecast(question, effort), forecast(question, effort, HookFleet)

    assert hook.lag_mean_s > 5 * fleet.lag_mean_s
    assert hook.calls_per_s < fleet.calls_per_s


def test_a_scene_is_counted_phase_by_phase() -> None:
    """New jobs and another limit count from the phase that brings them."""
    phases = (Phase("before", 60.0), Phase("more", 90.0, jobs=1_000), Phase("halved", 120.0, limit=2.5))
    before, more, halved = play(Scene("test", 500, phases), rate=5.0)

    assert [(jobs, limit) for _, jobs, limit, _ in (before, more, halved)] == [(500, 5.0), (1_500, 5.0), (1_500, 2.5)]
    assert before[3].calls_per_s < more[3].calls_per_s
    assert (before[3].throttled, more[3].throttled) == (0, 0)
    assert halved[3].throttled > 0


def test_a_scene_is_judged_by_parts() -> None:
    """Lags are over the bound of their moment, of one pattern or of the others, by time or by their number."""
    step = changing("step", 20, 40, alone=False)
    film = learned.Film()
    was, now = step.parts[1].sort, step.parts[2].sort
    assert was is not None
    assert now is not None
    for second in range(100):
        film.ends.append(learned.Noted(CHANGED_S + second, float(second), now if second % 2 else was))
    film.spans = [learned.Span(CHANGED_S + start, 50, 5.0, -7.0) for start in (0.0, 5.0)]

    def mean(part: Part) -> float:
        return float(learned.figures([film], part)["mean"])

    assert mean(Part("odd", 0, sort=now)) == 50.0
    assert mean(Part("even", 0, sort=now, others=True)) == 49.0
    assert mean(Part("first three", 0, sort=now, first=0, last=3)) == 3.0
    assert mean(Part("a slice", CHANGED_S + 10, CHANGED_S + 12)) == 10.5
    whole = learned.figures([film, film], Part("all", CHANGED_S))
    assert (whole["ends"], whole["late"], whole["calls_per_s"]) == (200, 0.1, 10.0)
    assert learned.figures([film], Part("before", 0, 10))["mean"] is None


def test_a_scene_plays_what_happens_in_it() -> None:
    """Events come at their time, and lags are judged by the jobs that there are then."""
    scene = replace(jumping("more", more_jobs, fewer_jobs), jobs=500, rate=1.0, until_s=210.0)
    film = learned.play(scene, "even", 1)
    before, after = ([seen.over_bound for seen in film.ends if (seen.at_s < 200) == early] for early in (True, False))

    assert len(film.spans) == 42
    assert fmean(before) == pytest.approx(1.05, abs=0.1)
    assert fmean(after) < 0.8  # the bound is 21 times as high, and nothing is as late yet
    assert film == learned.play(scene, "even", 1)


def test_the_scenes_have_names_of_their_own() -> None:
    """A line of the table is found by its scene and part."""
    names = [(scene.name, part.name) for scene in scenes() for part in scene.parts]
    assert len(names) == len(set(names))
    assert all(scene.parts[-1].from_s < scene.until_s for scene in scenes())


def test_cadences_stand_beside_each_other_in_a_line() -> None:
    """Each line has the figures of all three, and as much JSON; a figure that there is not is a dash."""
    small = replace(steady("small", Lives(20.0, 40.0)), jobs=200, rate=1.0, until_s=60.0)
    small = replace(small, parts=(Part("late", 40.0), Part("never", 1e6)))
    (late, row), (never, _) = learned.told([small])

    assert late.split()[:2] == ["small", "late"]
    assert len(late) == len(never) == len(learned.HEAD)
    assert {row[cadence]["ends"] > 50 for cadence in learned.CADENCES} == {True}
    assert never.count(" - ") == 15
