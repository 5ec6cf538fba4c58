"""What `provision` makes of a Grafana, against a small stub of its HTTP API. No live Grafana has been seen."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from dashboards.provision import ProvisionError, connect, provision, rule_group
from dashboards.render import boards
from tests.plant.servers import free_port

TOKEN = "glsa_secret"
GROUP = {"title", "folderUid", "interval", "rules"}
RULE = {  # ProvisionedAlertRule of Grafana's OpenAPI document
    "annotations",
    "condition",
    "data",
    "execErrState",
    "folderUID",
    "for",
    "id",
    "isPaused",
    "keep_firing_for",
    "labels",
    "missingSeriesEvalsToResolve",
    "noDataState",
    "notification_settings",
    "orgID",
    "provenance",
    "record",
    "ruleGroup",
    "title",
    "uid",
    "updated",
}
REQUIRED = {
    "condition",
    "data",
    "execErrState",
    "folderUID",
    "for",
    "noDataState",
    "orgID",
    "ruleGroup",
    "title",
}


class Grafana(ThreadingHTTPServer):
    """Keeps folders, boards and rule groups, and adds what Grafana adds."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.kept: dict[str, dict[str, Any]] = {}
        self.changes = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/grafana"

    def take(self, path: str, body: dict[str, Any]) -> None:
        self.changes += 1
        if path == "/folders":
            self.kept[f"/folders/{body['uid']}"] = body
        elif path == "/dashboards/db":
            assert body["overwrite"] and f"/folders/{body['folderUid']}" in self.kept
            board = {**body["dashboard"], "id": 7, "version": self.changes}
            self.kept[f"/dashboards/uid/{board['uid']}"] = {"dashboard": board, "meta": {}}
        else:
            rules = [
                {**rule, "id": 9, "updated": "2024-01-01T00:00:00Z", "provenance": "api"} for rule in body["rules"]
            ]
            self.kept[path] = {**body, "rules": rules}


class _Handler(BaseHTTPRequestHandler):
    server: Grafana

    def do_GET(self) -> None:
        kept = self.server.kept.get(self._path())
        self._say(200, kept) if kept else self._say(404, {"message": "not found"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            return self._say(401, {"message": "Invalid API key"})
        self.server.take(self._path(), body)
        return self._say(200, {"status": "success"})

    def do_PUT(self) -> None:
        self.do_POST()

    def _path(self) -> str:
        assert self.path.startswith("/grafana/api/")
        return self.path.removeprefix("/grafana/api")

    def _say(self, status: int, body: Any) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def grafana() -> Iterator[Grafana]:
    with Grafana() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server
        server.shutdown()


def test_everything_is_created_once_and_again_changes_nothing(grafana):
    api = connect(grafana.url, TOKEN)
    assert provision(api) == ["folder Andon created", "board Plant overview created", "rule group andon created"]
    assert len(grafana.kept) == 2 + len(boards())
    changes = grafana.changes
    assert provision(api) == [] and grafana.changes == changes


def test_what_somebody_changed_is_set_right(grafana):
    api = connect(grafana.url, TOKEN)
    provision(api)
    grafana.kept["/dashboards/uid/andon-plant-overview"]["dashboard"]["title"] = "Mine"
    (rules,) = [kept["rules"] for kept in grafana.kept.values() if "rules" in kept]
    rules[0]["noDataState"] = "OK"
    assert provision(api) == ["board Plant overview updated", "rule group andon updated"]
    assert provision(api) == []


def test_the_rule_is_spelled_as_the_api_spells_it():
    group = rule_group()
    (rule,) = group["rules"]
    assert group.keys() == GROUP and group["interval"] == 10
    assert rule.keys() <= RULE and rule.keys() >= REQUIRED
    assert rule["keep_firing_for"] == "2m" and rule["annotations"]["__dashboardUid__"] == "andon-plant-overview"


def test_a_refused_token_is_a_sentence(grafana):
    with pytest.raises(ProvisionError, match=r"answered 401 .*: give a service account token with the role Editor"):
        provision(connect(grafana.url, "wrong"))


def test_a_grafana_that_is_away_is_a_sentence():
    with pytest.raises(ProvisionError, match="does not answer"):
        provision(connect(f"http://127.0.0.1:{free_port()}", TOKEN))


@pytest.mark.parametrize("url", ["grafana", "ftp://grafana", ""])
def test_an_address_that_is_none_is_a_sentence(url):
    with pytest.raises(ProvisionError, match="not the address of a Grafana"):
        connect(url, TOKEN)
