"""Result files and the tables that are made from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import results, tables

MACHINE = {
    "date": "2026-01-02T03:04:05",
    "commit": "abc",
    "cores": 2,
    "cpu": "CPU",
    "python": "3.11",
    "packages": {"boto3": "1.0"},
}
STEADY = {"name": "steady", "seconds": 60, "limit": None, "shown": True}
WARM = {"name": "warm", "seconds": 20, "limit": None, "shown": False}


def measurement(contender: str, *shares: float | None, case: str = "500 jobs", **given: Any) -> results.Measurement:
    """A measurement with a throttled share for each run."""
    phases = given.pop("phases", [WARM, STEADY])
    runs = [
        {"given_up": 3, "phases": {phase["name"]: {"figures": {"throttled_share": share}} for phase in phases}}
        for share in shares
    ]
    plain = {"contender": contender, "label": contender, "case": case, "method": {"phases": phases}, "machine": MACHINE}
    return plain | {"runs": runs} | given


def test_measuring_one_contender_again_keeps_the_others() -> None:
    """Only the same contender in the same case is replaced, and it keeps its place."""
    old = [measurement("a", 0.1), measurement("b", 0.2), measurement("a", 0.3, case="5,000 jobs")]
    new = measurement("a", 0.9)
    assert results.merged(old, [new]) == [new, old[1], old[2]]


def test_a_saved_measurement_comes_back(tmp_path: Path) -> None:
    """What is written can be read, figures are cut to five digits, and a scenario without a file has no measurements."""
    results.save(tmp_path, "known", [measurement("a", 0.123456789)])
    assert results.load(tmp_path, "known") == [measurement("a", 0.12346)]
    assert results.load(tmp_path, "other") == []


def test_lists_of_numbers_stand_on_one_line(tmp_path: Path) -> None:
    """A timeline is one line of the file, so that a changed run is a changed line; lists of other things are left alone."""
    results.save(tmp_path, "known", [{"accepted": [1, -2, 3.5], "words": ["a", "b"], "none": []}])
    text = (tmp_path / "known.json").read_text()
    assert '"accepted": [1, -2, 3.5]' in text
    assert '"words": [\n' in text


def test_measurements_are_put_into_the_order_of_the_scenario() -> None:
    """Cases and contenders stand as the scenario names them; what it names no longer is left out."""
    found = [measurement("b", 0.1), measurement("gone", 0.1), measurement("a", 0.1)]
    assert results.ordered(found, {"500 jobs": ("a", "b")}) == [found[2], found[0]]


def test_different_methods_do_not_share_a_table() -> None:
    """Two contenders that were measured under different conditions are not compared."""
    found = [measurement("a", 0.1), measurement("b", 0.1, phases=[STEADY])]
    with pytest.raises(ValueError, match="differ in their methods"):
        results.ordered(found, {"500 jobs": ("a", "b")})


def test_a_figure_without_its_machine_is_refused() -> None:
    """A result that does not say which commit it measured is not shown."""
    with pytest.raises(ValueError, match="where it was measured"):
        results.ordered([measurement("a", 0.1, machine={})], {"500 jobs": ("a",)})


def test_a_method_equals_its_copy_from_a_file() -> None:
    """Tuples become lists and floats lose digits in a file; the method of today is written the same way."""
    assert results.plain({"life_s": (60, 300.123456)}) == {"life_s": [60, 300.12]}


def test_a_table_has_a_row_for_each_contender() -> None:
    """Figures are medians with their spread; hidden phases and columns that tell nothing apart are left out."""
    text = tables.table([measurement("a", 0.01, 0.03, 0.02), measurement("b", 0.5)], ["throttled_share", "given_up"])
    assert text.splitlines()[:4] == [
        "| contender | throttled | given up |",
        "| --- | --: | --: |",
        "| a | 2.00% (1.00%…3.00%) | 3 |",
        "| b | 50.00% | 3 |",
    ]
    assert "1/3 runs, 2026-01-02, commit abc, 2 cores of CPU, Python 3.11, boto3 1.0." in text


def test_cases_and_phases_are_named_where_there_are_several() -> None:
    """Rows that would look the same say what they are about."""
    both = [measurement("a", 0.1, phases=[WARM | {"shown": True}, STEADY]), measurement("a", 0.2, case="5,000 jobs")]
    lines = tables.table(both, ["throttled_share"]).splitlines()
    assert lines[0] == "|  | contender | phase | throttled |"
    assert lines[2:5] == [
        "| 500 jobs | a | warm | 10.00% |",
        "| 500 jobs | a | steady | 10.00% |",
        "| 5,000 jobs | a | steady | 20.00% |",
    ]


def test_a_figure_that_not_every_run_has_says_so() -> None:
    """A recovery that was never seen is not a number, and one that was seen in two runs of three is not the whole truth."""
    assert tables.cell([None, None], "{:.0f} s".format) == "n/a"
    assert tables.cell([4, None, 6], "{:.0f} s".format) == "5 s (2 of 3 runs)"
    assert tables.cell([4, 4, 4], "{:.0f} s".format) == "4 s"


def test_a_table_takes_the_place_of_the_old_one() -> None:
    """What stands between a marker and its end is replaced, all else is left alone, and filling twice changes nothing."""
    page = "a\n<!-- bench known -->\nold\n<!-- /bench -->\nb\n<!-- bench hook -->\nkept\n<!-- /bench -->\n"
    once = tables.filled(page, {"known": "new\n", "absent": "nowhere\n"})
    assert once == page.replace("old", "new")
    assert tables.filled(once, {"known": "new\n"}) == once


def test_a_marker_without_an_end_is_refused() -> None:
    """A table never eats the rest of a page."""
    with pytest.raises(ValueError, match="the marker of known has no"):
        tables.filled("<!-- bench known -->\nthe rest of the page", {"known": "new\n"})
