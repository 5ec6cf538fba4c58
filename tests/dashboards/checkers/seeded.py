"""Faults put into the files on purpose, each with the checker that must catch it: a checker that cannot fail is none.

A fault is put into the first board, panel or rule it fits, so boards may come and go.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tests.dashboards.checkers.verdict import Json, Rendered, boards_of, panels_of

SHAPE, TYPES, NAMES, FILES, MEANING = "shape", "types", "names", "files", "meaning"


class Seeded(NamedTuple):
    """One fault: the checker that must catch it, what it is, and how it is put in."""

    checker: str
    name: str
    spoil: Callable[[Rendered], None]


def spoiled(files: Rendered, fault: Seeded) -> Rendered:
    """The files with one fault. Raises LookupError where nothing has what the fault would spoil."""
    broken = copy.deepcopy(files)
    fault.spoil(broken)
    assert broken != files, f"{fault.name}: changed nothing"
    return broken


def only_changed(files: Rendered, broken: Rendered) -> tuple[Json, Json]:
    """The one board that a fault is in, cut down to the panels it changed: before and after."""
    ((before, after),) = [(files[name], board) for name, board in broken.items() if board != files[name]]
    pairs = list(zip(before["panels"], after["panels"], strict=True))
    touched = [pair for pair in pairs if pair[0] != pair[1]]
    return {**before, "panels": [a for a, _ in touched]}, {**after, "panels": [b for _, b in touched]}


def _panels(files: Rendered) -> Iterator[Json]:
    for board in boards_of(files).values():
        yield from panels_of(board)


def _panel(files: Rendered, kind: str, having: str = "options") -> Json:
    """The first panel of a kind that has the part named by a dotted path."""
    return next(panel for panel in _panels(files) if panel["type"] == kind and _part(panel, having))


def _part(panel: Json, path: str) -> Json | None:
    part: Json | None = panel
    for key in path.split("."):
        part = part.get(key) if isinstance(part, dict) else None
    return part


def _of(kind: str, path: str, **change: object) -> Callable[[Rendered], None]:
    """Changes a part of the first panel of a kind that has it."""

    def spoil(files: Rendered) -> None:
        part = _part(_panel(files, kind, path), path)
        assert part
        part.update(change)

    return spoil


def _override(*, id: str, value: object, kind: str = "table") -> Callable[[Rendered], None]:
    def spoil(files: Rendered) -> None:
        panel = _panel(files, kind, "fieldConfig.overrides")
        panel["fieldConfig"]["overrides"][0]["properties"].append({"id": id, "value": value})

    return spoil


def _transformation(**change: object) -> Callable[[Rendered], None]:
    def spoil(files: Rendered) -> None:
        panel = next(panel for panel in _panels(files) if panel.get("transformations"))
        panel["transformations"][0].update(change)

    return spoil


def _organize(files: Rendered) -> None:
    all_of = (one for panel in _panels(files) for one in panel.get("transformations", []))
    next(one for one in all_of if one["id"] == "organize")["options"]["renamedByName"] = {}


def _board(spoil: Callable[[Json], object]) -> Callable[[Rendered], None]:
    return lambda files: _ignore(spoil(next(iter(boards_of(files).values()))))


def _v2(files: Rendered) -> None:
    name = next(name for name in files if name.startswith("dashboards/"))
    files[name] = {"apiVersion": "dashboard.grafana.app/v2", "kind": "Dashboard", "spec": {"elements": {}}}


def _list(key: str, spoil: Callable[[list[Json]], object]) -> Callable[[Rendered], None]:
    """Changes a list of the first file that has it."""
    return lambda files: _ignore(spoil(next(file[key] for file in files.values() if key in file)))


def _rule(spoil: Callable[[Json], object]) -> Callable[[Rendered], None]:
    return _list("groups", lambda groups: spoil(groups[0]["rules"][0]))


def _beat(spoil: Callable[[Json], object]) -> Callable[[Rendered], None]:
    def of_beat(groups: list[Json]) -> None:
        spoil(next(rule for rule in groups[0]["rules"] if "watch_beat" in str(rule["data"])))

    return _list("groups", of_beat)


def _source(spoil: Callable[[Json], object]) -> Callable[[Rendered], None]:
    return _list("datasources", lambda sources: spoil(sources[0]))


def _mute(spoil: Callable[[Json], object]) -> Callable[[Rendered], None]:
    return _list("muteTimes", lambda timings: spoil(timings[0]["time_intervals"][0]))


def _settings(**change: object) -> Callable[[Rendered], None]:
    return _rule(lambda rule: rule["notification_settings"].update(change))


def _spelled(old: str, new: str) -> Callable[[Json], None]:
    return lambda part: part.update({new: part.pop(old)})


def _file(key: str, value: object) -> Callable[[Rendered], None]:
    return lambda files: next(file for file in files.values() if "groups" in file).update({key: value})


def _override_key(files: Rendered) -> None:
    _panel(files, "table", "fieldConfig.overrides")["fieldConfig"]["overrides"][0]["propertys"] = []


def _override_of_a_stat(files: Rendered) -> None:
    properties = [{"id": "custom.lineWidth", "value": 2}]
    one = {"matcher": {"id": "byName", "options": "alive"}, "properties": properties}
    _panel(files, "stat", "fieldConfig")["fieldConfig"]["overrides"] = [one]


def _link(files: Rendered) -> None:
    defaults = next(panel["fieldConfig"]["defaults"] for panel in _panels(files) if "fieldConfig" in panel)
    defaults["links"] = [{"title": "more", "url": "/d/andon-nowhere?${__url_time_range}"}]


def _link_key(files: Rendered) -> None:
    defaults = next(panel["fieldConfig"]["defaults"] for panel in _panels(files) if "fieldConfig" in panel)
    defaults["links"] = [{"title": "more", "href": "/d/andon-line"}]


def _unknown_variable(files: Rendered) -> None:
    panel = next(panel for panel in _panels(files) if panel.get("targets"))
    panel["targets"][0]["query"] += " AND cell =~ /^$cell$/"


def _target(files: Rendered, kind: str) -> Json:
    target: Json = _panel(files, kind, "targets")["targets"][0]
    return target


def _matcher(files: Rendered) -> Json:
    matcher: Json = _panel(files, "nodeGraph", "fieldConfig.overrides")["fieldConfig"]["overrides"][0]["matcher"]
    return matcher


def _query(kind: str, old: str, new: str) -> Callable[[Rendered], None]:
    """Changes the first query of a kind of panel that says so."""

    def spoil(files: Rendered) -> None:
        targets = [target for panel in _panels(files) if panel["type"] == kind for target in panel.get("targets", [])]
        target = next(target for target in targets if old in target["query"])
        target["query"] = target["query"].replace(old, new)

    return spoil


def _alias(text: str) -> Callable[[Rendered], None]:
    def spoil(files: Rendered) -> None:
        targets = [target for panel in _panels(files) for target in panel.get("targets", [])]
        next(target for target in targets if "$tag_" in target.get("alias", ""))["alias"] = text

    return spoil


def _sort(heading: str) -> Callable[[Rendered], None]:
    return lambda files: _panel(files, "table", "options.sortBy")["options"]["sortBy"][0].update(displayName=heading)


def _regex(pattern: str) -> Callable[[Rendered], None]:
    def spoil(files: Rendered) -> None:
        every = (one for panel in _panels(files) for one in panel.get("transformations", []))
        next(one for one in every if one["id"] == "renameByRegex")["options"]["regex"] = pattern

    return spoil


def _mapping(pattern: str) -> Callable[[Rendered], None]:
    def spoil(files: Rendered) -> None:
        every = (
            one
            for panel in _panels(files)
            if "fieldConfig" in panel
            for one in panel["fieldConfig"]["defaults"].get("mappings", [])
        )
        next(one for one in every if one["type"] == "regex")["options"]["pattern"] = pattern

    return spoil


def _first_link(old: str, new: str) -> Callable[[Rendered], None]:
    """Changes the first link of a panel's defaults that says so."""

    def spoil(files: Rendered) -> None:
        every = (
            link
            for panel in _panels(files)
            if "fieldConfig" in panel
            for link in panel["fieldConfig"]["defaults"].get("links", [])
        )
        link = next(link for link in every if old in link["url"])
        link["url"] = link["url"].replace(old, new)

    return spoil


def _rule_query(old: str, new: str) -> Callable[[Rendered], None]:
    def spoil(rule: Json) -> None:
        model = rule["data"][0]["model"]
        model["query"] = model["query"].replace(old, new)

    return _rule(spoil)


def _ignore(_: object) -> None:
    """For the sake of lambdas that change something."""


_STEPS = "fieldConfig.defaults.thresholds"
FAULTS = (
    Seeded(SHAPE, "an unknown key of a board", _board(lambda board: board.update(titel="Plant"))),
    Seeded(SHAPE, "a width that is text", _board(lambda board: board["panels"][0]["gridPos"].update(w="6"))),
    Seeded(SHAPE, "an unknown option of a stat", _of("stat", "options", colourMode="value")),
    Seeded(SHAPE, "an option of a table of the wrong type", _of("table", "options", showHeader="yes")),
    Seeded(SHAPE, "an override of a setting there is not", _override(id="units", value="s")),
    Seeded(SHAPE, "a node graph without its types", _of("nodeGraph", "options", zoomMode="fast")),
    Seeded(TYPES, "an unknown key of a board", _board(lambda board: board.update(titel="Plant"))),
    Seeded(TYPES, "a refresh there is not", _board(lambda board: board["templating"]["list"][0].update(refresh=9))),
    Seeded(TYPES, "an unknown option of a stat", _of("stat", "options", colourMode="value")),
    Seeded(TYPES, "an option with a value there is not", _of("stat", "options", colorMode="valu")),
    Seeded(TYPES, "an unknown option further down", _of("stat", "options.reduceOptions", calc="last")),
    Seeded(TYPES, "an unknown option of a state timeline", _of("state-timeline", "options", rowHeights=1)),
    Seeded(TYPES, "an unknown layout of a node graph", _of("nodeGraph", "options", layoutAlgorithm="tiers")),
    Seeded(
        TYPES,
        "a kind of panel there is not",
        _of("table", "options", x=1) and (lambda f: _panel(f, "table").update(type="tabel")),
    ),
    Seeded(TYPES, "an unknown setting of a line", _of("timeseries", "fieldConfig.defaults.custom", lineWidht=1)),
    Seeded(TYPES, "a way to draw there is not", _of("timeseries", "fieldConfig.defaults.custom", drawStyle="lines")),
    Seeded(TYPES, "a mode of thresholds there is not", _of("stat", _STEPS, mode="abs")),
    Seeded(TYPES, "an override of a setting there is not", _override(id="units", value="s")),
    Seeded(TYPES, "an override of an own setting there is not", _override(id="custom.cellOption", value={})),
    Seeded(TYPES, "a kind of cell there is not", _override(id="custom.cellOptions", value={"type": "color-txt"})),
    Seeded(TYPES, "an unknown option of a transformation", _organize),
    Seeded(TYPES, "a line's setting on a stat", _of("stat", "fieldConfig.defaults", custom={"lineWidth": 2})),
    Seeded(TYPES, "an unknown key of an override", _override_key),
    Seeded(TYPES, "an override of a line's setting on a stat", _override_of_a_stat),
    Seeded(TYPES, "a link with a key of HTML", _link_key),
    Seeded(
        TYPES,
        "an unknown key of a target",
        lambda f: _ignore(_panel(f, "table", "targets")["targets"][0].update(rawquery=1)),
    ),
    Seeded(
        TYPES,
        "an annotation without a name",
        lambda f: _ignore(
            next(b for b in boards_of(f).values() if b["annotations"]["list"])["annotations"]["list"][0].pop("name")
        ),
    ),
    Seeded(NAMES, "a unit there is not", _of("timeseries", "fieldConfig.defaults", unit="furlong")),
    Seeded(NAMES, "a unit of an override there is not", _override(id="unit", value="days")),
    Seeded(NAMES, "a unit with two blanks before it", _override(id="unit", value="suffix: d")),
    Seeded(NAMES, "a reducer there is not", _of("stat", "options.reduceOptions", calcs=["latest"])),
    Seeded(NAMES, "a transformation there is not", _transformation(id="organise")),
    Seeded(
        NAMES,
        "a matcher there is not",
        lambda f: _ignore(
            _panel(f, "table", "fieldConfig.overrides")["fieldConfig"]["overrides"][0]["matcher"].update(id="byname")
        ),
    ),
    Seeded(
        NAMES,
        "a colour there is not",
        lambda f: _ignore(
            _panel(f, "stat", _STEPS)["fieldConfig"]["defaults"]["thresholds"]["steps"][0].update(color="gren")
        ),
    ),
    Seeded(NAMES, "a colour mode there is not", _override(id="color", value={"mode": "constant"})),
    Seeded(
        NAMES, "a mapping there is not", _override(id="mappings", value=[{"type": "values", "options": {"result": {}}}])
    ),
    Seeded(FILES, "a data source renamed", _source(lambda source: source.update(uid="influx"))),
    Seeded(FILES, "a database where it is not read any more", _source(lambda source: source.update(database="andon"))),
    Seeded(FILES, "an unknown key of a data source", _source(lambda source: source.update(readOnly=True))),
    Seeded(
        FILES, "an unknown setting of a data source", _source(lambda source: source["jsonData"].update(httpmode="POST"))
    ),
    Seeded(FILES, "Flux instead of InfluxQL", _source(lambda source: source["jsonData"].update(version="Flux"))),
    Seeded(FILES, "a header without its value", _source(lambda source: source.pop("secureJsonData"))),
    Seeded(
        FILES,
        "a token written out",
        _source(lambda source: source["secureJsonData"].update(httpHeaderValue1="Token abc")),
    ),
    Seeded(FILES, "a data source twice", _list("datasources", lambda sources: sources.append(dict(sources[0])))),
    Seeded(
        FILES, "an unknown key of the provider", _list("providers", lambda found: found[0].update(updateInterval=30))
    ),
    Seeded(
        FILES,
        "folders told twice",
        _list("providers", lambda found: found[0]["options"].update(foldersFromFilesStructure=True)),
    ),
    Seeded(FILES, "another version of the file", _file("apiVersion", 2)),
    Seeded(FILES, "a tree of policies", _file("policies", [{"receiver": "andon"}])),
    Seeded(FILES, "an unknown key of a file", _file("group", [])),
    Seeded(
        FILES,
        "the interval in seconds, as the API has it",
        _list("groups", lambda groups: groups[0].update(interval=10)),
    ),
    Seeded(FILES, "an interval Grafana cannot keep", _list("groups", lambda groups: groups[0].update(interval="15s"))),
    Seeded(
        FILES,
        "the folder by uid, as the API has it",
        _list("groups", lambda groups: _spelled("folder", "folderUid")(groups[0])),
    ),
    Seeded(FILES, "another folder than the boards'", _list("groups", lambda groups: groups[0].update(folder="Alerts"))),
    Seeded(FILES, "keep_firing_for, as the API has it", _rule(_spelled("keepFiringFor", "keep_firing_for"))),
    Seeded(
        FILES,
        "missingSeriesEvalsToResolve, as the API has it",
        _rule(lambda rule: rule.update(missingSeriesEvalsToResolve=2)),
    ),
    Seeded(FILES, "folderUID, as the API has it", _rule(lambda rule: rule.update(folderUID="andon"))),
    Seeded(FILES, "nanoseconds for a duration", _rule(lambda rule: rule.update(keepFiringFor=120_000_000_000))),
    Seeded(FILES, "an unknown key of a rule", _rule(lambda rule: rule.update(severity="critical"))),
    Seeded(FILES, "an unknown key of a query of a rule", _rule(lambda rule: rule["data"][0].update(timeRange={}))),
    Seeded(FILES, "a rule without a uid", _rule(lambda rule: rule.pop("uid"))),
    Seeded(FILES, "a uid that is too long", _rule(lambda rule: rule.update(uid="a" * 41))),
    Seeded(FILES, "$x in a label", _rule(lambda rule: rule["labels"].update(owner="$owner"))),
    Seeded(FILES, "${x} in an annotation", _rule(lambda rule: rule["annotations"].update(summary="${LINE}"))),
    Seeded(FILES, "a rule leads to a panel that is not there", _rule(lambda rule: rule.update(panelId=1))),
    Seeded(FILES, "a rule leads to a board that is not there", _rule(lambda rule: rule.update(dashboardUid="andon"))),
    Seeded(
        FILES,
        "a rule asks a data source that is not there",
        _rule(lambda rule: rule["data"][0].update(datasourceUid="i")),
    ),
    Seeded(FILES, "silence resolves every alert", _rule(lambda rule: rule.update(noDataState="OK"))),
    Seeded(FILES, "silence fires every alert", _rule(lambda rule: rule.update(noDataState="Alerting"))),
    Seeded(FILES, "silence of the watcher is kept quiet", _beat(lambda rule: rule.update(noDataState="KeepLast"))),
    Seeded(FILES, "a store that is down resolves every alert", _rule(lambda rule: rule.update(execErrState="OK"))),
    Seeded(
        FILES,
        "a store that is down is kept quiet by the beat",
        _beat(lambda rule: rule.update(execErrState="KeepLast")),
    ),
    Seeded(FILES, "a way to ask there is not", _source(lambda source: source["jsonData"].update(httpMode="PUT"))),
    Seeded(FILES, "browsers ask the store", _source(lambda source: source.update(access="direct"))),
    Seeded(
        FILES, "boards in a folder of nowhere", _list("providers", lambda found: found[0]["options"].update(path="x"))
    ),
    Seeded(
        FILES,
        "a mute timing without an interval",
        _list("muteTimes", lambda timings: timings[0].update(time_intervals=[])),
    ),
    Seeded(FILES, "a state there is not", _rule(lambda rule: rule.update(execErrState="Keep"))),
    Seeded(FILES, "a grouping Grafana refuses", _settings(group_by=["line"])),
    Seeded(FILES, "an unknown notification setting", _settings(mute_timings=["night"])),
    Seeded(FILES, "a wait that is no duration", _settings(group_wait="5 seconds")),
    Seeded(FILES, "no receiver", _rule(lambda rule: rule["notification_settings"].pop("receiver"))),
    Seeded(FILES, "a mute timing that is not there", _settings(mute_time_intervals=["night"])),
    Seeded(FILES, "a condition that is no query", _rule(lambda rule: rule.update(condition="D"))),
    Seeded(FILES, "an expression of nothing", _rule(lambda rule: rule["data"][1]["model"].update(expression="Z"))),
    Seeded(
        FILES,
        "a reducer the server does not have",
        _rule(lambda rule: rule["data"][1]["model"].update(reducer="latest")),
    ),
    Seeded(
        FILES,
        "a query over no time",
        _rule(lambda rule: rule["data"][0].update(relativeTimeRange={"from": 0, "to": 0})),
    ),
    Seeded(
        FILES,
        "a query without time groups",
        _rule(lambda rule: rule["data"][0]["model"].update(query='SELECT last("state") FROM "alert_state"')),
    ),
    Seeded(
        FILES,
        "a rule twice",
        _list("groups", lambda groups: groups[0]["rules"].append(copy.deepcopy(groups[0]["rules"][0]))),
    ),
    Seeded(FILES, "a v2 board", _v2),
    Seeded(FILES, "a board without a uid", _board(lambda board: board.pop("uid"))),
    Seeded(FILES, "a board with the id of one Grafana", _board(lambda board: board.update(id=12))),
    Seeded(
        FILES,
        "a board twice",
        lambda files: files.update({"dashboards/copy.json": next(iter(boards_of(files).values()))}),
    ),
    Seeded(FILES, "a panel id twice", _board(lambda board: board["panels"][1].update(id=board["panels"][0]["id"]))),
    Seeded(
        FILES,
        "a panel that asks another data source",
        lambda f: _ignore(_panel(f, "table", "datasource")["datasource"].update(uid="prometheus")),
    ),
    Seeded(FILES, "a link to a board that is not there", _link),
    Seeded(FILES, "a variable the board does not have", _unknown_variable),
    Seeded(
        FILES,
        "a receiver of a kind there is not",
        _list("contactPoints", lambda points: points[0]["receivers"][0].update(type="pager")),
    ),
    Seeded(
        FILES,
        "an unknown key of a receiver",
        _list("contactPoints", lambda points: points[0]["receivers"][0].update(secureSettings={})),
    ),
    Seeded(FILES, "a day cut short in a mute timing", _mute(lambda span: span.update(weekdays=["mon"]))),
    Seeded(
        FILES, "a time that is none in a mute timing", _mute(lambda span: span["times"][0].update(end_time="25:00"))
    ),
    Seeded(FILES, "an unknown key of a mute timing", _mute(lambda span: span.update(timezone="UTC"))),
    Seeded(FILES, "a time zone there is not", _mute(lambda span: span.update(location="Asia/Nanjing"))),
    Seeded(MEANING, "a rule judges by the mean", _rule(lambda rule: rule["data"][1]["model"].update(reducer="mean"))),
    Seeded(MEANING, "a rule asks for the first level", _rule_query("last(", "first(")),
    Seeded(MEANING, "a rule is one instance a line", _rule_query(', "subject"', "")),
    Seeded(
        MEANING,
        "a rule looks back half a minute",
        _rule(lambda rule: rule["data"][0]["relativeTimeRange"].update({"from": 30})),
    ),
    Seeded(MEANING, "a rule waits", _rule(lambda rule: rule.update({"for": "5m"}))),
    Seeded(MEANING, "a rule lets go at once", _rule(lambda rule: rule.update(keepFiringFor="0s"))),
    Seeded(MEANING, "a big value of a column there is not", _of("stat", "options.reduceOptions", fields="/^Tme$/")),
    Seeded(MEANING, "a tag by which is not grouped", _alias("$tag_lin")),
    Seeded(MEANING, "an alias Grafana does not know", _alias("$line")),
    Seeded(MEANING, "the lowest level of an interval", _query("state-timeline", 'max("state")', 'min("state")')),
    Seeded(MEANING, "a time that is none", _board(lambda board: board["time"].update({"from": "now-24x"}))),
    Seeded(
        MEANING, "a time of its own that is none", lambda files: _panel(files, "stat", "timeFrom").update(timeFrom="5x")
    ),
    Seeded(MEANING, "sorted by a column there is not", _sort("levell")),
    Seeded(MEANING, "an override of a column there is not", lambda files: _matcher(files).update(options="mainstatt")),
    Seeded(MEANING, "a table as series", lambda files: _target(files, "table").update(resultFormat="time_series")),
    Seeded(
        MEANING, "tables of a graph not told apart", lambda files: _target(files, "nodeGraph").update(refId="Nodes")
    ),
    Seeded(MEANING, "a node without its place", _query("nodeGraph", '"fixedy"', '"fixedY_"')),
    Seeded(MEANING, "an arc that is not drawn", _query("nodeGraph", '"arc__safe"', '"arc__save"')),
    Seeded(MEANING, "a link that loses the time", _first_link("${__url_time_range}", "")),
    Seeded(MEANING, "a link by a field's name", _first_link("__field.labels.line", "__field.name")),
    Seeded(MEANING, "a link by a label there is not", _first_link("__field.labels.line", "__field.labels.lane")),
    Seeded(MEANING, "a pattern that would have to fit the whole name", _regex("gaps_found$")),
    Seeded(MEANING, "a pattern that fits no name", _regex("/zzz$/")),
    Seeded(MEANING, "a pattern that is none", _mapping("/^(run/")),
    Seeded(
        MEANING,
        "a repeat over no variable",
        lambda files: next(panel for panel in _panels(files) if "repeat" in panel).update(repeat="lin"),
    ),
    Seeded(
        MEANING,
        "an alert list of other rules",
        _of("alertlist", "options", alertInstanceLabelFilter='{product="andonn"}'),
    ),
)
