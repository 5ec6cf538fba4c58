"""Sessions with a real broker (Mosquitto): what it kept comes, what it forgot is booked, cuts lose nothing."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest

from collector.config import BrokerSettings
from collector.spool.ledger import Cause
from deploy.publisher import Publisher
from tests.collector.mqtt_sources import Listening, listening
from tests.plant.cutting_proxy import CuttingProxy
from tests.plant.servers import mosquitto

pytestmark = pytest.mark.plant

FILTERS = ["plant/#"]


@contextmanager
def publishing(port: int) -> Iterator[Publisher]:
    """Messages in between are the broker's at the end."""
    publisher = Publisher(BrokerSettings(port=port), Path(), "publisher")
    yield publisher
    publisher.finish(Event())


def publish(port: int, numbers: range, topic: str = "plant/a") -> None:
    with publishing(port) as publisher:
        for number in numbers:
            publisher.publish(topic, b"%d" % number, Event())


def numbers(heard: Listening) -> list[int]:
    return [int(message.payload) for message in heard.messages]


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_what_the_broker_kept_comes_after_a_restart_of_the_collector(tmp_path: Path, protocol: str) -> None:
    with mosquitto(tmp_path) as broker:
        with listening(broker.port, FILTERS, protocol=protocol) as heard:
            heard.counted("broker_subscriptions")
        publish(broker.port, range(5000))
        with listening(broker.port, FILTERS, protocol=protocol, since_ns=time.time_ns()) as heard:
            heard.until(lambda: len(heard.messages) >= 5000, "not all came")
            assert numbers(heard) == list(range(5000))
            assert [gap.note.rpartition("; ")[2] for gap in heard.gaps] == ["what it kept for us came afterwards"]


def test_what_was_not_acknowledged_comes_again(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        with listening(broker.port, FILTERS) as heard:
            heard.counted("broker_subscriptions")
            publish(broker.port, range(100))
            heard.until(lambda: len(heard.messages) == 100, "not all came", acknowledge=False)
        with listening(broker.port, FILTERS) as again:
            again.until(lambda: len(again.messages) == 100, "they did not come again")
            assert numbers(again) == numbers(heard)
        with listening(broker.port, FILTERS) as third:
            third.counted("broker_subscriptions")
            publish(broker.port, range(100, 101))
            third.until(lambda: bool(third.messages), "nothing came")
            assert numbers(third) == [100]


def test_a_broker_that_forgot_the_session_is_told_and_booked(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with mosquitto(tmp_path) as broker, listening(broker.port, FILTERS) as heard:
        heard.counted("broker_subscriptions")
        broker.kill()
        with mosquitto(tmp_path, port=broker.port):
            heard.counted("broker_subscriptions", 2)
            heard.until(lambda: bool(heard.gaps), "not booked")
    (gap,) = heard.gaps
    assert gap.cause is Cause.DISCONNECTED
    assert "had forgotten our session" in gap.note
    assert "broker.forgot" in caplog.text


def test_ten_cuts_of_the_network_lose_nothing(tmp_path: Path) -> None:
    """Cut in the middle of packets, while messages flow."""
    with (
        mosquitto(tmp_path) as broker,
        CuttingProxy(broker.port, seed=3) as proxy,
        listening(proxy.port, FILTERS) as heard,
        publishing(broker.port) as publisher,
    ):
        sent = 0
        for cuts in range(1, 11):
            heard.counted("broker_subscriptions", cuts)
            cut_s = time.monotonic() + 1.1  # a connection that held is made anew at once
            while proxy.cuts < cuts:
                publisher.publish("plant/a", b"%d" % sent, Event())
                sent += 1
                if sent % 20 == 0:
                    heard.receive()
                if time.monotonic() > cut_s:
                    proxy.cut()
                    cut_s = math.inf
        heard.until(lambda: set(numbers(heard)) == set(range(sent)), "some are missing")
        heard.until(lambda: len(heard.gaps) == 10, "not all cuts are booked")
        assert heard.counts["broker_disconnects"] == 10
        assert {gap.note for gap in heard.gaps} == {"cut off from the broker; what it kept for us came afterwards"}


def test_two_collectors_share_what_neither_could_take_alone(tmp_path: Path) -> None:
    filters = ["$share/hall/plant/#"]
    with (
        mosquitto(tmp_path) as broker,
        listening(broker.port, filters, client_id="one") as one,
        listening(broker.port, filters, client_id="two") as two,
    ):
        one.counted("broker_subscriptions")
        two.counted("broker_subscriptions")
        publish(broker.port, range(2000))
        for both in (one, two, one, two):
            both.until(lambda both=both: len(both.messages) >= 500, "one gets too little")  # type: ignore[misc]
        one.until(lambda: not two.receive() and len(one.messages) + len(two.messages) >= 2000, "not all came")
        assert Counter(numbers(one) + numbers(two)) == Counter(range(2000))


def test_two_with_one_client_id_cut_each_other_off_less_and_less(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Mosquitto 2.0.11 gives no reason when it ends a connection for a rival; both hold back longer each time."""
    with mosquitto(tmp_path) as broker, listening(broker.port, FILTERS) as one, listening(broker.port, FILTERS) as two:
        began = time.monotonic()
        one.until(lambda: bool(two.receive()) or time.monotonic() - began > 10.0, "")
        assert one.counts["broker_disconnects"] + two.counts["broker_disconnects"] < 16
    assert "look into the broker's own log, and for another client with this client id" in caplog.text


def test_a_broker_that_allows_few_under_way_is_not_kept_waiting(tmp_path: Path) -> None:
    """Mosquitto as it comes sends 20 ahead; a pause for each 20 would make 1,000 messages/s of it."""
    with mosquitto(tmp_path, more=["max_inflight_messages 20"]) as broker:
        with listening(broker.port, FILTERS) as heard:
            heard.counted("broker_subscriptions")
        publish(broker.port, range(10_000))
        with listening(broker.port, FILTERS) as heard:
            heard.counted("broker_subscriptions")
            heard.until(lambda: len(heard.messages) >= 10_000, "too slow", 8.0)
            assert numbers(heard) == list(range(10_000))


def test_what_the_broker_drops_is_booked(tmp_path: Path) -> None:
    """A client that is away, whose queue is full: the broker counts what it drops, and says so."""
    with mosquitto(tmp_path, more=["max_queued_messages 10", "sys_interval 1"]) as broker:
        with listening(broker.port, FILTERS, client_id="absent") as absent:
            absent.counted("broker_subscriptions")
        with listening(broker.port, ["other/#"]) as heard:
            heard.counted("broker_subscriptions")
            publish(broker.port, range(5))
            began = time.monotonic()
            heard.until(lambda: time.monotonic() - began > 2.5, "")  # until the count is known
            publish(broker.port, range(100))
            heard.counted("broker_dropped", 50)
            heard.until(lambda: sum(gap.missing for gap in heard.gaps) == heard.counts["broker_dropped"], "not booked")
            assert {gap.cause for gap in heard.gaps} == {Cause.NOT_RECEIVED}
