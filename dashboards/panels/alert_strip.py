"""The level of every alert over time, as strips."""

from __future__ import annotations

from collector.schema import ALERT_STATE
from dashboards import build, query
from dashboards.layout import Place
from dashboards.levels import LEVEL_WORDS

PLACES = {
    "plant_overview": Place(row=4, position=1, width=17, height=7),
    "line": Place(row=3, position=1, width=24, height=7),
}


def panel() -> build.Json:
    by = ["line", "kind", "subject"]
    where = [query.chosen("site"), query.chosen("line")]
    return build.panel(
        "state-timeline",
        "What was wrong, and when?",
        "The highest level of each alert; quiet is closed, shelved or suppressed. A gap: no alert, or no watcher.",
        targets=[
            build.target(
                query.over_time(ALERT_STATE, {"level": "state"}, how="max", where=where, by=by),
                alias="$tag_kind $tag_subject",
            )
        ],
        options=build.strips(),
        defaults={
            "unit": "none",
            "noValue": "no alert",
            "mappings": LEVEL_WORDS,
            "color": {"mode": "thresholds"},
            "thresholds": build.steps((None, build.GREY)),
            "custom": {"lineWidth": 0, "fillOpacity": 80},
        },
    )
