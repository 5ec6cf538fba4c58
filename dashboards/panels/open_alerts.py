"""The open alerts, worst first, each one click from its page and from what the chain loses by it.

What is lost stands in the chain's own rows: it belongs to a place, and two alerts that starve one place lose it once.
"""

from __future__ import annotations

from collector.schema import ALERT_STATE
from dashboards import build, downward, query
from dashboards.layout import Place
from dashboards.levels import LEVEL_WORDS

PLACES = {
    "plant_overview": Place(row=2, position=1, width=24, height=8),
    "line": Place(row=5, position=1, width=14, height=8),
}

_FIELDS = {
    "level": "state",
    "cover": "cover_days",
    "score": "score",
    "since": "since",
    "acknowledged": "acked",
    downward.ANSWER: "alert_id",
}


def panel() -> build.Json:
    by = ["site", "line", "kind", "subject"]
    where = [query.chosen("site"), query.chosen("line")]
    return build.panel(
        "table",
        "What needs somebody now?",
        "Open alerts, worst first: by level, then by how far each is beyond its method's own threshold.",
        targets=[build.target(query.latest_above(ALERT_STATE, _FIELDS, limit=0, where=where, by=by), as_table=True)],
        options=build.table(sort_by=[("level", True), ("score", True)]),  # Grafana puts what is not known first, rising
        defaults={"noValue": "–"},
        overrides=[
            build.override("level", mappings=LEVEL_WORDS, custom__cellOptions={"type": "color-text"}),
            build.override("kind", links=[downward.to_chain()]),
            build.override("cover", unit="suffix:d", decimals=2, description="days of supply left, where a stock ends"),
            build.override("score", unit="none", decimals=2, description="1 is the method's own threshold"),
            build.override("since", unit="dateTimeFromNow"),
            build.override("line", links=[downward.to_line()]),
            build.override(
                downward.ANSWER,
                mappings=build.patterns(("/^.+$/", "Acknowledge ▸", build.GREY)),
                links=[downward.to_alert()],
            ),
            build.override("acknowledged", mappings=build.words({0: ("no", build.GREY), 1: ("yes", build.GREY)})),
        ],
        transformations=[
            build.columns(
                {name: name for name in ["level", "kind", "subject", "line", *list(_FIELDS)[1:]]},
                without=["Time", "site"],
            )
        ],
    )
