"""P11: memory of a gateway's two processes, `andon collect` and `andon detect`, at 2,000 series of a reading a second.

Every series is watched by two rules; a further one watches the line. RSS is the highest of the last half of the run,
shared pages counted in both processes; PSS counts them once.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from collector.spool.spool import Spool
from deploy.bench import store
from deploy.bench.figure import Figure, NotMeasured
from deploy.bench.load import STATION_CELLS, Load, published
from deploy.bench.rig import rig

_RUN_S = 30
_RULES = """
[[rule]]
method = "stuck"

[[rule]]
method = "limits"
low = 0.0
high = 1000.0

[[rule]]
method = "silent"
after_s = 60.0
"""

FIGURES = (
    Figure("P11 collector and detectors at 2,000 series: RSS", "MB", must=150, aim=100),
    Figure("P11 the same: PSS", "MB"),
    Figure("P11 collector", "MB"),
    Figure("P11 detectors", "MB"),
)


def conditions() -> str:
    return f"{_RUN_S} s of 2,000 readings/s, three rules, mosquitto, {store.name()}"


def once() -> Sequence[float]:
    with rig(_RULES) as one, one.andon("collect") as collector, one.andon("detect") as detectors:
        collector.wait_ready()
        publisher = Load("station", STATION_CELLS * _RUN_S, per_s=STATION_CELLS).start(one.port)
        time.sleep(_RUN_S / 2)
        collector_mb = detectors_mb = both_pss_mb = 0.0
        while publisher.poll() is None:
            collector_mb = max(collector_mb, collector.meter.rss_mb())
            detectors_mb = max(detectors_mb, detectors.meter.rss_mb())
            both_pss_mb = max(both_pss_mb, collector.meter.pss_mb() + detectors.meter.pss_mb())
            time.sleep(0.5)
        published(publisher)
        with Spool.open(one.spool_path) as spool:
            if not spool.states.load("bench/bench").offset:
                raise NotMeasured("the detectors dealt with nothing; see whether `andon detect` works at all")
    return collector_mb + detectors_mb, both_pss_mb, collector_mb, detectors_mb
