"""Whether there is room left for what arrives."""

from __future__ import annotations

from collector.schema import READING, SELF_LINE
from dashboards import build, query
from dashboards.layout import Place

PLACES = {"watch_health": Place(row=1, position=3, width=6, height=5)}

_LITTLE_BYTES = 1e9


def panel() -> build.Json:
    where = [query.equals("line", SELF_LINE), query.equals("metric", "disk_free_bytes")]
    full = build.bands((None, _LITTLE_BYTES, "▼ nearly full", build.YELLOW))
    return build.panel(
        "stat",
        "How much room has the spool?",
        "Free on the disk of the spool. Below 1 GB: make room, or the oldest delivered readings go first.",
        targets=[build.target(query.latest(READING, {"free": "value"}, where=where, by=["site"]), alias="$tag_site")],
        options=build.stat(),
        defaults={
            "unit": "decbytes",
            "decimals": 0,
            "noValue": "? no word",
            "mappings": full,
            "thresholds": build.steps((None, build.YELLOW), (_LITTLE_BYTES, build.GREY)),
        },
    )
