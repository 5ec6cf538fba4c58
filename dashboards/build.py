"""Grafana's Classic dashboard JSON as plain dicts: a dashboard, its variables, a panel, a target, an override.

Input: what a panel of `dashboards.panels` says. Output: dicts for `dashboards.render`. Classic (v1) JSON is what
Grafana 11 to 13 all read from disk. Grey is normal; colour is for the abnormal, and never without a word (ISA-101).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]

DATA_SOURCE = {"type": "influxdb", "uid": "andon-influxdb"}
FOLDER_UID, FOLDER_TITLE = "andon", "Andon"
GREY, YELLOW, RED = "#7b7f87", "#e0b400", "#d44a3a"
DARK_GREY, LIGHT_GREY = "#5a5e66", "#a4a8b0"
GREYS = (GREY, DARK_GREY, LIGHT_GREY)  # what stands for normal
_SCHEMA_VERSION = 39
_COLUMN: Json = {"align": "auto", "inspect": False, "minWidth": 90}  # px; with Grafana's 150 the last are out of sight
_OTHER_BOARDS: Json = {
    "type": "dashboards",
    "title": "Andon",
    "tags": ["andon"],
    "icon": "external link",
    "tooltip": "the other boards, at this time, for this site and line",
    "asDropdown": False,
    "targetBlank": False,
    "includeVars": True,
    "keepTime": True,
}


def dashboard(
    uid: str,
    title: str,
    description: str,
    *,
    panels: Sequence[Json],
    variables: Sequence[Json],
    annotations: Sequence[Json] = (),
    last: str = "6h",
) -> Json:
    """A board; its links lead to the others and take time and variables along."""
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": ["andon"],
        "schemaVersion": _SCHEMA_VERSION,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": f"now-{last}", "to": "now"},
        "timezone": "browser",
        "templating": {"list": list(variables)},
        "annotations": {"list": list(annotations)},
        "links": [_OTHER_BOARDS],
        "panels": list(panels),
    }


def constant(name: str, value: str) -> Json:
    """A value that panels use and nobody chooses."""
    chosen = {"text": value, "value": value}
    return {"type": "constant", "name": name, "query": value, "hide": 2, "skipUrlSync": True, "current": chosen}


def annotation(name: str, query: str, *, title: str, text: str, tags: str, ends: str) -> Json:
    """Marks on time series, one a row of the query; the others name its columns, `ends` that of the end (ms)."""
    columns = {"titleColumn": title, "textColumn": text, "tagsColumn": tags, "timeEndColumn": ends}
    asked = {"refId": "Anno", "query": query, "rawQuery": True, "queryType": "tags", "fromAnnotations": True, **columns}
    return {"name": name, "datasource": DATA_SOURCE, "enable": True, "hide": False, "iconColor": GREY, "target": asked}


def variable(name: str, label: str, query: str, *, multi: bool = False) -> Json:
    """A choice filled by a query; a `multi` one begins with all."""
    body: Json = {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": DATA_SOURCE,
        "query": query,
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": multi,
        "includeAll": multi,
    }
    return {**body, "allValue": ".*", "current": {"text": "All", "value": "$__all"}} if multi else body


def panel(
    kind: str,
    title: str,
    description: str,
    *,
    targets: Sequence[Json] = (),
    options: Mapping[str, Any],
    defaults: Mapping[str, Any] | None = None,
    overrides: Sequence[Json] = (),
    transformations: Sequence[Json] = (),
    **others: Any,
) -> Json:
    """A panel without its id and place, which `dashboards.layout` gives it. `title` is the question it answers."""
    body: Json = {"type": kind, "title": title, "description": description, "options": dict(options)}
    if targets:
        body |= {"datasource": DATA_SOURCE, "targets": list(targets)}
    if defaults is not None:
        narrow = {"custom": _COLUMN} if kind == "table" else {}
        body["fieldConfig"] = {"defaults": {**narrow, **defaults}, "overrides": list(overrides)}
    if transformations:
        body["transformations"] = list(transformations)
    return body | others


def target(query: str, *, as_table: bool = False, alias: str = "", ref_id: str = "A") -> Json:
    """One query. `alias` names its series: `$col` is the column, `$tag_NAME` a tag."""
    body: Json = {
        "refId": ref_id,
        "datasource": DATA_SOURCE,
        "rawQuery": True,
        "query": query,
        "resultFormat": "table" if as_table else "time_series",
    }
    return body | ({"alias": alias} if alias else {})


def override(column: str, **properties: Any) -> Json:
    """Settings of one column by its heading; a `__` in a name stands for the dot (`custom__width`)."""
    listed = [{"id": name.replace("__", "."), "value": value} for name, value in properties.items()]
    return {"matcher": {"id": "byName", "options": column}, "properties": listed}


def override_of(pattern: str, **properties: Any) -> Json:
    """Settings of all columns whose heading fits a regular expression, otherwise as `override`."""
    one = override(f"/{pattern}/", **properties)
    return one | {"matcher": {"id": "byRegexp", "options": f"/{pattern}/"}}


def link(title: str, url: str, *, new_tab: bool = False) -> Json:
    """A link from a cell or tile; `${...}` in the address is filled in by Grafana."""
    return {"title": title, "url": url, "targetBlank": new_tab}


def to_board(title: str, uid: str, **variables: str) -> Json:
    """A link to another board that keeps the time; each variable is given as Grafana's own expression."""
    given = "".join(f"&var-{name}={value}" for name, value in variables.items())
    return link(title, f"/d/{uid}?${{__url_time_range}}{given}")


def table(sort_by: Sequence[tuple[str, bool]]) -> Json:
    """Options of a table; `sort_by` lists (heading, largest first)."""
    return {
        "frameIndex": 0,
        "showHeader": True,
        "cellHeight": "sm",
        "sortBy": [{"displayName": heading, "desc": largest_first} for heading, largest_first in sort_by],
    }


def stat(fields: str = "") -> Json:
    """Options of a single big value: the newest of `fields` (a regular expression; all numbers when empty)."""
    return {
        "graphMode": "none",
        "colorMode": "value",
        "justifyMode": "auto",
        "textMode": "auto",
        "wideLayout": True,
        "showPercentChange": False,
        "percentChangeColorMode": "standard",
        "orientation": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": fields, "values": False},
    }


def columns(renamed: Mapping[str, str], *, without: Sequence[str] = ()) -> Json:
    """A transformation: the columns in this order under these headings, `without` those that say nothing."""
    return {
        "id": "organize",
        "options": {
            "excludeByName": dict.fromkeys(without, True),
            "indexByName": {name: i for i, name in enumerate(renamed)},
            "renameByName": dict(renamed),
        },
    }


def renamed(pattern: str, name: str) -> Json:
    """A transformation: what fits the regular expression in a series' name is called otherwise.

    Without slashes Grafana would fit it to the whole name.
    """
    return {"id": "renameByRegex", "options": {"regex": f"/{pattern}/", "renamePattern": name}}


def words(by_value: Mapping[float, tuple[str, str]]) -> list[Json]:
    """A mapping value -> (word, colour)."""
    options = {
        f"{value:g}": {"text": word, "color": colour, "index": i}
        for i, (value, (word, colour)) in enumerate(by_value.items())
    }
    return [{"type": "value", "options": options}]


def bands(*bands: tuple[float | None, float | None, str, str]) -> list[Json]:
    """A mapping (from, to, word, colour); a bound of None is open."""
    return [
        {"type": "range", "options": {"from": low, "to": high, "result": {"text": text, "color": colour, "index": i}}}
        for i, (low, high, text, colour) in enumerate(bands)
    ]


def nothing(text: str, colour: str) -> list[Json]:
    """A mapping of no value, also where a single big value has no data at all."""
    return [{"type": "special", "options": {"match": "null", "result": {"text": text, "color": colour, "index": 0}}}]


def patterns(*patterns: tuple[str, str, str]) -> list[Json]:
    """A mapping (regular expression, word in its place, colour)."""
    return [
        {"type": "regex", "options": {"pattern": pattern, "result": {"text": text, "color": colour, "index": i}}}
        for i, (pattern, text, colour) in enumerate(patterns)
    ]


def lines() -> Json:
    """Options of a time series."""
    return {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": ["lastNotNull"]},
        "tooltip": {"mode": "multi", "sort": "none"},
    }


def strips(show_value: str = "never") -> Json:
    """Options of a state timeline."""
    return {
        "showValue": show_value,
        "rowHeight": 0.8,
        "mergeValues": True,
        "alignValue": "left",
        "perPage": 20,
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "single", "sort": "none"},
    }


def steps(*above: tuple[float | None, str]) -> Json:
    """Thresholds: (from this value on, colour), the first from None."""
    return {"mode": "absolute", "steps": [{"value": value, "color": colour} for value, colour in above]}
