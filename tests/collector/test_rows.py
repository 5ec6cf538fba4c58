"""Every frame becomes rows that a strict reader of line protocol reads back to the same point, whatever the names."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.readings import Batch, BatchBuilder, Equipment, Kind, Quality, Series
from collector.rows import rows
from collector.schema import ALERT_EVENT, ALERT_STATE, MEASUREMENTS
from collector.spool.frames import Action, Control, Field, Record, batch_frame, control_frame, record_frame, tick_frame

RED = Series(Equipment("iot1", "teaching_factory", "", "bottling", "red"), "fill_level", "g", Kind.STOCK)
CRACKED = Series(
    Equipment("iot1", "teaching_factory", "", "bottling", "scale"), "cracked", "1", Kind.STATE, ("whole", "cracked")
)


class Point(NamedTuple):
    measurement: str
    tags: dict[str, str]
    fields: dict[str, Field]
    at_ns: int


def read(row: bytes) -> Point:
    """A strict reader: one unescaped character out of place, and it raises."""
    text = row.decode()
    assert not any(ord(character) < 0x20 for character in text), "a control character would break the row"
    measurement, at = _until(text, 0, ", ")
    tags = {}
    while text[at] == ",":
        key, at = _until(text, at + 1, "=")
        assert text[at] == "="
        value, at = _until(text, at + 1, ", =")
        assert key and value and key not in tags
        tags[key] = value
    fields: dict[str, Field] = {}
    while not fields or text[at] == ",":
        key, at = _until(text, at + 1, "=")
        fields[key], at = _field(text, at + 1)
    assert text[at] == " "
    return Point(measurement, tags, fields, int(text[at + 1 :]))


def _until(text: str, at: int, ends: str) -> tuple[str, int]:
    """An unquoted name up to the first unescaped end; a backslash stands only before what it escapes."""
    found = ""
    while text[at] not in ends:
        assert text[at] not in ", =", f"{text[at]!r} must be escaped"
        if text[at] == "\\":
            at += 1
            assert text[at] in ", =", "a lone backslash means different things to different servers"
        found, at = found + text[at], at + 1
    return found, at


def _field(text: str, at: int) -> tuple[Field, int]:
    if text[at] == '"':
        found, at = "", at + 1
        while text[at] != '"':
            at += text[at] == "\\"
            found, at = found + text[at], at + 1
        return found, at + 1
    end = min(i for i in (text.find(",", at), text.find(" ", at)) if i > 0)
    word = text[at:end]
    if word in ("true", "false"):
        return word == "true", end
    return (int(word[:-1]) if word.endswith("i") else float(word)), end


def visible(name: str) -> str:
    """What `collector.rows` promises for characters line protocol cannot hold."""
    pictures = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "\u2421"}
    return name.translate(pictures).encode("utf-8", "replace").decode()


def batch(*readings: tuple[float, int]) -> Batch:
    builder = BatchBuilder()
    for i, (value, quality) in enumerate(readings):
        builder.add(1, 1_000 + i, value, quality, 5_000)
    return builder.build()


hostile = st.text(
    st.sampled_from(' ,="\\\n\r\t\0aZ#äß漢\u2028\U0001f3ed') | st.characters(exclude_categories=["Cs"]), max_size=12
)
names = hostile.filter(lambda name: name != "")
values = st.floats() | st.integers(-(2**63), 2**63 - 1) | st.booleans() | hostile | st.none()


@given(
    st.sampled_from(MEASUREMENTS),
    st.dictionaries(names, hostile, max_size=4),
    st.dictionaries(names, values, max_size=4),
)
def test_any_record_reads_back_as_it_was_said(measurement, tags, fields):
    said = Record(measurement.name, tags, fields, at_ns=1_700_000_000_123_456_789)
    kept = {name: value for name, value in fields.items() if not _has_no_value(value)}
    found = rows(record_frame("s/l", said), {})
    if not kept:
        assert found == []
        return
    (point,) = map(read, found)
    assert point.measurement == measurement.name
    assert point.tags == {_name(tag): _name(value) for tag, value in tags.items() if value}
    assert point.fields == {_name(n): visible(v) if isinstance(v, str) else v for n, v in kept.items()}
    assert {type(value) for value in point.fields.values()} == {type(value) for value in kept.values()}
    assert point.at_ns == said.at_ns


def _has_no_value(value: object) -> bool:
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def _name(name: str) -> str:
    return visible(name).replace("\\", "\u2216")


@given(
    st.text(st.characters(exclude_characters='/+#:"', exclude_categories=["Cs", "Cc"]), min_size=1, max_size=10),
    st.lists(st.tuples(st.floats(), st.integers(-(2**62), 2**62)), max_size=20),
)
def test_any_batch_reads_back_without_what_is_not_a_number(name, readings):
    series = Series(Equipment("e", name, "", name, name), name)
    builder = BatchBuilder()
    for value, at_ns in [(1.0, 7), *readings]:
        builder.add(3, at_ns, value, Quality.GOOD, 0)
    points = [read(row) for row in rows(batch_frame("s", builder.build()), {3: series})]
    tags = dict.fromkeys(("site", "line", "cell", "metric"), _name(name))
    assert points == [
        Point("reading", tags, {"value": value}, at_ns)
        for value, at_ns in [(1.0, 7), *readings]
        if math.isfinite(value)
    ]


def test_a_reading_carries_its_place_and_event_time():
    assert rows(batch_frame("s", batch((412.5, Quality.GOOD))), {1: RED}) == [
        b"reading,site=teaching_factory,line=bottling,cell=red,metric=fill_level value=412.5 1000"
    ]


def test_a_state_is_stored_as_number_and_name():
    found = rows(batch_frame("s", batch((1.0, Quality.GOOD), (7.0, Quality.GOOD))), {1: CRACKED})
    assert [read(row).fields for row in found] == [{"value": 1.0, "text": "cracked"}, {"value": 7.0}]


@pytest.mark.parametrize("flag", [0, Quality.HISTORICAL])
def test_only_good_readings_reach_the_store(flag):
    qualities = (Quality.GOOD, Quality.STALE, Quality.BAD, Quality.CLOCK)
    readings = [(float(i), quality | flag) for i, quality in enumerate(qualities)]
    assert [read(row).fields["value"] for row in rows(batch_frame("s", batch(*readings)), {1: RED})] == [0.0]


def test_absent_levels_have_no_tag():
    bare = Series(Equipment("e", "nanjing"), "power", "kW")
    (point,) = map(read, rows(batch_frame("s", batch((1.0, Quality.GOOD))), {1: bare}))
    assert point.tags == {"site": "nanjing", "metric": "power"}


def test_every_type_of_field_keeps_its_type():
    fields = {"state": 2.0, "acked": False, "open_alerts": 3, "alert_id": 'a "quoted" \\ id', "cover_days": math.nan}
    (point,) = map(read, rows(record_frame("s", Record(ALERT_STATE.name, {"line": ""}, fields, 9)), {}))
    assert point == Point("alert_state", {}, {k: v for k, v in fields.items() if k != "cover_days"}, 9)


def test_a_comment_of_several_lines_stays_one_row():
    (row,) = rows(record_frame("s", Record(ALERT_EVENT.name, {}, {"text": "first\nsecond"}, 9)), {})
    assert row.splitlines() == [row]


def test_two_names_never_become_one():
    hard = ["a\\b", "a/b", "a b", "a\nb", "a\tb", "a,b", "a=b", "ab", "a\\", "a\\ "]
    tags = [
        read(rows(record_frame("s", Record("alert_state", {"line": n}, {"state": 1.0}, 9)), {})[0]).tags for n in hard
    ]
    assert len({tag["line"] for tag in tags}) == len(hard)


def test_a_lone_surrogate_does_not_stop_the_rest():
    (row,) = rows(record_frame("s", Record("alert_state", {"line": "a\ud800"}, {"state": 1.0}, 9)), {})
    assert read(row).tags == {"line": "a?"}


def test_ticks_and_controls_have_no_rows():
    control = Control(Action.ACK, "k@1", "ann", 5)
    assert rows(tick_frame(5), {}) == [] and rows(control_frame("s/l", control), {}) == []


def test_an_empty_batch_has_no_rows():
    nothing = batch((math.nan, Quality.GOOD)).take(np.array([], np.intp))
    frame = batch_frame("s", batch((1.0, Quality.GOOD)))._replace(body=nothing)
    assert rows(frame, {1: RED}) == []
