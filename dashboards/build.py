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
_SCHEMA_VERSION = 39


def dashboard(uid: str, title: str, description: str, *, panels: Sequence[Json], variables: Sequence[Json]) -> Json:
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": ["andon"],
        "schemaVersion": _SCHEMA_VERSION,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": list(variables)},
        "annotations": {"list": []},
        "links": [],
        "panels": list(panels),
    }


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
        body["fieldConfig"] = {"defaults": dict(defaults), "overrides": list(overrides)}
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


def words(by_value: Mapping[float, tuple[str, str]]) -> list[Json]:
    """A mapping value -> (word, colour)."""
    options = {
        f"{value:g}": {"text": word, "color": colour, "index": i}
        for i, (value, (word, colour)) in enumerate(by_value.items())
    }
    return [{"type": "value", "options": options}]


def steps(*above: tuple[float | None, str]) -> Json:
    """Thresholds: (from this value on, colour), the first from None."""
    return {"mode": "absolute", "steps": [{"value": value, "color": colour} for value, colour in above]}
