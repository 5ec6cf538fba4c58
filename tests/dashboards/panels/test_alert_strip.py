from __future__ import annotations

from dashboards.panels.alert_strip import panel


def test_of_several_levels_within_an_interval_the_highest_is_shown():
    (target,) = panel()["targets"]
    assert target["query"].startswith('SELECT max("state")')
