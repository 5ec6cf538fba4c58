from __future__ import annotations

import pytest

from dashboards.build import GREYS, YELLOW
from dashboards.panels.line_states import panel
from tests.dashboards.grafana_cells import colours

STATES = {
    "running": GREYS,
    "Execute": GREYS,
    "planned": GREYS,
    "micro_stop": GREYS,
    "stopped": (YELLOW,),
    "STARVED": (YELLOW,),
    "a word of their own": (),
}


@pytest.mark.parametrize("state", STATES)
def test_only_a_stop_that_nobody_planned_has_a_colour(state):
    assert colours(panel(), "", state) <= set(STATES[state]) and bool(colours(panel(), "", state)) == bool(
        STATES[state]
    )
