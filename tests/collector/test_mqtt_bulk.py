"""Both clients, the one that reads in bulk and the one that stands in for it, keep the same promises."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from collector.config import BrokerSettings
from collector.sources import link
from collector.sources.bulk import BulkClient, Handlers, PlainClient, Receiver, why_not_bulk
from collector.sources.client import configured
from collector.sources.packets import Published
from collector.sources.source import Message
from tests.collector.mqtt_broker import BookBroker, Link
from tests.collector.mqtt_packets import Sent, publish
from tests.collector.mqtt_sources import listening

KINDS: list[type[BulkClient] | type[PlainClient]] = [BulkClient, PlainClient]
VERSIONS = ["5", "3.1.1"]


class Driven:
    """A client, connected, turned by hand as its thread would."""

    def __init__(self, client: Receiver, broker: BookBroker) -> None:
        self.client = client
        self.published: list[Published] = []
        client.manual_ack_set(True)
        client.hand_to(Handlers(self.published.append, print, print, print, lambda: 7, 10_000))
        client.on_connect = lambda *_: client.subscribe("a/#", 1)
        client.connect("127.0.0.1", broker.port, 60)
        self.turn(lambda: not broker.links.empty())
        self.link: Link = broker.links.get()
        self.turn(self.link.subscribed.is_set)

    @property
    def messages(self) -> list[Message]:
        return [message for one in self.published for message in one.messages]

    def turn(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 10.0
        while not done():
            assert time.monotonic() < deadline
            select.select([self.client.socket()], [], [], 0.01)
            self.client.read()
            if self.client.want_write():
                self.client.loop_write()


@pytest.fixture(params=[(kind, version) for kind in KINDS for version in VERSIONS], ids=str)
def driven(request: pytest.FixtureRequest) -> Iterator[Driven]:
    kind, version = request.param
    settings = BrokerSettings(protocol=version)
    with BookBroker() as broker:
        yield Driven(configured(kind, settings, Path(), "c", keeps=True), broker)


def test_this_paho_is_read_in_bulk() -> None:
    assert why_not_bulk() == ""


def test_messages_come_in_order_with_what_they_are_owed(driven: Driven) -> None:
    driven.link.send(*(Sent(f"a/{i}", b"x" * (i % 200), i % 2, i + 1) for i in range(500)))
    driven.turn(lambda: len(driven.messages) == 500)
    assert driven.messages == [Message(f"a/{i}", b"x" * (i % 200), 7) for i in range(500)]
    driven.client.acknowledge(b"".join(one.acks for one in driven.published))
    driven.turn(lambda: len(driven.link.acked) == 250)
    assert driven.link.acked == [i + 1 for i in range(500) if i % 2]


def test_a_message_in_pieces_is_one_message(driven: Driven) -> None:
    data = publish(Sent("a/b", b"payload", 1, 5), is_5=driven.link.is_5)
    for at in range(len(data)):
        driven.link.write(data[at : at + 1])
    driven.turn(lambda: bool(driven.messages))
    assert driven.messages == [Message("a/b", b"payload", 7)]


def test_one_read_takes_many_and_one_write_acknowledges_them() -> None:
    with BookBroker() as broker:
        driven = Driven(configured(BulkClient, BrokerSettings(), Path(), "c"), broker)
        driven.link.send(*(Sent("a/b", b"x" * 100, 1, i + 1) for i in range(1000)))
        driven.turn(lambda: len(driven.messages) == 1000)
        assert len(driven.published) < 50
        driven.client.acknowledge(b"".join(one.acks for one in driven.published))
        assert not driven.client.want_write()
        driven.turn(lambda: len(driven.link.acked) == 1000)


def test_a_time_without_reading_is_not_held_against_the_broker() -> None:
    with BookBroker() as broker:
        driven = Driven(configured(BulkClient, BrokerSettings(), Path(), "c"), broker)
        driven.client.stay_alive_unread()
        driven.client.stay_alive_unread()
        driven.turn(lambda: driven.link.pings == 1)
        driven.client.read_again()
        assert driven.client.loop_misc() == 0


def test_a_paho_that_cannot_be_read_in_bulk_still_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "_reads_in_bulk", lambda: False)
    sent = [Sent("plant/a", b"%d" % i, 1, i + 1) for i in range(500)]
    with BookBroker() as broker, listening(broker.port) as heard:
        wire = broker.link()
        wire.send(*sent)
        heard.until(lambda: len(wire.acked) == len(sent), "not all acknowledged")
        assert [one.payload for one in heard.messages] == [one.payload for one in sent]
