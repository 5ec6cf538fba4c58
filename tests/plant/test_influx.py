"""Readings and alert records through the real influxdb-client into a real InfluxDB engine (Debian's 1.6.7, behind the
test-only shim for the v2 write path; no InfluxDB 2 was ever run), read back by InfluxQL."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.readings import NS_PER_S, BatchBuilder, Equipment, Kind, Quality, Series
from collector.schema import ALERT_EVENT, ALERT_STATE
from collector.sinks.influx import Options, build
from collector.sinks.influx.writer import Influx
from collector.sinks.sink import Parcel, SinkRejected, SinkUnavailable
from collector.spool.frames import Frame, Record, batch_frame, record_frame
from tests.collector.parcels import of_rows
from tests.plant.servers import Running, V2WriteShim, influxdb, influxql

pytestmark = pytest.mark.plant

START_NS = 1_700_000_000_000_000_000
D_NS = 86_400 * NS_PER_S
SCALE = Equipment("iot1", "teaching factory", "", "bottling, old", "scale=1")
SERIES = {
    1: Series(SCALE, "final_weight", "g"),
    2: Series(SCALE, "cracked", "1", Kind.STATE, ("whole", 'cracked "badly" \\ in two')),
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Running]:
    with influxdb(tmp_path / "influxdb") as running:
        influxql(running, 'CREATE DATABASE "andon"')
        yield running


@pytest.fixture
def sink(store: Running, tmp_path: Path) -> Iterator[Influx]:
    with V2WriteShim(store) as shim:
        built = build(Options(url=shim.url, timeout_s=5.0), tmp_path)
        yield built
        built.close()


def readings(first: int, n: int) -> Frame:
    builder = BatchBuilder()
    for i in range(first, first + n):
        builder.add(1, START_NS + i, 100.0 + i / 7, Quality.GOOD, START_NS)
        builder.add(2, START_NS + i, float(i % 2), Quality.GOOD, START_NS)
    return batch_frame("s", builder.build())


def parcel(*frames: Frame) -> Parcel:
    return Parcel(frames, SERIES)


def test_readings_are_found_again_to_the_nanosecond_and_the_last_digit(store, sink):
    sink.write(parcel(readings(0, 100)))
    where = (
        "WHERE site = 'teaching factory' AND line = 'bottling, old' AND cell = 'scale=1' AND metric = 'final_weight'"
    )
    (weights,) = influxql(store, f"SELECT value FROM reading {where}", "andon")
    assert weights["values"] == [[START_NS + i, 100.0 + i / 7] for i in range(100)]
    (cracks,) = influxql(store, "SELECT value, text FROM reading WHERE metric = 'cracked' LIMIT 2", "andon")
    assert cracks["values"] == [[START_NS, 0, "whole"], [START_NS + 1, 1, 'cracked "badly" \\ in two']]


def test_alert_records_are_found_again(store, sink):
    tags = {"site": "nanjing", "line": "main", "kind": "output_drop", "subject": "nanjing/main"}
    state = Record(ALERT_STATE.name, tags, {"state": 2.0, "acked": True, "since": 1_700_000_000_000}, START_NS)
    event = Record(ALERT_EVENT.name, tags, {"title": "Output low,\nline starved", "severity": "critical"}, START_NS)
    sink.write(parcel(*(record_frame("nanjing/main", said) for said in (state, event))))
    (found,) = influxql(store, "SELECT state, acked, since FROM alert_state GROUP BY *", "andon")
    assert found["tags"] == tags and found["values"] == [[START_NS, 2, True, 1_700_000_000_000]]
    (found,) = influxql(store, "SELECT title, severity FROM alert_event", "andon")
    assert found["values"] == [[START_NS, "Output low,␊line starved", "critical"]]


def test_the_same_rows_twice_are_the_same_points(store, sink):
    sink.write(parcel(readings(0, 50)))
    sink.write(parcel(readings(0, 50)))
    assert count(store) == 100


def test_the_rows_a_real_engine_refuses_are_named_and_the_others_stored(store, sink):
    good = parcel(readings(0, 10)).rows
    text_for_a_number = b'reading,metric=final_weight value="heavy" %d' % START_NS
    with pytest.raises(SinkRejected, match=r"field type conflict|unable to parse") as said:
        sink.write(of_rows([*good[:5], text_for_a_number, *good[5:12], b"no line protocol", *good[12:]]))
    assert said.value.indices == (5, 13)
    assert count(store) == len(good)


def test_a_bucket_that_does_not_exist_is_named(store, tmp_path):
    with (
        V2WriteShim(store) as shim,
        pytest.raises(
            SinkUnavailable, match=r"does not answer InfluxQL .*database not found: other.*correct `url` or `bucket`"
        ),
    ):
        build(Options(url=shim.url, bucket="other"), tmp_path).write(parcel(readings(0, 1)))


def test_a_point_older_than_the_retention_policy_is_refused_with_a_reason_and_the_young_ones_stored(store, tmp_path):
    """1.6.7 answers 400 for the body and stores the rest; of whole bodies of old points it stores nothing."""
    influxql(store, 'CREATE RETENTION POLICY "two_days" ON "andon" DURATION 2d REPLICATION 1')
    now_ns = time.time_ns()
    young = parcel(readings(now_ns - START_NS - D_NS, 5))
    both = parcel(readings(now_ns - START_NS - 3 * D_NS, 5), *young.frames)
    with V2WriteShim(store) as shim:
        sink = build(Options(url=shim.url, bucket="andon/two_days"), tmp_path)
        with pytest.raises(SinkRejected, match=r"older than bucket 'andon/two_days' keeps points \(2 d\)") as said:
            sink.write(both)
        sink.close()
    assert said.value.indices == tuple(range(10))
    (found,) = influxql(store, 'SELECT count(value) FROM "two_days".reading', "andon")
    assert found["values"][0][1] == len(young.rows)


def test_what_the_store_itself_drops_for_its_age_is_named_by_the_store(store, tmp_path):
    """The clock of the store decides in the end: a row that was just young enough here."""
    influxql(store, 'ALTER RETENTION POLICY "autogen" ON "andon" DURATION 1h SHARD DURATION 1h')
    with V2WriteShim(store) as shim, pytest.raises(SinkRejected, match=r"400: .*beyond retention policy"):
        build(Options(url=shim.url, retention_d=0.0), tmp_path).write(parcel(readings(0, 1)))


def test_a_bucket_without_a_limit_takes_any_point(store, sink):
    sink.write(parcel(readings(-START_NS + 1, 5)))
    assert count(store) == 10


def test_a_store_killed_midway_loses_nothing_that_was_written(store, sink):
    """The sink's promise alone: durable on return, else SinkUnavailable and all again."""
    frames = [readings(first, 25) for first in range(0, 200, 25)]
    for frame in frames[:4]:
        sink.write(parcel(frame))
    store.kill()
    with pytest.raises(SinkUnavailable, match="does not answer"):
        sink.write(parcel(frames[4]))
    with influxdb(store.log.parent, port=store.port) as again:
        for frame in frames[4:]:
            sink.write(parcel(frame))
        assert count(again) == 400


def count(store: Running) -> int:
    (found,) = influxql(store, "SELECT count(value) FROM reading", "andon")
    return int(found["values"][0][1])
