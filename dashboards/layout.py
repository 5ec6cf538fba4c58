"""Which panels a board has and where: found by listing `dashboards/panels`, placed by what each says of itself.

A panel is one file there with `PLACES` (a Place by the name of every board that shows it) and `panel() -> dict`.
No list is edited: deleting the file takes the panel off its boards.
"""

from __future__ import annotations

import importlib
import pkgutil
import zlib
from types import ModuleType
from typing import NamedTuple

import dashboards.panels
from dashboards.build import Json

_GRID_WIDTH = 24
MOST_PANELS = 12  # more than a person takes in


class Place(NamedTuple):
    """Row of the board, position within the row, and size in Grafana's grid (24 wide)."""

    row: int
    position: int
    width: int
    height: int


def panels_of(board: str) -> list[Json]:
    """The board's panels with id and place, row by row. Raises ValueError where they do not fit."""
    found = sorted((module.PLACES[board], name) for name, module in panel_modules().items() if board in module.PLACES)
    if len(found) > MOST_PANELS:
        raise ValueError(f"board {board} has {len(found)} panels; more than {MOST_PANELS} is not an overview")
    placed, top = [], 0
    for row in sorted({place.row for place, _ in found}):
        left = 0
        in_row = [(place, name) for place, name in found if place.row == row]
        for place, name in in_row:
            at = {"x": left, "y": top, "w": place.width, "h": place.height}
            placed.append({"id": panel_id(name), "gridPos": at, **panel_modules()[name].panel()})
            left += place.width
        if left > _GRID_WIDTH:
            raise ValueError(f"board {board}, row {row}: {left} columns of {_GRID_WIDTH}; make a panel narrower")
        top += max(place.height for place, _ in in_row)
    return placed


def panel_modules() -> dict[str, ModuleType]:
    """Every panel of the folder by its name."""
    names = sorted(module.name for module in pkgutil.iter_modules(dashboards.panels.__path__))
    return {name: importlib.import_module(f"dashboards.panels.{name}") for name in names}


def panel_id(name: str) -> int:
    """A panel's id comes from its name: links to it outlive other panels coming and going."""
    return zlib.crc32(name.encode()) % 1_000_000
