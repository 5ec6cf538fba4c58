"""Debian's real Alertmanager on free ports, a receiver of what it notifies of, and amtool to ask and silence it."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from deploy.bench import servers
from deploy.bench.servers import Running, free_port
from tests.plant.servers import need

CONFIG = """
route:
  receiver: plant
  group_by: [alertname, site, line]
  group_wait: 100ms
  group_interval: 500ms
  repeat_interval: 1h
inhibit_rules:
  - source_matchers: [product="andon", severity="critical"]
    target_matchers: [product="andon", severity="warning"]
    equal: [site, line]
receivers:
  - name: plant
    webhook_configs:
      - url: {url}
"""


class Receiver:
    """Whoever is notified: every notification as it came, and the alerts in them."""

    def __init__(self) -> None:
        heard: list[dict[str, Any]] = []
        handler = type("Handler", (_Hook,), {"heard": heard})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.heard = heard
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"

    def __enter__(self) -> Receiver:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def told(self, status: str) -> list[str]:
        """The subjects that it was told of as firing or resolved, once for each notification."""
        alerts = (alert for one in list(self.heard) for alert in one["alerts"])
        return [
            alert["labels"]["subject"] for alert in alerts if alert["status"] == status and "subject" in alert["labels"]
        ]


class _Hook(BaseHTTPRequestHandler):
    heard: list[dict[str, Any]]

    def do_POST(self) -> None:
        self.heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@contextmanager
def alertmanager(folder: Path, receiver: str, *, port: int | None = None) -> Iterator[Running]:
    """Started again in the same folder it remembers silences and what it told, and no alert."""
    path, port = need("prometheus-alertmanager"), port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "alertmanager.yml").write_text(CONFIG.format(url=receiver))
    command = [str(path), f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/data"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=", "--log.level=warn"]
    with servers.running("alertmanager", command, port, folder, _is_ready) as running:
        yield running


def alerts(at: Running) -> list[dict[str, Any]]:
    """What its API shows: alerts that fire, with their status."""
    with urllib.request.urlopen(f"{at.url}/api/v2/alerts", timeout=30) as answer:
        found: list[dict[str, Any]] = json.load(answer)
    return found


def amtool(at: Running, *words: str) -> str:
    """What amtool says; it must succeed."""
    command = [str(need("amtool")), f"--alertmanager.url={at.url}", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def _is_ready(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        if probe.connect_ex(("127.0.0.1", port)):
            return False
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
