"""The dashboard for Grafana; `fleetpoll metrics --grafana` prints its JSON. Data source and fleets are chosen at its top."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from fleetpoll.metrics.panels import ROWS, Panel, Row

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24


def dashboard() -> str:
    """The dashboard as Grafana imports it."""
    return json.dumps(
        {
            "uid": "fleetpoll",
            "title": "fleetpoll",
            "description": "One fleet of workers that polls AWS Batch for everybody.",
            "tags": ["fleetpoll", "aws-batch"],
            "schemaVersion": 39,
            "version": 1,
            "editable": True,
            "graphTooltip": 1,
            "refresh": "10s",
            "time": {"from": "now-1h", "to": "now"},
            "templating": {"list": [source_variable(), fleet_variable()]},
            "panels": list(placed(ROWS)),
        },
        indent=1,
    )


def source_variable() -> dict[str, Any]:
    """Which Prometheus."""
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "current": {}}


def fleet_variable() -> dict[str, Any]:
    """Which fleets."""
    asked = "label_values(fleetpoll_up, fleet)"
    chosen = {"text": "All", "value": "$__all"}
    several = {"multi": True, "includeAll": True, "allValue": ".*", "current": chosen}
    query = {"type": "query", "datasource": SOURCE, "definition": asked, "query": {"query": asked, "refId": "fleets"}}
    return {"name": "fleet", "label": "Fleet", "refresh": 2, "sort": 1, **query, **several}


def placed(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """All panels where they stand, one row of them below the other."""
    top, number = 0, 0
    for row in rows:
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "panels": [],
            "gridPos": grid(0, top, COLUMNS, 1),
        }
        top, left = top + 1, 0
        for panel in row.panels:
            number += 1
            yield {"id": number, "gridPos": grid(left, top, panel.width, row.height), **look(panel)}
            left += panel.width
        top += row.height


def grid(left: int, top: int, width: int, height: int) -> dict[str, int]:
    """A place on the page."""
    return {"x": left, "y": top, "w": width, "h": height}


def look(panel: Panel) -> dict[str, Any]:
    """A panel as Grafana knows it."""
    custom: dict[str, Any] = {"fillOpacity": 30, "stacking": {"mode": "normal"}} if panel.stacked else {"fillOpacity": 5}
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "min": 0, "thresholds": thresholds(panel), **colour(panel, custom)},
            "overrides": [],
        },
        "options": {"reduceOptions": {"calcs": ["lastNotNull"]}}
        if panel.kind == "stat"
        else {"tooltip": {"mode": "multi", "sort": "desc"}},
        "targets": [
            {"refId": chr(ord("A") + at), "datasource": SOURCE, "expr": expr, "legendFormat": legend}
            for at, (legend, expr) in enumerate(panel.asked)
        ],
    }


def colour(panel: Panel, custom: dict[str, Any]) -> dict[str, Any]:
    """A number is coloured by its threshold, a line by its name."""
    return {"color": {"mode": "thresholds"}} if panel.kind == "stat" else {"custom": custom}


def thresholds(panel: Panel) -> dict[str, Any]:
    """Green, and red from a value on, or below it."""
    low, high = ("red", "green") if panel.red_below else ("green", "red")
    steps = [{"color": low, "value": None}] + ([] if panel.red is None else [{"color": high, "value": panel.red}])
    return {"mode": "absolute", "steps": steps}
