from __future__ import annotations

from dashboards.panels.lost import COUNTED, panel
from tests.dashboards.grafana_cells import renamed


def test_every_count_has_a_heading_a_person_would_use():
    for metric, name in COUNTED.items():
        assert renamed(panel(), f"nanjing: {metric}") == f"nanjing: {name}"
