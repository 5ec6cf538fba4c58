"""Supply and chain: which node fails next, how long stocks last, what that costs and what can be done.

The four lists (blank points, weak links, shortcomings, long boards) go into rows 5 and 6 and the output index into row
7 once they are stored; `andon chain` computes them.
"""

from __future__ import annotations

from dashboards import build, downward, layout, marks, variables

UID = downward.CHAIN


def board() -> build.Json:
    return build.dashboard(
        UID,
        "3 Supply and chain",
        "The chain with its present risk, days of cover against lead time, what stops by when, and what that loses.",
        panels=layout.panels_of("supply_chain"),
        variables=variables.site_line_cluster(),
        annotations=[marks.alerts()],
    )
