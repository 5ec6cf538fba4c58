"""How many alerts are open, by the watcher's own count."""

from __future__ import annotations

from collector.schema import WATCH_BEAT
from dashboards import build, query
from dashboards.layout import Place

PLACES = {"plant_overview": Place(row=1, position=2, width=3, height=4)}


def panel() -> build.Json:
    return build.panel(
        "stat",
        "How many alerts are open?",
        "Open alerts on all lines of all sites watched, as the watcher counts them: 0 is a count, not a silence.",
        targets=[build.target(query.latest(WATCH_BEAT, {"open alerts": "open_alerts"}))],
        options=build.stat(),
        defaults={
            "unit": "none",
            "decimals": 0,
            "noValue": "not known",
            "thresholds": build.steps((None, build.GREY), (1, build.YELLOW)),
        },
    )
