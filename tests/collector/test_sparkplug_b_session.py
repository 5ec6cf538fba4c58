"""Sparkplug B sessions: no gap is silent, on a real capture, across restarts and whatever a sender does."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector import formats
from collector.config import Site
from collector.folder import names_in
from collector.formats.format import BadPayload
from collector.formats.sparkplug_b import Options, SparkplugB, build
from collector.formats.sparkplug_b.payload import Datatype, Metric, Payload, encode
from collector.readings import Quality
from collector.sources.source import Message
from collector.spool.ledger import Cause, Gap
from collector.topics import TopicTemplate

TIMING = Path(__file__).parents[1] / "cases" / "sparkplug_timing" / "timing.csv"
NS_PER_MS = 1_000_000
NODE = "org_A/702"
START_S = 1_772_409_600  # 2026-03-02


def fresh(metric: tuple[dict[str, object], ...] = (), reorder_s: float = 0) -> SparkplugB:
    options = msgspec.convert({"metric": metric, "reorder_s": reorder_s}, Options)
    return build(options, Site(enterprise="nev", name="any"), TopicTemplate("spBv1.0/#"))


def captured() -> list[dict[str, str]]:
    lines = TIMING.read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if line and not line.startswith("#")))


def as_message(row: dict[str, str]) -> Message:
    """A captured row as it may have been sent; a row without a time is one that could not be read."""
    received_ns = int(1761142033900 * NS_PER_MS + float(row["timestamp"]) * 1e9)
    if not row["payload_timestamp"]:
        return Message(row["topic"], b"", received_ns)
    metrics = tuple(Metric(i, f"m{i}", datatype=Datatype.INT32) for i in range(int(row["metric_count"])))
    payload = Payload(int(row["payload_timestamp"]), int(row["seq"]) if row["seq"] else None, metrics)
    return Message(row["topic"], encode(payload), received_ns)


def heard(form: SparkplugB, messages: Iterable[Message]) -> tuple[list[Gap], int, int]:
    """(gaps, readings, dead letters)"""
    gaps: list[Gap] = []
    readings = dead = 0
    for message in messages:
        try:
            decoded = form.decode(message)
        except BadPayload:
            dead += 1
            continue
        readings += len(decoded.readings)
        gaps.extend(decoded.gaps)
    return gaps, readings, dead


def test_the_folder_finds_it() -> None:
    assert "sparkplug_b" in names_in(formats)


def test_finds_every_missing_number_of_a_real_capture() -> None:
    rows = captured()
    gaps, readings, dead = heard(fresh(), map(as_message, rows))
    assert (len(rows), dead) == (522, 15)
    assert readings == sum(int(row["metric_count"]) for row in rows)
    assert {(gap.asset, gap.cause) for gap in gaps} == {(NODE, Cause.SEQ_GAP)}
    assert [gap.missing for gap in gaps] == [1, 2, 1, 2, *[1] * 10]  # 16 numbers in 14 gaps
    assert all(gap.from_ns <= gap.to_ns for gap in gaps)


def test_the_capture_without_its_two_bare_zeros_has_two_gaps_more() -> None:
    rows = [row for row in captured() if row["seq"] or not row["payload_timestamp"]]
    gaps, _, _ = heard(fresh(), map(as_message, rows))
    assert (len(gaps), sum(gap.missing for gap in gaps)) == (16, 18)


def test_a_restart_anywhere_in_the_capture_changes_nothing() -> None:
    messages = [as_message(row) for row in captured()]
    whole, _, _ = heard(fresh(), messages)
    form, gaps = fresh(), []
    for message in messages:
        after = fresh()
        after.restore(form.snapshot())
        form = after
        gaps.extend(heard(form, [message])[0])
    assert gaps == whole


def test_a_gap_names_what_was_due_and_what_came() -> None:
    gaps, _, _ = heard(fresh(), [data(seq=4, at_s=10), data(seq=6, at_s=20)])
    assert gaps == [
        Gap("g/n", Cause.SEQ_GAP, (START_S + 10) * 10**9, (START_S + 20) * 10**9, 1, "seq 5 was due, 6 came", "g/n")
    ]


def test_a_dead_letter_replayed_later_is_read_and_not_counted() -> None:
    late = data(seq=5, at_s=12)
    gaps, readings, _ = heard(fresh(), [data(seq=6, at_s=20), late, data(seq=7, at_s=30)])
    assert (gaps, readings) == ([], 3)


def test_edge_nodes_count_for_themselves() -> None:
    others = [data(seq=1, at_s=1, node="a"), data(seq=9, at_s=2, node="b"), data(seq=2, at_s=3, node="a")]
    assert heard(fresh(), others)[0] == []


def test_a_null_is_a_reading_that_says_it_knows_nothing() -> None:
    null = Metric(None, "level", datatype=Datatype.DOUBLE, timestamp_ms=START_S * 1000)
    (reading,) = fresh().decode(Message("spBv1.0/g/DDATA/n/d", encode(Payload(None, 0, (null,))), 0)).readings
    assert math.isnan(reading.value)
    assert reading.quality == Quality.BAD


@pytest.mark.parametrize(
    ("stamp_ms", "says"),
    [
        (START_S, "1970-01-21T12:20:09Z, before 2000"),  # seconds where milliseconds are wanted
        (START_S * 10**6, "the year 58135, more than 24 h ahead of its receipt"),  # microseconds
        (2**64 - 1, "the year 584556019, more than 24 h ahead of its receipt"),
    ],
)
def test_a_time_that_no_clock_says_is_refused(stamp_ms: int, says: str) -> None:
    payload = Payload(START_S * 1000, 0, (Metric(1, "level", datatype=Datatype.INT32, timestamp_ms=stamp_ms),))
    with pytest.raises(BadPayload) as refused:
        fresh().decode(Message("spBv1.0/g/DDATA/n/d", encode(payload), START_S * 10**9))
    named = f"topic spBv1.0/g/DDATA/n/d: metric 'level' of g/n/d has timestamp {stamp_ms}, which is {says}: "
    assert str(refused.value) == named + "set the edge node's clock, and have it send ms since 1970"


@pytest.mark.parametrize("at_s", [0, START_S + 86_401, START_S + 365 * 86_400])
def test_the_time_of_a_node_whose_clock_is_wrong_is_still_read(at_s: int) -> None:
    payload = Payload(at_s * 1000, 0, (Metric(1, "level", datatype=Datatype.INT32),))
    (reading,) = fresh().decode(Message("spBv1.0/g/DDATA/n/d", encode(payload), START_S * 10**9)).readings
    assert reading.at_ns == at_s * 10**9


def test_a_birth_whose_time_is_refused_is_yet_learned() -> None:
    form, level = fresh(), Metric(1, "level", alias=7, datatype=Datatype.INT32, timestamp_ms=START_S)
    with pytest.raises(BadPayload, match=f"metric 'level' of g/n/d has timestamp {START_S}"):
        form.decode(Message("spBv1.0/g/DBIRTH/n/d", encode(Payload(0, 1, (level,))), START_S * 10**9))
    by_alias = Payload(START_S * 1000, 2, (Metric(5, alias=7, datatype=Datatype.INT32),))
    (reading,) = form.decode(Message("spBv1.0/g/DDATA/n/d", encode(by_alias), START_S * 10**9)).readings
    assert (reading.series.name, reading.value) == ("g/n/d:level", 5.0)


def test_a_state_without_its_states_is_refused_when_the_site_is_read() -> None:
    with pytest.raises(msgspec.ValidationError, match="'mode' of kind state needs its `states`"):
        fresh(({"name": "mode", "kind": "state"},))


def data(seq: int, at_s: int, node: str = "n") -> Message:
    payload = Payload((START_S + at_s) * 1000, seq, (Metric(1, "m", datatype=Datatype.INT32),))
    return Message(f"spBv1.0/g/DDATA/{node}/d", encode(payload), (START_S + at_s) * 10**9)


SENT = st.builds(
    Metric,
    value=st.none() | st.floats(),
    name=st.sampled_from(["", "bdSeq", "mode", "stock_a", "x/y", "\x00:\x85"]),
    alias=st.none() | st.integers(0, 3) | st.integers(0, 2**64 - 1),
    timestamp_ms=st.none() | st.integers(0, 2**64 - 1),
    datatype=st.just(Datatype.DOUBLE),
    is_historical=st.booleans(),
)
TOPICS = st.builds(
    "spBv1.0/{}/{}/{}{}".format,
    st.sampled_from(["g", "STATE", ""]),
    st.sampled_from(["NBIRTH", "DBIRTH", "NDATA", "DDATA", "NDEATH", "DDEATH", "NCMD", "x"]),
    st.sampled_from(["n", "o", 'q"']),
    st.sampled_from(["", "/d", "/d/e"]),
)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            TOPICS,
            st.none() | st.integers(0, 2**64 - 1),
            st.none() | st.integers(0, 260),
            st.lists(SENT, max_size=4),
            st.integers(0, 2**62),
        ),
        max_size=12,
    )
)
def test_no_sequence_of_messages_raises_anything_but_bad_payload(
    sent: list[tuple[str, int | None, int | None, list[Metric], int]],
) -> None:
    form = fresh(({"name": "stock_*", "kind": "stock"}, {"name": "mode", "kind": "state", "states": ["a", "b"]}))
    for topic, stamp_ms, seq, metrics, received_ns in sent:
        try:
            decoded = form.decode(Message(topic, encode(Payload(stamp_ms, seq, tuple(metrics))), received_ns))
        except BadPayload as bad:
            assert str(bad).startswith(f"topic {topic}: ")
            continue
        assert all(0 <= reading.at_ns < 2**63 for reading in decoded.readings)
        assert all(-1 <= gap.missing < 256 for gap in decoded.gaps)
        assert all(gap.missing or gap.cause is Cause.DISCONNECTED for gap in decoded.gaps)
        again = fresh()
        again.restore(form.snapshot())
        assert again.snapshot() == form.snapshot()
