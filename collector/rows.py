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
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import chain, repeat

import msgspec
import numpy as np

from collector.readings import Batch, Kind, Quality, Series
from collector.schema import READING
from collector.spool.frames import Field, Frame, Record

_PICTURES = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "\u2421"}


def _table(escaped: str, backslash: str) -> dict[int, str]:
    return _PICTURES | {ord(character): f"\\{character}" for character in escaped} | {ord("\\"): backslash}


_IN_MEASUREMENT = _table(", ", backslash="\u2216")
_IN_NAME = _table(", =", backslash="\u2216")
_IN_TEXT = _table('"', backslash="\\\\")


def body(frame: Frame, series: Mapping[int, Series]) -> bytes:
    """The frame's points as lines of line protocol with times in ns, no newline at the end; `b""` when it has none."""
    if isinstance(frame.body, Batch):
        return _of_batch(frame.body, series)
    return _of_record(frame.body) if isinstance(frame.body, Record) else b""


def rows(frame: Frame, series: Mapping[int, Series]) -> list[bytes]:
    """The frame's points one by one."""
    lines = body(frame, series)
    return lines.split(b"\n") if lines else []


def _of_batch(batch: Batch, series: Mapping[int, Series]) -> bytes:
    live_quality = batch.quality & ~np.uint8(Quality.HISTORICAL)
    kept = batch.take((live_quality == Quality.GOOD) & np.isfinite(batch.value))
    ids, value = kept.series.tolist(), kept.value.tolist()
    prefixes = {id_: _prefix(series[id_]) for id_ in set(ids)}
    texts = {id_: _texts(series[id_]) for id_ in prefixes if series[id_].kind is Kind.STATE}
    ends: Iterable[bytes] = repeat(b" ")
    if texts:
        nothing: dict[float, bytes] = {}
        ends = [texts.get(id_, nothing).get(one, b"") + b" " for id_, one in zip(ids, value, strict=True)]
    cells = zip(map(prefixes.__getitem__, ids), _texts_of(value), ends, _texts_of(kept.at_ns.tolist()), repeat(b"\n"))
    return b"".join(chain.from_iterable(cells))[:-1]


def _texts_of(numbers: list[float] | list[int]) -> list[bytes]:
    """Each number as the shortest text that reads back as the same."""
    return msgspec.json.encode(numbers)[1:-1].split(b",")


@lru_cache(maxsize=65_536)
def _prefix(series: Series) -> bytes:
    """`reading,site=...,metric=... value=`, everything before a reading's number."""
    place = series.equipment
    levels = (place.site, place.area, place.line, place.cell, series.metric)
    return _head(READING.name, dict(zip(READING.tags, levels, strict=True))) + b" value="


@lru_cache(maxsize=4_096)
def _texts(series: Series) -> dict[float, bytes]:
    """The `text` field of a STATE series by its value; a value that names no state has no text."""
    return {float(i): b',text="%b"' % _utf8(name.translate(_IN_TEXT)) for i, name in enumerate(series.states)}


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
    return b'"%b"' % _utf8(value.translate(_IN_TEXT))


def _name(text: str) -> bytes:
    return _utf8(text.translate(_IN_NAME))


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")  # a lone surrogate has no UTF-8 form
