"""Bars and sparklines of characters."""

from __future__ import annotations

from rich.text import Text

from fleetpoll.top.bars import bar, beside, binned, spark


def test_bars_show_what_is_there() -> None:
    """In eighths of a character; one job of a million still has one."""
    assert [bar(share, 4) for share in (0.0, 1e-6, 0.5, 0.53, 1.0)] == ["", "▏", "██", "██▏", "████"]


def test_sparklines_leave_gaps_where_nothing_is_known() -> None:
    """Nothing and next to nothing differ; what is above the top is cut."""
    assert spark([None, 0.0, 0.01, 5.0, 10.0, 99.0], 10.0) == " ▁▂▅██"
    assert spark([0.0, None], 0.0) == "▁ "


def test_values_are_binned_by_time() -> None:
    """Means of each part of the window; gaps of two parts are closed by what was before, longer ones stay."""
    values = [(100, 9.0), (1001, 1.0), (1999, 3.0), (2500, None), (9500, 7.0)]
    assert binned(values, 10_000, 9_000, 9) == [2.0, 2.0, 2.0, None, None, None, None, None, 7.0]


def test_blocks_stand_beside_each_other() -> None:
    """Whichever is the longer; what is too wide on the left is cut."""
    lines = beside([Text("too long for it")], [Text("a"), Text("b")], 8)
    assert [line.plain for line in lines] == ["too lo… a", "        b"]
