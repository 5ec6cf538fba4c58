"""Grafana's HTTP contract (tests/cases/grafana/http/openapi.json), made strict: no unknown key; `KeepLast` known."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator

PATH = Path(__file__).parents[2] / "cases" / "grafana" / "http" / "openapi.json"
_KEEPS_LAST = ("noDataState", "execErrState")

Json = dict[str, Any]


@lru_cache
def contract() -> Json:
    """The OpenAPI document, strict."""
    document: Json = json.loads(PATH.read_text(encoding="utf-8"))
    schemas = document["components"]["schemas"]
    for schema in schemas.values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    for state in _KEEPS_LAST:
        schemas["ProvisionedAlertRule"]["properties"][state]["enum"].append("KeepLast")
    return document


def schema(name: str) -> Json:
    """A schema of the contract; change only a copy of it."""
    found: Json = contract()["components"]["schemas"][name]
    return found


@lru_cache
def held_by(name: str) -> Draft7Validator:
    """A schema of the contract, ready to judge."""
    return ready({"$ref": f"#/components/schemas/{name}"})


def ready(schema: Json) -> Draft7Validator:
    """A schema that may refer to those of the contract, ready to judge."""
    return Draft7Validator({**schema, "components": contract()["components"]})


def faults(judge: Draft7Validator, value: Any, where: str) -> list[str]:
    """What a schema finds wrong with a value."""
    return [f"{where}: {error.json_path}: {error.message}" for error in judge.iter_errors(value)]
