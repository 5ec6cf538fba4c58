"""The watcher's own pulse, because silence is not health."""

from __future__ import annotations

from collector.schema import WATCH_BEAT
from dashboards import build, downward, query
from dashboards.layout import Place

PLACES = {
    "plant_overview": Place(row=1, position=1, width=4, height=4),
    "watch_health": Place(row=1, position=1, width=6, height=5),
}


def panel() -> build.Json:
    return build.panel(
        "stat",
        "Is anybody watching?",
        "When the detectors last gave a sign of life. No beat means: trust nothing below, not that all is well.",
        targets=[build.target(query.latest(WATCH_BEAT, {"alive": "alive"}), as_table=True)],
        options=build.stat(fields="/^Time$/"),
        defaults={
            "unit": "dateTimeFromNow",
            "noValue": "✖ no beat",
            "color": {"mode": "fixed", "fixedColor": build.GREY},
            "links": [downward.to_health()],
        },
    )
