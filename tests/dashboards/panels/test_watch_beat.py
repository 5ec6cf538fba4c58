from __future__ import annotations

from dashboards.alerting import beat_rule
from dashboards.build import RED
from dashboards.panels.watch_beat import panel
from tests.dashboards.grafana_cells import colours


def test_a_beat_that_the_rule_takes_for_none_is_none_here_and_in_colour():
    asks = beat_rule()["data"][0]
    assert panel()["timeFrom"] == f"{asks['relativeTimeRange']['from'] // 60}m"
    assert colours(panel(), "", None) == {RED}
