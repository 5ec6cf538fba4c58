"""What the MQTT source does when a broker refuses, ends or overruns a connection, and what it says of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from collector.clocks.clock import WallClock
from collector.config import BrokerSettings
from collector.formats.sparkplug_b.host import HostState
from collector.health.counters import Counters
from collector.sources import drops
from collector.sources.arrivals import MOST_MESSAGES
from collector.sources.mqtt import MqttSource
from collector.sources.source import Saying
from collector.spool.frames import EVERY_SHARD
from collector.spool.ledger import Cause
from tests.collector.mqtt_broker import BookBroker
from tests.collector.mqtt_packets import Sent, packet
from tests.collector.mqtt_sources import Listening, listening

NOT_AUTHORIZED, BAD_PASSWORD, TAKEN_OVER, BUSY, TOO_LARGE = 0x87, 0x86, 0x8E, 0x89, 0x95


def refusing(code: int) -> BookBroker:
    return BookBroker(connack=lambda is_5: bytes([0, code, 0]) if is_5 else bytes([0, 5]))


def remembering() -> BookBroker:
    """A broker that says each time that it kept the session."""
    return BookBroker(connack=lambda is_5: b"\x01\x00\x00" if is_5 else b"\x01\x00")


def test_messages_come_in_order_and_are_acknowledged_when_the_holder_says_so() -> None:
    sent = [Sent(f"plant/{i % 7}", b"%d" % i, i % 2, i + 1) for i in range(2500)]
    with BookBroker() as broker, listening(broker.port) as heard:
        link = broker.link()
        link.send(*sent)
        heard.until(lambda: len(heard.messages) == len(sent), "not all came", acknowledge=False)
        assert link.acked == []
        assert [(one.topic, one.payload) for one in heard.messages] == [(one.topic, one.payload) for one in sent]
        link.send(Sent("plant/last", b"", 1, 4000))
        heard.until(lambda: link.acked == [4000], "the last is not acknowledged")


def test_what_is_acknowledged_at_the_end_is_still_sent() -> None:
    with BookBroker() as broker:
        with listening(broker.port) as heard:
            link = broker.link()
            link.send(Sent("plant/a", b"", 1, 9))
            heard.until(lambda: bool(heard.messages), "nothing came")
        deadline = time.monotonic() + 10.0
        while not link.said_goodbye and time.monotonic() < deadline:
            time.sleep(0.01)
        assert (link.acked, link.said_goodbye) == ([9], True)


def test_a_qos_2_message_that_nobody_asked_for_is_safe_before_the_broker_lets_go_of_it() -> None:
    with BookBroker() as broker, listening(broker.port) as heard:
        link = broker.link()
        link.send(Sent("plant/a", b"x", 2, 9))
        heard.until(lambda: [one.payload for one in heard.messages] == [b"x"], "it did not come")
        link.write(packet(0x62, b"\x00\x09"))
        link.send(Sent("plant/b", b"y", 1, 10))
        heard.until(lambda: link.acked == [10], "it hangs")


# subscriptions


def test_a_refused_subscription_is_named_with_topic_and_remedy(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR), BookBroker(suback=lambda _: NOT_AUTHORIZED) as broker:
        with listening(broker.port) as heard:
            heard.counted("subscription_refused")
        assert "broker_subscriptions" not in heard.counts
    assert "subscription.refused topic='plant/+' reason='Not authorized'; give this user the right" in caplog.text


def test_a_granted_subscription_is_counted_and_one_at_qos_0_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with BookBroker(suback=lambda _: 0) as broker, listening(broker.port) as heard:
        heard.counted("broker_subscriptions")
    assert "subscription.at_qos_0 topic='plant/+'" in caplog.text


def test_a_broker_without_shared_subscriptions_is_not_asked_for_them(caplog: pytest.LogCaptureFixture) -> None:
    without_shared = b"\x00\x00\x02\x2a\x00"  # property Shared Subscription Available: 0
    filters = ["$share/g/plant/+", "other/#"]
    with BookBroker(connack=lambda _: without_shared) as broker, listening(broker.port, filters) as heard:
        assert broker.link().filters[:1] == ["other/#"]
        heard.counted("subscription_refused")
    assert "topic='$share/g/plant/+'" in caplog.text
    assert "remove shared_group" in caplog.text


@pytest.mark.parametrize("refused", ["spBv1.0/STATE/andon", "spBv1.0/#"])
def test_nobody_is_told_that_we_listen_where_the_broker_refused_to_let_us(
    refused: str, caplog: pytest.LogCaptureFixture
) -> None:
    broker = BookBroker(suback=lambda one: NOT_AUTHORIZED if one == refused else 1)
    with broker, announced(broker.port) as heard:
        heard.counted("presence_withheld")
        heard.source.publish([HostState("andon").birth(1)])  # somebody denied it
        heard.receive()
    assert heard.counts.get("messages_said", 0) == 1  # the death, at the end
    assert "presence.withheld topic='spBv1.0/STATE/andon'; a subscription that covers it was refused" in caplog.text


def test_a_refused_subscription_to_something_else_keeps_no_presence_back() -> None:
    broker = BookBroker(suback=lambda one: NOT_AUTHORIZED if one == "plant/+" else 1)
    with broker, announced(broker.port) as heard:
        heard.counted("messages_said")
        assert "presence_withheld" not in heard.counts


@contextmanager
def announced(port: int) -> Iterator[Listening]:
    counters = Counters()
    filters, presences = ["spBv1.0/#", "plant/+"], {"": HostState("andon")}
    source = MqttSource(BrokerSettings(port=port), filters, Path(), WallClock(), counters, presences=presences)
    try:
        yield Listening(source, counters)
    finally:
        source.close()


def test_what_is_said_goes_to_the_brokers_that_are_asked_for_its_topic() -> None:
    with BookBroker() as one, BookBroker() as other:
        counters = Counters()
        reading, beside = BrokerSettings(name="one", port=one.port), BrokerSettings(name="other", port=other.port)
        source = MqttSource(
            reading, ["spBv1.0/#"], Path(), WallClock(), counters, beside=[(beside, ["plant/+", "$share/g/erp/#"])]
        )
        heard = Listening(source, counters)
        one.link(), other.link()
        heard.until(lambda: heard.gauges.get("broker_connected") == 1, "not connected")
        source.publish([Saying(f"spBv1.0/g/NCMD/n{i}", b"") for i in range(3)])
        heard.counted("messages_said", 3)
        source.publish([Saying("erp/x", b"")])
        heard.counted("messages_said", 4)
        assert "messages_unsaid" not in heard.counts
        source.close()


# refusals

REFUSALS = {
    BAD_PASSWORD: ("Bad user name or password", "correct [broker] username and password_file"),
    NOT_AUTHORIZED: ("Not authorized", "give this user the rights it needs"),
    BUSY: ("Server busy", "it is tried again"),
    0x85: ("Client identifier not valid", "give [broker] client_id another name"),
    0x97: ("Quota exceeded", "raise the broker's quota for this client"),
}


@pytest.mark.parametrize("code", REFUSALS)
def test_a_refused_connection_is_named_once_with_reason_and_remedy(code: int, caplog: pytest.LogCaptureFixture) -> None:
    name, remedy = REFUSALS[code]
    with refusing(code) as broker, listening(broker.port) as heard:
        heard.counted("broker_refused", 2)
        assert "broker_connections" not in heard.counts
    assert caplog.text.count("broker.refused") == 1
    assert f"broker.refused broker=127.0.0.1:{broker.port} reason='{name}'; " in caplog.text
    assert remedy in caplog.text


@pytest.mark.parametrize(
    ("answer", "tries"),
    [(b"\x00\x84\x00", [5, 4]), (b"\x00\x01", [5, 4]), (None, [5, 5, 4])],
    ids=["by the book", "as 3.1.1", "not at all"],
)
def test_a_broker_that_takes_no_mqtt_5_is_asked_in_mqtt_3_1_1(answer: bytes | None, tries: list[int]) -> None:
    with BookBroker(connack=lambda is_5: answer if is_5 else b"\x00\x00") as broker:
        with listening(broker.port) as heard:
            link = broker.link()
            link.send(Sent("plant/a", b"1", 1, 5))
            heard.until(lambda: link.acked == [5], "not received in MQTT 3.1.1")
        assert broker.connects == tries
        with listening(broker.port, protocol="3.1.1"):
            broker.link()
        assert broker.connects == [*tries, 4]


def test_a_broker_that_is_not_there_is_named_once_and_again_after_it_was_there(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broker = BookBroker()
    with broker:
        port = broker.port
    with listening(port) as heard:
        heard.counted("broker_unreachable", 2)
        assert caplog.text.count("broker.unreachable") == 1
        assert heard.gauges["broker_connected"] == 0


# connections that end

ENDS = {
    0x89: "the broker has too much to do",
    0x8B: "when the broker is back",
    0x8D: "raise [broker] keepalive_s",
    0x82: "tell the makers",
    0x93: "lower [broker] receive_maximum",
    0x95: "raise the broker's limit for packets",
    0x97: "raise the broker's quota",
    0x98: "ask the broker's administrator",
}


@pytest.mark.parametrize("code", ENDS)
def test_each_reason_to_end_a_connection_has_its_remedy(code: int, caplog: pytest.LogCaptureFixture) -> None:
    with BookBroker() as broker, listening(broker.port) as heard:
        broker.link().disconnect(code)
        heard.counted("broker_disconnects")
        assert ENDS[code] in caplog.text


def test_a_client_id_in_use_is_not_fought_over(caplog: pytest.LogCaptureFixture) -> None:
    with BookBroker() as broker, listening(broker.port) as heard:
        broker.link().disconnect(TAKEN_OVER)
        heard.counted("broker_taken_over")
        assert "another client uses this client id: give each collector its own [broker] client_id" in caplog.text
        began = time.monotonic()
        heard.until(lambda: time.monotonic() - began > 2.0, "")
        assert broker.connects == [5]


def test_an_outage_is_booked_and_what_came_late_is_told_from_what_is_lost() -> None:
    for broker, note, concerns in ((remembering(), "came afterwards", ""), (BookBroker(), "is lost", EVERY_SHARD)):
        with broker, listening(broker.port) as heard:
            broker.link().drop()
            heard.until(lambda: bool(heard.gaps), "no outage booked")
            (gap,) = heard.gaps
            assert (gap.asset, gap.cause, gap.shard) == (
                f"broker 127.0.0.1:{broker.port}",
                Cause.DISCONNECTED,
                concerns,
            )
            assert gap.note.endswith(note)
            assert 0 < gap.to_ns - gap.from_ns < 20e9


def test_an_outage_that_spans_a_restart_is_booked_from_the_last_append() -> None:
    with remembering() as broker, listening(broker.port, since_ns=1_700_000_000_000_000_000) as heard:
        heard.until(lambda: bool(heard.gaps), "no outage booked")
        assert heard.gaps[0].from_ns == 1_700_000_000_000_000_000
        assert heard.gaps[0].note.endswith("came afterwards")


def test_a_first_start_books_nothing() -> None:
    with BookBroker() as broker, listening(broker.port) as heard:
        broker.link().send(Sent("plant/a", b""))
        heard.until(lambda: bool(heard.messages), "nothing came")
        assert heard.gaps == []


def test_acknowledgements_of_an_earlier_connection_are_void() -> None:
    with remembering() as broker, listening(broker.port) as heard:
        first = broker.link()
        first.send(Sent("plant/a", b"", 1, 5))
        held = heard.source.receive(10, 10.0)
        first.drop()
        second = broker.link()
        held.acknowledge()
        second.send(Sent("plant/b", b"", 1, 6))
        heard.until(lambda: 6 in second.acked, "not acknowledged")
        assert second.acked == [6]


# too much, too large


def test_a_broker_that_overruns_a_full_queue_waits_and_stays_connected() -> None:
    """More than receive_maximum and the queue hold, for longer than the keep-alive allows: read later, all of it."""
    count = 6 * MOST_MESSAGES
    sent = [Sent("plant/a", b"x" * 200, 1, i % 65535 + 1) for i in range(count)]
    with remembering() as broker, listening(broker.port, receive_maximum=10, keepalive_s=5) as heard:
        link = broker.link()
        link.send(*sent)
        before = time.process_time()
        began = time.monotonic()
        while time.monotonic() - began < 9.0:
            time.sleep(0.1)
        assert time.process_time() - before < 4.0, "it spins"
        assert link.pings >= 2
        assert (heard.counts["queue_full"], heard.counts["broker_overruns"]) == (1, 1)
        heard.until(lambda: len(heard.messages) == count, "not all came", 60.0)
        heard.until(lambda: len(link.acked) == count, "not all acknowledged", 60.0)
        assert broker.connects == [5]
        assert "broker_disconnects" not in heard.counts


def test_a_message_that_is_too_large_is_booked_and_not_sent_for_ever() -> None:
    with BookBroker() as broker, listening(broker.port, max_packet_bytes=2000) as heard:
        link = broker.link()
        link.send(Sent("plant/big", b"x" * 5000, 1, 3), Sent("plant/small", b"y", 1, 4))
        heard.until(lambda: link.acked == [3, 4], "not acknowledged")
        assert [one.topic for one in heard.messages] == ["plant/small"]
        (gap,) = heard.gaps
        assert (gap.asset, gap.cause, gap.missing) == ("topic plant/big", Cause.NOT_RECEIVED, 1)
        assert heard.counts["messages_too_large"] == 1


def test_bytes_that_are_no_mqtt_end_the_connection_and_the_next_one_works() -> None:
    with remembering() as broker, listening(broker.port) as heard:
        broker.link().write(b"\x30\x05\x00\x00abc")
        heard.counted("broker_malformed")
        broker.link().send(Sent("plant/a", b"1"))
        heard.until(lambda: bool(heard.messages), "nothing came")


# what the broker drops


def test_what_the_broker_says_it_dropped_is_booked_when_it_rises() -> None:
    with BookBroker() as broker, listening(broker.port) as heard:
        link = broker.link()
        deadline = time.monotonic() + 10.0
        while drops.TOPIC not in link.filters and time.monotonic() < deadline:
            time.sleep(0.01)
        for count in (b"100", b"100", b"142"):
            link.send(Sent(drops.TOPIC, count))
        heard.counted("broker_dropped", 42)
        heard.until(lambda: bool(heard.gaps), "not booked")
        assert [(gap.cause, gap.missing) for gap in heard.gaps] == [(Cause.NOT_RECEIVED, 42)]
        assert heard.messages == []


def test_a_broker_that_ends_the_connection_when_asked_what_it_drops_is_not_asked_again() -> None:
    broker = remembering()
    with broker, listening(broker.port) as heard:
        broker.suback = lambda one: link_of[0].drop() or 0x87 if one == drops.TOPIC else 1  # type: ignore[func-returns-value]
        link_of = [broker.links.get(timeout=20)]
        heard.counted("broker_disconnects")
        second = broker.link()
        heard.counted("broker_subscriptions", 2)
        second.send(Sent("plant/a", b"1"))
        heard.until(lambda: bool(heard.messages), "nothing came")
        assert second.filters == ["plant/+"]


# several brokers


def test_one_broker_that_is_down_does_not_stop_the_other() -> None:
    gone = BookBroker()
    with gone:
        pass
    with BookBroker() as up:
        counters = Counters()
        one, other = BrokerSettings(name="one", port=gone.port), BrokerSettings(name="other", port=up.port)
        source = MqttSource(one, ["a/#"], Path(), WallClock(), counters, beside=[(other, ["b/#"])])
        heard = Listening(source, counters)
        link = up.link()
        link.send(Sent("b/x", b"1", 1, 7))
        heard.until(lambda: link.acked == [7], "the one that is up is not read")
        assert (heard.gauges["broker_connected"], heard.is_settled) == (0, False)
        assert (heard.gauges["broker_connected_one"], heard.gauges["broker_connected_other"]) == (0, 1)
        source.close()


def test_it_is_settled_only_when_the_broker_has_had_time_to_send_what_it_kept() -> None:
    with BookBroker() as broker, listening(broker.port) as heard:
        broker.link()
        heard.receive()
        assert not heard.is_settled
        heard.until(lambda: heard.is_settled, "never settled")
