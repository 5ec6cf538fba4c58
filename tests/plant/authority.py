"""A throw-away certificate authority, made by the openssl program: server, client and a stranger's certificates."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.plant.servers import need


class Authority:
    """Files in `folder`: `ca.pem`, and NAME.pem with NAME.key for each `issue`d name."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._program = str(need("openssl"))
        self._run("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem")

    def issue(self, name: str) -> None:
        """A certificate for 127.0.0.1 under this name."""
        (self.folder / "names.cnf").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        self._run(f"req -newkey rsa:2048 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr")
        signed_by = "-CA ca.pem -CAkey ca.key -CAcreateserial"
        self._run(f"x509 -req -days 2 -in {name}.csr {signed_by} -extfile names.cnf -out {name}.pem")

    def _run(self, words: str) -> None:
        subprocess.run([self._program, *words.split()], cwd=self.folder, check=True, capture_output=True)
