"""A small Grafana of our own: keeps what it is sent, adds what Grafana adds, refuses what Grafana refuses.

Prism knows the contract but keeps nothing; this keeps, so that doing a thing twice can be told from doing it once.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

Json = dict[str, Any]
TOKEN = "glsa_secret"
CONTACT_POINTS = {"grafana-default-email"}
_RULE_GROUPS, _MUTE_TIMINGS = "/v1/provisioning/folder/", "/v1/provisioning/mute-timings"


class Refused(Exception):
    """The status and the message that are answered."""


class Grafana(ThreadingHTTPServer):
    """`kept`: what can be read, by path. `changes`: how often something was sent. `ill`: data sources that are away.

    `answers`: what a path answers in place of what is kept, however odd. Before version 12 no rule knows
    `keep_firing_for`.
    """

    def __init__(self, prefix: str = "", version: str = "13.0.1") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.prefix = prefix
        self.kept: dict[str, Json] = {"/health": {"version": version, "database": "ok", "commit": "stub"}}
        self.secrets: dict[str, Json] = {}
        self.changes = 0
        self.ill: set[str] = set()
        self.answers: dict[str, Any] = {}
        self._unknown = {"keep_firing_for"} if int(version.partition(".")[0]) < 12 else set[str]()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{self.prefix}"

    def read(self, path: str) -> Any:
        if path in self.answers:
            return self.answers[path]
        if path.startswith("/datasources/uid/") and path.endswith("/health"):
            return self._health(path.removesuffix("/health"))
        if path not in self.kept:
            raise Refused(404, "not found")
        return self.kept[path]

    def take(self, method: str, path: str, body: Json) -> tuple[int, Json]:
        """Status and answer of a POST or PUT. Raises Refused."""
        answer = self._take(method, path, body)
        self.changes += 1
        return answer

    def _take(self, method: str, path: str, body: Json) -> tuple[int, Json]:
        if path == "/dashboards/db":
            return 200, self._board(body)
        if path.startswith(_RULE_GROUPS):
            return 200, self._rules(path, body)
        if path.startswith(_MUTE_TIMINGS):
            name = f"{_MUTE_TIMINGS}/{body['name']}"
            self.kept[name] = body
            return (201 if method == "POST" else 202), body
        if path.startswith("/folders"):
            return 200, self._folder(method, path, body)
        if path.startswith("/datasources"):
            return 200, self._data_source(method, path, body)
        raise Refused(404, f"no {method} {path}")

    def _folder(self, method: str, path: str, body: Json) -> Json:
        at = f"/folders/{body['uid']}" if method == "POST" else path
        if method == "POST" and at in self.kept:
            raise Refused(409, "a folder with that uid exists")
        self.kept[at] = {**self.kept.get(at, {}), "id": 3, "uid": at.removeprefix("/folders/"), "title": body["title"]}
        return self.kept[at]

    def _data_source(self, method: str, path: str, body: Json) -> Json:
        at = f"/datasources/uid/{body['uid']}" if method == "POST" else path
        if method == "POST" and at in self.kept:
            raise Refused(409, "data source with the same uid already exists")
        if self.kept.get(at, {}).get("readOnly"):
            raise Refused(403, "Cannot edit read-only data source")
        secrets = body.pop("secureJsonData", {})
        self.secrets[at] = secrets
        added = {"id": 5, "orgId": 1, "typeLogoUrl": "", "readOnly": False, "version": self.changes}
        self.kept[at] = {**body, **added, "secureJsonFields": dict.fromkeys(secrets, True)}
        return {"id": 5, "message": "Datasource added", "name": body["name"], "datasource": self.kept[at]}

    def _board(self, body: Json) -> Json:
        board = body["dashboard"]
        at = f"/dashboards/uid/{board['uid']}"
        if f"/folders/{body['folderUid']}" not in self.kept:
            raise Refused(400, "folder not found")
        if self.kept.get(at, {}).get("meta", {}).get("provisioned"):
            raise Refused(400, "Cannot save provisioned dashboard")
        stored = {**board, "id": 7, "version": self.changes, "schemaVersion": max(board["schemaVersion"], 42)}
        self.kept[at] = {"dashboard": stored, "meta": {"provisioned": False, "folderUid": body["folderUid"]}}
        return {"id": 7, "uid": board["uid"], "url": at, "status": "success", "version": 1, "title": board["title"]}

    def _rules(self, path: str, body: Json) -> Json:
        for rule in body["rules"]:
            settings = rule.get("notification_settings", {})
            missing = [f"{_MUTE_TIMINGS}/{name}" for name in settings.get("mute_time_intervals", ())]
            if not set(missing) <= self.kept.keys():
                raise Refused(400, f"{missing}: no such mute timing")
            if settings.get("receiver", "grafana-default-email") not in CONTACT_POINTS:
                raise Refused(400, "no such contact point")
        added = {"id": 9, "updated": "2024-01-01T00:00:00Z", "provenance": "api"}
        rules = [{key: value for key, value in rule.items() if key not in self._unknown} for rule in body["rules"]]
        self.kept[path] = {**body, "rules": [{**rule, **added} for rule in rules]}
        return self.kept[path]

    def _health(self, at: str) -> Json:
        uid = at.removeprefix("/datasources/uid/")
        if at not in self.kept:
            raise Refused(404, "data source not found")
        if uid in self.ill:
            raise Refused(400, "error connecting to influxdb: connection refused")
        return {"message": "datasource is working. 6 measurements found"}


class _Handler(BaseHTTPRequestHandler):
    server: Grafana
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._answered(lambda _body: (200, self.server.read(self._path())))

    def do_POST(self) -> None:
        self._answered(lambda body: self.server.take(self.command, self._path(), body))

    def do_PUT(self) -> None:
        self.do_POST()

    def _answered(self, act: Any) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        try:
            if self.headers["Authorization"] != f"Bearer {TOKEN}" and self._path() != "/health":
                raise Refused(401, "Invalid API key")
            status, answer = act(body)
        except Refused as refused:
            status, message = refused.args
            answer = {"message": message}
        self._say(status, answer)

    def _path(self) -> str:
        path = unquote(urlsplit(self.path).path)
        assert path.startswith(f"{self.server.prefix}/api/")
        return path.removeprefix(f"{self.server.prefix}/api")

    def _say(self, status: int, body: Json) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@contextmanager
def running(prefix: str = "", version: str = "13.0.1") -> Iterator[Grafana]:
    with Grafana(prefix, version) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server
        server.shutdown()
