"""Frames, the entries of the log, and their bytes on disk.

A frame is one Batch of one line, a Tick, a control (what a person did, a NewModel, a NeededScore or AlertNews), a Gap
(what is known to be missing) or a Record (what a detector or the chain said). `pack` and `unpack` are pure. A batch is
stored as `collector.spool.columns` packs it, anything else as msgpack, both after their CRC-32: a damaged frame is told
by its checksum.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.errors import AndonError
from collector.readings import Batch, Quality
from collector.schema import AlertLevel
from collector.spool import columns
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
    """What a person did about an alert: who, when (`at_ns`, site clock) and why. `until_ns` ends a shelving.

    `verdict`: what the person says of the alert itself, "true" or "false"; "" says nothing.
    """

    action: Action
    alert_id: str
    who: str
    at_ns: int
    text: str = ""
    until_ns: int = 0
    verdict: str = ""

    def __post_init__(self) -> None:
        if not self.who.strip():
            raise ValueError("an action needs a name: who does it")
        if self.action is Action.SHELVE and self.until_ns <= self.at_ns:
            raise ValueError("shelving needs an end in the future")


class NewModel(msgspec.Struct, frozen=True, tag=True):
    """From here on a rule judges a subject by the model kept under `model_id`; where training was `refused`, as before.

    `at_ns`: when it was trained, by the site's clock.
    """

    rule: str
    subject: str
    model_id: str
    at_ns: int
    refused: str = ""


class NeededScore(msgspec.Struct, frozen=True, tag=True):
    """From `at_ns` on an alarm that the site's alarm budget bounds needs this score to be told; 1.0: its threshold."""

    score: float
    at_ns: int


class AlertNews(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """How an alert of another line stands that may be the cause of what this line sees.

    `resolved_at_ns` is 0 while it is open; `stands`: somebody has been told of it, or of what hides it.
    """

    key: str
    kind: str
    subject: str
    series: str
    severity: AlertLevel
    active_at_ns: int
    resolved_at_ns: int
    stands: bool


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


_Said = Tick | Control | NewModel | NeededScore | AlertNews | Record | Gap
Body = Batch | _Said


class Frame(NamedTuple):
    """One entry of the log. `offset` is 0 until the log has given it one; `stored_ns` is when that was, by the clock
    of the machine the log is on (UTC ns)."""

    shard: str
    kind: FrameKind
    at_ns: int
    body: Body
    offset: int = 0
    stored_ns: int = 0


class DamagedFrame(AndonError):
    """A frame's bytes do not decode: the file was damaged after it was written."""


def batch_frame(shard: str, batch: Batch) -> Frame:
    """A frame stands at its latest reading; a time that cannot be right counts as that of its receipt."""
    return Frame(shard, FrameKind.BATCH, int(np.maximum.reduce(_times(batch))), batch)


def tick_frame(at_ns: int) -> Frame:
    return Frame(EVERY_SHARD, FrameKind.TICK, at_ns, Tick())


def control_frame(shard: str, control: Control) -> Frame:
    return Frame(shard, FrameKind.CONTROL, control.at_ns, control)


def new_model_frame(shard: str, news: NewModel) -> Frame:
    return Frame(shard, FrameKind.CONTROL, news.at_ns, news)


def needed_score_frame(needed: NeededScore) -> Frame:
    """It concerns every line of the site."""
    return Frame(EVERY_SHARD, FrameKind.CONTROL, needed.at_ns, needed)


def alert_news_frame(shard: str, news: AlertNews, at_ns: int) -> Frame:
    return Frame(shard, FrameKind.CONTROL, at_ns, news)


def record_frame(shard: str, record: Record) -> Frame:
    return Frame(shard, FrameKind.RECORD, record.at_ns, record)


def gap_frames(gaps: Iterable[Gap]) -> list[Frame]:
    """What detectors are told of the gaps: those of a line that last for any time."""
    told = (gap for gap in gaps if gap.shard and gap.to_ns > gap.from_ns)
    return [Frame(gap.shard, FrameKind.GAP, gap.to_ns, gap) for gap in told]


_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[_Said] = msgspec.msgpack.Decoder(_Said)


def stretch_ns(batch: Batch) -> tuple[int, int]:
    """From when to when a batch's readings are; a time that cannot be right says nothing about when, receipt does."""
    at_ns = _times(batch)
    return int(np.minimum.reduce(at_ns)), int(np.maximum.reduce(at_ns))


def _times(batch: Batch) -> NDArray[np.int64]:
    if Quality.CLOCK not in batch.quality.tobytes():
        return batch.at_ns
    return np.where(batch.quality == Quality.CLOCK, batch.received_ns, batch.at_ns)


def readings_in(body: Body) -> int:
    """How many readings a frame carries: what is counted when it is lost."""
    return len(body) if isinstance(body, Batch) else 0


def pack(body: Body) -> bytes:
    said = columns.pack(body) if isinstance(body, Batch) else _encoder.encode(body)
    return zlib.crc32(said).to_bytes(4, "little") + said


def is_sound(blob: bytes) -> bool:
    """Whether a body's bytes are those that `pack` gave."""
    return zlib.crc32(memoryview(blob)[4:]).to_bytes(4, "little") == blob[:4]


def unpack(kind: int, blob: bytes, *, where: str = "") -> Body:
    """The body of a stored frame. Raises DamagedFrame naming `where`."""
    try:
        if not is_sound(blob):
            raise ValueError("its checksum differs")
        said = blob[4:]
        return columns.unpack(said) if kind == FrameKind.BATCH else _decoder.decode(said)
    except (ValueError, struct.error, RecursionError) as error:
        raise DamagedFrame(
            f"{where}: a frame of kind {kind:d} is damaged ({error}): it is left out and booked; check the disk"
        ) from error
