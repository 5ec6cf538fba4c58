"""The chain at work on a spool: open alerts and live stocks in, exposures and the map with its risk out.

Input: what the lines' detectors said (alerts, bands) and the floor's own readings. Output: the records of `said`.
The floor is followed only as far as every line's detectors have come, and alerts are judged at their own instants when
a tick has passed them; so how far the collector was ahead, and how fast the log was read, changes no exposure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from itertools import groupby

import msgspec
import numpy as np
from msgspec.structs import replace

from collector import schema
from collector.readings import Batch, Quality
from collector.spool.frames import Frame, FrameKind, Record
from collector.spool.spool import Spool
from detectors.alerts import Alert, State
from detectors.chain.exposure import Exposure, exposures
from detectors.chain.floor import KINDS, Band, Floor, FloorHistory, Promise, Promises
from detectors.chain.live import on_the_floor
from detectors.chain.network import Network
from detectors.chain.outputs import arc_records, exposure_record, node_records
from detectors.chain.programme.programmes import Programmes
from detectors.engine import dealt_with

READER = "chain"  # cursor over what detectors said, and the name of the memory
FLOOR_READER = "chain_floor"  # cursor over readings and ticks
SHARD = "chain"

# Suppressed alerts are not among them: their cause is open itself, or production is not planned.
_CAUSING = frozenset({State.UNACKED, State.ACKED, State.SHELVED})


class Memory(msgspec.Struct):
    """What a restart needs; committed with both cursors and the records that were said."""

    network: str = ""
    judged: int = 0  # how often exposures were computed
    history: FloorHistory = msgspec.field(default_factory=FloorHistory)
    waiting: list[Alert] = []  # changes no tick has passed yet
    bands: list[Band] = []  # likewise
    promised: list[Promises] = []  # likewise
    passed_ns: int = 0  # the latest tick
    open: dict[str, Alert] = {}
    exposed: dict[str, Exposure] = {}


class ChainRun:
    """The chain of one network over a spool that the caller owns."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._programmes = Programmes(network)
        self._digest = hashlib.sha256(msgspec.msgpack.encode(_parts(network))).hexdigest()

    def step(self, spool: Spool, limit: int = 500) -> int:
        """Deals with up to `limit` new records and as many frames; returns how many, 0 when all that can be is done."""
        heard = dealt_with(spool)
        said = spool.log.read(spool.log.cursor(READER), limit, kinds=(FrameKind.RECORD,))
        frames: list[Frame] = []
        if len(said) < limit:  # everything said about the frames up to `heard` is known
            frames = spool.log.read(spool.log.cursor(FLOOR_READER), limit, kinds=(FrameKind.BATCH, FrameKind.TICK))
            frames = [frame for frame in frames if frame.offset <= heard]
        if not said and not frames:
            return 0
        memory = _recalled(spool)
        spoken = [*self._map_when_new(memory, frames)]
        self._listen(memory, said)
        for frame in frames:
            spoken += self._follow(memory, frame, spool)
        with spool.transaction():
            for output_id, record in spoken:
                spool.log.say(SHARD, output_id, record)
            for reader, done in ((READER, said), (FLOOR_READER, frames)):
                if done:
                    spool.log.advance(reader, done[-1].offset)
            spool.remember(READER, msgspec.msgpack.encode(memory))
        return len(said) + len(frames)

    def _map_when_new(self, memory: Memory, frames: Sequence[Frame]) -> Iterable[tuple[str, Record]]:
        """The map as the folder states it, said once for each version of the chain."""
        if memory.network == self._digest or not frames:
            return
        memory.network = self._digest
        at_ns = frames[0].at_ns
        still = on_the_floor(self._network, Floor(), at_ns)
        for record in (*node_records(still, (), at_ns), *arc_records(still, (), at_ns)):
            yield f"chain|map|{self._digest}|{at_ns}|{record.measurement}|{record.key}", record

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

    def _follow(self, memory: Memory, frame: Frame, spool: Spool) -> list[tuple[str, Record]]:
        if isinstance(frame.body, Batch):
            self._note_stocks(memory.history, frame.body, spool)
            return []
        return self._pass(memory, frame.at_ns, frame.offset)

    def _note_stocks(self, history: FloorHistory, batch: Batch, spool: Spool) -> None:
        usable = (batch.quality == Quality.GOOD) & np.isfinite(batch.value)
        names = {i: spool.series[i].name for i in np.unique(batch.series).tolist()}
        columns = (batch.series[usable].tolist(), batch.at_ns[usable].tolist(), batch.value[usable].tolist())
        for series, at_ns, value in zip(*columns, strict=True):
            if names[series] in self._network.by_series:
                history.note_stock(names[series], at_ns, value)

    def _pass(self, memory: Memory, tick_ns: int, offset: int) -> list[tuple[str, Record]]:
        """Judges, instant by instant, the changes that the tick at `offset` has passed."""
        for band in memory.bands:
            if band.at_ns < tick_ns:
                memory.history.note_band(band)
        memory.bands = [band for band in memory.bands if band.at_ns >= tick_ns]
        due = sorted((a for a in memory.waiting if a.changed_at_ns < tick_ns), key=lambda a: (a.changed_at_ns, a.key))
        memory.waiting = [alert for alert in memory.waiting if alert.changed_at_ns >= tick_ns]
        turns = {at_ns: list(changed) for at_ns, changed in groupby(due, key=lambda alert: alert.changed_at_ns)}
        promised = _promises_changed(memory, tick_ns, offset)
        spoken: list[tuple[str, Record]] = []
        for at_ns in sorted(turns.keys() | promised):
            turned = [alert.key for alert in turns.get(at_ns, ()) if _take(memory.open, alert)]
            if turned or (at_ns in promised and memory.open):
                spoken += self._judge(memory, at_ns)
        memory.passed_ns = tick_ns
        memory.history.forget_before(tick_ns, (*memory.open.values(), *memory.waiting))
        return spoken

    def _judge(self, memory: Memory, at_ns: int) -> list[tuple[str, Record]]:
        """Exposures and map as of an instant; what is exposed no longer is said once more, as ended."""
        memory.judged += 1
        alerts = tuple(memory.open[key] for key in sorted(memory.open))
        floor = memory.history.as_of(self._network, at_ns, alerts)
        exposed = exposures(self._network, floor, at_ns, self._programmes)
        now = {exposure.key: exposure for exposure in exposed}
        ended = [old.ended(at_ns) for key, old in memory.exposed.items() if key not in now]
        memory.exposed = now
        live = on_the_floor(self._network, floor, at_ns)
        records = [exposure_record(exposure, at_ns) for exposure in (*exposed, *ended)]
        records += [*node_records(live, exposed, at_ns), *arc_records(live, exposed, at_ns)]
        return [(f"chain|{memory.judged}|{at_ns}|{record.measurement}|{record.key}", record) for record in records]


def _recalled(spool: Spool) -> Memory:
    body = spool.recall(READER)
    return msgspec.msgpack.decode(body, type=Memory) if body else Memory()


def _promises(record: Record, offset: int) -> Promises:
    """What is on its way to the stock of a series, as `collector.inventory.statement` says it."""
    receipts = tuple(Promise(one["promised_ns"], one["quantity"]) for one in record.detail["receipts"])
    return Promises(record.detail["series"], record.at_ns, receipts, offset)


def _promises_changed(memory: Memory, tick_ns: int, offset: int) -> set[int]:
    """Notes the promises that a tick has passed; the instants at which one was made, moved, kept or broken.

    One said late changes nothing that was judged before it came.
    """
    due = [one for one in memory.promised if one.at_ns < tick_ns and one.offset < offset]
    memory.promised = [one for one in memory.promised if one not in due]
    changed: set[int] = set()
    for one in due:
        noted = replace(one, at_ns=max(one.at_ns, memory.passed_ns))
        memory.history.note_promises(noted)
        changed.add(noted.at_ns)
    return changed | memory.history.promises_passed(memory.passed_ns or tick_ns, tick_ns)


def _take(open_alerts: dict[str, Alert], alert: Alert) -> bool:
    """Whether an alert's change opens or closes a cause; an acknowledgement does neither."""
    if alert.state in _CAUSING and alert.key not in open_alerts:
        open_alerts[alert.key] = alert
        return True
    if alert.state not in _CAUSING and alert.key in open_alerts and open_alerts[alert.key].alert_id == alert.alert_id:
        del open_alerts[alert.key]
        return True
    return False


def _parts(network: Network) -> tuple[object, ...]:
    return (network.nodes, network.arcs, network.stocks, network.mitigations)
