"""Watch health: whether the watcher itself can be believed."""

from __future__ import annotations

from dashboards import build, downward, layout, marks, variables

UID = downward.HEALTH


def board() -> build.Json:
    return build.dashboard(
        UID,
        "4 Watch health",
        "The beat, how old what we know is, what was lost, and how often past alerts were right.",
        panels=layout.panels_of("watch_health"),
        variables=variables.site_line_cluster(),
        annotations=[marks.alerts()],
        last="24h",
    )
