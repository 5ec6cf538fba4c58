"""When every stock of the chain is used up if nothing more is ordered, the first date first."""

from __future__ import annotations

from collector.schema import CHAIN_STOCK
from dashboards import build
from dashboards.chain_rows import rows_on_map
from dashboards.layout import Place
from dashboards.query import Kept

PLACES = {"supply_chain": Place(row=2, position=2, width=10, height=9)}

_COLUMNS = {"empty by": "empty_at", "material": "material", "at": "title", "left": "on_hand", "used": "use_per_d"}


def panel() -> build.Json:
    kept = [Kept("empty_at", "> 0")]
    asked = rows_on_map(CHAIN_STOCK, _COLUMNS, CHAIN_STOCK.tags, kept=kept)
    return build.panel(
        "table",
        "Which stock is empty by which date?",
        "At the use measured or else planned, with what arrives in time counted in. Stocks nobody uses are left out.",
        targets=[build.target(asked, as_table=True)],
        options=build.table(sort_by=[("empty by", False)]),
        defaults={"noValue": "–"},
        overrides=[
            build.override("empty by", unit="dateTimeAsLocal", custom__width=180),
            build.override("left", unit="none", decimals=0),
            build.override("used", unit="suffix:/d", decimals=0),
        ],
        transformations=[build.columns({name: name for name in _COLUMNS}, without=["Time"])],
    )
