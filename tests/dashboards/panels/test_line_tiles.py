from __future__ import annotations

from dashboards.build import GREY, YELLOW
from dashboards.panels.line_tiles import panel
from tests.dashboards.grafana_cells import colours


def test_a_tile_turns_at_the_methods_own_threshold():
    assert colours(panel(), "", 0.3) == {GREY} and colours(panel(), "", 1.0) == colours(panel(), "", 7.2) == {YELLOW}


def test_a_tile_leads_to_its_line():
    """`__field.name` is `Value` in every series of this store; the line is a label."""
    (link,) = panel()["fieldConfig"]["defaults"]["links"]
    assert "&var-line=${__field.labels.line:percentencode}" in link["url"]
