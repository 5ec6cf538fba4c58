"""R2: ten cuts of the network in the middle of packets, on either side of the broker, and the balance after them."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.plant.balance import lasting_broker, plant, settled, shown
from tests.plant.cutting_proxy import CuttingProxy
from tests.plant.log_lines import events, log_of
from tests.plant.numbered import Numbered
from tests.plant.teaching_factory import wait
from tests.plant.test_balance_kills import subscribed

pytestmark = pytest.mark.plant

CUTS = 10


@pytest.mark.parametrize(("side", "least_s"), [("collector", 1.5), ("publisher", 0.3)])
def test_ten_cuts_in_the_middle_of_packets_lose_and_double_nothing(side: str, least_s: float, tmp_path: Path) -> None:
    """A connection of the collector lasts at least `least_s`: it hurries less each time one lasts no longer."""
    moments = random.Random(10)
    with lasting_broker(tmp_path / "broker") as broker, CuttingProxy(broker.port, seed=10) as network:
        ports = {"collector": broker.port, "publisher": broker.port} | {side: network.port}
        with plant(tmp_path, broker, ports["collector"]) as rig:
            subscribed(rig)
            with rig.andon("collect"), Numbered(ports["publisher"], 40_000, per_s=1_000) as numbers:
                for cut in range(CUTS):
                    seen = shown(rig.store)
                    wait(lambda seen=seen: shown(rig.store) > seen, "nothing more is stored", 40.0)
                    time.sleep(least_s + moments.uniform(0.0, 1.0))
                    network.cut()
                    wait(lambda cut=cut: network.cuts > cut, "nothing passes the network", 10.0)
                sent = numbers.finished()
                account = settled(rig, sent.messages)
    assert account.is_exact, account
    told = events(log_of(rig))
    if side == "publisher":
        assert sent.connections == CUTS + 1
        assert told == {}
    else:
        assert told.pop("broker.lost") == CUTS
        assert told == {}
