"""R6: what malformed messages cost the good ones, at 1,000 messages/s, every tenth of them malformed.

Clean and malformed runs take turns on one collector, so that what else the machine does falls on both. A watcher
outside notes when a reading can first be read from the spool; a payload carries the instant of its publication.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from collector.spool.spool import Spool
from deploy.bench import store
from deploy.bench.bridge_latency import Watcher
from deploy.bench.figure import Figure, quantile
from deploy.bench.load import Load, published
from deploy.bench.rig import Rig, rig

PER_S = 1_000
RUN_S, ROUNDS = 5, 3
_AFTERWARDS_LOOKS = 500  # of 2 ms and more

RETROFIT = """
[[subscribe]]
topic = "retrofit/{line}/{cell}"
format = "json_fields"
time = "ts"
time_unit = "us"
[subscribe.fields.value]
unit = "Cel"
"""

FIGURES = (
    Figure("R6 good messages beside malformed ones: publish -> durable, median, of a clean run's", "x", must=1.10),
    Figure("R6 the same, p90", "x", must=1.10),
    Figure("R6 clean: publish -> durable, median", "ms"),
    Figure("R6 clean: p90", "ms"),
    Figure("R6 noise: clean medians, largest of smallest", "x"),
    Figure("R6 malformed messages that are no dead letter", "messages", must=0),
)


class Delays(NamedTuple):
    """Publish -> durable of one run's good messages, in ms."""

    median: float
    p90: float


class Compared(NamedTuple):
    """Clean and malformed runs that took turns."""

    clean: Sequence[Delays]
    malformed: Sequence[Delays]

    def ratio(self, which: int) -> float:
        """The malformed runs' delay (0: median, 1: p90) of the clean runs', each by its median run."""
        malformed, clean = (statistics.median(run[which] for run in runs) for runs in (self.malformed, self.clean))
        return malformed / clean

    @property
    def noise(self) -> float:
        medians = [run.median for run in self.clean]
        return max(medians) / min(medians)


def conditions() -> str:
    return f"{ROUNDS} x {RUN_S} s each at {PER_S:,} messages/s of 120 B, mosquitto, {store.name()}"


def once() -> Sequence[float]:
    with rig(RETROFIT) as one, one.andon("collect") as collector:
        collector.wait_ready()
        compared = compare(one)
        with Spool.open(one.spool_path) as spool:
            letters = spool.dead.count()
    clean = [statistics.median(run[which] for run in compared.clean) for which in (0, 1)]
    missing = ROUNDS * RUN_S * PER_S // 10 - letters
    return compared.ratio(0), compared.ratio(1), *clean, compared.noise, missing


def compare(one: Rig) -> Compared:
    """Publishes clean and malformed runs in turn to a collector that is running, after a clean one to warm up."""
    clean, malformed = [], []
    with Spool.open(one.spool_path) as spool:
        _delays(one.port, spool, "signal", RUN_S * PER_S)
        for _ in range(ROUNDS):
            clean.append(_delays(one.port, spool, "signal", RUN_S * PER_S))
            malformed.append(_delays(one.port, spool, "malformed", RUN_S * PER_S * 9 // 10))
    return Compared(clean, malformed)


def _delays(port: int, spool: Spool, shape: str, readings: int) -> Delays:
    watcher = Watcher(spool)
    publisher = Load(shape, RUN_S * PER_S, PER_S).start(port)
    while publisher.poll() is None:
        watcher.look()
    published(publisher)
    for _ in range(_AFTERWARDS_LOOKS):
        if len(watcher.durable_s) < readings:
            watcher.look()
    ms = [1e3 * delay_s for delay_s in watcher.durable_s]
    return Delays(quantile(ms, 0.5), quantile(ms, 0.9))
