"""What Grafana's own schemas (tests/cases/grafana/jsonschema) find wrong with a board."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator

_FOLDER = Path(__file__).parents[1] / "cases" / "grafana" / "jsonschema"
_WITHOUT_SCHEMA = {"alertlist"}  # held by its own test
_DATA_LINK = {  # the published schema takes a cell's link for a board's; Grafana's source says "anything" here
    "type": "object",
    "additionalProperties": False,
    "required": ["title", "url"],
    "properties": {"title": {"type": "string"}, "url": {"type": "string"}, "targetBlank": {"type": "boolean"}},
}


def faults(board: dict[str, Any]) -> list[str]:
    """One line a fault: the board's frame, every panel's options, and its own field settings."""
    found = _faults("dashboard", "Dashboard", {**board, "panels": []})
    for panel in board["panels"]:
        found += [f"{panel['title']}: {fault}" for fault in _faults("dashboard", "Panel", panel) + panel_faults(panel)]
    return found


def panel_faults(panel: dict[str, Any]) -> list[str]:
    if panel["type"] in _WITHOUT_SCHEMA:
        return []
    kind = panel["type"].replace("-", "").lower()
    found = _faults(kind, "Options", panel["options"])
    config = panel.get("fieldConfig", {"defaults": {}, "overrides": []})
    if "custom" in config["defaults"]:
        found += _faults(kind, "FieldConfig", config["defaults"]["custom"])
    for override in config["overrides"]:
        found += _override_faults(kind, {entry["id"]: entry["value"] for entry in override["properties"]})
    return found


def _override_faults(kind: str, properties: dict[str, Any]) -> list[str]:
    """An override holds some of a field's settings: `custom.x` of the panel's own, the others of every panel's."""
    own = {name.removeprefix("custom."): value for name, value in properties.items() if name.startswith("custom.")}
    common = {name: value for name, value in properties.items() if not name.startswith("custom.")}
    found = _faults(kind, "FieldConfig", own) if own else []
    return [fault for fault in found if "is a required property" not in fault] + _faults(
        "dashboard", "FieldConfig", common
    )


def expression_faults(model: dict[str, Any]) -> list[str]:
    """Faults of a server-side expression (reduce, threshold) of a rule."""
    definition = {"reduce": "TypeReduce", "threshold": "TypeThreshold"}[model["type"]]
    return _faults("expr", definition, model)


def _faults(schema: str, definition: str, value: Any) -> list[str]:
    validator = Draft7Validator({"$ref": f"#/definitions/{definition}", "definitions": _definitions(schema)})
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


@lru_cache
def _definitions(schema: str) -> dict[str, Any]:
    definitions: dict[str, Any] = json.loads((_FOLDER / f"{schema}.jsonschema.json").read_text())["definitions"]
    if schema == "dashboard":  # Grafana's source says "anything" here, which the published schema turned into "object"
        definitions["MatcherConfig"]["properties"]["options"] = {}
        definitions["DynamicConfigValue"]["properties"]["value"] = {}
        definitions["FieldConfig"]["properties"]["links"]["items"] = _DATA_LINK
    if schema == "table":  # kinds of a cell differ by the value of `type`, which the published schema does not tie down
        definitions["TableCellOptions"]["anyOf"] = definitions["TableCellOptions"].pop("oneOf")
    return definitions
