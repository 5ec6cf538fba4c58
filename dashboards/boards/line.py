"""Line: what it makes against what it should, what state it was in, what it will be starved of.

Losses by cause and the equipment's effectiveness go into row 4 once they are computed.
"""

from __future__ import annotations

from dashboards import build, downward, layout, marks, variables

UID = downward.LINE


def board() -> build.Json:
    return build.dashboard(
        UID,
        "2 Line",
        "Output against its band, states, alerts and the components that run out next, line by line.",
        panels=layout.panels_of("line"),
        variables=variables.site_line_cluster(),
        annotations=[marks.alerts()],
    )
