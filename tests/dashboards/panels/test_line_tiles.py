from __future__ import annotations

from dashboards.build import GREY, YELLOW
from dashboards.panels.line_tiles import panel
from tests.dashboards.grafana_cells import colours


def test_a_tile_turns_at_the_methods_own_threshold():
    assert colours(panel(), "", 0.3) == {GREY} and colours(panel(), "", 1.0) == colours(panel(), "", 7.2) == {YELLOW}
