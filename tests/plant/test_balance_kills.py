"""R1, R2: kill -9 while numbered messages are published: of the collector, of the broker, of the store.

Whatever is killed, every number is in the store exactly once and in the spool's log at least once.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from collector.spool.spool import Spool
from deploy.bench.rig import Rig
from tests.plant.balance import lasting_broker, plant, saved, settled, shown
from tests.plant.log_lines import events, log_of
from tests.plant.numbered import Numbered
from tests.plant.teaching_factory import wait

pytestmark = pytest.mark.plant

COLLECTOR_KILLS = 50


@pytest.mark.timeout(600)
def test_the_collector_killed_at_50_random_moments_loses_and_doubles_nothing(tmp_path: Path) -> None:
    moments = random.Random(50)
    with lasting_broker(tmp_path / "broker") as broker, plant(tmp_path, broker) as rig:
        subscribed(rig)
        with Numbered(broker.port, messages=200_000, per_s=1_800) as numbers:
            for kill in range(COLLECTOR_KILLS):
                with rig.andon("collect") as collector:
                    if kill % 5:  # every fifth one dies at its start
                        wait_for_an_append(rig)
                    time.sleep(moments.uniform(0.0, 1.5))
                    if kill % 5 and kill % 2:
                        wait_for_an_append(rig, look_every_s=0.0005)  # what it holds is not all acknowledged yet
                    collector.kill()
            with rig.andon("collect"):
                sent = numbers.finished()
                account = settled(rig, sent.messages)
    assert account.is_exact, account
    assert account.logged_again > 0, "no kill fell between append and acknowledgement: nothing was proven"
    assert events(log_of(rig)) == {}


def test_a_broker_killed_while_it_hands_messages_on_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """A message is handed on before its publisher hears of it: what the broker forgets, the collector already has.

    That holds while what is under way fits the broker's window of 2,000: at this rate a busy machine may pause for 5 s.
    """
    with lasting_broker(tmp_path / "broker") as broker, plant(tmp_path, broker) as rig:
        subscribed(rig)
        with rig.andon("collect"), Numbered(broker.port, messages=8_000, per_s=400) as numbers:
            wait(lambda: shown(rig.store) > 800, "nothing is stored", 30.0)
            broker.kill()
            time.sleep(1.5)
            with lasting_broker(tmp_path / "broker", broker.port) as again:
                wait(lambda: shown(rig.store) > 3_500, "nothing is stored after the broker came back", 30.0)
                again.kill()
                time.sleep(1.5)
                with lasting_broker(tmp_path / "broker", broker.port):
                    sent = numbers.finished()
                    account = settled(rig, sent.messages)
                    told = events(log_of(rig))
    assert account.is_exact, account
    assert sent.connections == 3
    assert told.pop("broker.lost") == 2
    assert told.pop("broker.unreachable", 0) <= 2  # it may not have tried meanwhile
    assert told == {}


def test_a_broker_killed_while_the_collector_is_away_still_has_what_it_wrote_down(tmp_path: Path) -> None:
    with lasting_broker(tmp_path / "broker") as broker, plant(tmp_path, broker) as rig:
        subscribed(rig)
        with Numbered(broker.port, messages=20_000, per_s=2_000) as numbers:
            sent = numbers.finished()
        saved(tmp_path / "broker")
        broker.kill()
        with lasting_broker(tmp_path / "broker", broker.port), rig.andon("collect"):
            account = settled(rig, sent.messages)
    assert account.is_exact, account
    assert events(log_of(rig)) == {}


def test_a_store_killed_while_it_is_written_to_shows_everything_once(tmp_path: Path) -> None:
    with lasting_broker(tmp_path / "broker") as broker, plant(tmp_path, broker) as rig:
        subscribed(rig)
        with rig.andon("collect"), Numbered(broker.port, messages=20_000, per_s=2_000) as numbers:
            for enough in (2_000, 8_000, 14_000):
                wait(lambda enough=enough: shown(rig.store) > enough, "nothing is stored", 30.0)
                with rig.store.down(killed=True):
                    time.sleep(1.0)
            sent = numbers.finished()
            account = settled(rig, sent.messages)
    assert account.is_exact, account
    told = events(log_of(rig))
    assert 1 <= told["sink.unavailable"] <= 3  # two of them are one where it was still waiting to try again
    assert told == dict.fromkeys(("sink.unavailable", "sink.available"), told["sink.unavailable"])


def subscribed(rig: Rig) -> None:
    """Makes the collector's session known to the broker, so that nothing published from now on is missed."""
    with rig.andon("collect") as collector:
        collector.wait_ready()


def wait_for_an_append(rig: Rig, look_every_s: float = 0.1) -> None:
    nothing = "a collector that was started again appends nothing"
    with Spool.open(rig.spool_path) as spool:
        stands = spool.log.end()
        wait(lambda: spool.log.end() > stands, nothing, 30.0, look_every_s)
