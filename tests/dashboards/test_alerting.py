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


def rules() -> dict[str, dict[str, Any]]:
    (group,) = made()["groups"]
    return {rule["uid"]: rule for rule in group["rules"]}


LEVELS = ["andon-critical", "andon-warning"]


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


def evaluator(uid: str) -> dict[str, Any]:
    (only,) = [condition["evaluator"] for condition in rules()[uid]["data"][2]["model"]["conditions"]]
    return dict(only)


def test_each_level_fires_its_own_rule():
    assert evaluator("andon-critical") == {"type": "gt", "params": [BETWEEN_WARNING_AND_CRITICAL]}
    assert evaluator("andon-warning") == {"type": "within_range", "params": [0.5, BETWEEN_WARNING_AND_CRITICAL]}
    assert 0.5 < STATE_OF_LEVEL[AlertLevel.WARNING] < BETWEEN_WARNING_AND_CRITICAL
    assert STATE_OF_LEVEL[AlertLevel.CRITICAL] > BETWEEN_WARNING_AND_CRITICAL


def test_rules_add_no_delay_of_their_own():
    assert {(rule["for"], rule["keepFiringFor"]) for rule in rules().values()} == {("0s", "2m")}


@pytest.mark.parametrize("state", ["noDataState", "execErrState"])
def test_our_own_silence_and_a_store_that_is_down_fire_the_beat_and_neither_fire_nor_resolve_an_alert(state):
    assert {uid: rule[state] for uid, rule in rules().items()} == {
        "andon-critical": "KeepLast",
        "andon-warning": "KeepLast",
        "andon-beat": "Alerting",
    }


def test_the_beat_is_one_series_and_fires_when_it_is_not_well():
    assert "GROUP BY time($__interval) fill" in rules()["andon-beat"]["data"][0]["model"]["query"]
    assert evaluator("andon-beat") == {"type": "lt", "params": [1]}


def test_only_warnings_are_muted_and_only_where_there_is_a_calendar():
    timings = [rule["notification_settings"].get("mute_time_intervals") for rule in rules().values()]
    assert timings == [None, None, None]
    (group,) = rule_file("andon-plant-overview", 1, muted="off")["groups"]
    timings = [rule["notification_settings"].get("mute_time_intervals") for rule in group["rules"]]
    assert timings == [None, ["off"], None]


@pytest.mark.parametrize("uid", LEVELS)
def test_every_alert_key_is_an_instance_of_its_own_and_no_severity_or_id_splits_it(uid):
    query = rules()[uid]["data"][0]["model"]["query"]
    groups = query.split("GROUP BY ")[1]
    assert re.findall(r'"(\w+)"', groups) == list(ALERT_STATE.tags)
    assert "severity" not in query and "alert_id" not in query


def test_the_newest_level_counts():
    for rule in rules().values():
        asks, reduces, _ = rule["data"]
        assert asks["model"]["query"].startswith("SELECT last(") and reduces["model"]["reducer"] == "last"
        assert asks["relativeTimeRange"] == {"from": 300, "to": 0}, "a level of 0 is written for 5 minutes"


def test_rules_ask_the_data_source_the_boards_ask():
    assert {rule["data"][0]["datasourceUid"] for rule in rules().values()} == {DATA_SOURCE["uid"]}


def test_a_firing_alert_leads_to_a_panel_that_exists():
    text = files()["provisioning/alerting/andon.yaml"]
    places = re.findall(r'"dashboardUid": "(.+?)",\s+"panelId": (\d+)', text)
    panels = {(board["uid"], str(panel["id"])) for board in boards().values() for panel in board["panels"]}
    assert len(places) == 3 and set(places) <= panels


def test_the_users_routing_is_left_alone():
    assert not {"policies", "resetPolicies", "contactPoints"} & made().keys()
