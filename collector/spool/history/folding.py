"""Folding: a bucket of the tail becomes chunks, one series after the other; small chunks become large ones.

Samples newer than all chunks of their series make a new chunk; late ones go into the chunk whose stretch they fall in,
or make one of their own between two. FAN_OUT chunks of one tier at a series' end are merged into one of the next tier.
Nothing is written here: a `Folded` says what is to change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from collector.spool.history import chunks
from collector.spool.history import rollup as rollups
from collector.spool.history.chunk_table import Chunk, Chunks, NewChunk
from collector.spool.history.chunks import DamagedChunk, Packer, Samples, joined
from collector.spool.history.rollup import Rollup, coarser, each_rollup, rollup
from collector.spool.history.tail import Missing, TailRow
from collector.spool.history.taken import Taken, together, unpack

FAN_OUT = 8
MOST_READINGS = 40_000  # in one chunk: half a day at one a second
_LARGE = 6_000  # readings of a chunk that are too many for FAN_OUT of them to be merged
_LONG = 1024  # readings from which on packing them together with more saves little


@dataclass(slots=True)
class Folded:
    """What changes: rows of the tail that go, chunks that go and come; and what was found damaged."""

    rows: list[TailRow] = field(default_factory=list)
    gone: list[Chunk] = field(default_factory=list)
    new: list[NewChunk] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)


def fold(table: Chunks, rows: Sequence[TailRow]) -> Folded:
    """What becomes of these rows, all of one bucket."""
    folded = Folded(list(rows))
    part = readable(rows, folded.missing).in_order()
    if not len(part.ids):
        return folded
    packer, ends_ns = Packer(), table.ends_ns(int(part.ids[0]), int(part.ids[-1]))
    for (series, readings), minutes in zip(part.by_series(), each_rollup(part.columns, part.begins), strict=True):
        if series not in ends_ns or ends_ns[series] < int(readings.at_ns[0]):
            folded.new += _new_chunks(series, readings, minutes, packer=packer)
        else:
            _fold_late(table, series, readings, folded)
    return folded


def full_tier(table: Chunks, series: int) -> list[Chunk]:
    """The last chunks of a series where FAN_OUT of one tier have come together, else none."""
    last = table.newest(series, FAN_OUT)
    is_full = (
        len(last) == FAN_OUT
        and all(chunk.tier == last[0].tier and not chunk.is_bare for chunk in last)
        and sum(chunk.readings for chunk in last) <= MOST_READINGS
    )
    return last if is_full else []


def merge(table: Chunks, tiers: Iterable[Sequence[Chunk]]) -> Folded:
    """What becomes of full tiers: one chunk of the next tier each."""
    folded = Folded()
    for tier in tiers:
        folded.gone += tier
        sound, bodies = table.sound(tier, folded.missing)
        if sound:
            folded.new.append(_merged(table, sound, bodies, folded))
    return folded


def readable(rows: Iterable[TailRow], missing: list[Missing]) -> Taken:
    """What rows of the tail hold, the earlier before the later; a damaged one is told in `missing`."""
    parts = []
    for row in rows:
        try:
            parts.append(unpack(row.body))
        except DamagedChunk:
            missing.append(row.missing)
    return together(parts)


def _fold_late(table: Chunks, series: int, readings: Samples, folded: Folded) -> None:
    first_ns, last_ns = int(readings.at_ns[0]), int(readings.at_ns[-1])
    for chunk, piece in _pieces(table.between(series, first_ns, last_ns + 1), readings):
        if chunk is None:
            folded.new += _new_chunks(series, piece)
        else:
            folded.gone.append(chunk)
            folded.new += _with_late(table, chunk, piece, folded)


def _with_late(table: Chunks, chunk: Chunk, late: Samples, folded: Folded) -> list[NewChunk]:
    """A chunk with late readings in it. A bare one only counts them, and a repeat among them counts twice."""
    if not chunk.is_bare:
        readings = joined([*table.readings([chunk], folded.missing), late])
        return _new_chunks(chunk.series, readings, tier=chunk.tier)
    minutes = rollups.pack(coarser([*table.minutes([chunk], folded.missing), rollup(late)]))
    _, series, from_ns, to_ns, readings_before, tier, _ = chunk
    return [NewChunk(series, from_ns, to_ns, readings_before + len(late), tier, minutes, None)]


def _merged(table: Chunks, sound: Sequence[Chunk], bodies: Sequence[bytes], folded: Folded) -> NewChunk:
    """Chunks of one series as one: long ones as they are, one behind the other; short ones are packed anew."""
    first, last = sound[0], sound[-1]
    n, body = sum(chunk.readings for chunk in sound), b"".join(bodies)
    if any(chunk.readings < _LONG for chunk in sound):
        body = chunks.pack(chunks.unpack(body))
    minutes = rollups.pack(coarser(table.minutes(sound, folded.missing)))
    return NewChunk(first.series, first.from_ns, last.to_ns, n, first.tier + 1, minutes, body)


def _new_chunks(
    series: int, readings: Samples, minutes: Rollup | None = None, *, tier: int = 0, packer: Packer | None = None
) -> list[NewChunk]:
    """Samples in order, with their minutes where these are known, as chunks of at most MOST_READINGS."""
    n, packer = len(readings), packer or Packer()
    if n <= MOST_READINGS:
        return [_new_chunk(series, readings, minutes or rollup(readings), tier, packer)]
    edges = np.linspace(0, n, -(-n // MOST_READINGS) + 1).astype(int).tolist()
    pieces = (readings.take(slice(begin, end)) for begin, end in pairwise(edges))
    return [_new_chunk(series, piece, rollup(piece), tier, packer) for piece in pieces]


def _new_chunk(series: int, readings: Samples, minutes: Rollup, tier: int, packer: Packer) -> NewChunk:
    """A fresh chunk (tier 0) that is small is soon merged: its minutes are not worth much work."""
    packed = rollups.pack(minutes) if tier or len(readings) >= _LARGE else rollups.pack_plain(minutes)
    first_ns, last_ns = int(readings.at_ns[0]), int(readings.at_ns[-1])
    return NewChunk(series, first_ns, last_ns, len(readings), tier, packed, packer.pack(readings))


def _pieces(overlapping: Sequence[Chunk], readings: Samples) -> Iterator[tuple[Chunk | None, Samples]]:
    """Late readings by the chunk whose stretch they fall in, those between two with None."""
    starts = np.array([chunk.from_ns for chunk in overlapping], np.int64)
    ends = np.array([chunk.to_ns for chunk in overlapping], np.int64)
    before = np.searchsorted(starts, readings.at_ns, side="right")  # chunks that begin at or before each reading
    inside = (before > 0) & (readings.at_ns <= np.append(ends, 0)[before - 1])
    place = 2 * before - inside
    edges = [0, *(np.flatnonzero(np.diff(place)) + 1).tolist(), len(place)]
    for begin, end in pairwise(edges):
        chunk = overlapping[int(before[begin]) - 1] if inside[begin] else None
        yield chunk, readings.take(slice(begin, end))
