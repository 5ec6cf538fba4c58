"""How much of the spool the stores and the detectors have not dealt with yet."""

from __future__ import annotations

from collector.schema import WATCH_BEAT
from dashboards import build, query
from dashboards.layout import Place

PLACES = {"watch_health": Place(row=2, position=1, width=12, height=8)}


def panel() -> build.Json:
    depth = query.over_time(WATCH_BEAT, {"frames not delivered": "spool_depth"}, how="max")
    return build.panel(
        "timeseries",
        "How much waits in the spool?",
        "Frames the slowest store has not taken. Rising: the store or the uplink is down; nothing is lost meanwhile.",
        targets=[build.target(depth, alias="$col")],
        options=build.lines(),
        defaults={
            "unit": "suffix:frames",
            "min": 0,
            "decimals": 0,
            "noValue": "no beat",
            "color": {"mode": "fixed", "fixedColor": build.GREY},
            "custom": {"drawStyle": "line", "lineWidth": 2, "showPoints": "never", "spanNulls": False},
        },
    )
