"""What happened, as marks on time series: every alert from its raising to its end, read from the store."""

from __future__ import annotations

from collector.schema import ALERT_EVENT
from dashboards import build, query


def alerts() -> build.Json:
    where = [query.chosen("site"), query.chosen("line")]
    return build.annotation(
        "Alerts",
        query.events(ALERT_EVENT, ["title", "text", "tags", "time_end"], where=where),
        title="title",
        text="text",
        tags="tags",
        ends="time_end",
    )
