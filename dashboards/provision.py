"""Puts folder, boards and rule into a running Grafana over its HTTP API; doing it again changes nothing.

For sites that cannot put files beside their Grafana. Of grafana-api only the generic request (`GET`, `POST`, `PUT` of a
path) is used, so that another client can take its place. The data source is the site's own; it needs the uid that
`dashboards.build.DATA_SOURCE` names.
"""

from __future__ import annotations

from typing import Any, Protocol
from urllib.parse import quote, urlsplit

from grafana_api.grafana_api import GrafanaAPI, GrafanaException

from collector.errors import AndonError
from dashboards.alerting import rule_file
from dashboards.boards.plant_overview import UID as OVERVIEW_UID
from dashboards.build import FOLDER_TITLE, FOLDER_UID, Json
from dashboards.layout import panel_id
from dashboards.render import boards

_ORG_ID = 1
_GIVEN_BY_GRAFANA = ("id", "version")  # of a stored board
_FILE_ONLY = ("dashboardUid", "panelId", "keepFiringFor")


class ProvisionError(AndonError):
    """Grafana did not take what was sent; the sentence says where and what it answered."""


class Api(Protocol):
    """The generic request of a Grafana client: a path below /api, a JSON body. Raises GrafanaException."""

    def GET(self, url: str) -> Any: ...  # noqa: N802
    def POST(self, url: str, json: Json) -> Any: ...  # noqa: N802
    def PUT(self, url: str, json: Json) -> Any: ...  # noqa: N802


def connect(url: str, token: str) -> Api:
    """A client for the Grafana at `url` (which may end in a path) with a service account's token."""
    at = urlsplit(url)
    if at.scheme not in ("http", "https") or not at.hostname:
        raise ProvisionError(f"{url}: not the address of a Grafana; write one such as http://127.0.0.1:3000")
    prefix = at.path.strip("/")
    api: Api = GrafanaAPI(
        token, host=at.hostname, port=at.port, protocol=at.scheme, url_path_prefix=f"{prefix}/" if prefix else ""
    )
    return api


def provision(api: Api) -> list[str]:
    """Brings folder, boards and rule up to date; one line for each thing that was changed. Raises ProvisionError."""
    try:
        changed = _folder(api)
        for board in boards().values():
            changed += _board(api, board)
        return changed + _rule_group(api)
    except GrafanaException as error:
        remedy = (
            "give a service account token with the role Editor" if error.status_code in (401, 403) else "see its log"
        )
        raise ProvisionError(f"Grafana answered {error.status_code} ({error.message}): {remedy}") from error
    except OSError as error:  # what the client's HTTP library raises derives from it
        raise ProvisionError(f"Grafana does not answer ({error}): is it up, is its address right?") from error


def _folder(api: Api) -> list[str]:
    if _found(api, f"/folders/{FOLDER_UID}") is not None:
        return []
    api.POST("/folders", json={"uid": FOLDER_UID, "title": FOLDER_TITLE})
    return [f"folder {FOLDER_TITLE} created"]


def _board(api: Api, board: Json) -> list[str]:
    stored = _found(api, f"/dashboards/uid/{board['uid']}")
    if stored is not None and _own_part(stored["dashboard"]) == board:
        return []
    body = {"dashboard": board, "folderUid": FOLDER_UID, "overwrite": True, "message": "andon dashboards provision"}
    api.POST("/dashboards/db", json=body)
    return [f"board {board['title']} {'created' if stored is None else 'updated'}"]


def _own_part(stored: Json) -> Json:
    return {key: value for key, value in stored.items() if key not in _GIVEN_BY_GRAFANA}


def _rule_group(api: Api) -> list[str]:
    group = rule_group()
    path = f"/v1/provisioning/folder/{FOLDER_UID}/rule-groups/{quote(group['title'])}"
    stored = _found(api, path)
    if stored is not None and _holds(stored, group):
        return []
    api.PUT(path, json=group)
    return [f"rule group {group['title']} {'created' if stored is None else 'updated'}"]


def rule_group() -> Json:
    """The rule's group in the API's spelling, made from the file's: `keep_firing_for`, `folderUID`, seconds."""
    (group,) = rule_file(OVERVIEW_UID, panel_id("open_alerts"))["groups"]
    return {
        "title": group["name"],
        "folderUid": FOLDER_UID,
        "interval": int(group["interval"].removesuffix("s")),
        "rules": [_api_rule(rule, group["name"]) for rule in group["rules"]],
    }


def _api_rule(rule: Json, group: str) -> Json:
    link = {"__dashboardUid__": rule["dashboardUid"], "__panelId__": str(rule["panelId"])}
    return {key: value for key, value in rule.items() if key not in _FILE_ONLY} | {
        "orgID": _ORG_ID,
        "folderUID": FOLDER_UID,
        "ruleGroup": group,
        "keep_firing_for": rule["keepFiringFor"],
        "annotations": {**rule["annotations"], **link},
    }


def _holds(stored: Any, wanted: Any) -> bool:
    """Whether `stored` says everything `wanted` says; Grafana adds ids, times and defaults of its own."""
    if isinstance(wanted, dict):
        return isinstance(stored, dict) and all(_holds(stored.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        same_length = isinstance(stored, list) and len(stored) == len(wanted)
        return same_length and all(_holds(a, b) for a, b in zip(stored, wanted, strict=True))
    return bool(stored == wanted)


def _found(api: Api, path: str) -> Any | None:
    try:
        return api.GET(path)
    except GrafanaException as error:
        if error.status_code == 404:
            return None
        raise
