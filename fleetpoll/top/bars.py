"""Bars, sparklines and lines beside each other, of characters. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.text import Text

EIGHTHS = " ▏▎▍▌▋▊▉█"
LEVELS = "▁▂▃▄▅▆▇█"


def bar(share: float, width: int) -> str:
    """A bar of so much of the width; what is there at all is seen."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    full, rest = divmod(max(eighths, 1 if share > 0 else 0), 8)
    return "█" * full + (EIGHTHS[rest] if rest else "")


def spark(values: Sequence[float | None], top: float) -> str:
    """One character for each value, from 0 to `top`; a blank where nothing is known."""
    return "".join(" " if value is None else LEVELS[level(value, top)] for value in values)


def level(value: float, top: float) -> int:
    """Which of the eight levels a value has: only nothing has the lowest, if there is anything above it at all."""
    if value <= 0 or top <= 0:
        return 0
    return max(1, min(len(LEVELS) - 1, round(value / top * (len(LEVELS) - 1))))


def binned(values: Iterable[tuple[int, float | None]], until_ms: int, window_ms: int, width: int) -> list[float | None]:
    """Values with their times as `width` means over equal parts of the window that ends at `until_ms`; None without any."""
    parts: list[list[float]] = [[] for _ in range(width)]
    start_ms = until_ms - window_ms
    for at_ms, value in values:
        if value is not None and start_ms < at_ms <= until_ms:
            parts[min(width - 1, (at_ms - start_ms) * width // window_ms)].append(value)
    return held([sum(part) / len(part) if part else None for part in parts])


def held(values: list[float | None], most: int = 2) -> list[float | None]:
    """The values with short gaps closed by what was before: samples come at their own pace."""
    kept, gap = list(values), 0
    for place in range(1, len(kept)):
        gap = gap + 1 if values[place] is None else 0
        if 0 < gap <= most:
            kept[place] = kept[place - 1]
    return kept


def beside(left: Sequence[Text], right: Sequence[Text], left_width: int) -> list[Text]:
    """Two blocks of lines side by side."""
    lines = []
    for row in range(max(len(left), len(right))):
        line = left[row].copy() if row < len(left) else Text()
        line.truncate(left_width - 1, overflow="ellipsis")
        line.pad_right(left_width - line.cell_len)
        lines.append(line.append_text(right[row]) if row < len(right) else line)
    return lines


def clipped(line: Text, width: int) -> Text:
    """The line, cut to the width."""
    line.truncate(width, overflow="ellipsis")
    return line
