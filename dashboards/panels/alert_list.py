"""Grafana's own list of what its rules have fired for this product.

No published schema describes its options: its own test holds them.
"""

from __future__ import annotations

from dashboards import build
from dashboards.alerting import PRODUCT_LABEL
from dashboards.layout import Place

PLACES = {"plant_overview": Place(row=1, position=4, width=7, height=4)}

_BY_IMPORTANCE = 3


def panel() -> build.Json:
    (label, value), *_ = PRODUCT_LABEL.items()
    states = {"firing": True, "pending": True, "recovering": True, "noData": True, "error": True, "normal": False}
    return build.panel(
        "alertlist",
        "Who has been told?",
        "Alerts Grafana is notifying about now. It shows the present, whatever time is chosen above.",
        options={
            "alertInstanceLabelFilter": f'{{{label}="{value}"}}',
            "alertName": "",
            "dashboardAlerts": False,
            "groupBy": [],
            "groupMode": "default",
            "maxItems": 20,
            "showInactiveAlerts": False,
            "showInstances": True,
            "sortOrder": _BY_IMPORTANCE,
            "stateFilter": states,
            "viewMode": "list",
        },
    )
