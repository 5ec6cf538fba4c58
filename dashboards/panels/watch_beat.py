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
        "When the watcher last gave a sign of life. No beat for 5 minutes means: trust nothing below.",
        targets=[build.target(query.latest(WATCH_BEAT, {"alive": "alive"}), as_table=True)],
        options=build.stat(fields="/^Time$/"),
        defaults={
            "unit": "dateTimeFromNow",
            "noValue": "✖ no beat",
            "mappings": build.nothing("✖ no beat", build.RED),
            "color": {"mode": "fixed", "fixedColor": build.GREY},
            "links": [downward.to_health()],
        },
        timeFrom="5m",  # an older beat is none: the rule looks back as far
    )
