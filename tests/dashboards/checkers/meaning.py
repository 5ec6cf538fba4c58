"""Holds what a panel, a link or a rule says by its own query: Grafana takes a name that leads nowhere without a word.

Names of columns and series are reckoned from the InfluxQL text and the alias, as Grafana makes them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.dashboards.checkers.verdict import Json, Rendered, Verdict, boards_of, panels_of, provisioned

_SPAN = re.compile(r"\d+[smhdw]")
_BACK = re.compile(r"now(-\d+[smhdw])?(/[hdwM])?")
_OF_A_LINK = re.compile(r"\$\{(__[a-zA-Z_]+)((?:\.\w+)*)(?::\w+)?\}")
_RANGE_AND_VALUE = {"__url_time_range", "__value", "__all_variables"}
_IN_SLASHES = re.compile(r"/.+/[gi]*")
_ARC = "arc__"


def check(files: Rendered) -> Verdict:
    """Everything that panels, boards and rules say of queries."""
    verdict = Verdict()
    for name, board in boards_of(files).items():
        variables = {variable["name"] for variable in board["templating"]["list"]}
        for end, said in board["time"].items():
            verdict.that(bool(_BACK.fullmatch(said)), f"{name}: time {end} {said} is none")
        for panel in panels_of(board):
            where = f"{name}, {panel['title']}"
            repeats = panel.get("repeat")
            verdict.that(repeats is None or repeats in variables, f"{where}: repeats over {repeats}, no variable")
            verdict.that(bool(_SPAN.fullmatch(panel.get("timeFrom", "1m"))), f"{where}: timeFrom is no span")
            if panel.get("targets"):
                _panel(verdict, where, panel)
    rules = [rule for group in provisioned(files, "groups") for rule in group["rules"]]
    for rule in rules:
        _rule(verdict, f"rule {rule.get('uid')}", rule)
    _alert_lists(verdict, files, rules)
    return verdict


def _panel(verdict: Verdict, where: str, panel: Json) -> None:
    is_table = panel["type"] in ("table", "nodeGraph")
    for target in panel["targets"]:
        tags = _grouped(target["query"])
        for tag in re.findall(r"\$tag_(\w+)", target.get("alias", "")):
            verdict.that(tag in tags, f"{where}: the alias names the tag {tag}, by which is not grouped")
        rest = re.sub(r"\$(tag_\w+|col|measurement|m)\b", "", target.get("alias", ""))
        verdict.that("$" not in rest, f"{where}: the alias {target.get('alias')} is not known to Grafana")
        one_table = target["resultFormat"] == "table"
        verdict.that(one_table or not is_table, f"{where}: a {panel['type']} needs a table")
        if '"alert_state"' in target["query"] and "GROUP BY time(" in target["query"]:
            verdict.that('max("state")' in target["query"], f"{where}: of several levels the highest is to be shown")
    _names(verdict, where, panel)
    for pattern in _patterns(panel):
        verdict.that(_is_pattern(pattern), f"{where}: {pattern} is no regular expression between slashes")
    for url in _links(panel):
        _link(verdict, where, url, panel)
    for one in panel.get("transformations", []):
        if one["id"] == "renameByRegex":
            pattern = one["options"]["regex"]
            known = _IN_SLASHES.fullmatch(pattern) and any(re.search(pattern[1:-1], name) for name in _series(panel))
            verdict.that(bool(known), f"{where}: {pattern} fits no part of a series' name")


def _names(verdict: Verdict, where: str, panel: Json) -> None:
    """Names by which options and overrides speak of columns."""
    headings = set(_headings(panel))
    for key in panel["options"].get("sortBy", []):
        verdict.that(key["displayName"] in headings, f"{where}: sorted by {key['displayName']}, which is no column")
    fields = panel["options"].get("reduceOptions", {}).get("fields", "")
    fits = not fields or any(re.search(fields.strip("/"), name) for name in headings)
    verdict.that(fits, f"{where}: shows {fields}, which is no column")
    for override in panel["fieldConfig"]["overrides"]:
        kind, said = override["matcher"]["id"], override["matcher"]["options"]
        known = headings | set(_series(panel))
        fits = said in known if kind == "byName" else any(re.search(said.strip("/"), name) for name in known)
        verdict.that(fits, f"{where}: speaks of {said}, which is no column")
    if panel["type"] == "nodeGraph":
        verdict.that(
            [one["refId"] for one in panel["targets"]] == ["nodes", "edges"], f"{where}: tables are not told apart"
        )
        arcs = {arc["field"] for arc in panel["options"].get("nodes", {}).get("arcs", [])}
        drawn = {name for name in headings if name.startswith(_ARC)}
        verdict.that(arcs == drawn, f"{where}: arcs {sorted(arcs)} of columns {sorted(drawn)}")
        placed = {"id", "title", "mainstat", "fixedx", "fixedy"}
        verdict.that(placed <= headings, f"{where}: a node lacks {sorted(placed - headings)}")


def _link(verdict: Verdict, where: str, url: str, panel: Json) -> None:
    between = url.startswith("/d/")
    verdict.that(not between or "${__url_time_range}" in url, f"{where}: {url} loses the time")
    for name, path in _OF_A_LINK.findall(url):
        parts = path.split(".")[1:]
        if name == "__data":
            known = parts[:1] == ["fields"] and parts[1] in {*_headings(panel), *_columns(panel)}
        elif name == "__field":  # its name is `Value` in every series of this store
            tags = set.intersection(*(_grouped(target["query"]) for target in panel["targets"]))
            known = parts[:1] == ["labels"] and parts[1] in tags
        else:
            known = name in _RANGE_AND_VALUE
        verdict.that(known, f"{where}: a link names {name}{path}, which nothing fills in")


def _rule(verdict: Verdict, where: str, rule: Json) -> None:
    """The newest level, over as long as a closed alert is written as closed, decides at once."""
    asks = [one for one in rule["data"] if one.get("datasourceUid") != "__expr__"]
    reducers = [one["model"].get("reducer") for one in rule["data"] if one["model"].get("type") == "reduce"]
    verdict.that(reducers == ["last"], f"{where}: judges by {reducers}, not by the newest level")
    for one in asks:
        verdict.that(one["model"]["query"].startswith("SELECT last("), f"{where}: does not ask for the newest level")
        verdict.that(one["relativeTimeRange"].get("from") == 300, f"{where}: looks back another time than 5 minutes")
        grouped = _grouped(one["model"]["query"])
        by_key = grouped in ({"site", "line", "kind", "subject"}, set())
        verdict.that(by_key, f"{where}: one instance for each of {sorted(grouped)}")
    delays = rule.get("for"), rule.get("keepFiringFor")
    verdict.that(delays == ("0s", "2m"), f"{where}: waits {delays}")


def _alert_lists(verdict: Verdict, files: Rendered, rules: list[Json]) -> None:
    labels = {f'{{product="{rule["labels"].get("product")}"}}' for rule in rules}
    for board in boards_of(files).values():
        for panel in panels_of(board):
            if panel["type"] == "alertlist":
                said = panel["options"].get("alertInstanceLabelFilter")
                verdict.that({said} == labels, f"{panel['title']}: {said} is not the label of our rules")


def _grouped(query: str) -> set[str]:
    """The tags of the outermost GROUP BY; none where only a query within has one."""
    groups = query.rpartition("GROUP BY ")[2] if "GROUP BY " in query else ""
    is_within = groups.count(")") > groups.count("(")
    return set() if is_within else set(re.findall(r'"(\w+)"', groups.partition(" ORDER BY ")[0]))


def _columns(panel: Json) -> list[str]:
    """What the answers' columns are called, tags among them."""
    found = ["Time"]
    for target in panel["targets"]:
        outer = target["query"].partition(" FROM ")[0]
        found += re.findall(r' AS "([^"]+)"', outer) or re.findall(r'"([^"]+)"', outer)
        found += sorted(_grouped(target["query"]))
    return found


def _headings(panel: Json) -> list[str]:
    """The columns as they are shown."""
    organised = [one["options"] for one in panel.get("transformations", []) if one["id"] == "organize"]
    if not organised:
        return _columns(panel)
    renamed = organised[0]["renameByName"]
    return [renamed.get(name, name) for name in _columns(panel) if not organised[0]["excludeByName"].get(name)]


def _series(panel: Json) -> Iterator[str]:
    """Names of series by the alias, a tag's value standing for itself; one of each value a condition lists."""
    for target in panel["targets"]:
        listed = re.search(r'"metric" =~ /\^\(([\w|]+)\)', target["query"])
        for metric in listed[1].split("|") if listed else ["metric"]:
            for column in re.findall(r' AS "([^"]+)"', target["query"].partition(" FROM ")[0]):
                named = target.get("alias", "$col").replace("$tag_metric", metric).replace("$col", column)
                yield re.sub(r"\$tag_(\w+)", r"\1", named)


def _links(panel: Json) -> Iterator[str]:
    yield from (link["url"] for link in _said(panel, "links") if "url" in link)


def _patterns(panel: Json) -> Iterator[str]:
    yield from (one["options"]["pattern"] for one in _said(panel, "mappings") if one["type"] == "regex")


def _is_pattern(pattern: str) -> bool:
    try:
        return bool(_IN_SLASHES.fullmatch(pattern) and re.compile(pattern.strip("/")))
    except re.error:
        return False


def _said(panel: Json, setting: str) -> Iterator[Json]:
    """What the defaults and every override list under a setting."""
    config: Any = panel["fieldConfig"]
    yield from config["defaults"].get(setting, [])
    for override in config["overrides"]:
        for one in override["properties"]:
            yield from one["value"] if one["id"] == setting else ()
