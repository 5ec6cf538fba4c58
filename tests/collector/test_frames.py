"""Frames come back from their bytes as they went in; damaged bytes are told, never taken for a frame."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.readings import Batch
from collector.spool.frames import (
    EVERY_SHARD,
    Action,
    Body,
    Control,
    DamagedFrame,
    Field,
    FrameKind,
    NewModel,
    Record,
    Tick,
    batch_frame,
    control_frame,
    gap_frames,
    new_model_frame,
    pack,
    record_frame,
    tick_frame,
    unpack,
)
from collector.spool.ledger import Cause, Gap
from tests.collector.batches import Row, batch, rows, rows_of

ACK = Control(Action.ACK, "a1", who="Li Wei", at_ns=10)
RECORD = Record("expected", {"site": "rig"}, {"low": 1.5, "high": 2.0, "n": 3, "on": True, "text": "ok"}, at_ns=9)
GAP = Gap("north/press/cell", Cause.SEQ_GAP, 5, 9, 3, "seq 5 was due, 6 came", "north/press", "cell")
SAID: dict[FrameKind, Body] = {
    FrameKind.TICK: Tick(),
    FrameKind.CONTROL: ACK,
    FrameKind.RECORD: RECORD,
    FrameKind.GAP: GAP,
}
fields = st.dictionaries(
    st.text(), st.floats(allow_nan=False) | st.text() | st.booleans() | st.integers(-(2**63)), max_size=4
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def packed(body: Body) -> tuple[int, bytes]:
    kind = next((kind for kind, said in SAID.items() if type(said) is type(body)), FrameKind.BATCH)
    return kind, pack(body)


@given(rows())
def test_a_batch_comes_back(added: list[Row]) -> None:
    back = unpack(FrameKind.BATCH, pack(batch(*added)))
    assert isinstance(back, Batch)
    assert rows_of(back) == added
    assert [column.dtype for column in back.columns] == [np.int32, np.int64, np.float64, np.uint8, np.int64]


def test_of_gaps_detectors_are_told_those_of_a_line_that_lasted() -> None:
    told = gap_frames([GAP, GAP._replace(shard=""), GAP._replace(to_ns=5), GAP._replace(shard=EVERY_SHARD)])
    assert [(frame.shard, frame.kind, frame.at_ns) for frame in told] == [
        ("north/press", FrameKind.GAP, 9),
        (EVERY_SHARD, FrameKind.GAP, 9),
    ]


def test_values_that_are_no_numbers_come_back() -> None:
    back = unpack(FrameKind.BATCH, pack(batch((1, 1, float("nan"), 0, 1), (1, 2, float("-inf"), 0, 1))))
    assert isinstance(back, Batch)
    assert np.isnan(back.value[0])
    assert back.value[1] == -np.inf


def test_a_batch_cut_with_a_step_comes_back() -> None:
    every_other = batch(*((i, i, float(i), 0, i) for i in range(6))).take(slice(None, None, 2))
    back = unpack(FrameKind.BATCH, pack(every_other))
    assert isinstance(back, Batch)
    assert rows_of(back) == rows_of(every_other)


@given(measurement=st.text(), fields=fields, detail=st.dictionaries(st.text(), json_values, max_size=3))
def test_a_record_comes_back(measurement: str, fields: dict[str, Field], detail: dict[str, object]) -> None:
    record = Record(measurement, {"site": "rig"}, fields, at_ns=7, key="k", detail=detail)
    assert unpack(FrameKind.RECORD, pack(record)) == record


@given(action=st.sampled_from(Action), text=st.text(), at_ns=st.integers(0, 2**62))
def test_a_control_comes_back(action: Action, text: str, at_ns: int) -> None:
    control = Control(action, "a1", who="Li Wei", at_ns=at_ns, text=text, until_ns=at_ns + 1)
    assert unpack(FrameKind.CONTROL, pack(control)) == control


def test_a_tick_comes_back() -> None:
    assert unpack(FrameKind.TICK, pack(Tick())) == Tick()


@given(data=st.data())
def test_one_changed_byte_is_told(data: st.DataObject) -> None:
    bodies: list[Body] = [batch((1, 2, 3.0, 0, 4), (1, 3, 4.0, 0, 5)), *SAID.values()]
    kind, blob = packed(data.draw(st.sampled_from(bodies)))
    at = data.draw(st.integers(0, len(blob) - 1))
    flip = data.draw(st.integers(1, 255))
    with pytest.raises(DamagedFrame):
        unpack(kind, blob[:at] + bytes([blob[at] ^ flip]) + blob[at + 1 :])


@given(data=st.data())
def test_missing_bytes_are_told(data: st.DataObject) -> None:
    bodies: list[Body] = [batch((1, 2, 3.0, 0, 4)), *SAID.values()]
    kind, blob = packed(data.draw(st.sampled_from(bodies)))
    with pytest.raises(DamagedFrame):
        unpack(kind, blob[: data.draw(st.integers(0, len(blob) - 1))])


@given(kind=st.sampled_from([*FrameKind, 9]), blob=st.binary(max_size=300))
def test_arbitrary_bytes_raise_nothing_but_damaged_frame(kind: int, blob: bytes) -> None:
    with pytest.raises(DamagedFrame):
        unpack(kind, blob)


def test_the_sentence_names_the_place_and_the_remedy() -> None:
    with pytest.raises(
        DamagedFrame, match=r"spool\.sqlite offset 7: .* damaged .*: it is left out and booked; check the disk"
    ):
        unpack(FrameKind.BATCH, b"junk", where="spool.sqlite offset 7")


def test_a_frame_stands_at_its_latest_instant() -> None:
    assert batch_frame("rig/line", batch((1, 30, 1.0, 0, 1), (1, 20, 1.0, 0, 2))).at_ns == 30
    assert tick_frame(40)[:3] == (EVERY_SHARD, FrameKind.TICK, 40)
    assert control_frame("rig/line", ACK)[:3] == ("rig/line", FrameKind.CONTROL, 10)


def test_the_news_of_a_model_is_a_control_frame_of_its_line() -> None:
    news = NewModel("oddity", "rig/line/mill", "oddity|rig/line/mill|0a", 10, refused="too few rows")
    assert new_model_frame("rig/line", news)[:3] == ("rig/line", FrameKind.CONTROL, 10)
    assert unpack(FrameKind.CONTROL, pack(news)) == news
    assert record_frame("rig/line", RECORD)[:3] == ("rig/line", FrameKind.RECORD, 9)


def test_an_action_needs_a_name_and_shelving_an_end() -> None:
    with pytest.raises(ValueError, match="an action needs a name"):
        Control(Action.ACK, "a1", who="  ", at_ns=1)
    with pytest.raises(ValueError, match="shelving needs an end in the future"):
        Control(Action.SHELVE, "a1", who="Li Wei", at_ns=10, until_ns=10)
