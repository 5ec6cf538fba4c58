"""The rule's file holds exactly the keys Grafana's file parser reads: it drops unknown ones without a word."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest

from collector.schema import ALERT_STATE, STATE_OF_LEVEL, AlertLevel
from dashboards.alerting import BETWEEN_WARNING_AND_CRITICAL, rule_file
from dashboards.build import DATA_SOURCE
from dashboards.render import boards, files
from tests.dashboards.grafana_schemas import expression_faults

GROUP = {"orgId", "name", "folder", "interval", "rules"}
RULE = {
    "uid",
    "title",
    "condition",
    "data",
    "dashboardUid",
    "panelId",
    "noDataState",
    "execErrState",
    "for",
    "keepFiringFor",
    "missing_series_evals_to_resolve",
    "annotations",
    "labels",
    "isPaused",
    "notification_settings",
    "record",
}
REQUIRED = {"uid", "title", "condition", "data"}
NOTIFICATION = {
    "receiver",
    "group_by",
    "group_wait",
    "group_interval",
    "repeat_interval",
    "mute_time_intervals",
    "active_time_intervals",
}
DATA = {"refId", "queryType", "datasourceUid", "relativeTimeRange", "model"}
DURATION = re.compile(r"\d+[smhd]")


def faults(file: dict[str, Any]) -> list[str]:
    """What the file parser would drop, refuse or take for something else."""
    found = [f"unknown {key}" for key in file.keys() - {"apiVersion", "groups"}]
    for group in file["groups"]:
        found += [f"unknown {key}" for key in group.keys() - GROUP] + [f"no {key}" for key in GROUP - group.keys()]
        for rule in group["rules"]:
            found += rule_faults(rule)
    return found


def rule_faults(rule: dict[str, Any]) -> list[str]:
    settings, labels = rule["notification_settings"], rule["labels"]
    found = [f"unknown {key}" for key in rule.keys() - RULE] + [f"no {key}" for key in REQUIRED - rule.keys()]
    found += [f"unknown {key}" for key in settings.keys() - NOTIFICATION]
    found += [f"unknown {key}" for data in rule["data"] for key in data.keys() - DATA]
    found += [f"{key} is no duration" for key in ("for", "keepFiringFor") if not DURATION.fullmatch(str(rule.get(key)))]
    found += [f"label {name} names the environment" for name, value in labels.items() if "$" in value]
    if rule["condition"] not in {data["refId"] for data in rule["data"]}:
        found.append("the condition is none of the queries")
    if not {"alertname", "grafana_folder"} <= set(settings["group_by"]):
        found.append("group_by lacks what Grafana requires")
    models = [data["model"] for data in rule["data"] if data["datasourceUid"] == "__expr__"]
    return found + [fault for model in models for fault in expression_faults(model)]


def made() -> dict[str, Any]:
    return copy.deepcopy(rule_file("andon-plant-overview", 1))


def rule() -> dict[str, Any]:
    ((only,),) = [group["rules"] for group in made()["groups"]]
    return dict(only)


def test_the_file_holds_only_keys_the_parser_reads():
    assert faults(made()) == []


SEEDED = {
    "the API's spelling": lambda rule: rule.update(keep_firing_for=rule.pop("keepFiringFor")),
    "the API's folder": lambda rule: rule.update(folderUID="andon"),
    "nanoseconds for a duration": lambda rule: rule.update(keepFiringFor=120_000_000_000),
    "an unknown key": lambda rule: rule.update(severity="critical"),
    "an environment variable in a label": lambda rule: rule["labels"].update(owner="$owner"),
    "a condition that is no query": lambda rule: rule.update(condition="D"),
    "a grouping Grafana refuses": lambda rule: rule["notification_settings"].update(group_by=["line"]),
    "a threshold that is text": lambda rule: rule["data"][2]["model"]["conditions"][0]["evaluator"].update(
        params=["1"]
    ),
    "an unknown reducer": lambda rule: rule["data"][1]["model"].update(reducer="latest"),
}


@pytest.mark.parametrize("fault", SEEDED)
def test_a_seeded_fault_is_caught(fault):
    broken = made()
    SEEDED[fault](broken["groups"][0]["rules"][0])
    assert faults(broken)


def test_it_fires_for_critical_and_not_for_warning():
    (evaluator,) = [condition["evaluator"] for condition in rule()["data"][2]["model"]["conditions"]]
    assert evaluator == {"type": "gt", "params": [BETWEEN_WARNING_AND_CRITICAL]}
    assert STATE_OF_LEVEL[AlertLevel.WARNING] < BETWEEN_WARNING_AND_CRITICAL < STATE_OF_LEVEL[AlertLevel.CRITICAL]


def test_our_own_silence_neither_fires_nor_resolves():
    assert rule()["noDataState"] == "KeepLast" and rule()["for"] == "0s" and rule()["keepFiringFor"] == "2m"


def test_every_alert_key_is_an_instance_of_its_own_and_no_severity_or_id_splits_it():
    query = rule()["data"][0]["model"]["query"]
    groups = query.split("GROUP BY ")[1]
    assert re.findall(r'"(\w+)"', groups) == list(ALERT_STATE.tags)
    assert "severity" not in query and "alert_id" not in query


def test_it_asks_the_data_source_the_boards_ask():
    assert rule()["data"][0]["datasourceUid"] == DATA_SOURCE["uid"]


def test_a_firing_alert_leads_to_a_panel_that_exists():
    (text,) = [content for name, content in files().items() if name.startswith("provisioning/alerting")]
    uid, panel = re.search(r'"dashboardUid": "(.+?)",\s+"panelId": (\d+)', text).groups()
    assert any(board["uid"] == uid and int(panel) in {p["id"] for p in board["panels"]} for board in boards().values())


def test_the_users_routing_is_left_alone():
    assert not {"policies", "resetPolicies", "contactPoints"} & made().keys()
