"""A site to measure: broker, store and a generated site.toml in a folder of its own, and the processes that run on it.

What carries readings from broker to store, ours or a peer's, is a `Bridge`: a process known by its id. Its cost is
read from the outside (`deploy.bench.meter`), its work at the store (`deploy.bench.store`).
"""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from deploy.bench.figure import NotMeasured
from deploy.bench.load import FIELDS, LINE, PROBE, Load, Wire, published
from deploy.bench.meter import Meter
from deploy.bench.servers import mosquitto
from deploy.bench.store import DATABASE, Store

_READY_S = 60.0
_POLL_S = 0.05
_STOP_S = 30.0

_SITE = """
[site]
enterprise = "bench"
name = "bench"

[broker]
port = {port}

[[subscribe]]
topic = "signal/{{line}}/{{cell}}"
format = "json_fields"
time = "ts"
time_unit = "us"
[subscribe.fields.value]
unit = "Cel"

[[subscribe]]
topic = "station/{{line}}/{{cell}}"
format = "json_fields"
time = "ts"
time_unit = "us"
{station_fields}
[[sink]]
name = "influx"
kind = "influx"
url = "{url}"
bucket = "{bucket}"
"""

_UNREADABLE = """write_only = true
retention_d = 0.0
"""


class Carried(NamedTuple):
    """What a bridge did with a load. `missing`: readings that are not in the store at the end."""

    readings: int
    cpu_s: float
    wall_s: float
    peak_rss_mb: float
    missing: int

    @property
    def cpu_us(self) -> float:
        """CPU time per reading; NaN when none arrived."""
        return 1e6 * self.cpu_s / self.readings if self.readings else math.nan

    @property
    def per_s(self) -> float:
        return self.readings / self.wall_s


class Rig:
    """Broker, store and site, all fresh."""

    def __init__(self, folder: Path, port: int, store: Store, rules: str = "") -> None:
        self.folder = folder
        self.port = port
        self.store = store
        self.site_path = folder / "site.toml"
        station_fields = "".join(f"[subscribe.fields.{name}]\n" for name in FIELDS)
        site = _SITE.format(port=port, url=store.url, bucket=DATABASE, station_fields=station_fields)
        self.site_path.write_text(site + ("" if store.is_readable else _UNREADABLE) + rules)

    @property
    def spool_path(self) -> Path:
        return self.folder / "var" / "spool.sqlite"

    @contextmanager
    def andon(self, command: str) -> Iterator[Bridge]:
        """`andon COMMAND site.toml` as a process, until the block ends."""
        with self.bridge(command, [sys.executable, "-m", "deploy.cli", command, str(self.site_path)]) as bridge:
            yield bridge

    @contextmanager
    def bridge(self, name: str, command: Sequence[str], folder: Path | None = None) -> Iterator[Bridge]:
        """Any process, asked to end at the end of the block."""
        log = self.folder / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        bridge = Bridge(self, process, log)
        try:
            yield bridge
        finally:
            bridge.stop()


class Bridge:
    """A process between the broker and the store of a rig."""

    def __init__(self, rig: Rig, process: subprocess.Popen[bytes], log: Path) -> None:
        self.rig = rig
        self.meter = Meter(process.pid)
        self._process = process
        self._log = log

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Ends it as a power cut would."""
        self._process.kill()
        self._process.wait(_STOP_S)

    def wait_ready(self) -> None:
        """Until a probe that was published is in the store. Raises NotMeasured when none comes through."""
        wire, probe = Wire(self.rig.port, "probe"), 0
        deadline, before = time.monotonic() + _READY_S, self.rig.store.counted()
        while self.rig.store.counted() == before:
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = self._log.read_text(errors="replace")[-2000:]
                raise NotMeasured(f"nothing comes through {self._log.stem}; mend what it said:\n{said}")
            at_us = time.time_ns() // 1000
            wire.send([(f"signal/{LINE}/{PROBE}".encode(), b'{"ts":%d,"value":%d.5}' % (at_us, probe))], window=0)
            probe += 1
            time.sleep(0.25)
        wire.close()
        self._settled()

    def carry(self, load: Load, *, rows: int | None = None, within_s: float = 60.0) -> Carried:
        """Publishes a load and follows it into the store, from before the first message to after the last reading.

        `rows`: how many rows the load makes there, as many as readings when not said.
        """
        store, rows = self.rig.store, rows or load.readings
        counted, distinct = store.counted(), store.distinct()
        cpu_s, began_s = self.meter.cpu_s(), time.monotonic()
        publisher = load.start(self.rig.port)
        while (done := store.counted() - counted) < rows and time.monotonic() < began_s + within_s:
            time.sleep(_POLL_S)
        wall_s, cpu_s = time.monotonic() - began_s, self.meter.cpu_s() - cpu_s
        peak_rss_mb = self.meter.peak_rss_mb()
        sent = published(publisher).messages
        missing = sent * load.readings // load.messages - (load.readings * done // rows)
        if distinct is not None and done >= rows:
            missing = load.readings - ((store.distinct() or 0) - distinct)
        return Carried(load.readings * done // rows, cpu_s, wall_s, peak_rss_mb, missing)

    def _settled(self) -> None:
        """Until no more probes arrive."""
        seen = -1
        while seen != (seen := self.rig.store.counted()):
            time.sleep(1.2)


@contextmanager
def rig(rules: str = "") -> Iterator[Rig]:
    """A fresh rig in a temporary folder. Raises NotMeasured where there is no broker."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="andon-bench-")))
        broker = stack.enter_context(mosquitto(folder / "broker"))
        store = stack.enter_context(Store(folder / "store"))
        yield Rig(folder, broker.port, store, rules)
