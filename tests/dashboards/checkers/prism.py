"""Prism in front of a Grafana: every call and every answer is held by the strict contract.

A call that is not in it gets 422 and never reaches Grafana; an answer that is not in it becomes a 500. Either way the
answer is a problem document that names the fault.
"""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.bench.servers import free_port
from tests.dashboards.checkers.contract import contract
from tests.dashboards.checkers.node import PRISM

_START_S = 60


@contextmanager
def judging(folder: Path, upstream: str) -> Iterator[str]:
    """The address of a Prism between us and the Grafana at `upstream`."""
    document, log = folder / "contract.json", folder / "prism.log"
    document.write_text(json.dumps(contract()))
    port = free_port()
    where = ["--host", "127.0.0.1", "--port", str(port)]
    command = ["node", str(PRISM), "proxy", str(document), upstream, "--errors", *where]
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(process, f"{url}/api/health", log)
            yield url
        finally:
            process.terminate()


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + _START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except urllib.error.HTTPError:
            return  # it answers
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"Prism does not answer: {log.read_text()[-2000:]}")
