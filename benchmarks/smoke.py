"""Does the harness still work? Half a minute, three contenders; the figures mean nothing and are thrown away."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

from benchmarks import plots, results, tables
from benchmarks.running import measure_all
from benchmarks.scenarios.catalogue import SMOKE_SCENARIO
from benchmarks.tables import shown_phases, values


def smoke() -> None:
    """Measure, check that every figure is a number, and render. Raises AssertionError with what is missing."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        failed = measure_all(SMOKE_SCENARIO, folder, runs=1)
        found = results.load(folder, SMOKE_SCENARIO.name)
        wrong = [*failed, *(gap for measurement in found for gap in gaps(measurement))]
        if wrong:
            raise AssertionError(f"the harness does not work: {', '.join(wrong)}")
        print(tables.table(found, SMOKE_SCENARIO.columns))
        measured = {scenario: as_in(found, case) for scenario, case, _ in plots.PLOTS.values()}
        if not plots.draw_all(measured, folder) or plots.draw_all(measured, folder):
            raise AssertionError("drawing the same figures twice does not give the same files")


def gaps(measurement: results.Measurement) -> list[str]:
    """The figures of the scenario's columns that are no finite number."""
    phase = shown_phases(measurement)[-1]
    names = SMOKE_SCENARIO.columns
    found = {name: values(measurement, phase, name)[0] for name in names}
    return [
        f"{measurement['contender']} has {name} = {value}"
        for name, value in found.items()
        if value is None or not math.isfinite(value)
    ]


def as_in(measurements: list[results.Measurement], case: str) -> list[results.Measurement]:
    """The same measurements as if they were of that case."""
    return [measurement | {"case": case} for measurement in measurements]
