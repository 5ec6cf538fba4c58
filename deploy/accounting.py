"""What became of every published message, as a reader of a store sees it: stored, dead-lettered, lost, shown twice.

Input: the messages that were published (decoded once more, as their own truth) and the log. Output: counts of messages.
The store is rebuilt from the rows of every batch, redelivered copies included: one point per series and time, the last
write wins, as in InfluxDB and for every reader of line protocol.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from collector.decoder import Decoder
from collector.readings import Batch, BatchBuilder, Quality, Reading, Series
from collector.rows import rows
from collector.sources.recording import Published
from collector.sources.source import Message
from collector.spool.frames import Frame, FrameKind, batch_frame
from collector.spool.spool import Spool


class Counts(NamedTuple):
    """Numbers of messages; `duplicates_visible` are those of which a store shows a reading at more than one time."""

    published: int
    stored: int
    dead_lettered: int
    lost: int
    duplicates_visible: int


class Point(NamedTuple):
    """One row taken apart; `series` is its measurement and tags, `fields` its values, both as line protocol."""

    series: bytes
    at_ns: int
    fields: bytes


class StoreCopy:
    """What a store shows after every row of the log was written to it in order.

    Readings without a row (quality BAD, STALE or CLOCK) are kept beside it: only the spool has them.
    """

    def __init__(self) -> None:
        self._fields: dict[tuple[bytes, int], bytes] = {}
        self._without_row: set[tuple[Series, int, str]] = set()
        self._ended: set[Series] = set()  # a death is dated by its receipt, which a second reading does not know

    @classmethod
    def of(cls, spool: Spool) -> StoreCopy:
        copy, after = cls(), 0
        while frames := spool.log.read(after, 500, kinds=(FrameKind.BATCH,)):
            after = frames[-1].offset
            for frame in frames:
                copy.write(frame, spool.series)
        return copy

    def write(self, frame: Frame, series: Mapping[int, Series]) -> None:
        """Takes up one batch; a point whose series and time are there already takes the other's place."""
        points = _points(frame, series)
        self._fields.update({(point.series, point.at_ns): point.fields for point in points})
        if isinstance(frame.body, Batch) and len(points) < len(frame.body):
            batch = frame.body
            columns = zip(batch.series.tolist(), batch.at_ns.tolist(), batch.value.tolist(), strict=True)
            self._without_row.update((series[id_], at_ns, repr(value)) for id_, at_ns, value in columns)
            self._ended.update(series[id_] for id_ in batch.series[batch.quality == Quality.STALE].tolist())

    def shows(self, point: Point) -> bool:
        """Whether the point is there with these very values, not overwritten by others."""
        return self._fields.get((point.series, point.at_ns)) == point.fields

    def keeps(self, reading: Reading) -> bool:
        """Whether a reading that makes no row is in the spool."""
        if reading.quality == Quality.STALE:
            return reading.series in self._ended
        return (reading.series, reading.at_ns, repr(reading.value)) in self._without_row

    def points(self) -> Iterable[Point]:
        return (Point(series, at_ns, fields) for (series, at_ns), fields in self._fields.items())


def account(published: Sequence[Published], decoder: Decoder, spool: Spool) -> Counts:
    """Looks every published message up: its readings with their values in the store, or itself among the dead letters.

    A message without readings (a birth without values, a command) leaves nothing to look up: it counts as stored when
    it is no dead letter. `decoder` must be fresh.
    """
    store = StoreCopy.of(spool)
    dead = {(letter.topic, letter.payload) for letter in spool.dead.read(limit=1_000_000)}
    said: list[list[Point]] = []
    stored = dead_lettered = 0
    for at_ns, topic, payload in published:
        intake = decoder.decode([Message(topic, payload, at_ns)])
        told = _told([reading for reading, _ in intake.readings])
        said.append([point for _, point in told if point])
        if (topic, payload) in dead:
            dead_lettered += 1
        elif not intake.dead and all(_is_stored(reading, point, store) for reading, point in told):
            stored += 1
    lost = len(published) - stored - dead_lettered
    return Counts(len(published), stored, dead_lettered, lost, len(_shown_again(said, store)))


def _is_stored(reading: Reading, point: Point | None, store: StoreCopy) -> bool:
    return store.shows(point) if point else store.keeps(reading)


def _shown_again(said: Sequence[Sequence[Point]], store: StoreCopy) -> set[int]:
    """The messages, by their place, of which a store shows a reading at more than one time.

    A point that no message said at its time is a copy of the message that said the same values nearest to it.
    """
    own = {(point.series, point.at_ns) for points in said for point in points}
    sources: dict[tuple[bytes, bytes], list[tuple[int, Point]]] = {}
    for place, points in enumerate(said):
        for point in points:
            sources.setdefault((point.series, point.fields), []).append((place, point))
    copies: Counter[tuple[int, Point]] = Counter()
    for shown in store.points():
        nearest = sources.get((shown.series, shown.fields))
        if nearest and (shown.series, shown.at_ns) not in own:
            copies[min(nearest, key=lambda source: abs(source[1].at_ns - shown.at_ns))] += 1
    return {place for (place, point), times in copies.items() if times + store.shows(point) > 1}


def _told(readings: Sequence[Reading]) -> list[tuple[Reading, Point | None]]:
    """Every reading of a message with the point it makes, None for a quality that no store shows."""
    if not readings:
        return []
    builder = BatchBuilder()
    for id_, reading in enumerate(readings):
        builder.add(id_, reading.at_ns, reading.value, reading.quality, 0)
    points = _points(batch_frame("", builder.build()), {id_: one.series for id_, one in enumerate(readings)})
    if len(points) == len(readings):
        return list(zip(readings, points, strict=True))
    if len(readings) == 1:
        return [(readings[0], None)]
    return [told for reading in readings for told in _told([reading])]


def _points(frame: Frame, series: Mapping[int, Series]) -> list[Point]:
    return [_taken_apart(row) for row in rows(frame, series)]


def _taken_apart(row: bytes) -> Point:
    """`reading,site=... value=...,text="..." 123` into its three parts: tags escape a space, a field's text may not."""
    series, _, rest = row.partition(b" value=")
    fields, _, at_ns = rest.rpartition(b" ")
    return Point(series, int(at_ns), fields)
