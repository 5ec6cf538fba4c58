"""Rows: one frame of the log as InfluxDB line protocol, ready for any sink.

Input: a frame from `collector.spool.log` and the spool's series catalog. Output: bytes for `collector.sinks`, one row
per point, no newline inside. Pure; names come from `collector.schema`.

What the store gets of a batch: readings of quality GOOD, live or historical, with a finite value. STALE, BAD and CLOCK
readings stay in the spool: the store has no place for a quality, so there they would look like health, or stand at a
time that never was.

Line protocol has no escape for a backslash or a control character in a name, and servers differ in what they make of
one. Both are written as a visible Unicode twin (`\\` as U+2216, a control character as its picture, U+2400 and on), so
that no name can break a row and two names never become one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import chain

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.readings import Batch, Kind, Quality, Series
from collector.schema import READING
from collector.spool.frames import Field, Frame, Record

_PICTURES = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "\u2421"}


def _table(escaped: str, backslash: str) -> dict[int, str]:
    return _PICTURES | {ord(character): f"\\{character}" for character in escaped} | {ord("\\"): backslash}


_IN_MEASUREMENT = _table(", ", backslash="\u2216")
_IN_NAME = _table(", =", backslash="\u2216")
_IN_TEXT = _table('"', backslash="\\\\")


class RowEncoder:
    """Frames of one log as line protocol; remembers what stands before the numbers of each series it has met."""

    def __init__(self, series: Mapping[int, Series]) -> None:
        self._heads = _Heads(series)

    def body(self, frame: Frame) -> bytes:
        """The frame's points, a line each, times in ns, no newline at the end; `b""` when it has none."""
        if isinstance(frame.body, Batch):
            return self._of_batch(frame.body)
        return _of_record(frame.body) if isinstance(frame.body, Record) else b""

    def _of_batch(self, batch: Batch) -> bytes:
        has = has_row(batch)
        if not has.any():
            return b""
        kept = batch if has.all() else batch.take(has)
        ids, value = kept.series.tolist(), kept.value.tolist()
        heads = list(map(self._heads.__getitem__, ids))
        values, times = _texts_of(value), _texts_of(kept.at_ns.tolist(), before=b" ")
        texts = self._heads.texts
        if not texts or texts.keys().isdisjoint(ids):
            return b"".join(chain.from_iterable(zip(heads, values, times, strict=True)))[1:]
        nothing: dict[float, bytes] = {}
        words = [texts.get(id_, nothing).get(one, b"") for id_, one in zip(ids, value, strict=True)]
        return b"".join(chain.from_iterable(zip(heads, values, words, times, strict=True)))[1:]


class _Heads(dict[int, bytes]):
    """By series id: a newline and `reading,site=...,metric=... value=`, everything before a reading's number.

    `texts`, for STATE series: the `text` field by value; a value that names no state has none.
    """

    def __init__(self, series: Mapping[int, Series]) -> None:
        super().__init__()
        self._series = series
        self.texts: dict[int, dict[float, bytes]] = {}

    def __missing__(self, id_: int) -> bytes:
        series = self._series[id_]
        if series.kind is Kind.STATE:
            self.texts[id_] = {float(i): b',text="%b"' % _text(name) for i, name in enumerate(series.states)}
        place = series.equipment
        levels = (place.site, place.area, place.line, place.cell, series.metric)
        self[id_] = b"\n" + _head(READING.name, dict(zip(READING.tags, levels, strict=True))) + b" value="
        return self[id_]


def rows(frame: Frame, series: Mapping[int, Series]) -> list[bytes]:
    """The frame's points one by one."""
    lines = RowEncoder(series).body(frame)
    return lines.split(b"\n") if lines else []


def has_row(batch: Batch) -> NDArray[np.bool_]:
    """Which readings of a batch a store gets."""
    live_quality = batch.quality & ~np.uint8(Quality.HISTORICAL)
    has: NDArray[np.bool_] = (live_quality == Quality.GOOD) & np.isfinite(batch.value)
    return has


def _texts_of(numbers: list[float] | list[int], before: bytes = b"") -> list[bytes]:
    """Each number as the shortest text that reads back as the same, `before` in front of it."""
    told = before + msgspec.json.encode(numbers)[1:-1]
    return (told.replace(b",", b"," + before) if before else told).split(b",")


def _of_record(record: Record) -> bytes:
    """One row, `b""` when no field has a value."""
    values = ((name, _field(value)) for name, value in record.fields.items() if name)
    fields = b",".join(b"%b=%b" % (_name(name), value) for name, value in values if value)
    return b"%b %b %d" % (_head(record.measurement, record.tags), fields, record.at_ns) if fields else b""


def _head(measurement: str, tags: Mapping[str, str]) -> bytes:
    pairs = (b",%b=%b" % (_name(tag), _name(value)) for tag, value in tags.items() if tag and value)
    return _utf8(measurement.translate(_IN_MEASUREMENT)) + b"".join(pairs)


def _field(value: Field | None) -> bytes:
    """A field's value as the protocol writes its type; `b""` for what has no value (None, NaN, infinite)."""
    if value is None:
        return b""
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, int):
        return b"%di" % value
    if isinstance(value, float):
        return b"%a" % value if math.isfinite(value) else b""
    return b'"%b"' % _text(value)


def _text(text: str) -> bytes:
    return _utf8(text.translate(_IN_TEXT))


def _name(text: str) -> bytes:
    return _utf8(text.translate(_IN_NAME))


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")  # a lone surrogate has no UTF-8 form
