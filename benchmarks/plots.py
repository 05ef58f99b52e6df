"""Plots from measurements: SVG that is the same for the same figures, on light and on dark pages."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

from benchmarks.results import Measurement
from benchmarks.tables import shown_phases, values

INK = "#808080"  # readable on white and on black
COLOURS = ("#e4572e", "#2e86e4", "#2ca58d", "#b667f1", "#d4a017", "#7a8ba0", "#c2477f", "#6b8e23")
STYLE = {
    "svg.hashsalt": "fleetpoll",
    "svg.fonttype": "none",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": INK,
    "grid.alpha": 0.25,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "figure.figsize": (8, 4.2),
    "figure.constrained_layout.use": True,
}
SMOOTH_S = 5
LAG_MIN_S = 0.01  # a logarithmic axis has no zero

CADENCES = ("learned", "elastic", "even")
CHANGES = ("doubles, alone", "halves, alone")

Measured = dict[str, list[Measurement]]
Row = dict[str, Any]
"""A line of a table of the model."""


def draw_all(measured: Measured, folder: Path) -> list[Path]:
    """Draw every plot whose measurements are there. Returns the files that changed."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    with mpl.rc_context(STYLE):
        for name, (scenario, case, draw) in PLOTS.items():
            chosen = [m for m in measured.get(scenario, []) if case in {"", m["case"]}]
            if chosen and written(folder / f"{name}.svg", draw, chosen):
                drawn.append(folder / f"{name}.svg")
    return drawn


def draw_model(rows: dict[str, list[Row]], folder: Path) -> list[Path]:
    """Draw every plot of the model whose rows are there, by the scenario's name. Returns the files that changed."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = {name: (draw, rows[scenario]) for name, (scenario, draw) in MODEL_PLOTS.items() if rows.get(scenario)}
    with mpl.rc_context(STYLE):
        return [folder / f"{name}.svg" for name, (draw, of) in chosen.items() if written(folder / f"{name}.svg", draw, of)]


def written(path: Path, draw: Callable[[Sequence[Any]], Any], measurements: Sequence[Any]) -> bool:
    """Draw one file; whether it differs from what was there."""
    before = path.read_bytes() if path.exists() else b""
    figure = draw(measurements)
    figure.savefig(path, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    plt.close(figure)
    return path.read_bytes() != before


def lag_cdfs(measurements: Sequence[Measurement]) -> Any:
    """How many of all ends were noticed within which time; a curve stops where the rest was not noticed at all."""
    figure, axes = plt.subplots()
    for m, colour in coloured(measurements):
        phase = shown_phases(m)[-1]
        curves = [run["phases"][phase]["lag_cdf_ms"] for run in m["runs"]]
        missed = statistics.median(value or 0.0 for value in values(m, phase, "undetected_share"))
        lags_s = [max(LAG_MIN_S, statistics.median(lags) / 1000) for lags in zip(*filter(None, curves), strict=True)]
        axes.plot(lags_s, [percent * (1 - missed) for percent in range(len(lags_s))], color=colour, label=plain(m))
    axes.set(xscale="log", xlabel="lag, s", ylabel="% of the ends", ylim=(0, 100))
    axes.legend()
    return figure


def over_time(measurements: Sequence[Measurement]) -> Any:
    """Accepted and throttled calls a second from the start on, in the first run."""
    figure, (top, bottom) = plt.subplots(2, 1, sharex=True, figsize=(8, 5.2))
    limits = limit_steps(measurements[0])
    top.step(*limits, where="post", color=INK, linestyle="--", linewidth=1, label="limit")
    for m, colour in coloured(measurements):
        for axes, what in ((top, "accepted"), (bottom, "throttled")):
            calls = [count for phase in m["runs"][0]["phases"].values() for count in phase[what]]
            axes.plot(smooth(calls, SMOOTH_S), color=colour, label=plain(m))
    top.set(ylabel="accepted/s", ylim=(0, None))
    bottom.set(ylabel="throttled/s", xlabel="s", ylim=(0, None))
    top.legend(ncols=2)
    return figure


def lag_over_bound(measurements: Sequence[Measurement]) -> Any:
    """The mean lag against the bound of an even sweep, by the number of jobs."""
    figure, axes = plt.subplots()
    axes.axhline(1, color=INK, linestyle="--", linewidth=1)
    for name, points, colour in by_contender(measurements, "live", "lag_over_bound"):
        if len({live for live, _ in points}) > 1:  # of the others the table tells
            axes.plot(*zip(*points, strict=True), color=colour, marker="o", label=name)
    axes.set(xscale="log", xlabel="live jobs", ylabel="mean lag / bound", ylim=(0, None))
    if axes.lines[1:]:
        axes.legend()
    return figure


def by_processes(measurements: Sequence[Measurement]) -> Any:
    """What more processes on one limit change."""
    figure, panels = plt.subplots(1, 3, figsize=(9, 3.4))
    for axes, (figure_name, title) in zip(
        panels,
        (
            ("throttled_share", "throttled share"),
            ("lag_mean_s", "mean lag, s"),
            ("cpu_s_per_1000_looks", "CPU s per 1,000 looks"),
        ),
        strict=True,
    ):
        for name, points, colour in by_contender(measurements, "processes", figure_name):
            axes.plot(*zip(*points, strict=True), color=colour, marker="o", label=name)
        axes.set(title=title, xlabel="processes", ylim=(0, None))
    panels[0].legend()
    return figure


def at_a_glance(measurements: Sequence[Measurement]) -> Any:
    """What share of each contender's calls AWS throttles, and how late it notices an end: the question in one picture."""
    figure, panels = plt.subplots(1, 2, sharey=True, figsize=(8, 3.2))
    best_last = sorted(measurements, key=lambda m: median_of(m, "lag_mean_s"), reverse=True)
    for axes, name, title, form in (
        (panels[0], "throttled_share", "calls throttled", "{:.1%}"),
        (panels[1], "lag_mean_s", "mean lag, s (logarithmic)", "{:.1f} s"),
    ):
        bars = axes.barh(
            [plain(m) for m in best_last],
            [median_of(m, name) for m in best_last],
            color=[COLOURS[2] if m["contender"] == "fleetpoll" else INK for m in best_last],
        )
        axes.bar_label(bars, fmt=form.format, padding=3, color=INK, fontsize=9)
        axes.set(title=title, xticks=[])
        axes.spines["bottom"].set_visible(False)
        axes.grid(visible=False)
    panels[0].set_xlim(0, 1.25)
    panels[1].set(xscale="log", xlim=(1, 250))
    panels[1].set_xticks([], minor=True)
    return figure


def median_of(measurement: Measurement, name: str) -> float:
    """The median of a figure over the runs, in the phase that counts; 0 where it was not measured."""
    found = [value for value in values(measurement, shown_phases(measurement)[-1], name) if value is not None]
    return statistics.median(found) if found else 0.0


def by_contender(
    measurements: Sequence[Measurement], x: str, y: str
) -> Iterator[tuple[str, list[tuple[float, float]], str]]:
    """Each contender's label, its medians of `y` by the method's `x`, and its colour."""
    labels = list(dict.fromkeys(plain(m) for m in measurements))
    for label, colour in zip(labels, COLOURS, strict=False):
        points = []
        for m in (m for m in measurements if plain(m) == label):
            found = [value for value in values(m, shown_phases(m)[-1], y) if value is not None]
            if found:
                points.append((m["method"][x], statistics.median(found)))
        yield label, points, colour


def coloured(measurements: Sequence[Measurement]) -> Iterator[tuple[Measurement, str]]:
    """Each measurement with a colour."""
    return zip(measurements, COLOURS, strict=False)


def plain(measurement: Measurement) -> str:
    """A label without Markdown."""
    return str(measurement["label"]).replace("*", "")


def cadence_cdfs(rows: Sequence[Row]) -> Any:
    """How many of the ends each cadence notices within which part of the bound, where one kind of jobs goes on for long."""
    steady = [row for row in rows if row["part"] == "steady" and row["scene"] in {"regular mix", "unpredictable"}]
    figure, panels = plt.subplots(1, len(steady), sharey=True, squeeze=False, figsize=(9, 3.8))
    for axes, row in zip(panels[0], steady, strict=True):
        for cadence, colour in zip(CADENCES, COLOURS, strict=False):
            lags = row[cadence]["cdf"] or []
            axes.plot([max(LAG_MIN_S, lag) for lag in lags], range(len(lags)), color=colour, label=cadence)
        axes.set(title=row["scene"], xscale="log", xlabel="lag / bound", ylim=(0, 100))
    panels[0][0].set(ylabel="% of the ends")
    panels[0][0].legend()
    return figure


def changed_patterns(rows: Sequence[Row]) -> Any:
    """The mean lag over time of a definition whose run time changes: jobs from before it (dotted), and from after it."""
    changes = [row for row in rows if "curves" in row and row["scene"] in CHANGES]
    figure, panels = plt.subplots(1, len(changes), sharey=True, squeeze=False, figsize=(9, 3.8))
    for axes, row in zip(panels[0], changes, strict=True):
        for cadence, colour in zip(CADENCES, COLOURS, strict=False):
            for pattern, style in (("before", ":"), ("after", "-")):
                label = cadence if pattern == "after" else None
                axes.plot(*zip(*row["curves"][cadence][pattern], strict=True), color=colour, linestyle=style, label=label)
        axes.set(title=row["scene"], xlabel="s", ylim=(0, None))
    panels[0][0].set(ylabel="mean lag / bound")
    panels[0][0].legend()
    return figure


def limit_steps(measurement: Measurement) -> tuple[list[float], list[float]]:
    """The limit over time, as the corners of its steps."""
    at_s, limit = 0.0, measurement["method"]["limit"]
    times, limits = [], []
    for phase in measurement["method"]["phases"]:
        limit = phase["limit"] or limit
        times.append(at_s)
        limits.append(limit)
        at_s += phase["seconds"]
    return [*times, at_s], [*limits, limit]


def smooth(calls: Sequence[int], width_s: int) -> list[float]:
    """The mean of the last few seconds, at each second."""
    return [statistics.fmean(calls[max(0, end - width_s) : end]) for end in range(1, len(calls) + 1)]


PLOTS: dict[str, tuple[str, str, Callable[[Sequence[Measurement]], Any]]] = {
    "at-a-glance": ("known", "5,000 jobs", at_a_glance),
    "known-lag": ("known", "5,000 jobs", lag_cdfs),
    "known-scale": ("known", "", lag_over_bound),
    "unknown": ("unknown", "", over_time),
    "halved": ("halved", "no noise", over_time),
    "noise": ("halved", "0.5 % stray refusals", over_time),
    "processes": ("processes", "", by_processes),
    "learned-regular": ("learned", "regular mix", lag_cdfs),
    "learned-unpredictable": ("learned", "one unpredictable definition", lag_cdfs),
}
"""File name: (scenario, case or all, how to draw it)."""

MODEL_PLOTS: dict[str, tuple[str, Callable[[Sequence[Row]], Any]]] = {
    "model-learned-lag": ("learned", cadence_cdfs),
    "model-learned-change": ("learned", changed_patterns),
}
"""File name: (scenario of the model, how to draw it)."""
