"""The laws of how long something lasts, drawn on an even grid: sums over it are integrals, and nothing is left to chance."""

from __future__ import annotations

from random import Random
from statistics import fmean, median

import pytest

from fleetpoll.errors import SettingsError
from fleetpoll.lifetimes.laws import RESOLUTION, Law, LogNormal, Uniform, drawn, pick
from fleetpoll.lifetimes.stages import HANDOVER_MS, STARTING_MAX_MS, Stages

GRID = [(number + 0.5) / 20_000 for number in range(20_000)]
LAWS = [Uniform(20, 600), Uniform(60, 60), LogNormal(120, 1.0), LogNormal(18, 0.2), LogNormal(60, 0.0)]


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_a_mean_is_the_mean_of_what_is_drawn(law: Law) -> None:
    """The mean that is reckoned with is that of the draws."""
    assert fmean(map(law.at, GRID)) == pytest.approx(law.mean, rel=2e-3)


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_what_is_met_is_longer_in_proportion_to_its_length(law: Law) -> None:
    """Any mean over what is met is the same mean over all, each weighed by its length."""
    lengths, met = [law.at(drawn) for drawn in GRID], [law.met_at(drawn) for drawn in GRID]
    assert fmean(1 / length for length in met) == pytest.approx(1 / law.mean, rel=2e-3)
    assert fmean(met) == pytest.approx(fmean(length**2 for length in lengths) / law.mean, rel=0.02)
    for edge in (law.at(0.25), law.at(0.75)):
        share = sum(length for length in lengths if length < edge) / sum(lengths)
        assert fmean(length < edge for length in met) == pytest.approx(share, abs=2e-3)


def test_a_log_normal_has_its_median_and_no_end() -> None:
    """Half are shorter than the median; the first and the last draw are lengths as well."""
    law = LogNormal(120, 1.0)
    assert median(map(law.at, GRID)) == pytest.approx(120, rel=1e-3)
    assert 0 < law.at(0.0) < 0.01 * law.at(0.5) < law.at(1 - 2**-32)


def test_a_choice_falls_in_proportion_to_the_weights() -> None:
    """Running sums of 1, 0, 3: a quarter falls on the first, nothing on the second."""
    assert [pick([1, 1, 4], drawn) for drawn in (0.0, 0.2499, 0.25, 0.9999)] == [0, 0, 2, 2]


def test_short_jobs_are_handed_over_quickly() -> None:
    """SUBMITTED and PENDING take up to 1.5 s each of a job of a minute or more, and a third of that of 20 s."""
    assert Stages(run_s=3_600).lead() == (Uniform(*HANDOVER_MS),) * 2
    assert Stages(run_s=20).lead()[0].mean == pytest.approx(Uniform(*HANDOVER_MS).mean / 3)


def test_starting_is_a_small_share_and_never_longer_than_a_minute() -> None:
    """An image takes as long to pull for a run of a week as for one of an hour."""
    assert Stages(run_s=100).turn()[1] == Uniform(2_000, 6_000)
    assert Stages(run_s=7 * 86_400).turn()[1] == Uniform(STARTING_MAX_MS, STARTING_MAX_MS)


@pytest.mark.parametrize(
    ("times", "sentence"),
    [
        ({"run_s": 0}, "run_s is 0: give a median above 0"),
        ({"run_s": float("nan")}, "run_s is nan: give a median above 0"),
        ({"run_s": float("inf")}, "run_s is inf: give a median above 0"),
        ({"run_s": 1, "wait_s": -1}, "wait_s is -1: give a median from 0"),
        ({"run_s": 1, "run_sigma": -0.1}, "run_sigma is -0.1: give 0 to 2"),
        ({"run_s": 1, "wait_sigma": 3}, "wait_sigma is 3: give 0 to 2"),
    ],
)
def test_times_that_are_none_are_refused(times: dict[str, float], sentence: str) -> None:
    """What cannot be meant is an error when it is made, and says what could be."""
    with pytest.raises(SettingsError, match=sentence):
        Stages(**times)


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_a_share_is_that_of_the_draws(law: Law) -> None:
    """How much of what begins lasts no longer than a length, at and beside each edge."""
    lengths = [law.at(place) for place in GRID]
    for length in (0.0, 0.9 * lengths[0], lengths[5_000], law.mean, lengths[-1], 2 * lengths[-1]):
        assert law.share(length) == pytest.approx(fmean(other <= length for other in lengths), abs=1e-3)


@pytest.mark.parametrize("law", [Uniform(20, 600), LogNormal(120, 1.0)], ids=str)
def test_a_law_has_any_unit(law: Uniform | LogNormal) -> None:
    """Seconds as milliseconds are a thousand times as many, whatever is asked."""
    assert law.times(1000.0).at(0.3) == pytest.approx(1000 * law.at(0.3))
    assert law.times(1000.0).met_at(0.3) == pytest.approx(1000 * law.met_at(0.3))
    assert law.times(1000.0).share(60_000) == pytest.approx(law.share(60))


def test_numbers_by_chance_stay_within_a_law() -> None:
    """Of the numbers that are drawn none is 1, not even after half a grain is added."""
    rng = Random(1)
    assert all(0 <= drawn(rng) <= 1 - 1 / RESOLUTION for _ in range(1_000))
    assert LogNormal(1.0, 1.0).at(1 - 1 / RESOLUTION) < 1_000
