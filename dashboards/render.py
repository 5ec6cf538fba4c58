"""Writes everything Grafana reads from disk: boards, data source, board provider and the rules, and examples beside.

`render(folder)` writes, `check(folder)` says what differs from what would be written. The same source gives the same
bytes. Provisioning files are JSON, which is YAML: no library decides how they are spelled. `Wishes` are a site's own.
"""

from __future__ import annotations

import datetime as dt
import importlib
import json
import pkgutil
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import dashboards.boards
from collector.errors import AndonError
from dashboards import acknowledge, sources
from dashboards.alerting import rule_file
from dashboards.boards.plant_overview import UID as OVERVIEW_UID
from dashboards.build import FOLDER_TITLE, FOLDER_UID, Json
from dashboards.layout import panel_id
from dashboards.mute_times import MUTE_TIMING, mute_file
from dashboards.variables import BOARD_URL
from detectors.calendar import PlannedStop, Shift

_PARTS = ("dashboards", "provisioning", "examples")
_BOARDS_ON_GRAFANA = "/etc/grafana/andon/dashboards"
_EXAMPLE_SHIFTS = (
    Shift(name="early", start=dt.time(6), end=dt.time(14), days=("mon", "tue", "wed", "thu", "fri")),
    Shift(name="late", start=dt.time(14), end=dt.time(22), days=("mon", "tue", "wed", "thu", "fri")),
)


class RenderError(AndonError):
    """The files cannot be rendered as wished; the sentence says why and what to do."""


@dataclass(frozen=True)
class Wishes:
    """What a site wants other than by default.

    `board_url`: where browsers find the local board, http or https. `acknowledges`: rows get the button that
    acknowledges from inside Grafana, for which the board must allow Grafana's origin. `shifts`, `stops`: warnings are
    muted outside of them. Raises RenderError.
    """

    board_url: str = BOARD_URL
    acknowledges: bool = False
    timezone: str = "UTC"
    shifts: Sequence[Shift] = ()
    stops: Sequence[PlannedStop] = ()

    def __post_init__(self) -> None:
        if not re.match(r"https?://[^/\s]", self.board_url):
            raise RenderError(f"{self.board_url!r} is no address of a board; write one such as {BOARD_URL}")


DEFAULT = Wishes()


def render(folder: Path, wishes: Wishes = DEFAULT) -> list[Path]:
    """Writes all files under `folder` (deploy/grafana) and returns their paths. Raises RenderError."""
    contents = {folder / name: content for name, content in files(wishes).items()}
    try:
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise RenderError(f"{error.filename or folder}: {error.strerror}; name a folder you may write to") from error
    return list(contents)


def check(folder: Path, wishes: Wishes = DEFAULT) -> list[str]:
    """One sentence for every file that is missing, differs or should not be there; none when all is as rendered."""
    expected = files(wishes)
    found = {str(path.relative_to(folder)): path for path in _rendered_in(folder)}
    said = [f"{folder / name} is missing: render again" for name in sorted(expected.keys() - found.keys())]
    said += [
        f"{found[name]} is not rendered from the source: remove it" for name in sorted(found.keys() - expected.keys())
    ]
    for name in sorted(expected.keys() & found.keys()):
        if found[name].read_bytes() != expected[name].encode():
            said.append(f"{found[name]} differs from what the source says: render again, change the source instead")
    return said


def files(wishes: Wishes = DEFAULT) -> dict[str, str]:
    """What `render` writes: content by path below its folder. Only `provisioning` and `dashboards` go to Grafana."""
    contents: dict[str, Json] = {
        f"dashboards/{name}.json": acknowledge.as_wished(board, wishes.board_url, button=wishes.acknowledges)
        for name, board in boards().items()
    }
    muted = mute_file(wishes.timezone, wishes.shifts, wishes.stops)
    rules = rule_file(OVERVIEW_UID, panel_id("open_alerts"), muted=MUTE_TIMING if muted else "")
    contents["provisioning/datasources/andon.yaml"] = sources.influxdb_2()
    contents["provisioning/dashboards/andon.yaml"] = _provider_file()
    contents["provisioning/alerting/andon.yaml"] = rules
    if muted:
        contents["provisioning/alerting/mute_times.yaml"] = muted
    contents["examples/influxdb_1.yaml"] = sources.influxdb_1()
    contents["examples/influxdb_3.yaml"] = sources.influxdb_3()
    contents["examples/contact_point.yaml"] = sources.contact_point()
    contents["examples/mute_times.yaml"] = mute_file("Asia/Shanghai", _EXAMPLE_SHIFTS, ()) or {}
    return {name: json.dumps(content, indent=2, ensure_ascii=False) + "\n" for name, content in contents.items()}


def boards() -> dict[str, Json]:
    """Every board of `dashboards/boards` by its file's name."""
    names = sorted(module.name for module in pkgutil.iter_modules(dashboards.boards.__path__))
    return {name: importlib.import_module(f"dashboards.boards.{name}").board() for name in names}


def _rendered_in(folder: Path) -> list[Path]:
    return [path for part in _PARTS for path in (folder / part).rglob("*") if path.is_file()]


def _provider_file() -> Json:
    provider = {
        "name": "andon",
        "orgId": 1,
        "folder": FOLDER_TITLE,
        "folderUid": FOLDER_UID,
        "type": "file",
        "disableDeletion": False,
        "updateIntervalSeconds": 30,
        "allowUiUpdates": False,
        "options": {"path": _BOARDS_ON_GRAFANA, "foldersFromFilesStructure": False},
    }
    return {"apiVersion": 1, "providers": [provider]}
