"""How long every stock of the chain lasts against the time until what is ordered now arrives, worst first."""

from __future__ import annotations

from collector.schema import CHAIN_STOCK
from dashboards import build
from dashboards.chain_rows import rows_on_map
from dashboards.layout import Place
from dashboards.query import Kept

PLACES = {"supply_chain": Place(row=2, position=1, width=14, height=9)}

_COLUMNS = {
    "material": "material",
    "at": "title",
    "cover": "days_of_supply_d",
    "lead time": "lead_time_d",
    "to spare": "spare_d",
    "in time?": "spare_d",
}
_SPARE = (  # grey both: a stock that is thin by plan is no alarm, and one that runs out has its own
    (None, -0.0001, "▼ stock ends first", build.DARK_GREY),
    (-0.0001, None, "■ order arrives first", build.GREY),
)


def panel() -> build.Json:
    kept = [Kept("lead_time_d", "> 0")]  # what arrives at its node; what a node makes itself is not ordered
    asked = rows_on_map(CHAIN_STOCK, _COLUMNS, CHAIN_STOCK.tags, kept=kept)
    days = {"unit": "suffix:d", "decimals": 1}
    return build.panel(
        "table",
        "Which stock ends before a new order arrives?",
        "Days of cover less lead time, the worst first. ▼: what is ordered now comes after the stock has ended.",
        targets=[build.target(asked, as_table=True)],
        options=build.table(sort_by=[("to spare", False), ("cover", False)]),
        defaults={"noValue": "–"},
        overrides=[
            *(build.override(name, **days) for name in ("cover", "lead time", "to spare")),
            build.override("in time?", mappings=build.bands(*_SPARE), custom__width=160),
            build.override("time", unit="dateTimeFromNow"),
        ],
        transformations=[build.columns({**{name: name for name in _COLUMNS}, "Time": "time"})],
    )
