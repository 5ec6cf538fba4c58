"""deploy/compose.yaml as docker-compose reads it, and its services as processes of this machine.

No container engine is needed: what a service's command would find at its paths, names and ports inside the container
is put in their place (`Bench.here`), and each service gets the secrets it names and no others.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from deploy.bench.servers import free_port
from tests.plant.servers import need

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
_DEBIAN_PYTHON = "/usr/bin/python3"  # docker-compose brings YAML for it
_AS_JSON = "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))"
GATEWAYS = ("gateway_1", "gateway_2")


def config(path: Path = COMPOSE) -> subprocess.CompletedProcess[str]:
    """What `docker-compose config` says: the file with everything filled in, or why it is not valid."""
    command = [str(need("docker-compose")), "--file", str(path), "config"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def composed(path: Path = COMPOSE) -> dict[str, Any]:
    said = config(path)
    assert said.returncode == 0, said.stderr
    read = subprocess.run(
        [_DEBIAN_PYTHON, "-c", _AS_JSON], input=said.stdout, capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(read.stdout)
    return found


class Bench:
    """A folder in which the services of the file run: certificates and secrets by the site's own scripts."""

    def __init__(self, folder: Path, file: dict[str, Any]) -> None:
        self.folder = folder
        self.file = file
        self.made = folder / "deploy" / "secrets"
        clients = ["collector", "health", *GATEWAYS]
        subprocess.run([DEPLOY / "mosquitto" / "make_certs.sh", self.made / "mqtt", *clients], check=True)
        subprocess.run([DEPLOY / "influxdb" / "make_secrets.sh", self.made], check=True)
        (folder / "data").mkdir()
        ports = ("8883", "9101", "9102", "9103", "8470")
        self.ports = {port: free_port() for port in ports}
        self._elsewhere = {
            "/mosquitto/config/": f"{DEPLOY / 'mosquitto'}/",
            "/mosquitto/data": str(folder / "data"),
            "/var/lib/andon/": f"{folder}/",
            "../sites/": f"{DEPLOY / 'sites'}/",
            'host = "mosquitto"': 'host = "127.0.0.1"',
            "0.0.0.0": "127.0.0.1",
            **{port: str(here) for port, here in self.ports.items()},
        }

    def also(self, there: str, here: str) -> None:
        """One more name of the containers' network, and what it is here."""
        self._elsewhere[there] = here

    def service(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.file["services"][name]
        return found

    def secrets(self, service: str) -> Path:
        """A folder with the secrets that this service is given, under the names they have in the container."""
        folder = self.folder / "run" / service
        folder.mkdir(parents=True, exist_ok=True)
        for secret in self.service(service).get("secrets", []):
            name = secret["source"]
            shutil.copyfile(self._file_of(name), folder / name)
        return folder

    def here(self, service: str, text: str) -> str:
        """Text of a container (a command, a setting) as it reads on this machine."""
        for there, here in self._elsewhere.items():
            text = text.replace(there, here)
        return text.replace("/run/secrets/", f"{self.secrets(service)}/").replace("$$", "$")

    def write(self, service: str, source: Path, *, more: str = "") -> Path:
        """A copy of a service's settings for this machine."""
        copy = self.folder / service / source.name
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(self.here(service, source.read_text()) + more)
        return copy

    def andon(self, service: str, site: Path) -> list[str]:
        """The service's command, with its own copy of site.toml."""
        *words, path = self.service(service)["command"]
        assert path == "/andon/compose/site.toml"
        return [sys.executable, "-m", "deploy.cli", *words, str(site)]

    def healthy(self, service: str) -> bool:
        """Whether the service's health check says so."""
        kind, *words = self.service(service)["healthcheck"]["test"]
        assert kind == "CMD"
        words = [sys.executable if word == "python" else self.here(service, word) for word in words]
        return subprocess.run(words, capture_output=True, timeout=30, check=False).returncode == 0

    def _file_of(self, secret: str) -> Path:
        path = Path(self.file["secrets"][secret]["file"])
        return self.folder / "deploy" / path.relative_to(DEPLOY)
