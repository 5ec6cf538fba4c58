"""Supply and chain: which node fails next, how long stocks last, what that costs and what can be done.

Rows 5 to 8 are the planners' four lists. The output index goes into row 9 once it is stored; `andon chain` computes it.
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
