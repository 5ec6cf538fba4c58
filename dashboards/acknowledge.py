"""Acknowledging from Grafana: a link to the board's page of the alert, and, where wished, a button that does it there.

The link is safe: the person acts on the board itself, under a name. The button is a panel Action: the viewer's browser
calls the board, which must allow Grafana's origin and gets the token that its link to Grafana gave (`var-ack`, good for
a short while; see `dashboards.live.grafana_token`). Off by default.
"""

from __future__ import annotations

import copy

from dashboards import build
from dashboards.build import Json
from dashboards.downward import ANSWER

TOKEN = "ack"  # the variable that holds it
CALL = "/grafana/acknowledge"  # where the board listens for the button


def as_wished(board: Json, board_url: str, *, button: bool) -> Json:
    """The board with its links leading to `board_url`, and with the button or without."""
    wished = copy.deepcopy(board)
    listed: list[Json] = wished["templating"]["list"]
    at = next(i for i, variable in enumerate(listed) if variable["name"] == "board")
    listed[at] = build.constant("board", board_url.rstrip("/"))
    if button:
        listed.append({"type": "textbox", "name": TOKEN, "label": "Token", "query": "", "hide": 2})
        for panel in wished["panels"]:
            _add_button(panel)
    return wished


def _add_button(panel: Json) -> None:
    for override in panel.get("fieldConfig", {}).get("overrides", []):
        if override["matcher"]["options"] == ANSWER:
            override["properties"].append({"id": "actions", "value": [_action()]})


def _action() -> Json:
    return {
        "type": "fetch",
        "title": "Acknowledge now",
        "confirmation": "Acknowledge this alert in the name you opened Grafana with?",
        "oneClick": False,
        "fetch": {
            "method": "POST",
            "url": "${board:raw}" + CALL,
            "headers": [["Content-Type", "application/json"]],
            "queryParams": [],
            "body": '{"alert": "${__value.raw}", "token": "${' + TOKEN + ':raw}"}',
        },
    }
