"""Plant overview: in half a minute, is each line running, what is abnormal, and what is next."""

from __future__ import annotations

from collector.schema import READING
from dashboards import build, layout, query

UID = "andon-plant-overview"


def board() -> build.Json:
    return build.dashboard(
        UID,
        "Plant overview",
        "Is each line running, what is abnormal now, what runs out next. Grey is normal.",
        panels=layout.panels_of("plant_overview"),
        variables=[
            build.variable("site", "Site", query.tag_values(READING, "site")),
            build.variable("line", "Line", query.tag_values(READING, "line", where=[query.chosen("site")]), multi=True),
        ],
    )
