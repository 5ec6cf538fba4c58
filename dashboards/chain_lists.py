"""What the panels of the four lists have in common: the rows of one list still on the map, most at stake first.

The lists come from the map alone, so they are said when it changes; and read over a fixed window as all of the map is.
"""

from __future__ import annotations

from collector.schema import CHAIN_LIST
from dashboards import build, query
from dashboards.query import Kept

_WINDOW = "400d"
_COLUMNS = {
    "material": "material",
    "what": "cause",
    "clears when": "clears",
    "at stake a day": "at_stake_per_d",
    "as of": "as_of",
}


def list_panel(name: str, title: str, description: str) -> build.Json:
    """The table of the list called `name` (`detectors.chain.lists.row.ListName`)."""
    asked = query.rows(
        CHAIN_LIST,
        _COLUMNS,
        by=CHAIN_LIST.tags,
        newest="on_map",
        kept=[Kept("on_map", "> 0")],
        where=[query.equals("list", name), query.chosen_among("clusters", "cluster")],
        within=_WINDOW,
    )
    return build.panel(
        "table",
        title,
        description,
        targets=[build.target(asked, as_table=True)],
        options=build.table(sort_by=[("at stake a day", True), ("material", False)]),
        defaults={"noValue": "none"},
        overrides=[
            build.override("material", custom__width=140),
            build.override("what", custom__width=660),
            build.override("at stake a day", unit="short", custom__width=130),
            build.override("as of", unit="dateTimeFromNow", custom__width=110),
        ],
        transformations=[build.columns({name: name for name in _COLUMNS}, without=["Time"])],
    )
