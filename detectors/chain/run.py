"""The chain at work on a spool: open alerts and live stocks in, exposures and the map with its risk out.

Input: what the lines' detectors said (alerts, bands) and the floor's own readings. Output: the records of `outputs`.
The log is followed in its order, the floor only as far as every line's detectors have come; for an alert that is to be
judged at once the readings before it are looked at ahead of that. `judging` says what is judged when.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import msgspec
from msgspec.structs import replace

from collector import schema
from collector.health.counters import Counters
from collector.readings import Batch
from collector.spool.frames import Frame, FrameKind, Record
from collector.spool.spool import Spool
from detectors.alerts import Alert
from detectors.chain.floor import Floor
from detectors.chain.hearing import bands_of, note_readings, promises_of, tells_alert
from detectors.chain.judging import Judge, Judged
from detectors.chain.lists.lists import lists
from detectors.chain.lists.records import list_records
from detectors.chain.live import on_the_floor
from detectors.chain.network import Network
from detectors.chain.outputs import arc_records, gone_records, node_records, stock_records
from detectors.chain.standing import Heard, Memory, pass_tick
from detectors.chain.strangers import stranger
from detectors.engine import dealt_with

log = logging.getLogger(__name__)

READER = "chain"  # cursor over what detectors said, and the name of the memory
FLOOR_READER = "chain_floor"  # cursor over readings and ticks
SHARD = "chain"

_AHEAD = 20_000  # frames and records; further behind nobody hurries
_AT_ONCE = 200  # frames read together
_MAP = (schema.CHAIN_NODE.name, schema.CHAIN_ARC.name, schema.CHAIN_STOCK.name, schema.CHAIN_LIST.name)
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
        self._seen_to = 0  # the offset up to which readings were noted ahead of their turn
        self._asked_to = 0  # the offset up to which this step has looked for alerts

    def step(self, spool: Spool, limit: int = 500) -> int:
        """Deals with up to `limit` new records and as many frames; returns how many, 0 when all that can be is done.

        Alerts that are new are judged before anything else; what is heard meanwhile waits for no more than one place.
        """
        memory = self._memory or self._recalled(spool)
        heard = dealt_with(spool)
        said = spool.log.read(spool.log.cursor(READER), limit, kinds=(FrameKind.RECORD,))
        self._asked_to = said[-1].offset if said else spool.log.cursor(READER)
        all_heard = len(said) < limit  # then everything said about the frames up to `heard` is known
        frames = self._frames(spool, heard, limit) if all_heard else []
        if not said and not frames and not memory.passing and not self._looks_ahead(memory, spool):
            self._memory = memory
            return 0
        self._memory = None
        self._listen(memory, said)
        spoken, done = list[Said](), list[Frame]()
        if not all_heard:
            pass
        elif memory.network == self._digest and self._looks_ahead(memory, spool):
            spoken = self._judged_before(memory, memory.fresh[-1].offset + 1)
        else:
            spoken, done = self._followed(memory, frames, spool)
        with spool.transaction():
            for output_id, record in spoken:
                spool.log.say(SHARD, output_id, record)
            for reader, dealt in ((READER, said), (FLOOR_READER, done)):
                if dealt:
                    spool.log.advance(reader, dealt[-1].offset)
            spool.remember(READER, msgspec.msgpack.encode(memory))
        self._memory = memory
        self._counters.set("chain_unknown_lines", len(memory.strangers))
        return len(said) + len(done) or 1

    def _frames(self, spool: Spool, heard: int, limit: int) -> list[Frame]:
        """The next readings and ticks of which every line's detectors have said what they had to say."""
        kinds = (FrameKind.BATCH, FrameKind.TICK)
        frames = spool.log.read(spool.log.cursor(FLOOR_READER), limit, kinds=kinds)
        return [frame for frame in frames if frame.offset <= heard]

    def _followed(self, memory: Memory, frames: list[Frame], spool: Spool) -> tuple[list[Said], list[Frame]]:
        """Settles what is to be settled and follows frames, as far as no alert comes in between; how far that was."""
        is_urgent = partial(self._alert_was_said, spool)
        spoken, done = [*self._map_when_new(memory, frames, spool), *self._settled(memory, is_urgent)], 0
        while done < len(frames) and not memory.passing:
            frame = frames[done]
            spoken += self._judged_before(memory, frame.offset)
            if isinstance(frame.body, Batch):
                self._note_stranger(memory, frame.shard)
                note_readings(self._network, memory.history, frame.body, spool.series)
            else:
                pass_tick(memory, frame.at_ns, frame.offset)
                spoken += self._settled(memory, is_urgent)
            done += 1
        return spoken, frames[:done]

    def _settled(self, memory: Memory, is_urgent: Callable[[], bool]) -> list[Said]:
        """What is said of instants that a tick has passed; where an alert comes in between, `passing` stays."""
        spoken = []
        while memory.passing:
            judged = self._judge.settle(memory, is_urgent)
            if judged is None:
                break
            spoken += self._news(judged)
        return spoken

    def _alert_was_said(self, spool: Spool) -> bool:
        """Whether there is an alert that this step has not heard; it is heard by the next."""
        for frame in spool.log.read(self._asked_to, 500, kinds=(FrameKind.RECORD,)):
            if tells_alert(frame.body):
                return True
            self._asked_to = frame.offset
        return False

    def _recalled(self, spool: Spool) -> Memory:
        self._judge.warm_up()
        self._seen_to = 0
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
        now += list_records(lists(self._network), at_ns)
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
            if tells_alert(record):
                alert = msgspec.convert(record.detail, Alert)
                memory.waiting.append(alert)
                memory.fresh.append(Heard(frame.offset, alert))
            elif record.measurement == schema.EXPECTED.name:
                memory.bands.extend(bands_of(self._network, record))
            elif record.measurement == schema.STOCK_RECEIPTS.name:
                told = promises_of(record, frame.offset)
                memory.promised += [told] if told.series in self._network.by_series else []

    def _judged_before(self, memory: Memory, offset: int) -> list[Said]:
        """Judges alerts at once that stand before an offset of the log, once the floor has been followed to it."""
        if not any(one.offset < offset for one in memory.fresh):
            return []
        later = [one for one in memory.fresh if one.offset >= offset]
        memory.fresh = [one for one in memory.fresh if one.offset < offset]
        judged = self._judge.at_once(memory)
        memory.fresh = later
        return [said for one in judged for said in self._news(one)]

    def _looks_ahead(self, memory: Memory, spool: Spool) -> bool:
        """Whether there are fresh alerts, not too far ahead of the floor; then notes the readings before the last.

        They will be followed again in their turn, which changes nothing.
        """
        here = spool.log.cursor(FLOOR_READER)
        if not memory.fresh or memory.fresh[-1].offset > here + _AHEAD:
            return False
        last, self._seen_to = memory.fresh[-1].offset, max(here, self._seen_to)
        while self._seen_to < last:
            frames = spool.log.read(self._seen_to, _AT_ONCE, kinds=(FrameKind.BATCH,))
            for frame in frames:
                if frame.offset < last and isinstance(frame.body, Batch):
                    note_readings(self._network, memory.history, frame.body, spool.series)
            self._seen_to = min(last, frames[-1].offset) if len(frames) == _AT_ONCE else last
        return True

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


def _is_same(one: Record, other: Record) -> bool:
    """Whether nothing is new; that a stock of which nothing was heard ends later, reckoned later, is not."""
    fields, others = ({k: v for k, v in each.fields.items() if k != "empty_at"} for each in (one, other))
    return fields == others and one.tags == other.tags and one.detail == other.detail


def _parts(network: Network) -> tuple[object, ...]:
    """What a version of the chain is, and by which names it is said: where either changes the map is said anew."""
    return (network.nodes, network.arcs, network.stocks, network.mitigations, _MAP)
