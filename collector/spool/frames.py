"""Frames, the entries of the log, and their bytes on disk.

A frame is one Batch of one line, a Tick, a Control (what a person did), a Gap (what is known to be missing) or a Record
(what a detector or the chain said). `pack` and `unpack` are pure. A batch is stored as byte-shuffled, zlib-compressed
columns, anything else as msgpack after its CRC-32: a damaged frame is told by its checksum.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.errors import AndonError
from collector.readings import Batch, Quality
from collector.spool.ledger import Gap

EVERY_SHARD = "*"  # ticks concern all lines, and so do some gaps


class FrameKind(IntEnum):
    BATCH = 1
    TICK = 2
    CONTROL = 3
    RECORD = 4
    GAP = 5


class Tick(msgspec.Struct, frozen=True, tag=True):
    """The site's clock stood here and nothing older was still on its way."""


class Action(StrEnum):
    ACK = "ack"
    SHELVE = "shelve"
    UNSHELVE = "unshelve"
    COMMENT = "comment"


class Control(msgspec.Struct, frozen=True, tag=True):
    """What a person did about an alert: who, when (`at_ns`, site clock) and why. `until_ns` ends a shelving."""

    action: Action
    alert_id: str
    who: str
    at_ns: int
    text: str = ""
    until_ns: int = 0

    def __post_init__(self) -> None:
        if not self.who.strip():
            raise ValueError("an action needs a name: who does it")
        if self.action is Action.SHELVE and self.until_ns <= self.at_ns:
            raise ValueError("shelving needs an end in the future")


Field = float | str | bool | int


class Record(msgspec.Struct, frozen=True, tag=True):
    """A point for the store, said by a detector or the chain. With `key`, its latest version is kept.

    `detail` is the speaker's own structure (plain JSON types) for boards and reports; the store does not get it.
    """

    measurement: str
    tags: dict[str, str]
    fields: dict[str, Field]
    at_ns: int
    key: str = ""
    detail: dict[str, Any] = {}


Body = Batch | Tick | Control | Record | Gap


class Frame(NamedTuple):
    """One entry of the log. `offset` is 0 until the log has given it one."""

    shard: str
    kind: FrameKind
    at_ns: int
    body: Body
    offset: int = 0


class DamagedFrame(AndonError):
    """A frame's bytes do not decode: the file was damaged after it was written."""


def batch_frame(shard: str, batch: Batch) -> Frame:
    """A frame stands at its latest reading; a time that cannot be right counts as that of its receipt."""
    at_ns = np.where(batch.quality == Quality.CLOCK, batch.received_ns, batch.at_ns)
    return Frame(shard, FrameKind.BATCH, int(at_ns.max()), batch)


def tick_frame(at_ns: int) -> Frame:
    return Frame(EVERY_SHARD, FrameKind.TICK, at_ns, Tick())


def control_frame(shard: str, control: Control) -> Frame:
    return Frame(shard, FrameKind.CONTROL, control.at_ns, control)


def record_frame(shard: str, record: Record) -> Frame:
    return Frame(shard, FrameKind.RECORD, record.at_ns, record)


def gap_frames(gaps: Iterable[Gap]) -> list[Frame]:
    """What detectors are told of the gaps: those of a line that last for any time."""
    told = (gap for gap in gaps if gap.shard and gap.to_ns > gap.from_ns)
    return [Frame(gap.shard, FrameKind.GAP, gap.to_ns, gap) for gap in told]


_Said = Tick | Control | Record | Gap
_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[_Said] = msgspec.msgpack.Decoder(_Said)


def pack(body: Body) -> bytes:
    return _pack_batch(body) if isinstance(body, Batch) else _pack_said(body)


def unpack(kind: int, blob: bytes, *, where: str = "") -> Body:
    """The body of a stored frame. Raises DamagedFrame naming `where`."""
    try:
        return _unpack_batch(blob) if kind == FrameKind.BATCH else _unpack_said(blob)
    except (zlib.error, ValueError, RecursionError) as error:
        raise DamagedFrame(
            f"{where}: a frame of kind {kind:d} is damaged ({error}): check the disk and move the spool away; "
            "unacknowledged messages come again"
        ) from error


def _pack_said(body: _Said) -> bytes:
    said = _encoder.encode(body)
    return zlib.crc32(said).to_bytes(4, "little") + said


def _unpack_said(blob: bytes) -> _Said:
    if zlib.crc32(blob[4:]).to_bytes(4, "little") != blob[:4]:
        raise ValueError("its checksum differs")
    return _decoder.decode(blob[4:])


_COLUMNS: tuple[tuple[type, bool], ...] = (  # dtype, and whether neighbours are stored as differences
    (np.int32, False),
    (np.int64, True),
    (np.float64, False),
    (np.uint8, False),
    (np.int64, True),
)


def _pack_batch(batch: Batch) -> bytes:
    parts = [len(batch).to_bytes(4, "little")]
    for column, (_, as_differences) in zip(batch.columns, _COLUMNS, strict=True):
        values: NDArray[Any] = column
        if as_differences:
            values = np.diff(values, prepend=values.dtype.type(0))
        planes = np.ascontiguousarray(values).view(np.uint8).reshape(len(batch), values.itemsize)
        parts.append(planes.T.tobytes())
    return zlib.compress(b"".join(parts), level=1)


def _unpack_batch(blob: bytes) -> Batch:
    raw = zlib.decompress(blob)
    n, at = int.from_bytes(raw[:4], "little"), 4
    columns: list[NDArray[Any]] = []
    for dtype, as_differences in _COLUMNS:
        width = np.dtype(dtype).itemsize
        planes = np.frombuffer(raw, np.uint8, n * width, at).reshape(width, n)
        values: NDArray[Any] = np.ascontiguousarray(planes.T).view(dtype).reshape(n)
        columns.append(np.cumsum(values, dtype=dtype) if as_differences else values)
        at += n * width
    return Batch(*columns)
