"""Real servers, each on a free port of 127.0.0.1, in a folder of its own, ended by its own id.

Used by benchmarks and, with their own word on what a missing program means, by the tests of `plant`.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from collector.errors import AndonError
from deploy.bench.figure import NotMeasured

APT = (
    "apt-get install -y --no-install-recommends mosquitto influxdb chromium chromium-driver "
    "prometheus prometheus-alertmanager docker-compose"
)
_WHERE = os.pathsep.join((os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"))
_START_S = 30.0
_STOP_S = 15.0


class ServerFailed(AndonError):
    """A server does not start; the sentence holds its own last words."""


def program(name: str) -> Path | None:
    """The path of a server program, None where it is not installed."""
    found = shutil.which(name, path=_WHERE)
    return Path(found) if found else None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Running:
    """A server that answers on `port` of 127.0.0.1 until it is stopped."""

    name: str
    port: int
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Asks it to end, and makes it end."""
        self.process.terminate()
        try:
            self.process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Ends it with no chance to tidy up, as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(_STOP_S)


@contextmanager
def mosquitto(
    folder: Path, *, persistence: bool = False, port: int | None = None, more: Sequence[str] = ()
) -> Iterator[Running]:
    """A Mosquitto that drops nothing for a slow reader, without accounts. Raises NotMeasured, ServerFailed."""
    path, port = _installed("mosquitto"), port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    config = [
        f"listener {port} 127.0.0.1",
        "allow_anonymous true",
        "max_queued_messages 0",
        "max_inflight_messages 2000",
        "set_tcp_nodelay true",
        f"persistence {'true' if persistence else 'false'}",
        *([f"persistence_location {folder}/", "autosave_interval 1"] if persistence else []),
        *more,
        *(["user root"] if os.geteuid() == 0 else []),  # else it drops root and cannot write our folder
    ]
    (folder / "mosquitto.conf").write_text("\n".join(config) + "\n")
    with running("mosquitto", [str(path), "-c", str(folder / "mosquitto.conf")], port, folder, accepts) as broker:
        yield broker


_INFLUXDB = """
reporting-disabled = true
bind-address = "127.0.0.1:{backup_port}"
[meta]
dir = "{folder}/meta"
logging-enabled = false
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
query-log-enabled = false
index-version = "inmem"
[monitor]
store-enabled = false
[subscriber]
enabled = false
[continuous_queries]
enabled = false
[http]
bind-address = "127.0.0.1:{port}"
log-enabled = false
max-body-size = 25000000
"""


@contextmanager
def influxdb(folder: Path, *, port: int | None = None) -> Iterator[Running]:
    """Debian's InfluxDB 1.6.7; started again in the same folder it has the same points. Raises as `mosquitto` does."""
    path, port = _installed("influxd"), port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "influxdb.conf"
    config.write_text(_INFLUXDB.format(folder=folder, port=port, backup_port=free_port()))
    with running("influxdb", [str(path), "-config", str(config)], port, folder, _pings) as store:
        yield store


@contextmanager
def running(
    name: str, command: Sequence[str], port: int, folder: Path, answers: Callable[[int], bool]
) -> Iterator[Running]:
    """Starts a server and waits until `answers(port)`. Raises ServerFailed."""
    log = folder / f"{name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    server = Running(name, port, log, process)
    try:
        _wait_for(server, answers)
        yield server
    finally:
        server.stop()


def _installed(name: str) -> Path:
    found = program(name)
    if found is None:
        raise NotMeasured(f"{name} is not installed; as root: {APT}")
    return found


def _wait_for(server: Running, answers: Callable[[int], bool]) -> None:
    deadline = time.monotonic() + _START_S
    while not answers(server.port):
        ended = server.process.poll() is not None
        if ended or time.monotonic() > deadline:
            said = server.log.read_text(errors="replace")[-2000:]
            raise ServerFailed(
                f"{server.name} {'ended at its start' if ended else 'does not answer'}; mend what it said:\n{said}"
            )
        time.sleep(0.05)


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _pings(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=1) as answer:
            return bool(answer.status == 204)
    except OSError:
        return False
