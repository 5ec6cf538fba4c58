"""The benchmarks' rig with real servers: what is counted is what is stored, through an outage, too."""

from __future__ import annotations

import urllib.request

import pytest

from deploy.bench import store
from deploy.bench.load import LINE, PROBE, Load
from deploy.bench.rig import rig
from tests.plant.servers import need
from tests.plant.teaching_factory import wait

pytestmark = [pytest.mark.plant, pytest.mark.alone]


def rows(first: int, n: int, cell: str = "c00", field: str = "value") -> bytes:
    return "\n".join(f"reading,line={LINE},cell={cell} {field}={i} {i}" for i in range(first, first + n)).encode()


def write(opened: store.Store, body: bytes, precision: str = "ns") -> None:
    url = f"{opened.url}/api/v2/write?org=andon&bucket={store.DATABASE}&precision={precision}"
    with urllib.request.urlopen(url, data=body, timeout=10) as answer:
        assert answer.status == 204


def test_the_store_counts_rows_tells_repeats_apart_and_survives_being_away(tmp_path):
    need("influxd")
    with store.Store(tmp_path) as opened:
        write(opened, rows(1, 10))
        write(opened, rows(6, 10))
        write(opened, rows(1, 3, PROBE, "probed"))
        wait(lambda: (opened.counted(), opened.distinct()) == (23, 15), "not each row is counted", 30.0)
        with opened.down(), pytest.raises(OSError):
            write(opened, rows(100, 10))
        write(opened, rows(100, 10), precision="us")
        # a row is counted once its 204 is out, which the writer may see first
        wait(lambda: (opened.counted(), opened.distinct()) == (33, 25), "the last rows are not counted", 30.0)


def test_the_bridge_carries_a_load_and_nothing_is_missing():
    need("mosquitto")
    with rig() as one, one.andon("collect") as collector:
        collector.wait_ready()
        carried = collector.carry(Load("station", 100))
    assert (carried.readings, carried.missing) == (5_000, 0)
    assert carried.cpu_s > 0 and carried.peak_rss_mb > 10
