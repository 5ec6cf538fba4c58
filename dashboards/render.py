"""Writes everything Grafana reads from disk: boards, data source, board provider and the rule.

`render(folder)` writes, `check(folder)` says what differs from what would be written. The same source gives the same
bytes. Provisioning files are JSON, which is YAML: no library decides how they are spelled.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from pathlib import Path

import dashboards.boards
from dashboards.alerting import rule_file
from dashboards.boards.plant_overview import UID as OVERVIEW_UID
from dashboards.build import DATA_SOURCE, FOLDER_TITLE, FOLDER_UID, Json
from dashboards.layout import panel_id

_BOARDS_ON_GRAFANA = "/etc/grafana/andon/dashboards"


def render(folder: Path) -> list[Path]:
    """Writes all files under `folder` (deploy/grafana) and returns their paths."""
    written = []
    for name, content in files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        written.append(path)
    return written


def check(folder: Path) -> list[str]:
    """One sentence for every file that is missing, differs or should not be there; none when all is as rendered."""
    expected = files()
    found = {str(path.relative_to(folder)): path for path in _rendered_in(folder)}
    said = [f"{folder / name} is missing: render again" for name in sorted(expected.keys() - found.keys())]
    said += [
        f"{found[name]} is not rendered from the source: remove it" for name in sorted(found.keys() - expected.keys())
    ]
    for name in sorted(expected.keys() & found.keys()):
        if found[name].read_text(encoding="utf-8") != expected[name]:
            said.append(f"{found[name]} differs from what the source says: render again, change the source instead")
    return said


def files() -> dict[str, str]:
    """What `render` writes: content by path below its folder."""
    contents: dict[str, Json] = {f"dashboards/{name}.json": board for name, board in boards().items()}
    contents["provisioning/datasources/andon.yaml"] = _data_source_file()
    contents["provisioning/dashboards/andon.yaml"] = _provider_file()
    contents["provisioning/alerting/andon.yaml"] = rule_file(OVERVIEW_UID, panel_id("open_alerts"))
    return {name: json.dumps(content, indent=2, ensure_ascii=False) + "\n" for name, content in contents.items()}


def boards() -> dict[str, Json]:
    """Every board of `dashboards/boards` by its file's name."""
    names = sorted(module.name for module in pkgutil.iter_modules(dashboards.boards.__path__))
    return {name: importlib.import_module(f"dashboards.boards.{name}").board() for name in names}


def _rendered_in(folder: Path) -> list[Path]:
    return [path for part in ("dashboards", "provisioning") for path in (folder / part).rglob("*") if path.is_file()]


def _data_source_file() -> Json:
    """InfluxQL on InfluxDB 2 by its token; `$NAME` is filled in by Grafana from its environment."""
    source = {
        "name": "Andon",
        "uid": DATA_SOURCE["uid"],
        "type": DATA_SOURCE["type"],
        "access": "proxy",
        "url": "$INFLUX_URL",
        "isDefault": False,
        "editable": False,
        "jsonData": {
            "version": "InfluxQL",
            "dbName": "$INFLUX_BUCKET",
            "httpMode": "POST",
            "httpHeaderName1": "Authorization",
            "timeInterval": "1s",
        },
        "secureJsonData": {"httpHeaderValue1": "Token $INFLUX_TOKEN"},
    }
    return {"apiVersion": 1, "datasources": [source]}


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
