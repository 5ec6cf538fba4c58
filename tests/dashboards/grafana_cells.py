"""What Grafana makes of a store's answer, as far as tests judge it: rows of a table, their order, a value's colour.

Follows Grafana's rules: the first mapping that fits gives word and colour, else the thresholds give the colour where
the panel paints by value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial
from typing import Any

from dashboards.build import GREY

Json = dict[str, Any]
_PAINTS = ("color-text", "color-background")


def table_rows(panel: Json, series: Iterable[Json]) -> list[Json]:
    """The rows of a table panel by heading, in the order its options ask for."""
    (organize,) = panel["transformations"]
    renamed = organize["options"]["renameByName"]
    rows = []
    for one in series:
        for values in one["values"]:
            cells = {**one.get("tags", {}), **dict(zip(one["columns"], values, strict=True))}
            cells["Time"] = cells.pop("time")
            rows.append({heading: cells.get(name) for name, heading in renamed.items()})
    for key in reversed(panel["options"]["sortBy"]):
        rows = sorted(rows, key=partial(_place, heading=key["displayName"]), reverse=key["desc"])
    return rows


def _place(row: Json, heading: str) -> tuple[bool, Any]:
    """What is not known comes before everything that is, as minus infinity would."""
    return (row[heading] is not None, row[heading])


def renamed(panel: Json, series: str) -> str:
    """A series' name after the panel's renaming. A pattern without slashes must fit the whole name."""
    for one in panel["transformations"]:
        pattern, flags = _javascript(one["options"]["regex"])
        series = re.sub(pattern, one["options"]["renamePattern"], series, count=1, flags=flags)
    return series


def _javascript(pattern: str) -> tuple[str, int]:
    written = re.fullmatch(r"/(.*?)/(g?i?)", pattern)
    if written is None:
        return f"^{pattern}$", 0
    return written[1], re.IGNORECASE if "i" in written[2] else 0


def colours(panel: Json, heading: str, value: Any) -> set[str]:
    """The colours a value gets, none where the panel does not paint it."""
    settings = _settings(panel, heading)
    for mapping in settings.get("mappings", []):
        fitting = _fitting(mapping, value)
        if fitting:
            return {fitting["color"]}
    if not _paints(panel, settings) or not isinstance(value, int | float):
        return set()
    if settings.get("color", {}).get("mode") == "fixed":
        return {settings["color"]["fixedColor"]}
    steps = settings.get("thresholds", {"steps": [{"value": None, "color": GREY}]})["steps"]
    return {[step["color"] for step in steps if step["value"] is None or value >= step["value"]][-1]}


def _settings(panel: Json, heading: str) -> Json:
    config = panel["fieldConfig"]
    own = [one["properties"] for one in config["overrides"] if one["matcher"]["options"] == heading]
    return config["defaults"] | {entry["id"]: entry["value"] for listed in own for entry in listed}


def _paints(panel: Json, settings: Json) -> bool:
    if panel["type"] == "table":
        return settings.get("custom.cellOptions", {}).get("type") in _PAINTS
    return panel["type"] in ("stat", "state-timeline", "timeseries")


def _fitting(mapping: Json, value: Any) -> Json | None:
    options = mapping["options"]
    if mapping["type"] == "special":
        return options["result"] if options["match"] == "null" and value is None else None
    if mapping["type"] == "value":
        key = f"{value:g}" if isinstance(value, int | float) else str(value)
        found: Json | None = options.get(key)
        return found
    if mapping["type"] == "range":
        low, high = options["from"], options["to"]
        number = isinstance(value, int | float)
        fits = number and (low is None or value >= low) and (high is None or value <= high)
    else:
        _, pattern, flags = re.fullmatch(r"(/)(.*)/(i?)", options["pattern"]).groups()  # type: ignore[union-attr]
        fits = bool(re.search(pattern, str(value), re.IGNORECASE if flags else 0))
    return options["result"] if fits else None
