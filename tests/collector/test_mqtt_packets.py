"""A stream of MQTT packets gives the same messages wherever it is cut, and bytes that are no MQTT are refused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.sources.packets import Aside, Control, MalformedPacket, PacketReader, Published, TooLarge
from collector.sources.source import Message
from tests.collector.mqtt_packets import Sent, packet, publish

MOST_BYTES = 1000
PINGRESP, SUBACK = packet(0xD0, b""), packet(0x90, b"\x00\x01\x00\x01")
ACKS = {0: b"", 1: b"\x40\x02", 2: b"\x50\x02"}


def reader(*, is_5: bool, aside: str = "") -> PacketReader:
    return PacketReader(has_properties=is_5, most_bytes=MOST_BYTES, aside=aside)


def cut(stream: bytes, places: Iterable[int]) -> list[bytes]:
    at = sorted({place % (len(stream) + 1) for place in places})
    return [stream[a:b] for a, b in zip([0, *at], [*at, len(stream)], strict=True)]


def read(of: PacketReader, pieces: Iterable[bytes]) -> tuple[list[Message], bytes, list[Control | TooLarge]]:
    """All messages, all acknowledgements, all the rest, each in order."""
    messages: list[Message] = []
    acks, rest = b"", []
    for piece in pieces:
        for one in of.feed(piece, 7):
            if isinstance(one, Published):
                messages += one.messages
                acks += one.acks
            elif not isinstance(one, Aside):
                rest.append(one)
                acks += one.acks if isinstance(one, TooLarge) else b""
    return messages, acks, rest


def expected_acks(sent: Sequence[Sent]) -> bytes:
    return b"".join(ACKS[one.qos] + one.mid.to_bytes(2, "big") if one.qos else b"" for one in sent)


sents = st.builds(
    Sent,
    topic=st.text("aé/0", min_size=1, max_size=140).filter(lambda topic: topic.strip("\0") != ""),
    payload=st.binary(max_size=400),
    qos=st.integers(0, 2),
    mid=st.integers(1, 65535),
    properties=st.sampled_from([b"", b"\x01\x01", b"\x26\x00\x01k\x00\x01v" * 30]),
    retain=st.booleans(),
    dup=st.booleans(),
)
places = st.lists(st.integers(0, 20_000), max_size=12)


@given(st.lists(sents, max_size=12), places, st.booleans())
def test_cuts_anywhere_give_the_same_messages(sent: list[Sent], at: list[int], is_5: bool) -> None:
    stream = b"".join(publish(one, is_5=is_5) for one in sent)
    messages, acks, rest = read(reader(is_5=is_5), cut(stream, at))
    assert messages == [Message(one.topic, one.payload, 7) for one in sent]
    assert (acks, rest) == (expected_acks(sent), [])


@given(st.lists(st.one_of(sents, st.sampled_from([PINGRESP, SUBACK])), max_size=12), places)
def test_other_packets_keep_their_place_among_messages(items: list[Sent | bytes], at: list[int]) -> None:
    stream = b"".join(publish(one, is_5=True) if isinstance(one, Sent) else one for one in items)
    of, seen = reader(is_5=True), []
    for piece in cut(stream, at):
        for one in of.feed(piece, 7):
            seen += one.messages if isinstance(one, Published) else [one]
    assert len(seen) == len(items)
    assert [isinstance(one, Control) for one in seen] == [isinstance(item, bytes) for item in items]


def test_every_single_cut_of_a_short_stream() -> None:
    sent = [Sent("a/b", b"1" * 130, 1, 5), Sent("a/ü", b"", 0), Sent("c", b"x" * 5, 2, 9, b"\x01\x01")]
    stream = b"".join(publish(one, is_5=True) for one in sent) + SUBACK
    whole = read(reader(is_5=True), [stream])
    assert len(whole[0]) == 3
    for at in range(len(stream) + 1):
        assert read(reader(is_5=True), [stream[:at], stream[at:]]) == whole
    assert read(reader(is_5=True), [bytes([byte]) for byte in stream]) == whole


@given(places, st.booleans())
def test_what_is_too_large_is_passed_over_and_what_follows_is_read(at: list[int], is_5: bool) -> None:
    large, after = Sent("big", b"x" * 5000, 1, 77), Sent("small", b"y", 1, 78)
    stream = publish(large, is_5=is_5) + publish(after, is_5=is_5)
    messages, acks, rest = read(reader(is_5=is_5), cut(stream, at))
    assert messages == [Message("small", b"y", 7)]
    assert rest == [TooLarge("big", len(publish(large, is_5=is_5)), b"\x40\x02\x00\x4d")]
    assert acks == expected_acks([large, after])


def test_what_is_too_large_takes_no_memory() -> None:
    of = reader(is_5=False)
    stream = publish(Sent("big", b"x" * 3_000_000), is_5=False)
    for at in range(0, len(stream), 4096):
        list(of.feed(stream[at : at + 4096], 7))
        assert sum(map(len, of._held)) < 70_000


@given(st.binary(max_size=300), places, st.booleans())
def test_noise_is_refused_or_understood_but_breaks_nothing(noise: bytes, at: list[int], is_5: bool) -> None:
    def outcome(pieces: Iterable[bytes]) -> tuple[list[Message], bool]:
        of, messages = reader(is_5=is_5), []
        try:
            for piece in pieces:
                for one in of.feed(piece, 7):
                    messages += one.messages if isinstance(one, Published) else []
        except MalformedPacket:
            return messages, True
        return messages, False

    assert outcome(cut(noise, at)) == outcome([noise])


BROKEN = {
    "a length of five bytes": b"\x30\xff\xff\xff\xff\x01",
    "a topic longer than the packet": b"\x30\x05\x00\x09abc",
    "an empty topic": b"\x30\x05\x00\x00abc",
    "no room for the identifier": b"\x32\x03\x00\x01a",
    "a huge packet that is no PUBLISH": packet(0x90, b"\0" * 2000),
}


@pytest.mark.parametrize("stream", BROKEN.values(), ids=BROKEN)
def test_broken_packets_are_refused_after_what_came_before_them(stream: bytes) -> None:
    of, messages = reader(is_5=False), []
    with pytest.raises(MalformedPacket):
        for one in of.feed(publish(Sent("a", b"1"), is_5=False) + stream, 7):
            messages += one.messages if isinstance(one, Published) else []
    assert messages == [Message("a", b"1", 7)]


def test_properties_longer_than_their_packet_are_refused() -> None:
    with pytest.raises(MalformedPacket, match="properties"):
        list(reader(is_5=True).feed(b"\x30\x05\x00\x01a\x7fx", 7))


def test_a_topic_that_is_no_text_stays_readable_and_is_not_sent_for_ever() -> None:
    stream = packet(0x32, b"\x00\x03a/\xff\x00\x05" + b"hi")
    assert read(reader(is_5=False), [stream])[:2] == ([Message("a/\\xff", b"hi", 7)], b"\x40\x02\x00\x05")


def test_what_the_broker_says_of_itself_comes_apart() -> None:
    sent = [Sent("a", b"1", 1, 3), Sent("$SYS/dropped", b"9"), Sent("b", b"2")]
    of = reader(is_5=True, aside="$SYS/dropped")
    for _ in range(2):
        found = list(of.feed(b"".join(publish(one, is_5=True) for one in sent), 7))
        asides = [one.message.payload for one in found if isinstance(one, Aside)]
        (plant,) = (one for one in found if isinstance(one, Published))
        assert asides == [b"9"]
        assert [message.topic for message in plant.messages] == ["a", "b"]
        assert plant.acks == b"\x40\x02\x00\x03"
