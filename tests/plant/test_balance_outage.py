"""R3: ten minutes without a store at 500 messages/s, then all of it beside the live readings: the short form of
`andon bench outage`, with the same bars."""

from __future__ import annotations

import pytest

from deploy.bench.outage import FIGURES, outage
from tests.plant.servers import need

pytestmark = pytest.mark.plant

AWAY_H = 10 / 60
SLOWLY = "backlog_rows_per_s = 20_000\n"  # so that the drain lasts long enough for a p99 of what goes on beside it
GROUP = 100  # so that it is as many frames as make a backlog
P99, ALONE = "R3 live meanwhile: publish -> store, p99", "R3 live before, without a backlog: p99"


def test_what_a_store_missed_for_ten_minutes_reaches_it_beside_the_live_readings() -> None:
    """The bar of the p99 is raised by what the machine needs without a backlog: it may have other things to do."""
    need("mosquitto"), need("influxd")
    found = dict(zip(FIGURES, outage(AWAY_H, SLOWLY, group=GROUP), strict=True))
    for figure, value in found.items():
        print(figure.line([value]))
    alone_s = next(value for figure, value in found.items() if figure.name == ALONE)
    for figure, value in found.items():
        allowance = alone_s if figure.name == P99 else 0.0
        line = figure.line([value - allowance])
        assert "MISSED" not in line and "not measured" not in line, line
