"""A copy of the teaching factory on a broker of its own, with the processes a site runs."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from collector.clocks.clock import MessageClock
from collector.health.counters import Counters
from collector.sources.mqtt import MqttSource
from collector.sources.recording import read_recording
from collector.spool.spool import Spool
from deploy.site import SiteFile, load_site
from detectors.engine import dealt_with

SAMPLE = Path(__file__).parents[2] / "deploy" / "sites" / "teaching_factory"
CAPTURE = SAMPLE / "capture.jsonl"


class Site:
    """A copy of the teaching factory on a broker of its own, its processes, and what they left."""

    def __init__(self, folder: Path, port: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        text = (SAMPLE / "site.toml").read_text().replace("port = 1883", f"port = {port}", 1)
        (folder / "site.toml").write_text(text)
        shutil.copytree(SAMPLE / "chain", folder / "chain", dirs_exist_ok=True)
        self.path = folder / "site.toml"
        self.loaded: SiteFile = load_site(self.path)

    def start(self, command: str, *words: str) -> subprocess.Popen[bytes]:
        """One `andon` process; `command` may be of two words."""
        return subprocess.Popen([sys.executable, "-m", "deploy.cli", *command.split(), str(self.path), *words])

    def subscribe(self) -> None:
        """Makes the collector's session known to the broker, so that nothing published from now on is missed."""
        counters, clock = Counters(), MessageClock()
        loaded = self.loaded
        source = MqttSource(loaded.broker, loaded.decoder(clock).filters, loaded.folder, clock, counters)
        subscribed(counters, 1)
        source.close()

    def finished(self) -> bool:
        """The last reading of the capture is in the spool and the detectors have dealt with all of it."""
        if not self.loaded.spool_path.exists():
            return False
        last_ns = max(message.at_ns for message in read_recording(CAPTURE))
        with Spool.open(self.loaded.spool_path) as spool:
            if spool.log.clock_ns() + 5_000_000_000 < last_ns:
                return False
            return dealt_with(spool) == spool.log.end()


@contextmanager
def ended(*processes: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        for process in processes:
            with suppress(ProcessLookupError):
                process.terminate()
        for process in processes:
            process.wait(20)


def wait(done: Callable[[], bool], otherwise: str, wait_s: float, look_every_s: float = 0.1) -> None:
    deadline = time.monotonic() + wait_s
    while not done():
        assert time.monotonic() < deadline, otherwise
        time.sleep(look_every_s)


def subscribed(counters: Counters, times: int) -> None:
    wait(lambda: counters.counts.get("broker_subscriptions", 0) >= times, "no subscription", 30.0)
