"""What one message may be at most: beyond it is a dead letter, kept whole, and comes back when the limit is raised."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.clocks.clock import WallClock
from collector.config import Site
from collector.decoder import Decoder
from collector.formats import kepware
from collector.formats.format import BadPayload, Decoded
from collector.formats.limits import (
    LONGEST_NAME,
    LONGEST_REASON,
    LONGEST_TOPIC,
    Limits,
    check_names,
    has_more_than,
    short_reason,
)
from collector.formats.sparkplug_b.payload import Datatype, Metric, NotSparkplug, Payload, decode, encode
from collector.intake import Intake
from collector.readings import Equipment, Readings, Series
from collector.sources.source import Message
from collector.topics import TopicTemplate

AT_NS = 1_720_730_488_000_000_000


def taken(payload: bytes, limits: Limits, topic: str = "scada/press/x") -> Intake:
    template = TopicTemplate("scada/{line}/#")
    form = kepware.build(kepware.Options(), Site(enterprise="acme", name="works"), template)
    return Decoder([(template, form)], WallClock(), limits=limits).decode([Message(topic, payload, AT_NS)])


def report(values: int, name: str = "tag") -> bytes:
    told = [{"id": f"{name}{i}", "v": i, "q": True, "t": AT_NS // 1_000_000} for i in range(values)]
    return json.dumps({"timestamp": AT_NS // 1_000_000, "values": told}).encode()


def letter(payload: bytes, limits: Limits, topic: str = "scada/press/x") -> str:
    """The reason of the one dead letter, which holds all that was sent."""
    intake = taken(payload, limits, topic)
    (dead,) = intake.dead
    assert (dead.payload, dead.topic, len(intake)) == (payload, topic, 0)
    return dead.reason


def test_a_message_within_all_limits_is_read() -> None:
    assert len(taken(report(100), Limits(max_values=400))) == 100


def test_a_message_too_large_is_not_looked_at() -> None:
    limits = Limits(max_message_bytes=1_024)
    assert "bytes, `limits.max_message_bytes` is 1024: have the sender split" in letter(b"\xff" * 1_025, limits)


@pytest.mark.parametrize("payload", [report(101), b"\n" * 600, b"1;" * 600], ids=["tags", "lines", "columns"])
def test_a_message_of_too_many_values_is_a_letter(payload: bytes) -> None:
    reason = letter(payload, Limits(max_values=400))
    assert "holds more than 400 values, which is `limits.max_values`: have the sender split" in reason


def test_what_was_beyond_a_limit_is_read_when_the_limit_is_raised() -> None:
    assert len(taken(report(101), Limits(max_values=404))) == 101


@pytest.mark.parametrize("payload", [b'{"a":' * 70 + b"1" + b"}" * 70, b"[" * 300_000, b' {"values": ' + b"[" * 600])
def test_a_message_nested_too_deep_is_a_letter(payload: bytes) -> None:
    reason = letter(payload + b" " * 512, Limits())
    assert "nested more than 64 deep, which is `limits.max_depth`: correct the sender" in reason


def test_brackets_inside_texts_nest_nothing() -> None:
    Limits().check_payload(Message("t", json.dumps({"text": "[{" * 5_000, "more": ['}]\\"['] * 200}).encode(), 0))


@given(st.integers(1, 120), st.integers(0, 30), st.sampled_from([("[", "]"), ('{"a":', "}")]))
def test_the_depth_is_exact(depth: int, beside: int, brackets: tuple[str, str]) -> None:
    opening, closing = brackets
    nested = opening * (depth - 1) + "1" + closing * (depth - 1)
    payload = ("[" + ",".join(["[]"] * beside + [nested]) + "]" + " " * 600).encode()
    limits = Limits(max_depth=32)
    if depth <= 32:
        limits.check_payload(Message("t", payload, 0))
        return
    with pytest.raises(BadPayload, match="nested more than 32 deep"):
        limits.check_payload(Message("t", payload, 0))


def test_a_topic_nobody_can_remember_is_refused() -> None:
    assert "1025 characters, 1024 are the most" in letter(
        report(1), Limits(), "scada/press/" + "x" * (LONGEST_TOPIC - 11)
    )


def test_names_nobody_reads_are_refused_before_they_are_remembered() -> None:
    reason = letter(report(1, "n" * LONGEST_NAME), Limits())
    assert "has 257 characters, 256 are the most: rename it at the sender" in reason
    check_names("t", ["n" * LONGEST_NAME])


def test_metrics_are_counted_before_anything_is_built_of_them() -> None:
    metrics = [Metric(i, f"m{i}", timestamp_ms=1, datatype=Datatype.INT32) for i in range(7)]
    payload = encode(Payload(5, 1, metrics))
    assert (has_more_than(6, 2, payload), has_more_than(7, 2, payload)) == (True, False)
    assert has_more_than(999, 2, b"\x12\x00" * 1_000)
    with pytest.raises(NotSparkplug, match="more than 100000 metrics: have the edge node split its birth"):
        decode(b"\x12\x00" * 100_001)


@given(st.binary(max_size=200), st.integers(0, 50))
def test_counting_ends_whatever_the_bytes_are(payload: bytes, most: int) -> None:
    assert has_more_than(most, 2, payload) in (True, False)


def test_a_reason_that_quotes_a_lot_keeps_its_beginning_and_its_remedy() -> None:
    reason = short_reason("topic t: holds " + "9" * 10_000 + ": correct the sender")
    assert len(reason) <= LONGEST_REASON + 5
    assert (reason[:15], reason[-20:]) == ("topic t: holds ", ": correct the sender")


def test_readings_are_counted_whatever_the_format_made_of_the_payload() -> None:
    decoded = Decoded(Readings((), (), (), ()))
    Limits().check_decoded(Message("t", b"", 0), decoded)
    one = Series(Equipment("acme", "works"), "good")
    many = Decoded(Readings([one] * 101, [0] * 101, [0.0] * 101, [0] * 101))
    with pytest.raises(BadPayload, match=r"topic t: holds more than 100 values"):
        Limits(max_values=100).check_decoded(Message("t", b"", 0), many)
