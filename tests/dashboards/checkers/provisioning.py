"""Holds the provisioning files by Grafana's HTTP contract in the files' own spelling, and by each other.

Grafana drops a key it does not know without a word and takes one thing for another without asking, so here every
unknown key and every name that leads nowhere is a fault. Boards are held as files too: Classic, with unique uids.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any
from zoneinfo import available_timezones

from jsonschema import Draft7Validator

from tests.dashboards.checkers import contract
from tests.dashboards.checkers.verdict import Json, Rendered, Verdict, boards_of, panels_of, provisioned
from tests.dashboards.grafana_schemas import expression_faults

_DURATION = re.compile(r"(\d+)([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_LISTS = {"datasources", "providers", "groups", "contactPoints", "muteTimes"}
_BUILT_IN = {"__expr__", "-- Grafana --", "grafana", "-- Dashboard --", "-- Mixed --"}
_UID = re.compile(r"[a-zA-Z0-9\-_]{1,40}")
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00")
_WEEKDAYS = {"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}
_PROVIDER = {
    "name": str,
    "orgId": int,
    "folder": str,
    "folderUid": str,
    "type": str,
    "disableDeletion": bool,
    "updateIntervalSeconds": int,
    "allowUiUpdates": bool,
    "options": dict,
}
_INFLUX = {
    "version",
    "dbName",
    "httpMode",
    "timeInterval",
    "maxSeries",
    "tlsSkipVerify",
    "tlsAuth",
    "tlsAuthWithCACert",
}
_OF_THE_API = {"id", "folderUID", "orgID", "ruleGroup", "provenance", "updated"}  # of a rule, which a file does not say
_HTTP_MODES = {"GET", "POST"}
_SPELLED_BY_FILE = {
    "keep_firing_for": "keepFiringFor",
    "missingSeriesEvalsToResolve": "missing_series_evals_to_resolve",
}
_BEAT = "watch_beat"


def check(files: Rendered) -> Verdict:
    """Everything about the files but what panels draw."""
    verdict = Verdict()
    for name, file in files.items():
        if name.startswith("dashboards/"):
            _board(verdict, name, file)
        else:
            _file(verdict, name, file)
    _across(verdict, files)
    return verdict


def _file(verdict: Verdict, name: str, file: Json) -> None:
    verdict.that(file.get("apiVersion") == 1, f"{name}: apiVersion is not 1")
    for key in file.keys() - {"apiVersion"}:
        verdict.that(key in _LISTS, f"{name}: {key} is nothing we ship (policies would replace the site's own)")
    for source in file.get("datasources", []):
        _data_source(verdict, f"{name}, {source.get('name')}", source)
    for provider in file.get("providers", []):
        _provider(verdict, f"{name}, {provider.get('name')}", provider)
    for group in file.get("groups", []):
        _group(verdict, f"{name}, {group.get('name')}", group)
    for point in file.get("contactPoints", []):
        _contact_point(verdict, f"{name}, {point.get('name')}", point)
    for timing in file.get("muteTimes", []):
        _mute_timing(verdict, f"{name}, {timing.get('name')}", timing)


def _data_source(verdict: Verdict, where: str, source: Json) -> None:
    verdict.found(contract.faults(_of_data_source(), source, where))
    verdict.that("database" not in source, f"{where}: database is not read any more, say jsonData.dbName")
    told, secrets = source.get("jsonData", {}), source.get("secureJsonData", {})
    verdict.that(told.get("version") == "InfluxQL" and bool(told.get("dbName")), f"{where}: no InfluxQL on a database")
    verdict.that(told.get("httpMode") in _HTTP_MODES, f"{where}: asks by {told.get('httpMode')}")
    verdict.that(source.get("access") == "proxy", f"{where}: browsers would ask the store themselves")
    names = {key for key in told if re.fullmatch(r"httpHeaderName\d+", key)}
    for key in told.keys() - names:
        verdict.that(key in _INFLUX, f"{where}: unknown jsonData.{key}")
    expected = {key.replace("Name", "Value") for key in names} | ({"password"} if "user" in source else set())
    verdict.that(secrets.keys() == expected, f"{where}: secrets {sorted(secrets)} where {sorted(expected)} are meant")
    for key, value in secrets.items():
        verdict.that("$" in value, f"{where}: the secret {key} is written out")


@lru_cache
def _of_data_source() -> Draft7Validator:
    shape = copy.deepcopy(contract.schema("AddDataSourceCommand"))
    shape["properties"] |= {"orgId": {"type": "integer"}, "version": {}, "editable": {"type": "boolean"}}
    shape["required"] = ["name", "uid", "type", "access", "url", "jsonData"]
    return contract.ready(shape)


def _provider(verdict: Verdict, where: str, provider: Json) -> None:
    for key, value in provider.items():
        verdict.that(isinstance(value, _PROVIDER.get(key, ())), f"{where}: unknown {key}, or of the wrong type")
    options = provider.get("options", {})
    path = str(options.get("path", ""))
    verdict.that(provider.get("type") == "file" and path.startswith("/"), f"{where}: no folder of files")
    verdict.that(options.keys() <= {"path", "foldersFromFilesStructure"}, f"{where}: unknown option")
    both = options.get("foldersFromFilesStructure") and (provider.get("folder") or provider.get("folderUid"))
    verdict.that(not both, f"{where}: folder and foldersFromFilesStructure exclude each other")


def _group(verdict: Verdict, where: str, group: Json) -> None:
    for key in {"orgId", "name", "folder", "interval", "rules"} ^ group.keys():
        verdict.that(False, f"{where}: {key} is missing or unknown")
    interval_s = _duration_s(group.get("interval"))
    verdict.that(bool(interval_s) and not (interval_s or 1) % 10, f"{where}: interval is no multiple of 10s")
    for rule in group.get("rules", []):
        _rule(verdict, f"{where}, {rule.get('uid')}", rule)


@lru_cache
def _of_rule() -> Draft7Validator:
    """ProvisionedAlertRule as a file spells it."""
    shape = copy.deepcopy(contract.schema("ProvisionedAlertRule"))
    of_file = {_SPELLED_BY_FILE.get(key, key): value for key, value in shape["properties"].items()}
    shape["properties"] = {key: value for key, value in of_file.items() if key not in _OF_THE_API}
    shape["properties"] |= {"dashboardUid": {"type": "string"}, "panelId": {"type": "integer"}}
    shape["required"] = ["uid", "title", "condition", "data", "noDataState", "execErrState", "for", "dashboardUid"]
    return contract.ready(shape)


def _rule(verdict: Verdict, where: str, rule: Json) -> None:
    verdict.found(contract.faults(_of_rule(), rule, where))
    settings, data = rule.get("notification_settings", {}), rule.get("data", [])
    for key in ("for", "keepFiringFor"):
        verdict.that(_duration_s(rule.get(key)) is not None, f"{where}: {key} is no duration")
    for key in ("group_wait", "group_interval", "repeat_interval"):
        verdict.that(_duration_s(settings.get(key)) is not None, f"{where}: {key} is no duration")
    group_by = set(settings.get("group_by", ()))
    verdict.that({"alertname", "grafana_folder"} <= group_by, f"{where}: group_by lacks alertname or grafana_folder")
    for name, value in rule.get("labels", {}).items():
        verdict.that("$" not in str(value).replace("$$", ""), f"{where}: the label {name} names the environment")
    for name, value in rule.get("annotations", {}).items():
        verdict.that("${" not in str(value), f"{where}: the annotation {name} names the environment")
    asks_beat = any(_BEAT in str(one.get("model", {}).get("query")) for one in data)
    meant = "Alerting" if asks_beat else "KeepLast"
    for state in ("noDataState", "execErrState"):
        verdict.that(rule.get(state) == meant, f"{where}: {state} is not {meant}: silence would say the wrong thing")
    _data(verdict, where, rule.get("condition"), data)


def _data(verdict: Verdict, where: str, condition: Any, data: list[Json]) -> None:
    ref_ids = [one.get("refId") for one in data]
    verdict.that(len(set(ref_ids)) == len(ref_ids), f"{where}: a refId is there twice")
    verdict.that(condition in ref_ids, f"{where}: the condition {condition} is none of its queries")
    for i, one in enumerate(data):
        model, span = one.get("model", {}), one.get("relativeTimeRange", {})
        verdict.that(
            model.get("refId") == one.get("refId"), f"{where}: the model of {one.get('refId')} has another refId"
        )
        if one.get("datasourceUid") == "__expr__":
            verdict.found(f"{where}: {fault}" for fault in expression_faults(model))
            verdict.that(
                model.get("expression") in ref_ids[:i], f"{where}: {model.get('expression')} comes from nowhere"
            )
        else:
            query = str(model.get("query"))
            verdict.that(span.get("from", 0) > span.get("to", 0), f"{where}: the query looks at no time")
            verdict.that("$timeFilter" in query and "GROUP BY time(" in query, f"{where}: the query is not over time")
            verdict.that(
                not re.search(r'GROUP BY.*"(severity|alert_id)"', query),
                f"{where}: a change of severity splits its series",
            )
            inside = model.get("datasource", {}).get("uid")
            verdict.that(inside == one.get("datasourceUid"), f"{where}: asks two data sources at once")


def _contact_point(verdict: Verdict, where: str, point: Json) -> None:
    verdict.that(point.keys() == {"orgId", "name", "receivers"}, f"{where}: a key is missing or unknown")
    for receiver in point.get("receivers", []):
        verdict.found(contract.faults(_of_receiver(), receiver, where))


@lru_cache
def _of_receiver() -> Draft7Validator:
    shape = copy.deepcopy(contract.schema("EmbeddedContactPoint"))
    shape["properties"] = {key: one for key, one in shape["properties"].items() if key not in ("name", "provenance")}
    shape["required"] = ["uid", "type", "settings"]
    return contract.ready(shape)


def _mute_timing(verdict: Verdict, where: str, timing: Json) -> None:
    verdict.that(timing.keys() == {"orgId", "name", "time_intervals"}, f"{where}: a key is missing or unknown")
    verdict.that(bool(timing.get("time_intervals")), f"{where}: no interval, which Grafana refuses")
    for span in timing.get("time_intervals", []):
        verdict.found(contract.faults(contract.held_by("TimeIntervalItem"), span, where))
        verdict.that(span.get("location", "UTC") in _zones(), f"{where}: no time zone {span.get('location')}")
        verdict.that(set(span.get("weekdays", ())) <= _WEEKDAYS, f"{where}: weekdays are written out in full")
        for part in span.get("times", []):
            clocks = part.get("start_time", ""), part.get("end_time", "")
            right = all(map(_CLOCK.fullmatch, clocks)) and clocks[0] < clocks[1]
            verdict.that(right, f"{where}: {clocks} is no span within a day")


_zones = lru_cache(available_timezones)


def _board(verdict: Verdict, name: str, board: Json) -> None:
    is_v2 = "elements" in board or "spec" in board or "apiVersion" in board
    if not verdict.that(
        not is_v2 and isinstance(board.get("panels"), list), f"{name}: Grafana reads no v2 board from disk"
    ):
        return
    verdict.that(bool(_UID.fullmatch(str(board.get("uid", "")))), f"{name}: no uid a link can lead to")
    verdict.that(board.get("id") is None, f"{name}: an id belongs to one Grafana only")
    verdict.found(_twice("panel id", [panel.get("id") for panel in panels_of(board)], name))
    variables = {variable["name"] for variable in board["templating"]["list"]}
    for used in sorted(_variables(board)):
        verdict.that(used in variables, f"{name}: ${used} is no variable of the board")


def _across(verdict: Verdict, files: Rendered) -> None:
    """What the files say of each other."""
    sources, boards = provisioned(files, "datasources"), boards_of(files)
    groups, providers = provisioned(files, "groups"), provisioned(files, "providers")
    rules = [rule for group in groups for rule in group.get("rules", [])]
    verdict.found(_twice("data source uid", [source.get("uid") for source in sources], "provisioning"))
    verdict.found(_twice("board uid", [board.get("uid") for board in boards.values()], "dashboards"))
    verdict.found(_twice("board title", [board.get("title") for board in boards.values()], "dashboards"))
    verdict.found(_twice("rule uid", [rule.get("uid") for rule in rules], "provisioning"))
    verdict.found(_twice("rule title", [rule.get("title") for rule in rules], "provisioning"))
    uids = {source.get("uid") for source in sources} | _BUILT_IN
    for name, board in boards.items():
        for uid in sorted(set(_asked(board))):
            verdict.that(uid in uids, f"{name}: asks the data source {uid}, which no file provides")
        for uid in sorted(set(_linked(board))):
            verdict.that(
                uid in {one.get("uid") for one in boards.values()}, f"{name}: leads to the board {uid}, not there"
            )
    folders = {provider.get("folder") for provider in providers}
    for group in groups:
        verdict.that(group.get("folder") in folders, f"{group.get('name')}: its folder is not the boards'")
    panel_ids = {board.get("uid"): {panel.get("id") for panel in panels_of(board)} for board in boards.values()}
    timings = {timing.get("name") for timing in provisioned(files, "muteTimes")}
    for rule in rules:
        where = f"rule {rule.get('uid')}"
        for one in rule.get("data", []):
            verdict.that(one.get("datasourceUid") in uids, f"{where}: asks the data source {one.get('datasourceUid')}")
        there = rule.get("panelId") in panel_ids.get(rule.get("dashboardUid"), set())
        verdict.that(there, f"{where}: leads to a panel that is not there")
        muted = set(rule.get("notification_settings", {}).get("mute_time_intervals", ()))
        verdict.that(muted <= timings, f"{where}: {sorted(muted - timings)} is no mute timing of these files")


def _twice(what: str, values: Iterable[Any], where: str) -> list[str]:
    seen = list(values)
    return [
        f"{where}: {what} {value} is there twice" for value in sorted({v for v in seen if seen.count(v) > 1}, key=str)
    ]


def _walk(value: Any) -> Iterator[Any]:
    yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _walk(inner)


def _asked(board: Json) -> Iterator[str]:
    for part in _walk(board):
        if isinstance(part, dict) and isinstance(part.get("datasource"), dict):
            yield part["datasource"].get("uid", "")


def _linked(board: Json) -> Iterator[str]:
    for part in _walk(board):
        if isinstance(part, str):
            yield from re.findall(r"(?:^|[^\w/])/?d/([\w-]+)", part)


def _variables(board: Json) -> set[str]:
    """Names of the board's variables that its texts use; Grafana's own begin with `__`."""
    texts = [part for part in _walk({**board, "templating": {}}) if isinstance(part, str)]
    texts += [variable.get("query", "") for variable in board["templating"]["list"] if variable["type"] == "query"]
    used = {a or b for text in texts for a, b in re.findall(r"\$(?:\{(\w+)[^}]*\}|([a-zA-Z_]\w*))", text)}
    return {name for name in used if not re.match(r"__|timeFilter$|interval$|tag_|col$|measurement$|m$", name)}


def _duration_s(text: Any) -> int | None:
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    return int(found[1]) * _SECONDS[found[2]] if found else None
