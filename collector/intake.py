"""What a delivery came to: readings by line, dead letters, gaps, until `collector.pump` has put them on disk.

Input: what `collector.decoder` decoded. Readings are gathered as columns over all messages of a delivery and cut by
line once, so that nothing but the formats loops over single readings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from collector.inventory.signals import Signal
from collector.readings import Batch, Reading, Readings, Series
from collector.sources.source import Message, Saying
from collector.spool.dead import DeadLetter
from collector.spool.frames import Frame, Record, batch_frame
from collector.spool.ledger import Gap
from collector.spool.series import SeriesCatalog

FRAME_READINGS = 5_000  # a frame of more is cut: readers hold whole frames in memory


@dataclass(slots=True)
class Lot:
    """Readings of one line, in order of arrival. `batch.series` counts into `series` until the spool gives ids."""

    shard: str
    series: Sequence[Series]
    batch: Batch

    def frames(self, catalog: SeriesCatalog) -> list[Frame]:
        """The lot for the log; registers new series, so call it inside the transaction that stores the frames."""
        ids = np.array([catalog.id_of(one) for one in self.series], np.int32)
        batch = self.batch.with_series(ids[self.batch.series])
        cuts = range(0, len(batch), FRAME_READINGS)
        return [batch_frame(self.shard, batch.take(slice(at, at + FRAME_READINGS))) for at in cuts]


class Signalled(NamedTuple):
    """What was heard of a stock or an order, and the message that said it."""

    signal: Signal
    message: Message


class Said(NamedTuple):
    """A record for the log, under the id that makes it stand there once."""

    shard: str
    output_id: str
    record: Record


@dataclass(slots=True)
class Intake:
    """A delivery's worth: `lots` (one a line, more where counters join), `dead` letters and `gaps`; and what formats
    want to say, once that is on disk.

    `signals` are booked when it is stored (`collector.inventory.booking`), which adds to all the others. `memories`:
    what the source has to remember from then on, by name. `silent`: how many of the messages were read and gave none of
    all this. `left_out`: how many values nobody described that are no numbers, by topic and name.
    """

    messages: int = 0
    lots: list[Lot] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    says: list[Saying] = field(default_factory=list)
    signals: list[Signalled] = field(default_factory=list)
    records: list[Said] = field(default_factory=list)
    memories: dict[str, bytes] = field(default_factory=dict)
    silent: int = 0
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def holds_anything(self) -> bool:
        """Whether there is anything to store."""
        return any((self.lots, self.dead, self.gaps, self.signals, self.records, self.memories))

    def take_refused(self, letters: Sequence[DeadLetter]) -> None:
        """Adds what the source itself could not read, each letter a message."""
        self.messages += len(letters)
        self.dead.extend(letters)

    def __len__(self) -> int:
        """How many readings."""
        return sum(len(lot.batch) for lot in self.lots)

    @property
    def readings(self) -> list[tuple[Reading, int]]:
        """Every reading with its time of receipt, line by line."""
        return [
            (Reading(lot.series[number], *of_reading), received_ns)
            for lot in self.lots
            for number, *of_reading, received_ns in zip(*(one.tolist() for one in lot.batch.columns), strict=True)
        ]

    def frames(self, catalog: SeriesCatalog) -> list[Frame]:
        """All lots for the log; call it inside the transaction that stores them."""
        return [frame for lot in self.lots for frame in lot.frames(catalog)]


class Columns:
    """Gathers the readings of many messages, then gives them as one Lot a line.

    Readings come in blocks of one message, one instant and one quality; `value` has all of them, one after the other.
    """

    def __init__(self) -> None:
        self.block: list[Sequence[Series]] = []
        self.at_ns: list[int] = []
        self.quality: list[int] = []
        self.received_ns: list[int] = []
        self.value: list[float] = []

    def add(self, readings: Readings, received_ns: int) -> None:
        """Takes what one message said, each reading a block of its own."""
        self.block += [(one,) for one in readings.series]
        self.at_ns += readings.at_ns
        self.quality += readings.quality
        self.received_ns += readings.received_ns or (received_ns,) * len(readings.series)
        self.value += readings.value

    def lots(self) -> list[Lot]:
        """One lot a line, lines in order of their first reading."""
        if not self.block:
            return []
        count = np.fromiter(map(len, self.block), np.int64, len(self.block))
        numbers: dict[Series, int] = {}
        batch = Batch(
            self._numbered(numbers),
            np.repeat(np.array(self.at_ns, np.int64), count),
            np.array(self.value, np.float64),
            np.repeat(np.array(self.quality, np.uint8), count),
            np.repeat(np.array(self.received_ns, np.int64), count),
        )
        return _by_line(list(numbers), batch)

    def _numbered(self, numbers: dict[Series, int]) -> NDArray[np.int32]:
        """The series of each reading as a number, given in order of appearance; a known block is looked up whole."""
        known: dict[int, list[int]] = {}
        column: list[int] = []
        for block in self.block:
            own = known.get(id(block))
            if own is None:
                own = known[id(block)] = [numbers.setdefault(one, len(numbers)) for one in block]
            column += own
        return np.array(column, np.int32)


def _by_line(series: list[Series], batch: Batch) -> list[Lot]:
    lines: dict[str, int] = {}
    line_of = np.array([lines.setdefault(one.equipment.shard, len(lines)) for one in series], np.int32)
    if len(lines) == 1:
        return [Lot(next(iter(lines)), series, batch)]
    own: list[list[Series]] = [[] for _ in lines]
    number: NDArray[np.int32] = np.zeros(len(series), np.int32)  # of each series inside its line
    for i, line in enumerate(line_of.tolist()):
        number[i] = len(own[line])
        own[line].append(series[i])
    of_reading = line_of[batch.series]
    order = np.argsort(of_reading, kind="stable")  # once for all lines: a site may have hundreds
    ends = np.cumsum(np.bincount(of_reading, minlength=len(lines))).tolist()
    by_line = batch.take(order).with_series(number[batch.series[order]])
    starts = [0, *ends[:-1]]
    slices = [slice(start, end) for start, end in zip(starts, ends, strict=True)]
    return [Lot(shard, own[line], by_line.take(slices[line])) for shard, line in lines.items()]
