"""Plant overview: in half a minute, is each line running, what is abnormal, and what is next.

The tile of the equipment's effectiveness goes into row 6 once it is computed.
"""

from __future__ import annotations

from dashboards import build, downward, layout, marks, variables

UID = downward.OVERVIEW


def board() -> build.Json:
    return build.dashboard(
        UID,
        "1 Plant overview",
        "Is each line running, what is abnormal now, what runs out next. Grey is normal.",
        panels=layout.panels_of("plant_overview"),
        variables=variables.site_line_cluster(),
        annotations=[marks.alerts()],
    )
