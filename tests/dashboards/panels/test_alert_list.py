"""No published schema describes this panel; its options are those of Grafana's UnifiedAlertListOptions."""

from __future__ import annotations

from dashboards.alerting import beat_rule, critical_rule, warning_rule
from dashboards.panels.alert_list import panel

OPTIONS = {
    "alertInstanceLabelFilter": str,
    "alertName": str,
    "dashboardAlerts": bool,
    "groupBy": list,
    "groupMode": str,
    "maxItems": int,
    "showInactiveAlerts": bool,
    "showInstances": bool,
    "sortOrder": int,
    "stateFilter": dict,
    "viewMode": str,
}
STATES = {"firing", "pending", "recovering", "noData", "normal", "error"}


def test_its_options_are_known_and_of_the_right_type():
    options = panel()["options"]
    assert {name: type(value) for name, value in options.items()} == OPTIONS
    assert options["stateFilter"].keys() == STATES and options["viewMode"] in ("list", "stat")


def test_it_shows_everything_but_the_normal():
    assert {state for state, shown in panel()["options"]["stateFilter"].items() if not shown} == {"normal"}


def test_it_lists_what_our_rules_fire():
    for rule in (critical_rule("board", 1), warning_rule("board", 1), beat_rule()):
        assert panel()["options"]["alertInstanceLabelFilter"] == f'{{product="{rule["labels"]["product"]}"}}'


def test_it_names_no_data_source():
    assert "datasource" not in panel() and "datasource" not in panel()["options"]
