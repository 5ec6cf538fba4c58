"""The chain at work on a spool: open alerts and live stocks in, exposures and the map with its risk out.

Input: what the lines' detectors said (alerts, bands) and the floor's own readings. Output: the records of `outputs`.
The log is followed in its order, the floor only as far as every line's detectors have come; for an alert that is to be
judged at once the readings before it are looked at ahead of that. `judging` says what is judged when.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
from msgspec.structs import replace

from collector import schema
from collector.health.counters import Counters
from collector.readings import Batch, Kind, Quality
from collector.spool.frames import Frame, FrameKind, Record
from collector.spool.spool import Spool
from detectors.alerts import Alert
from detectors.chain.floor import KINDS, Band, Floor, FloorHistory, Promise, Promises
from detectors.chain.judging import Judge, Judged
from detectors.chain.live import on_the_floor
from detectors.chain.network import Network
from detectors.chain.outputs import arc_records, gone_records, node_records, stock_records
from detectors.chain.standing import Heard, Memory
from detectors.chain.strangers import stranger
from detectors.engine import dealt_with

log = logging.getLogger(__name__)

READER = "chain"  # cursor over what detectors said, and the name of the memory
FLOOR_READER = "chain_floor"  # cursor over readings and ticks
SHARD = "chain"

_AHEAD = 500  # frames; further behind nobody hurries
_MAP = (schema.CHAIN_NODE.name, schema.CHAIN_ARC.name, schema.CHAIN_STOCK.name)
Said = tuple[str, Record]


class ChainRun:
    """The chain of one network over a spool that the caller owns; what it did is counted in `counters`."""

    def __init__(self, network: Network, counters: Counters | None = None) -> None:
        self._network = network
        self._counters = counters or Counters(report_every_s=None, process="chain")
        self._digest = hashlib.sha256(msgspec.msgpack.encode(_parts(network))).hexdigest()
        self._judge = Judge(network)
        self._memory: Memory | None = None  # as committed; None: to be recalled
        self._on_map: dict[tuple[str, str], Record] = {}  # the map as it was said last

    def step(self, spool: Spool, limit: int = 500) -> int:
        """Deals with up to `limit` new records and as many frames; returns how many, 0 when all that can be is done."""
        memory = self._memory or self._recalled(spool)
        heard = dealt_with(spool)
        said = spool.log.read(spool.log.cursor(READER), limit, kinds=(FrameKind.RECORD,))
        frames: list[Frame] = []
        if len(said) < limit:  # everything said about the frames up to `heard` is known
            frames = spool.log.read(spool.log.cursor(FLOOR_READER), limit, kinds=(FrameKind.BATCH, FrameKind.TICK))
            frames = [frame for frame in frames if frame.offset <= heard]
        all_followed = len(said) < limit and len(frames) < limit
        if not said and not frames and not (memory.fresh and self._looks_ahead(memory, spool, heard)):
            self._memory = memory
            return 0
        self._memory = None
        spoken = [*self._map_when_new(memory, frames, spool)]
        self._listen(memory, said)
        for frame in frames:
            spoken += self._judged_before(memory, frame.offset)
            spoken += self._follow(memory, frame, spool)
        if all_followed and memory.fresh and self._looks_ahead(memory, spool, heard):
            spoken += self._judged_before(memory, memory.fresh[-1].offset + 1)
        with spool.transaction():
            for output_id, record in spoken:
                spool.log.say(SHARD, output_id, record)
            for reader, done in ((READER, said), (FLOOR_READER, frames)):
                if done:
                    spool.log.advance(reader, done[-1].offset)
            spool.remember(READER, msgspec.msgpack.encode(memory))
        self._memory = memory
        self._counters.set("chain_unknown_lines", len(memory.strangers))
        return len(said) + len(frames) or 1

    def _recalled(self, spool: Spool) -> Memory:
        body = spool.recall(READER)
        latest = (record for name in _MAP for record in spool.log.latest(name))
        self._on_map = {(record.measurement, record.key): record for record in latest}
        return msgspec.msgpack.decode(body, type=Memory) if body else Memory()

    def _map_when_new(self, memory: Memory, frames: Sequence[Frame], spool: Spool) -> Iterable[Said]:
        """The map as the folder states it, said once for each version of the chain."""
        if memory.network == self._digest or not frames:
            return
        memory.network, memory.strangers = self._digest, []
        at_ns = frames[0].at_ns
        still = on_the_floor(self._network, Floor(), at_ns)
        now = [*node_records(still, (), at_ns), *arc_records(still, (), at_ns), *stock_records(still, at_ns)]
        said = [record for name in _MAP for record in spool.log.latest(name)]
        for i, record in enumerate((*now, *gone_records(said, now, at_ns))):
            self._on_map[record.measurement, record.key] = record
            yield f"chain|map|{self._digest}|{at_ns}|{i}", record

    def _listen(self, memory: Memory, said: Sequence[Frame]) -> None:
        """Takes in alerts and bands that concern the chain; they wait for a tick."""
        for frame in said:
            record = frame.body
            if not isinstance(record, Record):
                continue
            if record.measurement == schema.ALERT_EVENT.name:
                alert = msgspec.convert(record.detail, Alert)
                if alert.kind in KINDS:
                    memory.waiting.append(alert)
                    memory.fresh.append(Heard(frame.offset, alert))
            elif record.measurement == schema.EXPECTED.name:
                memory.bands.extend(self._bands(record))
            elif record.measurement == schema.STOCK_RECEIPTS.name:
                told = _promises(record, frame.offset)
                memory.promised += [told] if told.series in self._network.by_series else []

    def _bands(self, record: Record) -> list[Band]:
        """The band of a record, none when it is of no use to this chain."""
        tags, fields = record.tags, record.fields
        line, series = f"{tags['site']}/{tags['line']}", record.key.partition("|")[2]
        ours = series in self._network.by_series or line in self._network.by_equipment
        if tags["method"] not in KINDS or not ours or not {"value", "mid"} <= fields.keys():
            return []
        value, expected = float(fields["value"]), float(fields["mid"])
        return [Band(tags["method"], line, series, record.at_ns, value, expected)]

    def _judged_before(self, memory: Memory, offset: int) -> list[Said]:
        """Judges alerts at once that stand before an offset of the log, once the floor has been followed to it."""
        if not any(one.offset < offset for one in memory.fresh):
            return []
        later = [one for one in memory.fresh if one.offset >= offset]
        memory.fresh = [one for one in memory.fresh if one.offset < offset]
        judged = self._judge.at_once(memory)
        memory.fresh = later
        return self._news(judged)

    def _looks_ahead(self, memory: Memory, spool: Spool, heard: int) -> bool:
        """Notes the readings before the last alert where other lines' detectors lag; whether that is few enough.

        They will be followed again in their turn, which changes nothing.
        """
        last = memory.fresh[-1].offset
        if last <= heard:
            return True
        ahead = spool.log.read(max(heard, spool.log.cursor(FLOOR_READER)), _AHEAD, kinds=(FrameKind.BATCH,))
        for frame in ahead:
            if frame.offset < last and isinstance(frame.body, Batch):
                self._note_readings(memory.history, frame.body, spool)
        return len(ahead) < _AHEAD or ahead[-1].offset >= last

    def _follow(self, memory: Memory, frame: Frame, spool: Spool) -> list[Said]:
        if isinstance(frame.body, Batch):
            self._note_stranger(memory, frame.shard)
            self._note_readings(memory.history, frame.body, spool)
            return []
        return self._news(self._judge.settle(memory, frame.at_ns, frame.offset))

    def _news(self, judged: Judged) -> list[Said]:
        """What a judgement says: of the map only what has changed, and the nodes that are exposed."""
        exposed = {record.tags["node"] for _, record in judged.said if record.measurement == schema.EXPOSURE.name}
        news = []
        for output_id, record in judged.map:
            is_hit = record.measurement == schema.CHAIN_NODE.name and record.key in exposed
            if is_hit or not self._was_said(record):
                self._on_map[record.measurement, record.key] = record
                news.append((output_id, record))
        return [*judged.said, *news, *self._ends(news)]

    def _ends(self, news: Sequence[Said]) -> list[Said]:
        """The nodes at the ends of arcs that are news, as said last, where they are no news themselves.

        So no store, whatever it has forgotten, holds an arc without them: boards cannot draw one.
        """
        fresh = {record.key for _, record in news if record.measurement == schema.CHAIN_NODE.name}
        arcs = [record for _, record in news if record.measurement == schema.CHAIN_ARC.name]
        ends = {arc.tags[end]: arc.at_ns for arc in arcs for end in ("source", "target")}
        known = [
            (at_ns, self._on_map.get((schema.CHAIN_NODE.name, name)))
            for name, at_ns in ends.items()
            if name not in fresh
        ]
        return [(f"chain|end|{at_ns}|{node.key}", replace(node, at_ns=at_ns)) for at_ns, node in known if node]

    def _was_said(self, record: Record) -> bool:
        """Whether it is on the map as it was said last."""
        before = self._on_map.get((record.measurement, record.key))
        return before is not None and _is_same(before, record)

    def _note_stranger(self, memory: Memory, line: str) -> None:
        if line in self._network.by_equipment or line in memory.strangers:
            return
        sentence = stranger(self._network, line)
        if sentence:
            memory.strangers.append(line)
            log.warning("chain.unknown_line line=%s; %s", line, sentence)

    def _note_readings(self, history: FloorHistory, batch: Batch, spool: Spool) -> None:
        """Stocks of the map, and all counters of its lines: which of them is the output, bands will tell."""
        wanted = [i for i in np.unique(batch.series).tolist() if self._is_wanted(spool, i)]
        usable = (batch.quality == Quality.GOOD) & np.isfinite(batch.value) & np.isin(batch.series, wanted)
        names = {i: spool.series[i].name for i in wanted}
        columns = (batch.series[usable].tolist(), batch.at_ns[usable].tolist(), batch.value[usable].tolist())
        for series, at_ns, value in zip(*columns, strict=True):
            if names[series] in self._network.by_series:
                history.note_stock(names[series], at_ns, value)
            else:
                history.note_count(names[series], at_ns, value)

    def _is_wanted(self, spool: Spool, series: int) -> bool:
        one = spool.series[series]
        line = f"{one.equipment.site}/{one.equipment.line}"
        return one.name in self._network.by_series or (one.kind == Kind.COUNTER and line in self._network.by_equipment)


def _is_same(one: Record, other: Record) -> bool:
    """Whether nothing is new; that a stock of which nothing was heard ends later, reckoned later, is not."""
    fields, others = ({k: v for k, v in each.fields.items() if k != "empty_at"} for each in (one, other))
    return fields == others and one.tags == other.tags and one.detail == other.detail


def _promises(record: Record, offset: int) -> Promises:
    """What is on its way to the stock of a series, as `collector.inventory.statement` says it."""
    receipts = tuple(Promise(one["promised_ns"], one["quantity"]) for one in record.detail["receipts"])
    return Promises(record.detail["series"], record.at_ns, receipts, offset)


def _parts(network: Network) -> tuple[object, ...]:
    return (network.nodes, network.arcs, network.stocks, network.mitigations)
