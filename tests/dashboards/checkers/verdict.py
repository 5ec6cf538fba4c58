"""What a checker says: how much it looked at, and one sentence a fault."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
Rendered = dict[str, Json]  # content by path, as `dashboards.render.files` has it


@dataclass
class Verdict:
    """Grows while a checker looks."""

    checks: int = 0
    faults: list[str] = field(default_factory=list)

    def that(self, is_so: bool, otherwise: str) -> bool:
        """One check."""
        self.checks += 1
        if not is_so:
            self.faults.append(otherwise)
        return is_so

    def found(self, faults: Iterable[str]) -> None:
        """One check by somebody else's words."""
        self.checks += 1
        self.faults += faults


def boards_of(files: Rendered) -> Rendered:
    """The boards by name; those with nothing like panels are no Classic boards and held by the provisioning checker."""
    named = {name.removeprefix("dashboards/"): board for name, board in files.items() if name.startswith("dashboards/")}
    return {name: board for name, board in named.items() if isinstance(board.get("panels"), list)}


def panels_of(board: Json) -> list[Json]:
    """All panels, those inside collapsed rows too."""
    return [inner for panel in board["panels"] for inner in (panel, *panel.get("panels", []))]


def provisioned(files: Rendered, key: str) -> list[Json]:
    """Everything under a key of the provisioning files that go to Grafana (not the examples)."""
    return [one for name, file in files.items() if name.startswith("provisioning/") for one in file.get(key, [])]


def queries_of(files: Rendered) -> list[str]:
    """Every query of every panel, variable, annotation and rule."""
    found: list[str] = []
    for board in boards_of(files).values():
        found += [variable["query"] for variable in board["templating"]["list"] if variable["type"] == "query"]
        found += [mark["target"]["query"] for mark in board["annotations"]["list"] if "query" in mark.get("target", {})]
        found += [target["query"] for panel in panels_of(board) for target in panel.get("targets", [])]
    rules = [rule for group in provisioned(files, "groups") for rule in group["rules"]]
    return found + [data["model"]["query"] for rule in rules for data in rule["data"] if "query" in data["model"]]
