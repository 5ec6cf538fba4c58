"""What is known to be missing: gaps, messages nobody could read, what a full spool dropped. No silent losses."""

from __future__ import annotations

from collector.schema import READING, SELF_LINE
from dashboards import build, query
from dashboards.layout import Place

PLACES = {"watch_health": Place(row=1, position=2, width=12, height=5)}

COUNTED = {
    "gaps_found": "gaps",
    "dead_letters": "dead letters waiting",
    "broker_dropped": "dropped by the broker",
    "readings_evicted": "evicted undelivered",
    "readings_damaged": "damaged on disk",
}


def panel() -> build.Json:
    where = [query.equals("line", SELF_LINE), query.among("metric", list(COUNTED))]
    asked = query.latest(READING, {"count": "value"}, where=where, by=["site", "metric"])
    return build.panel(
        "stat",
        "What is known to be missing?",
        "Of every collector since its start. A count that is not shown never happened; `andon dead` has dead letters.",
        targets=[build.target(asked, alias="$tag_site: $tag_metric")],
        options=build.stat() | {"textMode": "value_and_name"},
        defaults={
            "unit": "none",
            "decimals": 0,
            "noValue": "? no word",
            "thresholds": build.steps((None, build.GREY), (1, build.YELLOW)),
        },
        transformations=[build.renamed(f"{metric}$", name) for metric, name in COUNTED.items()],
    )
